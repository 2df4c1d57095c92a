"""Threat model: archive-members-outside to decompression-bombs: malicious archives in a remote."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from git_spacy.git.state_dir import state_dir
from tests.storage.conftest import Shared, run_measured
from tests.storage.hostile import (
    file,
    hard_link,
    link,
    md5,
    member,
    replace_object,
    uncompressed,
    zipped,
)
from tests.testing.projects import snapshot

X = md5(b"x")
FOLDER = member("model", tarfile.DIRTYPE, mode=0o755)


def assert_refused(shared: Shared, data: bytes, code: int, *words: str, content: str = X) -> str:
    """Assert that pulling `data` as the model fails with `code` and changes nothing.

    It is pulled into a project without the output and, with --force, over an existing one. Returns
    stderr.
    """

    shared.push()
    replace_object(shared.remote, "model", data, content)
    outside = snapshot(shared.clone.parent)
    done = shared.pull()
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err
    assert not os.path.lexists(shared.clone / "model")
    now = snapshot(shared.clone.parent)
    fetched = {"clone/corpus/", "clone/corpus/words.txt", "clone/project.lock"}
    assert {name: now[name] for name in now if name not in fetched} == {
        name: outside[name] for name in outside if name not in fetched
    }, "nothing outside, nothing left"

    (shared.clone / "model").mkdir()
    (shared.clone / "model/mine").write_text("old")
    before = snapshot(shared.clone.parent)
    assert shared.pull("--force").code == code
    assert snapshot(shared.clone.parent) == before, "old state"
    assert not list((state_dir(shared.clone)).glob("push/*"))
    return done.err


@pytest.mark.threat("archive-members-outside", commands="pull")
@pytest.mark.parametrize(
    "name",
    [
        "../evil", "model/../../evil", "model/../scripts/write.py", "/tmp/evil", "/model/x",
        "model/x/../../../evil", "..", "//model/x", "model/..",
    ],
)  # fmt: skip
def test_a_member_outside_the_project_is_refused(shared: Shared, name: str) -> None:
    err = assert_refused(
        shared, zipped(file("model/a"), file(name)), 3, "which is outside the output"
    )
    assert "do not use this remote until you know who wrote the archive" in err


@pytest.mark.threat(
    "reserved-paths", "embedded-repositories", "special-archive-members", commands="pull"
)
@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([link("model/l", "/etc/passwd")], "is a link to '/etc/passwd', outside the output"),
        ([link("model/l", "../project.yml")], "outside the output"),
        ([link("model/l", "../../elsewhere")], "outside the output"),
        ([link("model", "/etc")], "is a link to '/etc'"),
        ([link("model", "scripts")], "is a link to 'scripts'"),
        ([link("model/l", "")], "is a link to ''"),
        ([link("model/l", "a" * 5000)], "is a link to"),
        ([link("model/l", "."), file("model/l/x")], "is below a link"),
        ([link("model/d/l", ".."), file("model/d/l/x")], "is below a link"),
        ([link("model/l", "x"), link("model/l", "y")], "occurs twice"),
        ([link("model/l", "x"), file("model/l")], "occurs twice"),
        ([link("model/l", "x"), member("model/l", tarfile.DIRTYPE)], "is below a link"),
        # a/b/c/l is the model itself, so l/../.. is above it
        ([link("model/a/b/c/l", "../../.."), link("model/a/b/c/m", "l/../..")], "outside the output"),
        ([hard_link("model/h", "project.yml")], "which is outside the output"),
        ([hard_link("model/h", "../evil")], "which is outside the output"),
        ([hard_link("model/h", "/etc/passwd")], "which is outside the output"),
        ([hard_link("model/h", "model/absent")], "which is not a file in the output"),
        ([link("model/l", "x"), hard_link("model/h", "model/l")], "which is not a file in the output"),
        ([FOLDER, hard_link("model/h", "model")], "which is not a file in the output"),
        ([hard_link("model", "model")], "which is not a file in the output"),
        ([member("model/n", tarfile.CHRTYPE, devmajor=1, devminor=3)], "is not a file, folder or link"),
        ([member("model/n", tarfile.BLKTYPE)], "is not a file, folder or link"),
        ([member("model/n", tarfile.FIFOTYPE)], "is not a file, folder or link"),
        ([member("model/n", b"Q", content=b"x")], "is not a file, folder or link"),
        ([file("model/s", mode=0o4755)], "setuid"),
        ([file("model/s", mode=0o2755)], "setuid"),
        ([member("model/s", tarfile.DIRTYPE, mode=0o2755)], "setuid"),
        ([file("model/a"), file("model/a/b")], "is below a file"),
        ([file("model"), file("model/b")], "is below a file"),
        ([file("model/a/b"), file("model/a")], "occurs twice"),
        ([file("model/a"), file("model/./a")], "occurs twice"),
        ([file("model"), member("model", tarfile.DIRTYPE)], "is below a file"),
        ([file("model/.git/config")], "belongs to Git"),
        ([file("model/x/.GIT/hooks/pre-commit", mode=0o755)], "belongs to Git"),
        ([member("model/git~1", tarfile.DIRTYPE)], "belongs to Git"),
    ],
)  # fmt: skip
def test_an_unsafe_member_is_refused(shared: Shared, members: list[Any], why: str) -> None:
    assert_refused(
        shared,
        zipped(FOLDER, *members) if members[0][0].name != "model" else zipped(*members),
        3,
        why,
    )


@pytest.mark.threat("unrequested-archive-members", commands="pull")
@pytest.mark.parametrize(
    "name",
    [
        "project.yml",
        "models/x",
        "model2",
        "scripts/write.py",
        ".git/hooks/pre-commit",
        "Model/x",
        ".",
        "",
    ],
)
def test_a_member_of_another_output_is_refused(shared: Shared, name: str) -> None:
    assert_refused(shared, zipped(file("model/a"), file(name)), 3, "which is outside the output")


GOOD = zipped(FOLDER, file("model/weights.txt", b"x" * 100_000))


SPOILT = {
    "other content": (zipped(FOLDER, file("model/x", b"y")), "has the wrong content"),
    "no content": (zipped(FOLDER), "has the wrong content"),
    "cut at the end": (GOOD[:-20], "in the remote is damaged"),
    "cut": (GOOD[:100], "in the remote is damaged"),
    "cut in the header": (GOOD[:5], "in the remote is damaged"),
    "nothing": (b"", "in the remote is damaged"),
    "a page": (b"<html>not found</html>", "in the remote is damaged"),
    "no archive": (gzip.compress(b"not a tar" * 1000), "in the remote is damaged"),
    "nothing in it": (gzip.compress(b""), "in the remote is damaged"),
    "no member": (gzip.compress(bytes(10240)), "archive of 'model' in the remote is"),
    "not compressed": (uncompressed([file("model")]), "in the remote is damaged"),
    "cut before": (
        gzip.compress(uncompressed([file("model", b"x" * 5000)])[:3000]),
        "in the remote is damaged",
    ),
    "broken header": (gzip.compress(uncompressed([file("model")])[:1024] + b"rubbish" * 200), ""),
}


@pytest.mark.threat("corrupt-archives", commands="pull")
@pytest.mark.parametrize(("data", "message"), SPOILT.values(), ids=SPOILT)
def test_a_damaged_archive_or_wrong_content_is_rejected(
    shared: Shared, data: bytes, message: str
) -> None:
    assert_refused(shared, data, 4, message, content=X if message else md5(b"z"))


@pytest.mark.parametrize(
    ("members", "options"),
    [
        ([file("model/x", b"x", pax_headers={"size": "-1024"})], {}),
        ([file("model/x", b"x", pax_headers={"size": "99999999999999999"})], {}),
        ([file("model/x", b"x", pax_headers={"size": "nonsense"})], {}),
        ([file("model/x", b"x", pax_headers={"size": "1e3"})], {}),
        ([file("model/x", b"x", pax_headers={"path": "model/\0x"})], {}),
        ([file("model/x", b"x", pax_headers={"path": "../evil"})], {}),
        ([file("model/x", b"x", pax_headers={"comment": "x" * 10_000_000})], {}),
        ([file("model/" + "x" * 300)], {}),
        ([file("model/" + "x/" * 10_000 + "x")], {}),
        ([file("model/" + "x/" * 200 + "x")], {"format": tarfile.GNU_FORMAT}),
        ([file("model/x" * 100_000)], {"format": tarfile.GNU_FORMAT}),
        ([file("model/x")], {"pax_headers": {"uname": "for all"}}),
        ([member("model/x", b"S", content=bytes(512))], {}),
        (
            [file("model/x", b"1\n0\n1\n" + bytes(512), pax_headers={
                "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "model/x",
                "GNU.sparse.realsize": "1000000000000",
            })], {},
        ),
        (
            [file("model/x", b"9999999999\n" * 1000, pax_headers={
                "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "model/x",
                "GNU.sparse.realsize": "1",
            })], {},
        ),
        (
            [file("model/x", b"x" * 5000, pax_headers={
                "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "model/x",
                "GNU.sparse.realsize": "1",
            })], {},
        ),
        (
            [file("model/x", b"x", pax_headers={
                "GNU.sparse.map": "0,a,b", "GNU.sparse.size": "1"})], {},
        ),
    ],
)  # fmt: skip
def test_invalid_headers_are_rejected_quickly(
    shared: Shared, members: list[Any], options: dict[str, Any]
) -> None:
    began = time.process_time()
    shared.push()
    replace_object(shared.remote, "model", zipped(*members, **options), "0" * 32)
    before = snapshot(shared.clone.parent)
    done = shared.pull()
    assert done.code in (3, 4), done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 3000
    assert not (shared.clone / "model").exists()
    assert before.items() <= snapshot(shared.clone.parent).items()
    assert time.process_time() - began < 10


@pytest.mark.threat("terminal-escapes", commands="pull")
def test_line_breaks_and_terminal_escapes_in_names_are_escaped(shared: Shared) -> None:
    err = assert_refused(shared, zipped(file("evil\n\x1b]0;x\x07")), 3)
    assert "\x1b" not in err
    shared.spacy("run", "all", "--force", cwd=shared.made)


def test_unusual_but_valid_names_are_fetched(shared: Shared) -> None:
    names = ["line\nbreak", "ümläut", "a b", "-dash", "back\\slash", "\udcff", "x" * 255]
    names.sort(key=os.fsencode)
    members = [file(f"model/{name}", b"1", mode=0o600) for name in names]
    shared.push()
    replace_object(shared.remote, "model", zipped(FOLDER, *members), md5(b"1" * len(names)))
    done = shared.pull()
    assert done.code == 0, done.err
    assert sorted(os.listdir(shared.clone / "model"), key=os.fsencode) == names


def test_old_archives_with_long_names_are_fetched(shared: Shared) -> None:
    name = "model/" + "long/" * 50 + "n" * 200
    shared.push()
    data = zipped(file(name), format=tarfile.GNU_FORMAT)
    replace_object(shared.remote, "model", data, X)
    assert shared.pull().code == 0
    assert (shared.clone / name).read_bytes() == b"x"


@pytest.mark.threat("decompression-bombs", commands="pull")
def test_a_decompression_bomb_is_stopped_at_the_size_limit(shared: Shared) -> None:
    config = Path(os.environ["GIT_CONFIG_GLOBAL"])
    config.write_text(config.read_text() + "[spacy]\n\tmaxOutputSize = 1m\n")
    content = bytes((1 << 20) + 1)
    err = assert_refused(shared, zipped(file("model/x", content)), 4, content=md5(content))
    assert "bytes unpacked" in err
    assert "git config spacy.maxOutputSize" in err


@pytest.mark.threat("decompression-bombs", commands="pull")
def test_a_bomb_of_many_small_files_is_stopped(shared: Shared) -> None:
    config = Path(os.environ["GIT_CONFIG_GLOBAL"])
    config.write_text(config.read_text() + "[spacy]\n\tmaxOutputSize = 100k\n")
    assert_refused(
        shared, zipped(*(file(f"model/{n}", bytes(1024)) for n in range(101))), 4, "too large"
    )


@pytest.mark.threat("decompression-bombs", commands="pull")
def test_a_member_larger_than_the_disk_is_rejected(shared: Shared) -> None:
    info, _ = file("model/x")
    info.size = 1 << 50
    data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
    assert_refused(shared, data, 4, "no space left on the disk")


@pytest.mark.threat("decompression-bombs", commands="pull")
@pytest.mark.parametrize("header", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE])  # fmt: skip
def test_a_huge_header_takes_little_memory(shared: Shared, tmp_path: Path, header: bytes) -> None:
    raw = io.BytesIO()
    info, _ = member("x", header)
    info.size = 1 << 30
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as stream:
        stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(256):
            stream.write(bytes(1 << 20))
    shared.push()
    replace_object(shared.remote, "model", raw.getvalue(), X)
    code, peak, seconds, err = run_measured("pull", cwd=shared.clone)
    assert code == 4, err
    assert "is damaged (headers are too large)" in err
    assert peak < 100
    assert seconds < 10


def test_recursive_headers_are_rejected_quickly(shared: Shared) -> None:
    info, _ = member("x", tarfile.GNUTYPE_LONGNAME)
    data = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) * 100_000)
    assert_refused(shared, data, 4, "in the remote is damaged")


def test_millions_of_members_take_little_memory(shared: Shared, tmp_path: Path) -> None:
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as stream:
        one = uncompressed([member("model", tarfile.DIRTYPE, mode=0o755)])[:512]
        for _ in range(100):
            stream.write(one * 1000)
    shared.push()
    replace_object(shared.remote, "model", raw.getvalue(), X)
    code, peak, seconds, err = run_measured("pull", cwd=shared.clone)
    assert code == 4, err
    assert peak < 100
    assert seconds < 40


def test_too_many_members_are_refused(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    from git_spacy import safe_extract

    monkeypatch.setattr(safe_extract, "_MOST_MEMBERS", 50)
    assert_refused(
        shared, zipped(*(file(f"model/{n}") for n in range(60))), 4, "more than 50 files"
    )
