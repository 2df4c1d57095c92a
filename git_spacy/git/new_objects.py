"""Make a few objects in this process, which one git process then stores.

`git fast-import` does the same with two processes, each of which costs more than the objects do.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from git_spacy.git.objects import TreeItem
from git_spacy.git.repository import Repository
from git_spacy.light_hashes import sha1, sha256

ReadTree = Callable[[str], Mapping[bytes, TreeItem]]
"""Returns what is in a tree, as `ObjectReader.read_tree` does."""

_KINDS = {"commit": 1, "tree": 2, "blob": 3}  # as gitformat-pack(5) numbers them


class NewObjects:
    """Objects that are not stored yet, for a repository with ids like `example`."""

    def __init__(self, example: str) -> None:
        self._hash = sha256 if len(example) == 64 else sha1
        self._contents: dict[str, tuple[str, bytes]] = {}

    def add(self, kind: str, content: bytes) -> str:
        """Add a "blob", "tree" or "commit", and return its id."""

        head = f"{kind} {len(content)}\0".encode()
        id: str = self._hash(head + content, usedforsecurity=False).hexdigest()
        self._contents[id] = kind, content
        return id

    def add_tree(self, read_tree: ReadTree, tree: str, changes: Mapping[str, str | None]) -> str:
        """Add a tree in which `changes` are made; return its id, or "" if nothing is left in it.

        `changes` are blobs by path; None removes one. `tree` is the tree to change ("": an empty
        one). Raises as `read_tree`.
        """

        items = dict(read_tree(tree)) if tree else {}
        inner: dict[bytes, dict[str, str | None]] = {}
        for path, blob in changes.items():
            first, slash, rest = path.partition("/")
            name = first.encode()
            if slash:
                inner.setdefault(name, {})[rest] = blob
            elif blob is None:
                items.pop(name, None)
            else:
                items[name] = TreeItem(b"100644", bytes.fromhex(blob))
        for name, below in inner.items():
            old = items.pop(name, None)
            old_id = old.id if old and old.kind == "tree" else ""
            if new_id := self.add_tree(read_tree, old_id, below):
                items[name] = TreeItem(b"40000", bytes.fromhex(new_id))
        return self.add("tree", _tree_content(items)) if items else ""

    def store(self, repository: Repository) -> None:
        """Store the objects. Raises ExternalError if git fails."""

        # uncompressed, since git compresses each object again where it stores it
        pack = b"PACK" + (2).to_bytes(4, "big") + len(self._contents).to_bytes(4, "big")
        pack += b"".join(
            _pack_head(kind, len(content)) + zlib.compress(content, 0)
            for kind, content in self._contents.values()
        )
        pack += self._hash(pack, usedforsecurity=False).digest()
        repository.run_git(("unpack-objects", "-q"), input=pack)


def _tree_content(items: Mapping[bytes, TreeItem]) -> bytes:
    # Git compares the names of folders as if they ended in a slash
    named = {name + b"/" * (item.mode == b"40000"): (name, item) for name, item in items.items()}
    ordered = (named[key] for key in sorted(named))
    return b"".join(b"%s %s\0%s" % (item.mode, name, item.digest) for name, item in ordered)


def _pack_head(kind: str, size: int) -> bytes:
    """Return what precedes an object in a pack: its kind and its size, seven bits in a byte."""

    head = [_KINDS[kind] << 4 | size & 15]
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head)
