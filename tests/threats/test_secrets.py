"""Secrets go nowhere: credentials in addresses, values of the environment, tokens of a redirect are
in no output, file, note, Git object, store or remote, whatever verb runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing.projects import Done, process, project
from tests.testing.repositories import GIT, git
from tests.testing.scripted import Answer, Scripted, redirect

PASSWORD, VALUE, TOKEN = "s3cr3t-passw0rd", "value-of-the-env1ronment", "t0ken-of-a-redirect"
SECRETS = (PASSWORD, VALUE, TOKEN)
DATA = b"some data\n"
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def root(tmp_path: Path, web: Scripted) -> Path:
    """A project that has to do with all of them, and whose scripts print none."""

    plain = web.on("/file", Answer(DATA))
    web.on("/auth", Answer(DATA))
    hop = web.on("/hop", redirect(f"{plain}?token={TOKEN}"))
    host = web.url.partition("://")[2]
    text = f"""\
env: {{key: THE_KEY}}
assets:
  - {{dest: assets/a, url: "http://user:{PASSWORD}@{host}/auth", checksum: {MD5}}}
  - {{dest: assets/b, url: "{hop}?key=${{env.key}}", checksum: {MD5}}}
  - {{dest: assets/c, url: "http://user:{PASSWORD}@{host}/nowhere?key=${{env.key}}"}}
commands:
  - name: train
    script: ["python train.py ${{env.key}}"]
    deps: [assets/a]
    outputs: [model]
  - name: fail
    script: ["python -c 'raise SystemExit(3)' ${{env.key}}"]
  - name: missing
    script: ["no-such-program ${{env.key}}"]
workflows: {{all: [train]}}
"""
    train = "import os, pathlib, sys\nassert sys.argv[1] == os.environ['THE_KEY']\n"
    train += "pathlib.Path('model').write_text('weights')\n"
    made = project(tmp_path / "p", text, {"train.py": train})
    git(made, "init", "-q")
    git(made, "config", "spacy.allowEnvInUrl", "true")
    git(made, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    return made


VERBS = (
    "assets", "assets --force", "run all", "run all -F -j 2", "run all --restore", "run fail",
    "run missing", "run train --dry", "run train --matrix x=1", "status", "status --json", "resolved",
    "check", "check --staged", "log", "log --json", "show", "ignore", "document", "dvc",
    "graph -o graph.svg", "graph", "schema", "lock record train", "lock rebuild", "push", "pull",
    "restore --force", "notes status", "cache status",
)  # fmt: skip


@pytest.mark.threat("environment-values")
def test_no_verb_lets_one_out(root: Path, tmp_path: Path) -> None:
    environ = {"THE_KEY": VALUE, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    git(root, "add", ".")
    git(root, "commit", "-qm", "x")
    told: dict[str, Done] = {}
    for words in VERBS:
        told[words] = process(*words.split(), cwd=root, **environ)
        assert told[words].code not in (70, -6), (words, told[words].err)
    assert told["run all"].code == 0
    assert told["push"].code == 0
    assert told["assets"].code == 4  # one of them is nowhere
    assert (root / "assets/b").read_bytes() == DATA
    own = (root / "project.yml").read_text()
    for words, done in told.items():
        for secret in SECRETS:
            assert secret not in done.err, words
            # (the document as understood has what project.yml itself says)
            assert secret not in done.out or (words == "resolved" and secret in own), words
    git(root, "add", "-A")
    for place, data in everything(tmp_path):
        if place.endswith("project.yml") or own.encode() in data:
            continue
        for secret in SECRETS:
            assert secret.encode() not in data, place


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files with their names, and all objects of the repository, notes among them."""

    for path in folder.rglob("*"):
        yield f"the name {path}", os.fsencode(path.name)
        if path.is_file():
            yield str(path), path.read_bytes()
    ids = git(folder / "p", "cat-file", "--batch-check=%(objectname)", "--batch-all-objects")
    for id in ids.splitlines():
        done = subprocess.run(
            (GIT, "cat-file", "-p", id), cwd=folder / "p", capture_output=True, check=True
        )
        yield f"the object {id}", done.stdout


def test_a_traceback_for_those_who_ask_for_one_has_none_either(root: Path) -> None:
    done = process("assets", cwd=root, THE_KEY=VALUE, GIT_SPACY_DEBUG="1")
    assert not any(secret in done.out + done.err for secret in SECRETS)
