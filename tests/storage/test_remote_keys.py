"""Tests of object names, compared with weasel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.project import loader
from git_spacy.project.paths import ProjectPath, parse_path
from git_spacy.state.stat_cache import StatCache
from git_spacy.storage import remote_keys
from git_spacy.storage.push import command_hash
from tests.testing.projects import CORPUS, needs_corpus, project
from tests.testing.repositories import write

remote_storage: Any = pytest.importorskip("weasel.cli.remote_storage")


def test_keys_are_parsed_from_object_names() -> None:
    path = ProjectPath("./ü b/x+y", "ü b/x+y")
    key = remote_keys.make_key(path, "a" * 32, "b" * 32)
    assert str(key) == f".%2F%C3%BC+b%2Fx%2By/{'a' * 32}/{'b' * 32}"
    assert remote_keys.parse_key(f"bucket/some/where/{key}", path) == key
    assert remote_keys.parse_key(str(key), ProjectPath("other", "other")) is None
    model = ProjectPath("model", "model")
    for other in (
        "model",
        f"model/{'a' * 32}",
        f"model/{'A' * 32}/{'b' * 32}",
        f"model/x/{'b' * 32}",
        f"model/../{'a' * 32}/{'b' * 32}",
    ):
        assert remote_keys.parse_key(other, model) is None


@pytest.mark.parametrize("value", ["../../evil", "*", "", "A" * 32, "a" * 33])
def test_a_key_is_only_built_from_hashes(value: str) -> None:
    """Threat model: hostile-values."""

    for command, content in ((value, "a" * 32), ("a" * 32, value)):
        with pytest.raises(InvalidInput):
            remote_keys.make_key(ProjectPath("model", "model"), command, content)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_names_are_encoded_as_by_weasel(text: str) -> None:
    try:
        encoded = remote_storage.RemoteStorage.encode_name(None, text)
    except UnicodeError:
        return
    assert remote_keys.encode_path(ProjectPath(text, text)) == encoded
    assert "/" not in encoded


names = st.text("ab.-_ +ü/", min_size=1, max_size=6).map(
    lambda text: parse_path(text, "dependency")
)
paths = names.filter(lambda path: isinstance(path, ProjectPath))


@given(
    st.dictionaries(paths.map(str), st.binary(max_size=3), max_size=6),
    st.lists(st.text(max_size=9), max_size=3),
)
@example({"_/..": b""}, [])
def test_the_hash_of_a_command_is_that_of_weasel(
    tmp_path_factory: pytest.TempPathFactory, deps: dict[str, bytes], script: list[str]
) -> None:
    outside = tmp_path_factory.mktemp("p").resolve()
    root = outside / "a/a/a"  # absolute paths come before or after those in it
    root.mkdir(parents=True)
    deps = {f"{outside}{name}" if name[0] == "/" else name: deps[name] for name in deps}
    for name, content in deps.items():
        path = root / name
        if any(one.is_file() for one in path.parents):
            return  # a file cannot also be a folder
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():  # such as 'a/..', once 'a' exists
            return
        path.write_bytes(content)
    found = {name: parse_path(name, "dependency") for name in deps}
    md5s = {
        path: remote_storage.get_checksum(root / name)
        for name, path in found.items()
        if isinstance(path, ProjectPath)
    }
    try:
        theirs = remote_storage.get_command_hash("", "", [root / name for name in deps], script)
    except UnicodeError:
        return
    assert remote_keys.command_hash(root, md5s.items(), script) == theirs


def made_up(root: Path, folder: Path) -> None:
    """Copy a project of the corpus and create dummy files for the dependencies of its commands."""

    project(root, (folder / "project.yml").read_text())
    loaded = loader.load(root, {})
    for command in loaded.commands:
        for number, dep in enumerate(command.deps):
            path = root / dep.normal
            is_folder = any(
                other.normal.startswith(dep.normal + "/")
                for one in loaded.commands
                for other in one.deps
            )
            if not path.exists() and not dep.outside:
                write(root, {f"{dep.normal}/inner" if is_folder else dep.normal: f"{number}"})


@needs_corpus
@pytest.mark.parametrize(
    "folder",
    sorted(path.parent for path in CORPUS.glob("*/project.yml")),
    ids=lambda path: path.name,
)
def test_every_command_of_the_corpus_has_the_hash_of_weasel(tmp_path: Path, folder: Path) -> None:
    from weasel.util import load_project_config

    try:
        made_up(tmp_path, folder)
    except GitSpacyError as error:
        pytest.skip(f"does not load: {error.problems[0].message}")
    loaded = loader.load(tmp_path, {})
    stats = StatCache.open(tmp_path)
    theirs = {
        command["name"]: command for command in load_project_config(tmp_path).get("commands", [])
    }
    for command in loaded.commands:
        other = theirs[command.name]
        deps = [tmp_path / dep for dep in other.get("deps", [])]
        if "script" not in other or not all(dep.exists() for dep in deps):
            continue  # weasel does not push it: it takes two names in one string for one path
        seen = stats.fingerprints(command.deps)
        expected = remote_storage.get_command_hash("", "", deps, other["script"])
        assert command_hash(tmp_path, loaded, command, seen, os.environ) == expected, command.name


def test_a_dependency_listed_twice_counts_twice_as_in_weasel(tmp_path: Path) -> None:
    write(tmp_path, {"a": "1", "b": "2"})
    text = "commands: [{name: c, script: [x], deps: [b, a, ./a, a], outputs: [out]}]"
    project(tmp_path, text)
    loaded = loader.load(tmp_path, {})
    deps = [tmp_path / name for name in ("b", "a", "./a", "a")]
    expected = remote_storage.get_command_hash("", "", deps, ["x"])
    seen = StatCache.open(tmp_path).fingerprints(loaded.commands[0].deps)
    assert command_hash(tmp_path, loaded, loaded.commands[0], seen, {}) == expected


def test_dependencies_outside_are_ordered_by_where_they_are_as_in_weasel(tmp_path: Path) -> None:
    top = tmp_path.resolve()
    write(top, {"a/1": "1", "z/2": "2", "p/m": "3", "p/-": "4", "other": "5"})
    (top / "linked").symlink_to("p")
    names = [f"{top}/z/2", "m", f"{top}/a/1", "../other", f"{top}/p/n/../m", f"/{top}/a/1", "-"]
    (top / "p/n").mkdir()
    project(top / "p", f"commands: [{{name: c, script: [x], deps: {names}, outputs: [out]}}]")
    expected = remote_storage.get_command_hash("", "", [top / "p" / name for name in names], ["x"])
    for root in (top / "p", top / "linked"):
        loaded = loader.load(root, {})
        seen = StatCache.open(root).fingerprints(loaded.commands[0].deps)
        assert command_hash(root, loaded, loaded.commands[0], seen, {}) == expected
