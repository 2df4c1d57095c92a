"""Assets of a hostile project.yml: links, existing files, URL schemes and environment variables.

Threats `links-outside`, `overwritten-work`, `url-schemes` and `environment-values`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from git_spacy.assets.events import FetchEvent
from git_spacy.git.state_dir import state_dir
from tests.testing.fetching import Fetcher
from tests.testing.projects import Spacy, snapshot
from tests.testing.repositories import git, repository, write
from tests.testing.scripted import Answer, Scripted, redirect

DATA = b"some data\n"
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no asset may touch."""

    folder = tmp_path / "outside"
    write(folder, {"file": b"mine"})
    return folder


# Symbolic links that lead out.


@pytest.mark.parametrize("dest", ["link/x", "link/deep/x", "file"])
def test_link_that_leads_out_is_refused_before_the_fetch(
    fetcher: Fetcher, web: Scripted, outside: Path, dest: str
) -> None:
    (fetcher.root / "link").symlink_to(outside)
    (fetcher.root / "file").symlink_to(outside / "file")
    fetcher.write_asset(dest, url=web.on("/x", Answer(DATA)), checksum=MD5)
    assert fetcher.code() == 3
    assert fetcher.code(force=True) == 3
    assert snapshot(outside) == {"file": b"mine"}
    assert not web.requests


@pytest.mark.threat("links-outside", commands="assets")
@pytest.mark.parametrize("back", [True, False])
def test_link_swapped_in_during_a_download_is_not_followed(
    fetcher: Fetcher, web: Scripted, outside: Path, back: bool
) -> None:
    (fetcher.root / "data").mkdir()

    def swap(handler: object) -> None:
        (fetcher.root / "data").rename(fetcher.root / "moved")
        (fetcher.root / "data").symlink_to(outside)
        web.send_answer(handler, Answer(DATA))  # type: ignore[attr-defined]
        if back:
            (fetcher.root / "data").unlink()
            (fetcher.root / "moved").rename(fetcher.root / "data")

    fetcher.write_asset("data/x", url=web.on("/x", swap), checksum=MD5)
    fetcher()
    assert snapshot(outside) == {"file": b"mine"}


@pytest.mark.threat("links-outside", commands="assets")
def test_link_swapped_in_during_a_git_fetch_is_not_followed(
    fetcher: Fetcher, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from git_spacy.git.remote_tree import RemoteTree

    source = repository(tmp_path / "source", {"d/x": DATA})
    fetcher.settings["spacy.allowlocalrepository"] = "true"
    (fetcher.root / "data").mkdir()
    checkout = RemoteTree.checkout

    def swap(self: RemoteTree, path: str, dest: Path) -> object:
        (fetcher.root / "data").rename(fetcher.root / "moved")
        (fetcher.root / "data").symlink_to(outside)
        return checkout(self, path, dest)

    monkeypatch.setattr(RemoteTree, "checkout", swap)
    fetcher.write(f"assets:\n  - dest: data/x\n    git: {{repo: '{source}', path: d}}\n")
    fetcher()
    assert snapshot(outside) == {"file": b"mine"}


# Git assets over files that git-spacy did not write; see also tests/assets/test_git.py.


@pytest.mark.threat("overwritten-work")
@pytest.mark.parametrize("dest", [".", "./", "a/.."])
def test_project_folder_is_refused_as_destination(
    fetcher: Fetcher, tmp_path: Path, spacy: Spacy, dest: str
) -> None:
    source = repository(tmp_path / "source", {"x": DATA})
    fetcher.write(f"assets:\n  - dest: {dest}\n    git: {{repo: '{source}', path: ''}}\n")
    git(fetcher.root, "init", "-q")
    git(fetcher.root, "config", "spacy.allowLocalRepository", "true")
    before = snapshot(fetcher.root)
    assert spacy("assets", "--force", cwd=fetcher.root).code == 3
    assert snapshot(fetcher.root) == before


@pytest.mark.threat("overwritten-work")
def test_file_of_the_user_is_replaced_only_with_force_and_others_stay(
    fetcher: Fetcher, tmp_path: Path, spacy: Spacy
) -> None:
    source = repository(tmp_path / "source", {"scripts/x.py": DATA})
    write(fetcher.root, {"scripts/x.py": b"edited", "scripts/mine.py": b"mine"})
    fetcher.write(f"assets:\n  - dest: scripts\n    git: {{repo: '{source}', path: scripts}}\n")
    git(fetcher.root, "init", "-q")
    assert spacy("assets", cwd=fetcher.root).code == 3
    git(fetcher.root, "config", "spacy.allowLocalRepository", "true")
    before = snapshot(fetcher.root)
    done = spacy("assets", cwd=fetcher.root)
    assert done.code == 3
    assert "--force" in done.err
    assert snapshot(fetcher.root) == before
    assert spacy("assets", "--force", cwd=fetcher.root).code == 0
    assert snapshot(fetcher.root / "scripts") == {"x.py": DATA, "mine.py": b"mine"}


# Schemes and paths.


@pytest.mark.threat("url-schemes")
@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "FILE:///etc/passwd", "file:x", "s3://b/k", "gs://b/k", "az://b/k",
     "ftp://127.0.0.1/x", "ssh://127.0.0.1/x", "git://127.0.0.1/x", "git:x", "data:,x",
     "javascript:1", "ext::sh -c x", "dict://127.0.0.1:11211/x"],
)  # fmt: skip
def test_unsupported_schemes_are_refused(fetcher: Fetcher, url: str) -> None:
    fetcher.write_asset("x", url=url)
    assert fetcher.code() == 3
    assert "hint:" in fetcher.error
    assert fetcher.files() == {}


