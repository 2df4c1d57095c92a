"""Tests of packing and unpacking outputs."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.containment import refuse_name
from git_spacy.errors import ExternalError, GitSpacyError
from git_spacy.files import staging
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint, fingerprint
from git_spacy.storage import archive, staged_output
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


def unpack_verified(root: Path, data: bytes, md5: str) -> Fingerprint:
    with staging(root, "out") as staged:
        found, _ = archive.unpack_verified(io.BytesIO(data), root, OUT, staged, md5)
        staged.commit()
    return found


@given(
    st.permutations(["a", "b/a", "b/b", "b-", "c"]),
    st.sampled_from([b"", tarfile.SYMTYPE, tarfile.LNKTYPE]),
)
def test_files_are_hashed_in_their_own_order_whatever_the_archive_has(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], link: bytes
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name in order:
            info = tarfile.TarInfo(f"out/{name}")
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
        if link:
            info = tarfile.TarInfo("out/0")
            info.type = link
            info.linkname = "c" if link == tarfile.SYMTYPE else "out/c"
            tar.addfile(info)
    contents = ["c" if link else "", "a", "b/a", "b/b", "b-", "c"]
    md5 = hashlib.md5("".join(contents).encode()).hexdigest()
    root = tmp_path_factory.mktemp("root")
    assert unpack_verified(root, stream.getvalue(), md5) == fingerprint(root, "out")
    with pytest.raises(ExternalError, match="has the wrong content"):
        unpack_verified(root, stream.getvalue(), hashlib.md5(b"").hexdigest())


def test_an_archive_of_our_own_is_hashed_while_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    build(before / "out", {"b": {"c": b"1"}, "b-": b"2", "a": b"3", "empty": {}})  # type: ignore[dict-item]
    data, found = pack(before), fingerprint(before, "out")
    assert found
    with monkeypatch.context() as patch:
        patch.delattr(staged_output, "fingerprint")
        assert unpack_verified(after, data, found.digest) == found
    assert fingerprint(after, "out") == found
