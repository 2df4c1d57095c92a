"""Tests of packing and unpacking outputs."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.containment import refuse_name
from git_spacy.files import staging
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import fingerprint
from git_spacy.storage import archive
from tests.testing.projects import snapshot

OUT = ProjectPath("./out", "out")
names = st.text("ab.-_ +üß\n\\", min_size=1, max_size=5).filter(lambda name: not refuse_name(name))
trees = st.recursive(
    st.binary(max_size=20), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8
)


def build(path: Path, tree: bytes | dict[str, bytes]) -> None:
    if isinstance(tree, bytes):
        path.write_bytes(tree)
        return
    path.mkdir()
    for name, inner in tree.items():
        build(path / name, inner)  # type: ignore[arg-type]


def pack(root: Path) -> bytes:
    found = fingerprint(root, "out")
    assert found
    stream = io.BytesIO()
    archive.pack(root, OUT, found.digest, stream, lambda _: None)
    return stream.getvalue()


def unpack(root: Path, data: bytes) -> None:
    with staging(root, "out") as staged:
        archive.unpack(io.BytesIO(data), OUT, staged, 1 << 20)
        staged.commit()


@given(trees)
def test_any_output_survives_packing_and_unpacking(
    tmp_path_factory: pytest.TempPathFactory, tree: bytes | dict[str, bytes]
) -> None:
    before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    build(before / "out", tree)
    data = pack(before)
    unpack(after, data)
    assert snapshot(after) == snapshot(before)
    assert fingerprint(after, "out") == fingerprint(before, "out")
    assert pack(before) == data


@given(trees, st.data())
def test_a_corrupted_archive_never_writes_outside_the_output(
    tmp_path_factory: pytest.TempPathFactory, tree: bytes | dict[str, bytes], data: st.DataObject
) -> None:
    """Change the uncompressed archive, so that the gzip checksum does not detect it."""

    import gzip

    from git_spacy.errors import GitSpacyError

    before, after = (tmp_path_factory.mktemp(name) for name in ("before", "after"))
    build(before / "out", tree)
    plain = bytearray(gzip.decompress(pack(before)))
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, min(len(plain), 4096) - 1))
        plain[index] = data.draw(st.integers(0, 255))
    try:
        unpack(after, gzip.compress(bytes(plain), 1))
    except (GitSpacyError, OSError):
        assert os.listdir(after) == []
    assert set(os.listdir(after)) <= {"out"}