@pytest.mark.threat("url-schemes")
@pytest.mark.parametrize("url", ["{outside}/file", "../outside/file", "link", "folder/file", "~/f"])
def test_path_outside_the_repository_needs_permission(
    fetcher: Fetcher, outside: Path, url: str, sealed: Path
) -> None:
    (sealed / "f").write_bytes(b"mine")
    (fetcher.root / "link").symlink_to(outside / "file")
    (fetcher.root / "folder").symlink_to(outside)
    fetcher.write_asset("x", url=url.format(outside=outside))
    assert fetcher.code() == 3
    assert "git config spacy.allowLocalPath true" in fetcher.error
    assert not (fetcher.root / "x").exists()
    fetcher.settings["spacy.allowlocalpath"] = "true"
    assert fetcher.code() == 0
    assert (fetcher.root / "x").read_bytes() == b"mine"


# Environment variables.

SECRET = "s3cret/value?x=1"


def reported_text(fetcher: Fetcher) -> str:
    """Return everything that the fetch printed or stored."""

    stored = b"".join(
        path.read_bytes() for path in state_dir(fetcher.root).rglob("*") if path.is_file()
    )
    return repr(fetcher.events) + fetcher.error + stored.decode("utf-8", "replace")


def write_project_with_secret(fetcher: Fetcher, url: str) -> None:
    fetcher.write(f"env: {{TOKEN: MY_TOKEN}}\nassets:\n  - dest: x\n    url: '{url}'\n")
    fetcher.environ["MY_TOKEN"] = SECRET


@pytest.mark.threat("environment-values", commands="assets")
def test_environment_values_are_not_sent_without_permission(
    fetcher: Fetcher, web: Scripted
) -> None:
    write_project_with_secret(fetcher, web.on("/x", Answer(DATA)) + "?${env.TOKEN}")
    assert fetcher.code() == 3
    assert "git config spacy.allowEnvInUrl true" in fetcher.error
    assert "MY_TOKEN" in fetcher.error
    assert not web.requests
    fetcher.settings["spacy.allowenvinurl"] = "true"
    assert fetcher.code() == 0
    assert web.requests[0].path == "/x?" + SECRET
    assert SECRET not in reported_text(fetcher)


def test_environment_value_cannot_choose_the_scheme(fetcher: Fetcher) -> None:
    write_project_with_secret(fetcher, "${env.TOKEN}")
    fetcher.settings["spacy.allowenvinurl"] = "true"
    fetcher.environ["MY_TOKEN"] = "file:///etc/passwd"
    assert fetcher.code() == 3
    fetcher.environ["MY_TOKEN"] = "/etc/passwd"
    assert fetcher.code() == 3
    assert "/etc/passwd" not in reported_text(fetcher)


def test_unset_environment_variable_is_reported(fetcher: Fetcher, web: Scripted) -> None:
    write_project_with_secret(fetcher, web.url + "/${env.TOKEN}")
    fetcher.settings["spacy.allowenvinurl"] = "true"
    fetcher.environ.clear()
    assert fetcher.code() == 2
    assert "MY_TOKEN" in fetcher.error


@pytest.mark.threat("environment-values", commands="assets")
@pytest.mark.parametrize("failure", ["404", "echo", "redirect", "stall", "no_server", "text"])
def test_secret_is_not_printed_if_the_fetch_fails(
    fetcher: Fetcher, web: Scripted, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    def echo(handler: object) -> None:
        handler.wfile.write(  # type: ignore[attr-defined]
            f"HTTP/1.1 404 no {SECRET}\r\nContent-Length: 0\r\n\r\n".encode()
        )

    answers = {
        "404": Answer(b"", 404),
        "echo": echo,
        "redirect": redirect(f"ftp://{SECRET}/"),
        "stall": Answer(DATA, stall=0),
        "text": Answer(b"<html>" + SECRET.encode()),
        "no_server": Answer(),
    }
    web.on("/x", answers[failure])
    base = "http://127.0.0.1:9" if failure == "no_server" else web.url
    write_project_with_secret(fetcher, base + "/x?${env.TOKEN}")
    fetcher.settings["spacy.allowenvinurl"] = "true"
    assert fetcher.code() == 4
    assert SECRET not in reported_text(fetcher)
    assert "s3cret" not in reported_text(fetcher)
    assert isinstance(fetcher.events[-1], FetchEvent.__args__)  # type: ignore[attr-defined]
    assert not os.path.exists(fetcher.root / "x")
