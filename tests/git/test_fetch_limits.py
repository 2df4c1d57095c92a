"""Git servers that send without end run into a limit, and leave no temporary files.

The limits are small ones, for the tests.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError
from git_spacy.git import process
from git_spacy.git.address import parse_address
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.process import Limits
from tests.testing.git_server import GitServer
from tests.testing.projects import process as spacy_process
from tests.testing.projects import project
from tests.testing.repositories import git, noise, repository, serve

SMALL_LIMITS = Limits(seconds=120, text=100_000, size=1 << 20, memory=256 << 20)


def pkt(text: bytes) -> bytes:
    return b"%04x" % (len(text) + 4) + text


def endless_sideband() -> Iterator[bytes]:
    yield pkt(b"packfile\n")
    yield from itertools.repeat(pkt(b"\x02" + b"message of the server\n" * 2_000))


def endless_pack() -> Iterator[bytes]:
    """A pack of 100,000 valid blobs."""

    content = noise(60_000)
    size, head = len(content), b""
    first = 3 << 4 | size & 15
    size >>= 4
    while size:
        head += bytes([first | 128])
        first, size = size & 127, size >> 7
    blob = head + bytes([first]) + zlib.compress(content)
    yield pkt(b"packfile\n") + pkt(b"\x01PACK\0\0\0\x02\x00\x01\x86\xa0")  # 100,000: 6 GB
    for _ in itertools.repeat(None):
        for start in range(0, len(blob), 60_000):
            yield pkt(b"\x01" + blob[start : start + 60_000])


def endless_refs() -> Iterator[bytes]:
    for start in itertools.count(0, 1000):
        names = range(start, start + 1000)
        yield b"".join(pkt(b"%040x refs/heads/%d\n" % (n + 1, n)) for n in names)


def endless_dots() -> Iterator[bytes]:
    """Nothing but keep-alive packets."""

    import time

    yield pkt(b"packfile\n")
    while True:
        time.sleep(0.02)
        yield pkt(b"\x02")


ENDLESS = {
    "sideband": (b"command=fetch", endless_sideband, SMALL_LIMITS, "bytes of text"),
    "pack": (b"command=fetch", endless_pack, SMALL_LIMITS._replace(size=1 << 20), "sent more than"),
    "refs": (b"command=ls-refs", endless_refs, SMALL_LIMITS, "bytes of names|emory"),
    "time": (
        b"command=fetch",
        endless_dots,
        SMALL_LIMITS._replace(seconds=1),
        "did not finish within 1 s",
    ),
}


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    from git_spacy.git import partial_clone_dulwich, partial_clone_git

    for module in (partial_clone_dulwich, partial_clone_git):
        monkeypatch.setattr(module, "MAX_TREE_BYTES", 1 << 20)
    monkeypatch.setattr(partial_clone_dulwich, "_MAX_PROTOCOL_BYTES", 1 << 20)


@pytest.mark.threat("endless-git-servers")
@pytest.mark.usefixtures("small_limits", "backend")
@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_response_of_a_server_is_aborted(
    tmp_path: Path, git_server: GitServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    command, response, limits, message = ENDLESS[kind]
    url = git_server.url + serve(repository(tmp_path / "t"), tmp_path / "served")
    git_server.endless = lambda _, body: response() if command in body else None
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    source = open_remote_tree(parse_address(url, None, trusted=True), warn=print, limits=limits)
    with pytest.raises(ExternalError, match=message), source:
        pass
    assert list(temporary.iterdir()) == []


@pytest.mark.usefixtures("backend")
def test_asset_larger_than_the_limit_is_refused(tmp_path: Path, git_server: GitServer) -> None:
    """The limit applies to the pack and to the unpacked file: zeros compress a thousandfold."""

    files: dict[str, str | bytes] = {"noise": noise(200_000), "zeros": bytes(200_000), "small": "x"}
    url = git_server.url + serve(repository(tmp_path / "t", files), tmp_path / "served")
    limits = SMALL_LIMITS._replace(size=50_000)
    address = parse_address(url, None, trusted=True)
    for name in ("noise", "zeros"):
        source = open_remote_tree(address, warn=print, limits=limits)
        with pytest.raises(ExternalError) as caught, source as tree:
            tree.checkout(name, tmp_path / "out")
        assert "git config spacy.maxAssetSize 10g" in str(caught.value)
        assert not (tmp_path / "out").exists()
    with open_remote_tree(address, warn=print, limits=limits) as tree:
        tree.checkout("small", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "x"


@pytest.mark.threat("endless-git-servers")
def test_maxAssetSize_applies_to_assets_and_clone(tmp_path: Path, git_server: GitServer) -> None:
    files: dict[str, str | bytes] = {"t/project.yml": "title: t\n", "t/zeros": bytes(3 << 20)}
    url = git_server.url + serve(repository(tmp_path / "t", files), tmp_path / "served")
    text = f"assets: [{{dest: zeros, git: {{repo: '{url}', path: t/zeros}}}}]\n"
    root = repository(project(tmp_path / "p", text))
    git(root, "config", "spacy.maxAssetSize", "2m")
    for arguments in (("assets",), ("clone", f"{url}//t", "cloned")):
        done = spacy_process(*arguments, cwd=root)
        assert done.code == 4, done
        assert "spacy.maxAssetSize" in done.err
    assert not (root / "zeros").exists()
    assert not (root / "cloned").exists()


def test_beginning_and_end_of_a_long_stderr_are_kept(tmp_path: Path) -> None:
    script = tmp_path / "git-talk"
    script.write_text("#!/bin/sh\necho first >&2; yes | head -c 1000000 >&2; echo last >&2\n")
    script.chmod(0o755)
    os.environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    done = process.run_git(("talk",), cwd=tmp_path)
    assert done.stderr.startswith(b"first\ny\n")
    assert done.stderr.endswith(b"y\nlast\n")
    assert len(done.stderr) < 200_000


def test_git_with_endless_output_is_terminated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_MAX_STDOUT", 1 << 20)
    for name, redirect in (("yes", ""), ("cry", ">&2")):
        script = tmp_path / f"git-{name}"
        script.write_text(f"#!/bin/sh\necho $$ > '{tmp_path}/pid'\nexec yes {redirect}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("yes", "cry"):
        with pytest.raises(ExternalError, match="git sent more than"):
            process.run_git((name,), cwd=tmp_path)
        with suppress(ProcessLookupError), pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


def test_input_and_output_larger_than_pipe_buffers_do_not_deadlock(tmp_path: Path) -> None:
    script = tmp_path / "git-echo"
    script.write_text("#!/bin/sh\ntee /dev/stderr\n")
    script.chmod(0o755)
    os.environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    data = noise(1_000_000)
    done = process.run_git(("echo",), cwd=tmp_path, input=data)
    assert done.stdout == data
    done = process.run_git(("version",), cwd=tmp_path, input=data)  # does not read stdin
    assert done.stdout.startswith(b"git version")
