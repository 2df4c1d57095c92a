"""The project.lock of one project, for as long as one command works with it.

It is parsed once, and again only when its content has changed: a script of a run may itself run
`git spacy` or weasel. Every writer takes the same file lock, reads again and replaces the file as a
whole. `lock` knows the format.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from git_spacy.file_locks import file_lock
from git_spacy.files import write_beneath
from git_spacy.git.state_dir import state_dir
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LOCK_FILE, LockEntry


class LockFile:
    """The entries of the lock of the project at `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._is_exclusive = False
        self._content: bytes | None = None
        self._entries: dict[str, LockEntry] = {}
        self._texts: dict[str, tuple[LockEntry, bytes]] = {}

    @property
    def entries(self) -> Mapping[str, LockEntry]:
        """The entries by name, in the order of the file; empty if there is no file.

        The content is compared and not the time of its last change: tools that write in place can
        change it twice within one tick of the clock. Raises as `lock.read` does.
        """

        content = lock_format.content(self._root)
        if content != self._content:
            self._entries = {} if content is None else lock_format.parse(content)
            self._content = content
        return self._entries

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other git-spacy processes from writing the file until the block ends.

        Inside the block, `put` does not wait for it.
        """

        if self._is_exclusive:
            yield
            return
        with file_lock(state_dir(self._root) / f"{LOCK_FILE}.lock"):
            self._is_exclusive = True
            try:
                yield
            finally:
                self._is_exclusive = False

    def put(self, entry: LockEntry, before: Collection[str] = ()) -> None:
        """Write `entry`, if that changes the file.

        A new entry comes before those named in `before`, or at the end. Raises as `entries`, and
        OSError with the old file in place.
        """

        with self.exclusive():
            entries = dict(self.entries)
            old = entries.get(entry.name)
            if (
                old is not None
                and old.fingerprint_key == entry.fingerprint_key
                and old.extra == entry.extra
            ):
                return
            below = {}
            if old is None:
                below = {name: entries.pop(name) for name in tuple(entries) if name in before}
            self.replace({**entries, entry.name: entry, **below})

    def replace(self, entries: Mapping[str, LockEntry]) -> None:
        """Write the file with just `entries`. The caller holds `exclusive`, since it has decided
        what to write by what it read. Raises OSError with the old file in place."""

        assert self._is_exclusive, "project.lock is written without its lock"
        content = b"".join(self._text(entry) for entry in entries.values()) or lock_format.text({})
        write_beneath(self._root, LOCK_FILE, content)
        self._entries, self._content = dict(entries), content

    def _text(self, entry: LockEntry) -> bytes:
        """Return the text of one entry. The text of the file is that of its entries, one after
        another, and most of them stay the same from one write to the next."""

        known = self._texts.get(entry.name)
        if known is None or (known[0] is not entry and known[0] != entry):
            known = self._texts[entry.name] = entry, lock_format.text({entry.name: entry})
        return known[1]
