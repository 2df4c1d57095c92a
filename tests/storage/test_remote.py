"""Tests of remote names and addresses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.storage import remote
from tests.storage.conftest import Shared
from tests.testing.projects import snapshot
from tests.testing.repositories import git


def address(remotes: str, name: str | None, **settings: str) -> str:
    project = loader.parse(f"remotes: {{{remotes}}}\n".encode()).project
    found = {key.replace("_", "."): value for key, value in settings.items()}
    return remote.resolve_address(project, found, name).url


def test_a_remote_in_the_git_config_takes_precedence() -> None:
    assert address("default: s3://a, other: s3://b", None) == "s3://a"
    assert address("default: s3://a, other: s3://b", "other") == "s3://b"
    assert address("default: s3://a", None, spacy_remote_default_url="/mine") == "/mine"
    assert address("", "mine", spacy_remote_mine_url="/mine") == "/mine"


def test_the_only_remote_is_the_default_one() -> None:
    assert address("only: s3://a", None) == "s3://a"
    assert address("", None, spacy_remote_mine_url="/mine") == "/mine"
    with pytest.raises(InvalidInput, match="unknown remote 'default'") as raised:
        address("one: s3://a, two: s3://b", None)
    assert "known remotes: one, two" in str(raised.value)


def test_an_address_can_be_given_instead_of_a_name() -> None:
    for given in ("s3://bucket/x", "/a/b", "./a", "../a", "~/a", "file:///a"):
        assert address("default: s3://a", given) == given


@pytest.mark.threat("interrupted-uploads", commands="push")
def test_an_unknown_remote_name_is_not_taken_for_a_folder(shared: Shared) -> None:
    before = snapshot(shared.made.parent)
    for command in ("push", "pull"):
        done = shared.spacy(command, "defautl", cwd=shared.made)
        assert done.code == 2
        assert "unknown remote, command or output 'defautl'" in done.err
        assert "did you mean 'default'" in done.err
    text = (shared.made / "project.yml").read_text().partition("remotes:")[0]
    (shared.made / "project.yml").write_text(text)
    for command in ("push", "pull"):
        done = shared.spacy(command, cwd=shared.made)
        assert done.code == 2
        assert "git config spacy.remote.default.url" in done.err
    after = snapshot(shared.made.parent)
    assert {**after, "made/project.yml": b""} == {**before, "made/project.yml": b""}


def test_a_remote_name_may_match_an_existing_folder(shared: Shared) -> None:
    (shared.made / "backup").mkdir()
    assert shared.spacy("push", "backup/x", cwd=shared.made).code == 2
    assert not list((shared.made / "backup").iterdir())


def test_an_address_in_the_git_config_is_used(shared: Shared, tmp_path: Path) -> None:
    git(shared.made, "init", "-q")
    git(shared.made, "config", "spacy.remote.Team.url", str(tmp_path / "team remote"))
    assert (
        shared.spacy("push", "Team", cwd=shared.made).err.splitlines()[-1] == "pushed 2, skipped 0"
    )
    assert sorted(os.listdir(tmp_path / "team remote")) == ["corpus%2Fwords.txt", "model"]
    assert not shared.remote.exists()


def test_a_relative_address_is_relative_to_the_project(shared: Shared, tmp_path: Path) -> None:
    done = shared.spacy("push", "../beside", cwd=shared.made / "scripts")
    assert done.code == 0, done.err
    assert (tmp_path / "beside/model").is_dir()
    done = shared.spacy("pull", f"file://{tmp_path}/beside", cwd=shared.clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0"
    assert shared.spacy("push", f"FILE://{tmp_path}/third", cwd=shared.made).code == 0
    assert (tmp_path / "third/model").is_dir()


@pytest.mark.threat("url-schemes")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("file://host/folder", 2), ("file://", 2), ("http://example.com/x", 3), ("ftp://a/b", 3),
        ("simplecache://x", 3), ("s3://a::file:///etc", 3), ("ssh://h/p::local://x", 3),
        ("s3://", 2), ("ssh://user@127.0.0.1:9", 2), ("ssh://127.0.0.1:9/", 2), ("gs:///", 2),
    ],
)  # fmt: skip
def test_unsupported_addresses_are_refused(shared: Shared, given: str, code: int) -> None:
    before = snapshot(shared.made.parent)
    for command in ("push", "pull"):
        done = shared.spacy(command, given, cwd=shared.made)
        assert done.code == code, done.err
        assert "hint: " in done.err
    assert snapshot(shared.made.parent) == before


@pytest.mark.threat("environment-values", commands="pull push")
@pytest.mark.parametrize("spelling", ["${env.BUCKET}", "$BUCKET"])
def test_environment_variables_in_an_address_are_refused(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.setenv("BUCKET", "secret-value")
    text = (shared.made / "project.yml").read_text().partition("remotes:")[0]
    (shared.made / "project.yml").write_text(
        f"{text}env: {{BUCKET: BUCKET}}\nremotes: {{default: 's3://{spelling}/x'}}\n"
    )
    done = shared.push()
    assert "secret-value" not in done.err
    if spelling.startswith("${"):
        assert done.code in (2, 3), done.err
        assert "BUCKET" in done.err


@pytest.mark.parametrize("scheme", ["http", "s3", "ssh", "gs"])
def test_credentials_are_redacted_in_every_error(
    tmp_path: Path, scheme: str, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if scheme in ("s3", "gs"):
        given = f"{scheme}://user:hunter2@x::y/z"  # this address is refused before it is used
    else:
        given = f"{scheme}://user:hunter2@127.0.0.1:9/x?token=hunter2"
    done = shared.spacy("push", given, cwd=shared.made)
    assert done.code in (2, 3, 4)
    assert "hunter2" not in done.err + done.out
    assert "Traceback" not in done.err


def test_a_missing_extra_is_named_in_the_hint(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    done = shared.spacy("pull", "gcs://bucket/x", cwd=shared.clone)
    assert done.code == 2
    assert "pip install 'gcsfs>=2024.2'" in done.err


def test_more_than_one_remote_is_a_usage_error(shared: Shared) -> None:
    done = shared.spacy("push", "default", "other", cwd=shared.made)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_read_only_remote_is_a_local_failure(shared: Shared) -> None:
    shared.remote.write_text("a file")
    done = shared.push()
    assert done.code == 5
    assert "hint: " in done.err
    assert shared.remote.read_text() == "a file"
    assert shared.pull().code == 2


def test_the_settings_of_a_remote_are_those_of_its_name(tmp_path: Path) -> None:
    project = loader.parse(b"remotes: {default: s3://a, other: s3://b}\n").project
    settings = {
        "spacy.remote.default.endpoint": "https://here", "spacy.remote.other.profile": "me",
        "spacy.remote.default.url": "s3://mine",
    }  # fmt: skip
    found = remote.resolve_address(project, settings, None)
    assert found == ("s3://mine", "default", {"endpoint": "https://here"})
    assert remote.resolve_address(project, settings, "other").settings == {"profile": "me"}
    assert remote.resolve_address(project, settings, "s3://mine") == ("s3://mine", "", {})
    with pytest.raises(InvalidInput, match="the home folder in the address '~nobody-x/a'"):
        remote.open_remote(tmp_path, remote.RemoteAddress("~nobody-x/a"))
