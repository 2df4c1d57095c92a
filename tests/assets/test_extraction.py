"""Tests of assets with `extract`: archives and compressed files."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from git_spacy.assets import extraction
from git_spacy.assets.events import FetchFinished, FetchSkipped
from git_spacy.project import loader
from git_spacy.state.stat_cache import StatCache
from tests.assets.conftest import md5
from tests.storage.hostile import file, hard_link, link, member, zipped
from tests.testing.archives import tar_of, zip_entry, zip_of, zip_with
from tests.testing.fetching import Fetcher
from tests.testing.projects import Spacy, project

FILES = {"corpus/train.txt": b"train\n" * 100, "corpus/sub/dev.txt": b"dev\n"}
EXTRACTED = {
    "data/": "", "data/corpus/": "", "data/corpus/sub/": "",
    "data/corpus/train.txt": FILES["corpus/train.txt"],
    "data/corpus/sub/dev.txt": FILES["corpus/sub/dev.txt"],
}  # fmt: skip


def want(fetcher: Fetcher, archive: bytes, *, verified: bool = True, dest: str = "data") -> None:
    """Write `archive` into the project, and project.yml with an asset that extracts it."""

    (fetcher.root / "source").write_bytes(archive)
    checksum = f"    checksum: {md5(archive)}\n" if verified else ""
    fetcher.write(f"assets:\n  - dest: {dest}\n    url: source\n    extract: true\n{checksum}")


def fetched(fetcher: Fetcher) -> dict[str, bytes | str]:
    """Return the content of the project folder except the archive."""

    files = dict(fetcher.files())
    files.pop("source", None)
    return files


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(zip_of(FILES), id="zip"),
        pytest.param(zip_of(FILES, create_system=0, external_attr=0xFFFF0000), id="zip of DOS"),
        pytest.param(
            zip_of({name.replace("/", "\\"): data for name, data in FILES.items()}, create_system=0),
            id="zip with backslashes",
        ),
        pytest.param(tar_of(FILES), id="tar"),
        pytest.param(tar_of(FILES, "gz"), id="tar.gz"),
        pytest.param(tar_of(FILES, "bz2"), id="tar.bz2"),
        pytest.param(tar_of(FILES, "xz"), id="tar.xz"),
        pytest.param(
            tar_of(FILES, format=tarfile.PAX_FORMAT, pax_headers={"comment": "a" * 40}),
            id="tar of git archive",
        ),
        pytest.param(lzma.compress(tar_of(FILES)[:700]) + b"\0" * 4
                     + lzma.compress(tar_of(FILES)[700:]), id="tar.xz of two padded streams"),
    ],
)  # fmt: skip
def test_an_archive_is_extracted_and_skipped_from_then_on(fetcher: Fetcher, archive: bytes) -> None:
    want(fetcher, archive)
    assert fetcher.code() == 0, fetcher.error
    assert fetched(fetcher) == EXTRACTED
    (done,) = fetcher.events_of(FetchFinished)
    assert done.detail == "md5 verified, extracted 2 files"
    (fetcher.root / "source").unlink()
    assert fetcher.code() == 0
    assert [event.reason for event in fetcher.events_of(FetchSkipped)] == [
        "already present, md5 verified"
    ]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_single_file_is_decompressed_to_the_destination(fetcher: Fetcher, compress) -> None:  # type: ignore[no-untyped-def]
    want(fetcher, compress(b"one ") + compress(b"two\n"), dest="words.txt")
    assert fetcher.code() == 0, fetcher.error
    assert fetched(fetcher) == {"words.txt": b"one two\n"}
    assert "decompressed" in fetcher.events_of(FetchFinished)[0].detail


@pytest.mark.skipif(not shutil.which("zstd"), reason="needs the program zstd")
def test_zstd_is_decompressed_if_python_can(fetcher: Fetcher) -> None:
    packed = subprocess.run(("zstd", "-q"), input=tar_of(FILES), capture_output=True, check=True)
    want(fetcher, packed.stdout)
    try:
        extraction.import_zstd()
    except Exception:
        assert fetcher.code() == 5
        assert "backports.zstd" in fetcher.error
        assert fetched(fetcher) == {}
    else:
        assert fetcher.code() == 0, fetcher.error
        assert fetched(fetcher) == EXTRACTED
        want(fetcher, packed.stdout[:-3], dest="cut")
        assert fetcher.code() == 4


def test_modes_and_links_inside_the_archive_are_kept(fetcher: Fetcher) -> None:
    members = [
        file("bin/x", mode=0o755),
        link("bin/l", "x"),
        hard_link("h", "bin/x"),
        link("b", "bin"),
    ]
    want(fetcher, zipped(*members))
    assert fetcher.code() == 0, fetcher.error
    data = fetcher.root / "data"
    assert (data / "bin/x").stat().st_mode & 0o111
    assert os.readlink(data / "bin/l") == "x"
    assert (data / "h").read_bytes() == b"x"
    want(fetcher, zip_with(zip_entry("l", stat.S_IFLNK | 0o777), b"good.txt"), dest="z")
    assert fetcher.code("z") == 0, fetcher.error
    assert os.readlink(fetcher.root / "z/l") == "good.txt"


def encrypted() -> bytes:
    data = bytearray(zip_of({"a": b"x"}))
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(start) + offset] |= 1
    return bytes(data)


def lying(size: int) -> bytes:
    """Return a zip whose file claims to have `size` bytes."""

    data = bytearray(zip_of({"a": b"x" * 100}))
    where = data.index(b"PK\x01\x02") + 24
    data[where : where + 4] = size.to_bytes(4, "little")
    return bytes(data)


HOSTILE: list[tuple[str, bytes, int, str]] = [
    *(
        (f"{kind} with {name!r}", make({"good": b"good", name: b"x"}), 3, words)
        for kind, make in (("zip", zip_of), ("tar", tar_of))
        for name, words in (
            ("../evil", "which is outside the archive"), ("a/../../evil", "outside the archive"),
            ("/tmp/evil", "outside the archive"), ("..", "outside the archive"),
            (".git/config", "belongs to Git"), ("x/.GIT/hooks/post-checkout", "belongs to Git"),
            ("git~1/config", "belongs to Git"), ("GOOD", "which some systems take for 'good'"),
            ("Good/x", "which some systems take for 'good'"), ("a\\..\\..\\evil", "not a path below"),
            ("good/x", "is below a file"), ("x" * 300, "not a valid file name"),
        )
    ),
    ("a zip with composed letters", zip_of({"\u00e9": b"1", "e\u0301": b"2"}), 3, "some systems take for"),
    ("a zip with a link out", zip_with(zip_entry("l", stat.S_IFLNK), b"../../x"), 3, "outside the archive"),
    ("a zip with an absolute link", zip_with(zip_entry("l", stat.S_IFLNK), b"/etc/passwd"), 3, "outside the archive"),
    ("a zip with a long link", zip_with(zip_entry("l", stat.S_IFLNK), b"a" * 5000), 4, "too long"),
    ("a zip with a device", zip_with(zip_entry("d", stat.S_IFCHR)), 3, "is not a file, folder or link"),
    ("a zip with a FIFO", zip_with(zip_entry("d", stat.S_IFIFO)), 3, "is not a file, folder or link"),
    ("a setuid file in a zip", zip_with(zip_entry("s", stat.S_IFREG | 0o4755)), 3, "setuid"),
    ("a tar with a link out", zipped(link("l", "../../x")), 3, "outside the archive"),
    ("a tar with a hard link out", zipped(hard_link("l", "../project.yml")), 3, "outside the archive"),
    ("a tar with a device", zipped(member("d", tarfile.BLKTYPE)), 3, "is not a file, folder or link"),
    ("a setuid file in a tar", zipped(file("s", mode=0o4755)), 3, "setuid"),
    ("an encrypted zip", encrypted(), 4, "it is encrypted"),
    ("a truncated zip", zip_of(FILES)[:-30], 4, "cannot extract the archive"),
    ("a zip cut at the start", zip_of(FILES)[:40], 4, "cannot extract the archive"),
    ("a zip with a wrong checksum", zip_of({"a": b"x"}, CRC=1).replace(b"\x83\x16\xdc\x8c", b"\0\0\0\0"), 4, "Bad CRC"),
    ("a zip that claims 3 GiB", lying(3 << 30), 4, "larger than the limit"),
    ("a truncated tar.gz", tar_of(FILES, "gz")[:-9], 4, "cannot extract the archive"),
    ("a damaged tar.gz", tar_of(FILES, "gz")[:-8] + b"\0" * 8, 4, "CRC"),
    ("a truncated tar.xz", tar_of(FILES, "xz")[:-9], 4, "truncated"),
    ("a truncated tar.bz2", tar_of(FILES, "bz2")[:-9], 4, "truncated"),
    ("a tar.gz bomb", zipped(file("zeros", b"\0" * (3 << 20))), 4, "larger than the limit"),
    ("a zip bomb", zip_of({"zeros": b"\0" * (3 << 20)}), 4, "larger than the limit"),
    ("many files that are too large together", zip_of({f"{n}": b"\0" * (1 << 20) for n in range(3)}), 4, "larger than the limit"),
    ("a gz bomb", gzip.compress(b"\0" * (3 << 20)), 4, "the limit"),
    ("a bomb behind the end of a tar", gzip.compress(tar_of(FILES) + b"\0" * (17 << 20)), 4, "too much data"),
    ("an empty zip", zip_of({}), 4, "has no files"),
    ("a zip of folders", zip_of({"a/": b""}), 4, "has no files"),
    ("text", b"no archive\n", 4, "needs a zip, a tar"),
    ("a 7z", b"7z\xbc\xaf\x27\x1c" + b"\0" * 100, 4, "needs a zip, a tar"),
]  # fmt: skip


@pytest.mark.threat(
    "special-archive-members", "archive-members-outside", "corrupt-archives", "decompression-bombs",
    commands="assets",
)  # fmt: skip
def test_a_hostile_archive_is_refused_and_changes_nothing(fetcher: Fetcher) -> None:
    """One project for all: the old state must survive each archive."""

    fetcher.settings["spacy.maxassetsize"] = "2m"
    (fetcher.root / "data").mkdir()
    (fetcher.root / "data/mine.txt").write_text("mine")
    for name, archive, code, words in HOSTILE:
        want(fetcher, archive)
        before = fetched(fetcher)
        assert fetcher.code() == code, (name, fetcher.error)
        assert words in fetcher.error, name
        assert code != 3 or "remove 'extract'" in fetcher.error, name
        assert fetched(fetcher) == before, name
    assert before == {"data/": "", "data/mine.txt": b"mine"}
    assert not os.path.lexists(fetcher.root.parent / "evil")


@pytest.mark.threat("decompression-bombs", commands="assets")
def test_the_directory_of_a_zip_is_bounded(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_spacy.safe_extract._CHUNK", 100)
    monkeypatch.setattr("git_spacy.safe_extract._MOST_ZIP_MEMBERS", 3)
    want(fetcher, zip_of({f"{number}": b"" for number in range(4)}))
    assert fetcher.code() == 4
    assert "more than 3 files" in fetcher.error


def test_files_of_the_user_survive_a_new_archive(fetcher: Fetcher) -> None:
    data = fetcher.root / "data"
    want(fetcher, tar_of({"a": b"a1", "b": b"b1", "d/c": b"c1"}))
    assert fetcher.code() == 0
    (data / "notes.txt").write_text("mine")
    (data / "d/out.txt").write_text("an output")
    (data / "empty").mkdir()
    (data / "l").symlink_to("notes.txt")
    assert fetcher.code() == 0
    assert fetcher.events_of(FetchSkipped), "other files are no edits"
    want(fetcher, tar_of({"a": b"a2", "e": b"e2"}))
    assert fetcher.code() == 0, fetcher.error
    assert fetched(fetcher) == {
        "data/": "", "data/a": b"a2", "data/e": b"e2", "data/notes.txt": b"mine", "data/d/": "",
        "data/d/out.txt": b"an output", "data/empty/": "", "data/l": "notes.txt",
    }  # fmt: skip


def test_edited_files_are_only_replaced_with_force(fetcher: Fetcher) -> None:
    data = fetcher.root / "data"
    want(fetcher, tar_of({"a": b"a1", "b": b"b1"}))
    assert fetcher.code() == 0
    (data / "a").write_bytes(b"edited")
    before = fetched(fetcher)
    assert fetcher.code() == 3
    assert "'a'" in fetcher.error
    assert "git spacy assets --force data" in fetcher.error
    assert fetched(fetcher) == before
    want(fetcher, tar_of({"b": b"b2"}))
    assert fetcher.code() == 0, fetcher.error
    assert fetched(fetcher) == {"data/": "", "data/a": b"edited", "data/b": b"b2"}, (
        "an edited file that the new archive does not have is the user's"
    )
    (data / "b").write_bytes(b"edited")
    assert fetcher.code(force=True) == 0
    assert (data / "b").read_bytes() == b"b2"
    (data / "b").unlink()
    assert fetcher.code() == 0, "a deleted file is extracted again"
    assert (data / "b").read_bytes() == b"b2"


def test_a_file_in_the_way_of_the_archive_is_never_removed(fetcher: Fetcher) -> None:
    data = fetcher.root / "data"
    data.mkdir()
    (data / "x").write_text("mine")
    before = fetched(fetcher)
    for archive in (tar_of({"x/y": b"1"}), tar_of({"x": b"1"})):
        want(fetcher, archive)
        assert fetcher.code() == 3
        assert fetched(fetcher) == before
    want(fetcher, tar_of({"x/y": b"1"}))
    assert fetcher.code(force=True) == 3
    assert "existing content has 'x' where its source differs" in fetcher.error
    (data / "x").unlink()
    data.rmdir()
    data.write_text("a file in the place of the folder")
    assert fetcher.code() == 3
    assert data.read_text() == "a file in the place of the folder"
    assert fetcher.code(force=True) == 0
    assert (data / "x/y").read_bytes() == b"1"


def test_what_others_extracted_is_recognised_and_what_weasel_left_is_replaced(
    fetcher: Fetcher,
) -> None:
    archive = zip_of(FILES)
    want(fetcher, archive)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        opened.extractall(fetcher.root / "data")
    inode = (fetcher.root / "data").stat().st_ino
    assert fetcher.code() == 0
    assert "identical to its source" in fetcher.events_of(FetchSkipped)[0].reason
    assert (fetcher.root / "data").stat().st_ino == inode
    shutil.rmtree(fetcher.root / "data")
    (fetcher.root / "data").write_bytes(archive)
    assert fetcher.code() == 0, fetcher.error
    assert fetched(fetcher) == EXTRACTED


def test_a_changed_checksum_or_source_fetches_again(fetcher: Fetcher) -> None:
    want(fetcher, tar_of({"a": b"1"}), verified=False)
    assert fetcher.code() == 0
    want(fetcher, tar_of({"a": b"2"}), verified=False)
    assert fetcher.code() == 0
    assert (fetcher.root / "data/a").read_bytes() == b"1", "nothing says that it has changed"
    assert fetcher.code(force=True) == 0
    assert (fetcher.root / "data/a").read_bytes() == b"2"
    want(fetcher, tar_of({"a": b"3"}))
    assert fetcher.code() == 0
    assert (fetcher.root / "data/a").read_bytes() == b"3"
    text = (fetcher.root / "project.yml").read_text().partition("    checksum")[0]
    (fetcher.root / "project.yml").write_text(text.replace("url: source", "url: other"))
    (fetcher.root / "other").write_bytes(tar_of({"a": b"4"}))
    assert fetcher.code() == 0
    assert (fetcher.root / "data/a").read_bytes() == b"4", "another url"


def test_the_archive_of_a_wrong_checksum_is_not_extracted(fetcher: Fetcher) -> None:
    want(fetcher, tar_of({"a": b"1"}))
    (fetcher.root / "source").write_bytes(tar_of({"a": b"2"}))
    assert fetcher.code() == 4
    assert "project.yml expects" in fetcher.error
    assert fetched(fetcher) == {}


@pytest.mark.parametrize("left", [".data.git-spacy-new", ".data.archive.git-spacy-new"])
def test_what_a_killed_extraction_left_is_removed(fetcher: Fetcher, left: str) -> None:
    want(fetcher, tar_of({"a": b"1"}))
    (fetcher.root / left).mkdir()
    (fetcher.root / left / "half").write_text("hal")
    (fetcher.root / ".data.git-spacy-old").mkdir()
    (fetcher.root / ".data.git-spacy-old/mine").write_text("mine")
    assert fetcher.code() == 0
    assert fetched(fetcher) == {"data/": "", "data/a": b"1", "data/mine": b"mine"}


def test_extract_without_a_source_is_a_warning(fetcher: Fetcher) -> None:
    fetcher.write("assets:\n  - dest: data\n    extract: true\n")
    loaded = loader.load(fetcher.root)
    assert not loaded.assets[0].extract
    assert "'extract' is ignored without 'url' or 'git'" in loaded.warnings[0].message


USE = """\
commands:
  - name: use
    script: ["python -c \\"open('out.txt', 'w').write(open('data/a').read())\\""]
    deps: [data]
    outputs: [out.txt]
