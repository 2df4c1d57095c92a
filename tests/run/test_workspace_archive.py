"""Packing a project for a cluster, and unpacking its outputs from a tar that is not trusted."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from git_spacy.errors import CheckFailed, ExternalError, Refused
from git_spacy.project import loader
from git_spacy.project.model import Command
from git_spacy.run import ray_worker, workspace_archive
from tests.testing.projects import project, snapshot

TEXT = "commands: [{name: c, script: [x], outputs: [out, made/file]}]"
Member = tuple[str, bytes, str]  # name, type, content or link target
FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
VALID: list[Member] = [("out", FOLDER, ""), ("out/a", FILE, "a"), ("made/file", FILE, "file")]


def build_tar(members: list[Member], mode: int = 0o644) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            if kind == FILE:
                info.size = len(text)
            else:
                info.linkname = text
            archive.addfile(info, io.BytesIO(text.encode()) if kind == FILE else None)
    stream.seek(0)
    return stream


def command(root: Path) -> Command:
    return loader.load(root).commands[0]


def test_unpacked_outputs_replace_the_old_ones(tmp_path: Path) -> None:
    root = project(tmp_path, TEXT, {"out/old": "old", "made/file": "old", "made/other": "stays"})
    workspace_archive.unpack(
        build_tar([*VALID, ("out/b/c", FILE, "c"), ("out/l", LINK, "b/c")]), command(root), root
    )
    assert snapshot(root) == {
        "made/": "", "made/file": b"file", "made/other": b"stays", "out/": "", "out/a": b"a",
        "out/b/": "", "out/b/c": b"c", "out/l": "b/c", "project.yml": TEXT.encode(),
    }  # fmt: skip


def test_only_the_executable_bit_of_a_mode_is_applied(tmp_path: Path) -> None:
    root = project(tmp_path, TEXT)
    workspace_archive.unpack(build_tar(VALID, 0o777), command(root), root)
    mode = stat.S_IMODE((root / "out/a").stat().st_mode)
    assert mode & 0o111
    assert not mode & 0o002, "the umask applies"


@pytest.mark.threat("special-archive-members", commands="run")
@pytest.mark.parametrize("mode", [0o6777, 0o4755, 0o2755])
def test_a_setuid_member_is_refused(tmp_path: Path, mode: int) -> None:
    root = project(tmp_path, TEXT)
    before = snapshot(root)
    with pytest.raises(Refused, match="setuid"):
        workspace_archive.unpack(build_tar(VALID, mode), command(root), root)
    assert snapshot(root) == before


def test_a_worker_sends_an_output_without_the_setgid_bit_of_its_folder(tmp_path: Path) -> None:
    """On shared disks of clusters, new folders often inherit the bit."""

    worker = project(tmp_path / "worker", TEXT, {"out/a": "a", "made/file": "x"})
    (worker / "out").chmod(0o2755)
    stream = io.BytesIO()
    ray_worker.pack(stream, str(worker), ("out", "made/file"))
    stream.seek(0)
    root = project(tmp_path / "root", TEXT)
    workspace_archive.unpack(stream, command(root), root)
    assert (root / "out/a").read_text() == "a"


@pytest.mark.threat("archive-members-outside", commands="pull")
@pytest.mark.parametrize(
    "bad",
    [
        ("../x", FILE, "x"), ("/etc/x", FILE, "x"), ("out/../../x", FILE, "x"), ("out/./x", FILE, ""),
        ("out//x", FILE, ""), ("other", FILE, "x"), ("output", FILE, "x"), ("made", FOLDER, ""),
        ("project.yml", FILE, "x"), ("out/.git/hooks/x", FILE, "x"), ("out/.GIT", FILE, "x"),
        ("out/x", LINK, "/etc/passwd"), ("out/x", LINK, "../project.yml"), ("out/x", LINK, "a/../../y"),
        ("out/x", LINK, ".git/x"), ("out/x", LINK, ""), ("out/x", HARD, "out/a"),
        ("out/x", HARD, "/etc/passwd"), ("out/x", tarfile.FIFOTYPE, ""), ("out/x", tarfile.CHRTYPE, ""),
        ("out/x", tarfile.BLKTYPE, ""), ("out/a", FILE, "twice"), ("out/a/x", FILE, "below a file"),
        ("out/a", LINK, "b"),
    ],
)  # fmt: skip
def test_a_tar_with_a_forbidden_member_is_refused_and_nothing_is_written(
    tmp_path: Path, bad: Member
) -> None:
    root = project(tmp_path / "p", TEXT, {"out/old": "old"})
    before = snapshot(tmp_path)
    with pytest.raises(Refused, match="refused an output from the cluster"):
        workspace_archive.unpack(build_tar([*VALID, bad]), command(root), root)
    assert snapshot(tmp_path) == before


@pytest.mark.threat("special-archive-members", commands="pull")
def test_a_chain_of_links_out_of_the_project_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path / "p", TEXT)
    (tmp_path / "secret").write_text("secret")
    chain: list[Member] = [
        *VALID, ("out/d/e", FOLDER, ""), ("out/one", LINK, "d/e"), ("out/two", LINK, "one/../../.."),
    ]  # fmt: skip
    with pytest.raises(Refused):
        workspace_archive.unpack(build_tar(chain), command(root), root)
    assert not (root / "out").exists()
    with pytest.raises(Refused, match="twice"):
        workspace_archive.unpack(
            build_tar([*VALID, ("out/l", LINK, "a"), ("out/l/x", FILE, "x")]), command(root), root
        )


@pytest.mark.threat("links-outside", commands="run")
def test_an_output_below_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path / "p", TEXT)
    (tmp_path / "outside").mkdir()
    (root / "made").symlink_to(tmp_path / "outside")
    with pytest.raises(Refused):
        workspace_archive.unpack(build_tar(VALID), command(root), root)
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (root / "out").exists()


@pytest.mark.threat("corrupt-archives", commands="pull")
def test_a_truncated_or_invalid_tar_leaves_the_old_outputs(tmp_path: Path) -> None:
    root = project(tmp_path, TEXT, {"out/old": "old"})
    before = snapshot(root)
    whole = build_tar([*VALID, ("out/big", FILE, "x" * 5000)]).getvalue()
    for data in (b"", b"nonsense" * 100, whole[:3000]):
        with pytest.raises(ExternalError, match="cannot read the outputs of 'c'"):
            workspace_archive.unpack(io.BytesIO(data), command(root), root)
        assert snapshot(root) == before


def test_an_old_output_does_not_count_as_produced(tmp_path: Path) -> None:
    root = project(tmp_path, TEXT, {"out/old": "old", "made/file": "old"})
    before = snapshot(root)
    with pytest.raises(CheckFailed, match="did not produce its output 'made/file'"):
        workspace_archive.unpack(build_tar(VALID[:2]), command(root), root)
    assert snapshot(root) == before


def test_without_git_all_files_that_are_not_hidden_are_packed(tmp_path: Path, no_git: Path) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: [x], deps: [.in]}, {name: d, script: [x], outputs: [o/ther]}]",
        {"a": "", "b/c": "", ".hidden": "", ".in": "", "venv/pyvenv.cfg": "", "venv/x": "", "o/ther": ""},
    )  # fmt: skip
    (root / "loose").symlink_to("../x")
    loaded = loader.load(root)
    assert workspace_archive.workspace_files(loaded, loaded.commands[0], root) == [
        ".in",
        "a",
        "b/c",
        "project.yml",
    ]


def test_the_archive_is_split_into_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_archive, "_CHUNK_SIZE", 4096)
    root = project(tmp_path, TEXT, {"data": os.urandom(20_000), "made/x": ""})
    loaded = loader.load(root)
    content = workspace_archive.archive_content(loaded, loaded.commands[0], root)
    assert content.folders == ("made",)
    chunks = workspace_archive.pack_chunks(content, root, bytes)
    assert len(chunks) > 2
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        assert archive.getnames() == ["made", "data", "made/x", "project.yml"]
