"""Problems with a line and column in a file, and "did you mean" suggestions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from git_spacy.errors import GitSpacyError, InvalidInput, Problem, Refused


class Diagnostic(NamedTuple):
    """An error at a line and column (from 1) of a file, and how to fix it.

    If `unsafe` is set, the input is understood but refused (exit code 3); otherwise it is invalid
    (exit code 2).
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    unsafe: bool = False

    @property
    def problem(self) -> Problem:
        """The same as an error's `Problem`."""

        return Problem(self.message, self.hint, f"{self.file}:{self.line}:{self.column}")

    def __str__(self) -> str:
        return str(self.problem)


def as_error(diagnostics: Iterable[Diagnostic]) -> GitSpacyError:
    """Combine `diagnostics`, sorted by position, into one error: `Refused` if any is unsafe."""

    in_order = sorted(diagnostics, key=lambda diagnostic: (diagnostic.line, diagnostic.column))
    error_type = Refused if any(diagnostic.unsafe for diagnostic in in_order) else InvalidInput
    return error_type.from_problems(diagnostic.problem for diagnostic in in_order)


def raise_all(diagnostics: Iterable[Diagnostic]) -> NoReturn:
    """Raise `diagnostics` as one error."""

    raise as_error(diagnostics)


def closest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name in `names` that is most similar to `name`, or None if none is similar."""

    import difflib

    by_casefolded = {other.casefold(): other for other in names}
    matches = difflib.get_close_matches(name.casefold(), by_casefolded, n=1, cutoff=0.6)
    return by_casefolded[matches[0]] if matches else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a hint such as `did you mean 'train'?`, or "" if no name is similar."""

    closest = closest_name(name, names)
    return f"did you mean '{closest}'?" if closest else ""
