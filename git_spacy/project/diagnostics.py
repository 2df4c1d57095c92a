"""A problem with its place in a file, and the nearest name to one that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.errors import Problem as Statement


class Diagnostic(NamedTuple):
    """What is wrong at a line and column (from 1) of a file, and how to fix it.

    `unsafe` problems are understood and refused (exit 3), the others are malformed (exit 2).
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    unsafe: bool = False

    @property
    def problem(self) -> Statement:
        return Statement(self.message, self.hint, f"{self.file}:{self.line}:{self.column}")

    def __str__(self) -> str:
        return str(self.problem)


def as_error(diagnostics: Iterable[Diagnostic]) -> GitSpacyError:
    """All of `problems`, in the order of the file, as one error: Unsafe if one of them is."""

    every = sorted(diagnostics, key=lambda problem: (problem.line, problem.column))
    family = Refused if any(problem.unsafe for problem in every) else InvalidInput
    return family.from_problems(problem.problem for problem in every)


def raise_all(diagnostics: Iterable[Diagnostic]) -> NoReturn:
    """Raise them."""

    raise as_error(diagnostics)


def closest_name(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that somebody who typed `name` most likely meant, or None."""

    import difflib

    folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`did you mean 'train'?`, or an empty text where nothing is near."""

    other = closest_name(name, names)
    return f"did you mean '{other}'?" if other else ""
