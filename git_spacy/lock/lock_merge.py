"""Merge three versions of project.lock entry by entry. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import Lock, LockEntry

OURS, BASE, MIDDLE, THEIRS = b"<<<<<<<", b"|||||||", b"=======", b">>>>>>>"


class Merged(NamedTuple):
    """The merged entries, and the conflicts by name: (ours, theirs), None where a side removed it.

    `order` is the order of the merged file: the names of ours, then those only theirs has.
    """

    entries: Mapping[str, LockEntry]
    conflicts: Mapping[str, tuple[LockEntry | None, LockEntry | None]]
    order: tuple[str, ...]


def merge(base: Lock, ours: Lock, theirs: Lock) -> Merged:
    """Merge the changes of both sides since `base`.

    An entry conflicts if both sides changed it differently. Which tool wrote an entry, and which
    version of it, makes no difference.
    """

    entries: dict[str, LockEntry] = {}
    conflicts: dict[str, tuple[LockEntry | None, LockEntry | None]] = {}
    order = tuple(dict.fromkeys((*ours, *theirs)))
    for name in order:
        base_entry, our_entry, their_entry = base.get(name), ours.get(name), theirs.get(name)
        if _same_entry(our_entry, their_entry) or _same_entry(base_entry, their_entry):
            chosen = our_entry
        elif _same_entry(base_entry, our_entry):
            chosen = their_entry
        else:
            conflicts[name] = (our_entry, their_entry)
            continue
        if chosen is not None:
            entries[name] = chosen
    return Merged(entries, conflicts, order)


def _same_entry(left: LockEntry | None, right: LockEntry | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.fingerprint_key == right.fingerprint_key


def text(merged: Merged, names: tuple[str, str] = ("ours", "theirs")) -> bytes:
    """Return the text of the merged file, with Git's conflict markers around conflicts."""

    parts = []
    for name in merged.order:
        if name in merged.entries:
            parts.append(lock_format.text({name: merged.entries[name]}))
        elif name in merged.conflicts:
            our_text, their_text = (
                lock_format.text({name: side}) if side else b"" for side in merged.conflicts[name]
            )
            ours, theirs = (label.encode() for label in names)
            parts.append(
                b"%s %s\n%s%s\n%s%s %s\n"
                % (OURS, ours, our_text, MIDDLE, their_text, THEIRS, theirs)
            )
    return b"".join(parts) or lock_format.text({})


_MARKER = re.compile(rb"(<{7}|\|{7}|={7}|>{7})( .*)?")


def split_sides(data: bytes) -> tuple[bytes, bytes]:
    """Split a text with conflict markers into ours and theirs, with LF line endings."""

    ours: list[bytes] = []
    theirs: list[bytes] = []
    current: tuple[list[bytes], ...] = (ours, theirs)
    sides_after = {b"<": (ours,), b"|": (), b"=": (theirs,), b">": (ours, theirs)}
    for line in data.replace(b"\r\n", b"\n").split(b"\n"):
        match = _MARKER.fullmatch(line)
        if match:
            current = sides_after[match[1][:1]]
            continue
        for side in current:
            side.append(line)
    return b"\n".join(ours), b"\n".join(theirs)
