"""The one place that writes generated parts: it compares, refuses, or replaces the file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import open_beneath, write_beneath
from git_spacy.generate.managed_block import GeneratedFile, find_block, insert_block

_LARGEST = 4 << 20  # bytes of a file that people write


class WritePlan(NamedTuple):
    """What is to be done to a file: `nothing`, `write` (`text` is all of it), or `refuse` since a
    person edited our part, or the file is none of ours: `why` says so."""

    action: Literal["nothing", "write", "refuse"]
    text: str
    before: str | None
    why: str = ""


def plan(before: str | None, part: GeneratedFile) -> WritePlan:
    """What is to be done to a file whose text is `before` (None: there is none)."""

    text = insert_block(before, part)
    if before == text or (before is None and not text):
        return WritePlan("nothing", text, before)
    if before is None:
        return WritePlan("write", text, before)
    found = find_block(before, part)
    if found is None and not part.shared and before.strip():
        why = f"git-spacy did not write '{part.file}'"
        return WritePlan("refuse", text, before, why)
    if found is not None and not found.intact:
        why = f"what git-spacy wrote into '{part.file}' was edited"
        return WritePlan("refuse", text, before, why)
    return WritePlan("write", text, before)


def read(root: Path, file: str) -> str | None:
    """The text of the file `file` below `root`; None if there is no such file. Raises Malformed
    for what is not text, Unsafe for what is not a regular file or lies elsewhere, OSError."""

    try:
        with open_beneath(root, file) as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(data) > _LARGEST or b"\0" in data:
        raise InvalidInput(f"'{file}' is not a text file", hint="name another")
    return data.decode("utf-8", "surrogateescape")


def write(root: Path, part: GeneratedFile, *, file: str | None = None, force: bool = False) -> bool:
    """Bring the file below `root` (`file`, by default the part's own) up to date; return whether
    it was not.

    Raises Unsafe for what a person edited, unless `force`, and for a file that lies elsewhere;
    OSError, with the file as it was.
    """

    file = part.file if file is None else file
    decided = plan(read(root, file), part)
    if decided.action == "nothing":
        return False
    if decided.action == "refuse" and not force:
        raise Refused(decided.why, hint=f"to overwrite it: {part.command} --force")
    write_beneath(root, file, decided.text.encode("utf-8", "surrogateescape"))
    return True


def difference(before: str | None, part: GeneratedFile) -> str:
    """What `write` would change in a file whose text is `before`, as a unified diff; "" if
    nothing."""

    decided = plan(before, part)
    if decided.action == "nothing":
        return ""
    lines = difflib.unified_diff(
        (decided.before or "").splitlines(keepends=True),
        decided.text.splitlines(keepends=True),
        f"a/{part.file}",
        f"b/{part.file}",
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
