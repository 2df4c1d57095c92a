"""project.lock merged by entry: three versions to one, and what both sides changed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from git_spacy.state import lock
from git_spacy.state.lock import Lock, LockEntry

OURS, BASE, MIDDLE, THEIRS = b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>"


class Merged(NamedTuple):
    """The entries that are settled, and by name those that are not: (ours, theirs), None where a
    side removed it. All in the order of the file to be: ours, then what is theirs alone."""

    entries: Mapping[str, LockEntry]
    conflicts: Mapping[str, tuple[LockEntry | None, LockEntry | None]]
    order: tuple[str, ...]


def merge(base: Lock, ours: Lock, theirs: Lock) -> Merged:
    """What one side changed since `base` (or removed, or added) is taken; what both changed alike,
    too. Who wrote an entry, and with what version, is no difference."""

    entries: dict[str, LockEntry] = {}
    conflicts: dict[str, tuple[LockEntry | None, LockEntry | None]] = {}
    order = tuple(dict.fromkeys((*ours, *theirs)))
    for name in order:
        old, mine, other = base.get(name), ours.get(name), theirs.get(name)
        if _same_entry(mine, other) or _same_entry(old, other):
            taken = mine
        elif _same_entry(old, mine):
            taken = other
        else:
            conflicts[name] = (mine, other)
            continue
        if taken is not None:
            entries[name] = taken
    return Merged(entries, conflicts, order)


def _same_entry(one: LockEntry | None, other: LockEntry | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.fingerprint_key == other.fingerprint_key


def text(merged: Merged, names: tuple[str, str] = ("ours", "theirs")) -> bytes:
    """The whole file, with Git's own markers around what is not settled."""

    parts = []
    for name in merged.order:
        if name in merged.entries:
            parts.append(lock.text({name: merged.entries[name]}))
        elif name in merged.conflicts:
            mine, other = (
                lock.text({name: side}) if side else b"" for side in merged.conflicts[name]
            )
            ours, theirs = (label.encode() for label in names)
            parts.append(
                b"%s %s\n%s%s\n%s%s %s\n" % (OURS, ours, mine, MIDDLE, other, THEIRS, theirs)
            )
    return b"".join(parts) or lock.text({})


_MARKER = re.compile(rb"(<{7}|\|{7}|={7}|>{7})( .*)?")


def sides(data: bytes) -> tuple[bytes, bytes]:
    """What the two sides of a text with conflict markers had (with LF)."""

    ours: list[bytes] = []
    theirs: list[bytes] = []
    into: tuple[list[bytes], ...] = (ours, theirs)
    meant = {b"<": (ours,), b"|": (), b"=": (theirs,), b">": (ours, theirs)}
    for line in data.replace(b"\r\n", b"\n").split(b"\n"):
        match = _MARKER.fullmatch(line)
        if match:
            into = meant[match[1][:1]]
            continue
        for side in into:
            side.append(line)
    return b"\n".join(ours), b"\n".join(theirs)
