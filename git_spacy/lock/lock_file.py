"""The project.lock of one project, for as long as one command works with it.

It is parsed once, and again only when its content has changed: a script of a run may itself run
`git spacy` or weasel. Every writer takes the same file lock, reads again and replaces the file as a
whole. `lock` knows the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from git_spacy.file_locks import file_lock
from git_spacy.files import write_beneath
from git_spacy.git.state_dir import state_dir
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LOCK_FILE, Lock, LockEntry


class LockFile:
    """The entries of the lock of the project at `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._is_exclusive = False
        self._content: bytes | None = None
        self._entries: dict[str, LockEntry] = {}
        # The text of the file is that of its entries, one after another. This has the text of some
        # of them, and of all that this object has written.
        self._texts: dict[str, bytes] = {}

    @property
    def entries(self) -> Mapping[str, LockEntry]:
        """The entries by name, in the order of the file; empty if there is no file.

        The content is compared and not the time of its last change: tools that write in place can
        change it twice within one tick of the clock. Raises as `lock.read` does.
        """

        content = lock_format.content(self._root)
        if content != self._content:
            entries = {} if content is None else lock_format.parse(content)
            self._texts = {
                name: text
                for name, text in self._texts.items()
                if entries.get(name) == self._entries[name]
            }
            self._entries, self._content = entries, content
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

    def put(self, entry: LockEntry) -> None:
        """Write `entry`, if that changes the file. Raises as `update`."""

        self.update(lambda _: entry)

    def update(
        self, new_entry: Callable[[Lock], LockEntry], before: AbstractSet[str] = frozenset()
    ) -> LockEntry:
        """Write the entry that `new_entry` returns for the present ones, if that changes the file;
        return it.

        A new entry comes before those named in `before`, or at the end. Raises as `entries`, and
        OSError with the old file in place.
        """

        with self.exclusive():
            present = self.entries
            entry = new_entry(present)
            old = present.get(entry.name)
            if (
                old is not None
                and old.fingerprint_key == entry.fingerprint_key
                and old.extra == entry.extra
            ):
                return entry
            entries = {**present, entry.name: entry}
            if old is None and not before.isdisjoint(present):
                entries |= {name: entries.pop(name) for name in present if name in before}
            self.replace(entries)
        return entry

    def replace(self, entries: Mapping[str, LockEntry]) -> None:
        """Write the file with just `entries`. The caller holds `exclusive`, since it has decided
        what to write by what it read. Raises OSError with the old file in place."""

        assert self._is_exclusive, "project.lock is written without its lock"
        texts = {
            name: self._texts[name]
            if name in self._texts and self._entries[name] is entry
            else lock_format.text({name: entry})
            for name, entry in entries.items()
        }
        content = b"".join(texts.values()) or lock_format.text({})
        write_beneath(self._root, LOCK_FILE, content)
        self._entries, self._texts, self._content = dict(entries), texts, content
