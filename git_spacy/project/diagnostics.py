"""Suggestions for misspelt names: "did you mean …"."""

from __future__ import annotations

from collections.abc import Iterable


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
