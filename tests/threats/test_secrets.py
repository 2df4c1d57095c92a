"""No command leaks a secret into output, files, notes, Git objects, the cache or a remote.

Secrets are credentials in URLs, values of environment variables and tokens in redirects.
"""

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
    """A project that uses every kind of secret, and whose scripts do not print any."""

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
    root = project(tmp_path / "p", text, {"train.py": train})
    git(root, "init", "-q")
    git(root, "config", "spacy.allowEnvInUrl", "true")
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    return root


COMMANDS = (
    "assets", "assets --force", "run all", "run all -F -j 2", "run all --restore", "run fail",
    "run missing", "run train --dry", "run train --matrix x=1", "status", "status --json", "resolved",
    "check", "check --staged", "log", "log --json", "show", "ignore", "document", "dvc",
    "graph -o graph.svg", "graph", "report -o -", "schema", "lock record train", "lock rebuild", "push", "pull",
    "restore --force", "notes status", "cache status",
)  # fmt: skip


@pytest.mark.threat("environment-values")
def test_no_command_leaks_a_secret(root: Path, tmp_path: Path) -> None:
    environ = {"THE_KEY": VALUE, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    git(root, "add", ".")
    git(root, "commit", "-qm", "x")
    results: dict[str, Done] = {}
    for words in COMMANDS:
        results[words] = process(*words.split(), cwd=root, **environ)
        assert results[words].code not in (70, -6), (words, results[words].err)
    assert results["run all"].code == 0
    assert results["push"].code == 0
    assert results["assets"].code == 4  # one of them does not exist
    assert (root / "assets/b").read_bytes() == DATA
    project_text = (root / "project.yml").read_text()
    for words, done in results.items():
        for secret in SECRETS:
            assert secret not in done.err, words
            # the resolved document has the text of project.yml
            assert secret not in done.out or (words == "resolved" and secret in project_text), words
    git(root, "add", "-A")
    for location, data in all_content(tmp_path):
        if location.endswith("project.yml") or project_text.encode() in data:
            continue
        for secret in SECRETS:
            assert secret.encode() not in data, location


def all_content(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all file names, files, and Git objects, including notes, with their location."""

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


def test_a_debug_traceback_has_no_secrets(root: Path) -> None:
    done = process("assets", cwd=root, THE_KEY=VALUE, GIT_SPACY_DEBUG="1")
    assert not any(secret in done.out + done.err for secret in SECRETS)