"""


def test_status_check_and_run_agree_on_extracted_files(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", "")
    archive = tar_of({"a": b"1"})
    (root / "source").write_bytes(archive)

    def write(checksum: str) -> None:
        asset = f"  - {{dest: data, url: source, extract: true, checksum: {checksum}}}\n"
        (root / "project.yml").write_text(f"title: t\nassets:\n{asset}{USE}")

    def state() -> str:
        (asset,) = json.loads(spacy("status", "--json", cwd=root).out)["assets"]
        return str(asset["state"])

    write(md5(archive))
    assert state() == "missing"
    assert "git spacy assets data" in spacy("run", "use", cwd=root).err
    assert spacy("assets", cwd=root).code == 0
    assert state() == "verified"
    (root / "data/own.txt").write_text("an own file")
    assert state() == "verified"
    assert spacy("run", "use", cwd=root).code == 0
    assert spacy("check", "assets", cwd=root).code == 0
    (root / "data/a").write_text("edited")
    assert state() == "modified"
    done = spacy("check", "assets", cwd=root)
    assert done.code == 1
    assert "is not what its archive contains" in done.out
    assert "git spacy assets --force data" in done.out
    done = spacy("run", "use", cwd=root)
    assert done.code == 1
    assert "is not what its archive contains" in done.err
    assert "git spacy assets --force data" in done.err
    assert spacy("assets", "data", cwd=root).code == 3
    assert spacy("assets", "--force", "data", cwd=root).code == 0
    assert state() == "verified"
    write("f" * 32)
    assert state() == "checksum_mismatch"
    assert spacy("run", "use", "--force", cwd=root).code == 1
    assert "git spacy assets data" in spacy("check", "assets", cwd=root).out
    write(md5(archive))
    os.unlink(StatCache.open(root).file)
    assert state() == "unverified"
    assert spacy("run", "use", cwd=root).code == 0
    assert spacy("assets", cwd=root).code == 0
    assert state() == "verified"
    assert '"extract": true' in spacy("resolved", "--json", cwd=root).out
    assert "extracted from an archive" in spacy("document", "--stdout", cwd=root).out
