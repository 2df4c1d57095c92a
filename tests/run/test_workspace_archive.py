"""What comes back from a cluster is a stranger's tar: all of it is looked at first."""

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
from git_spacy.run import workspace_archive
from tests.testing.projects import project, snapshot

TEXT = "commands: [{name: c, script: [x], outputs: [out, made/file]}]"
Member = tuple[str, bytes, str]  # name, kind, what it holds or where it leads
FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
GOOD: list[Member] = [("out", FOLDER, ""), ("out/a", FILE, "a"), ("made/file", FILE, "file")]


def tar(members: list[Member], mode: int = 0o644) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            if kind == FILE:
                info.size = len(text)
            else:
                info.linkname = text
            made.addfile(info, io.BytesIO(text.encode()) if kind == FILE else None)
    stream.seek(0)
    return stream


def command(made: Path) -> Command:
    return loader.load(made).commands[0]


def test_outputs_come_into_their_places_and_old_ones_go(tmp_path: Path) -> None:
    made = project(tmp_path, TEXT, {"out/old": "old", "made/file": "old", "made/other": "stays"})
    workspace_archive.unpack(
        tar([*GOOD, ("out/b/c", FILE, "c"), ("out/l", LINK, "b/c")]), command(made), made
    )
    assert snapshot(made) == {
        "made/": "", "made/file": b"file", "made/other": b"stays", "out/": "", "out/a": b"a",
        "out/b/": "", "out/b/c": b"c", "out/l": "b/c", "project.yml": TEXT.encode(),
    }  # fmt: skip


def test_a_file_may_be_executable_and_nothing_more(tmp_path: Path) -> None:
    made = project(tmp_path, TEXT)
    workspace_archive.unpack(tar(GOOD, 0o6777), command(made), made)
    mode = stat.S_IMODE((made / "out/a").stat().st_mode)
    assert mode & 0o111
    assert not mode & 0o6000


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
def test_what_must_not_be_is_refused_and_nothing_written(tmp_path: Path, bad: Member) -> None:
    made = project(tmp_path / "p", TEXT, {"out/old": "old"})
    before = snapshot(tmp_path)
    with pytest.raises(Refused, match="refused an output from the cluster"):
        workspace_archive.unpack(tar([*GOOD, bad]), command(made), made)
    assert snapshot(tmp_path) == before


@pytest.mark.threat("special-archive-members", commands="pull")
def test_a_chain_of_links_does_not_lead_out(tmp_path: Path) -> None:
    made = project(tmp_path / "p", TEXT)
    (tmp_path / "secret").write_text("secret")
    chain: list[Member] = [
        *GOOD, ("out/d/e", FOLDER, ""), ("out/one", LINK, "d/e"), ("out/two", LINK, "one/../../.."),
    ]  # fmt: skip
    with pytest.raises(Refused):
        workspace_archive.unpack(tar(chain), command(made), made)
    assert not (made / "out").exists()
    with pytest.raises(Refused, match="twice"):
        workspace_archive.unpack(
            tar([*GOOD, ("out/l", LINK, "a"), ("out/l/x", FILE, "x")]), command(made), made
        )


@pytest.mark.threat("links-outside", commands="run")
def test_an_output_behind_a_link_that_leads_out_is_not_written(tmp_path: Path) -> None:
    made = project(tmp_path / "p", TEXT)
    (tmp_path / "outside").mkdir()
    (made / "made").symlink_to(tmp_path / "outside")
    with pytest.raises(Refused):
        workspace_archive.unpack(tar(GOOD), command(made), made)
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (made / "out").exists()


@pytest.mark.threat("corrupt-archives", commands="pull")
def test_what_is_cut_short_or_no_tar_leaves_the_old_state(tmp_path: Path) -> None:
    made = project(tmp_path, TEXT, {"out/old": "old"})
    before = snapshot(made)
    whole = tar([*GOOD, ("out/big", FILE, "x" * 5000)]).getvalue()
    for data in (b"", b"nonsense" * 100, whole[:3000]):
        with pytest.raises(ExternalError, match="cannot read the outputs of 'c'"):
            workspace_archive.unpack(io.BytesIO(data), command(made), made)
        assert snapshot(made) == before


def test_an_output_from_before_does_not_pass_for_one_that_was_made(tmp_path: Path) -> None:
    made = project(tmp_path, TEXT, {"out/old": "old", "made/file": "old"})
    before = snapshot(made)
    with pytest.raises(CheckFailed, match="did not produce its output 'made/file'"):
        workspace_archive.unpack(tar(GOOD[:2]), command(made), made)
    assert snapshot(made) == before


def test_without_git_all_that_is_not_hidden_travels(tmp_path: Path, no_git: Path) -> None:
    made = project(
        tmp_path,
        "commands: [{name: c, script: [x], deps: [.in]}, {name: d, script: [x], outputs: [o/ther]}]",
        {"a": "", "b/c": "", ".hidden": "", ".in": "", "venv/pyvenv.cfg": "", "venv/x": "", "o/ther": ""},
    )  # fmt: skip
    (made / "loose").symlink_to("../x")
    loaded = loader.load(made)
    assert workspace_archive.workspace_files(loaded, loaded.commands[0], made) == [
        ".in",
        "a",
        "b/c",
        "project.yml",
    ]


def test_what_travels_arrives_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_archive, "_CHUNK_SIZE", 4096)
    made = project(tmp_path, TEXT, {"data": os.urandom(20_000), "made/x": ""})
    loaded = loader.load(made)
    some = workspace_archive.archive_content(loaded, loaded.commands[0], made)
    assert some.folders == ("made",)
    chunks = workspace_archive.pack_chunks(some, made, bytes)
    assert len(chunks) > 2
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as found:
        assert found.getnames() == ["made", "data", "made/x", "project.yml"]
