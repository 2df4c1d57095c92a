"""Suggestions for misspelt names ("did you mean …"), and problems grouped by their cause."""

from __future__ import annotations

from collections.abc import Iterable

from git_spacy.light_typing import NamedTuple

_MOST_NAMES = 8  # in one message


def closest_name(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the name in `names` that is most similar to `name`, or None if none is similar.

    The case does not count.
    """

    import difflib

    by_casefolded = {other.casefold(): other for other in names}
    matches = difflib.get_close_matches(name.casefold(), by_casefolded, n=1, cutoff=cutoff)
    return by_casefolded[matches[0]] if matches else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return a hint such as `did you mean 'train'?`, or "" if no name is similar."""

    closest = closest_name(name, names)
    return f"did you mean '{closest}'?" if closest else ""


class ProblemGroup(NamedTuple):
    """Problems with the same cause and hint: the position of the first, and what they are about."""

    first: int
    names: tuple[str, ...]
    cause: str
    hint: str

    @property
    def quoted_names(self) -> str:
        """The names for a message: `'a', 'b' and 3 more`."""

        shown = ", ".join(f"'{name}'" for name in self.names[:_MOST_NAMES])
        more = len(self.names) - _MOST_NAMES
        return f"{shown} and {more} more" if more > 0 else shown


def group_problems(
    problems: Iterable[tuple[str, str, str]], *, merge_arguments: bool = False
) -> list[ProblemGroup]:
    """Merge problems that have the same cause and hint, given as (name, cause, hint).

    With `merge_arguments`, a name at the end of a hint is the argument of a command, which then
    gets all the names.
    """

    import shlex

    groups: dict[tuple[str, str, bool], list[tuple[int, str]]] = {}
    for index, (name, cause, hint) in enumerate(problems):
        command = hint.removesuffix(f" {shlex.quote(name)}") if merge_arguments else hint
        groups.setdefault((cause, command, command != hint), []).append((index, name))
    return [
        ProblemGroup(
            members[0][0],
            names := tuple(dict.fromkeys(name for _, name in members)),
            cause,
            " ".join((hint, *map(shlex.quote, names))) if takes_names else hint,
        )
        for (cause, hint, takes_names), members in groups.items()
    ]
