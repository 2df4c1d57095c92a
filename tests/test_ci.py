"""The GitHub action and the GitLab template: the shell of each step runs in a clone, as in CI."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from tests.cli.commands.test_report import PROJECT, results
from tests.testing.http_server import LocalServer
from tests.testing.projects import on_path, project
from tests.testing.recorded import commit_results
from tests.testing.repositories import git, write

REPOSITORY = Path(__file__).parents[1]
ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
GITLAB = yaml.safe_load((REPOSITORY / "ci/gitlab.yml").read_text())["git-spacy"]
MARKER = "<!-- git-spacy report of models-ner -->"
# Records its words. Lists a comment of the bot if a file says so, as `--jq` selects it.
GH = f"""#!{sys.executable}
import os, pathlib, sys
folder = pathlib.Path(os.environ["RUNNER_TEMP"])
with (folder / "gh.log").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if "--jq" in sys.argv and (folder / "comment").exists():
    assert os.environ["MARKER"] == {MARKER!r}
    assert os.environ["GH_TOKEN"] == "the token"
    print((folder / "comment").read_text())
"""
PIP = '#!/bin/sh\nif [ "$1 $2" = "-m pip" ]; then echo "$@" > "$RUNNER_TEMP/pip.log"; else exec {} "$@"; fi\n'


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shallow clone of a branch whose scores are better than those of main; the project is in
    a folder whose name a shell would divide."""

    source = tmp_path / "source"
    root = project(source / "models ner", PROJECT, {"prepare.py": "prepare.py"})
    git(source, "init", "-q", "-b", "main")
    commit_results(root, results(0, 0.5), "Score 0.5")
    git(source, "checkout", "-qb", "better")
    commit_results(root, results(1, 0.75), "Score 0.75")
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path / "temp"))
    write(tmp_path, {
        "temp/x": "", "bin/gh*": GH, "bin/python*": PIP.format(sys.executable),
        "bin/docker*": "#!/bin/sh\n",
    })  # fmt: skip
    on_path(tmp_path / "bin", monkeypatch)
    git(tmp_path, "clone", "-q", "--depth", "1", "-b", "better", source.as_uri(), "clone")
    return tmp_path / "clone"


# GitHub


class Runner:
    """Runs the steps of the action, with the values that GitHub would put in its expressions."""

    def __init__(self, clone: Path, **inputs: str) -> None:
        self.folder = clone
        self.temp = Path(os.environ["RUNNER_TEMP"])
        self.summary = self.temp / "summary.md"
        defaults = {name: str(each["default"]) for name, each in ACTION["inputs"].items()}
        given = {**defaults, "project": "models ner", "token": "the token", **inputs}
        self.values = {f"inputs.{name}": value for name, value in given.items()}
        self.values |= {
            "github.event_name": "pull_request", "github.base_ref": "main",
            "github.event.pull_request.number": "7",
        }  # fmt: skip

    def run(self) -> dict[str, subprocess.CompletedProcess[str]]:
        """Run the steps until one fails; return the results by the steps' names."""

        done: dict[str, subprocess.CompletedProcess[str]] = {}
        for step in STEPS:
            if self.is_wanted(step.get("if", "true")):
                done[step["name"]] = self.run_step(step)
                if done[step["name"]].returncode:
                    break
        return done

    def run_step(self, step: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        output = self.temp / "output"
        output.write_text("")
        given = {
            name: self.values[re.fullmatch(r"\$\{\{ (\S+) \}\}", text)[1]]  # type: ignore[index]
            for name, text in step.get("env", {}).items()
        }
        result = subprocess.run(
            ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            cwd=self.folder, capture_output=True, text=True, check=False,
            env={
                **os.environ, **given, "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_REPOSITORY": "org/models",
                "GITHUB_ACTION_PATH": "/action",
            },
        )  # fmt: skip
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{name}"] = value
        return result

    def is_wanted(self, condition: str) -> bool:
        parts = [part.split(" ") for part in condition.split(" && ")]
        return all(
            part == ["true"] or (self.values[part[0]] == part[2].strip("'")) == (part[1] == "==")
            for part in parts
        )

    def requests(self) -> list[str]:
        log = self.temp / "gh.log"
        return log.read_text().splitlines() if log.exists() else []


def test_no_script_of_the_action_contains_an_expression_that_could_be_a_command() -> None:
    assert ACTION["runs"]["using"] == "composite"
    for step in STEPS:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
    documented = (REPOSITORY / "ci/README.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", documented, re.MULTILINE)) >= set(ACTION["inputs"])
    assert set(re.findall(r"`(GIT_SPACY_\w+)` \|", documented)) - {"GIT_SPACY_TOKEN"} == {
        name for name in GITLAB["variables"] if name.startswith("GIT_SPACY")
    }


def test_the_action_comments_on_a_pull_request_and_updates_its_comment(clone: Path) -> None:
    runner = Runner(clone, extras="s3")
    done = runner.run()
    assert {name: each.returncode for name, each in done.items()} == dict.fromkeys(
        (step["name"] for step in STEPS[:-1]), 0
    ), [each.stderr for each in done.values()]
    assert (runner.temp / "pip.log").read_text() == "-m pip install --quiet /action[s3]\n"
    report = Path(runner.values["steps.report.outputs.md"])
    assert report.read_text().startswith(f"{MARKER}\n")
    assert "| `evaluate` `ents_f` | 0.5 |" in report.read_text()
    assert runner.summary.read_text() == report.read_text()
    assert "<!DOCTYPE html>" in Path(runner.values["steps.report.outputs.html"]).read_text()
    comments = "repos/org/models/issues/7/comments"
    assert [line.split(" --jq")[0] for line in runner.requests()] == [
        f"api --paginate {comments}", f"api --silent -X POST {comments} -F body=@{report}",
    ]  # fmt: skip
    assert git(clone, "status", "--porcelain") == ""

    (runner.temp / "comment").write_text("42\n43\n")
    comment = next(step for step in STEPS if step["name"].startswith("Comment"))
    assert runner.run_step(comment).returncode == 0
    assert runner.requests()[-1] == (
        f"api --silent -X PATCH repos/org/models/issues/comments/42 -F body=@{report}"
    )
    write(clone.parent, {"bin/gh*": "#!/bin/sh\nexit 1\n"})
    refused = runner.run_step(comment)  # as that of a fork
    assert (refused.returncode, refused.stdout.count("::notice::")) == (0, 1)


def test_the_action_fails_at_the_end_if_a_check_fails(clone: Path) -> None:
    write(clone, {"models ner/prepare.py": "another"})
    git(clone, "commit", "-qam", "Change a script")
    runner = Runner(clone, remote="none", comment="false")
    done = runner.run()
    assert list(done)[-2:] == ["Write the report", "Fail if a check failed"]
    assert done["Check the project"].stdout.startswith("::error file=models ner/project.lock,")
    assert done["Fail if a check failed"].returncode == 1
    assert "stale" in runner.summary.read_text()
    assert runner.requests() == []


# GitLab


class Notes(BaseHTTPRequestHandler):
    """The comments of a merge request."""

    server: LocalServer

    def answer(self) -> None:
        own = self.server.comments  # type: ignore[attr-defined]
        assert self.headers["PRIVATE-TOKEN"] == "the token"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path, _, query = self.path.partition("?")
        if self.command == "GET":
            assert query == "sort=asc&per_page=100"
        else:
            id = path.rpartition("/notes/")[2] if self.command == "PUT" else str(len(own) + 1)
            own[id] = parse_qs(body)["body"][0]
        text = json.dumps([{"id": int(id), "body": text} for id, text in own.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        pass


def run_gitlab(clone: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    script = "\n".join(GITLAB["script"])
    return subprocess.run(
        ("bash", "-eo", "pipefail", "-c", script),
        cwd=clone, capture_output=True, text=True, check=False,
        env={
            **os.environ, **GITLAB["variables"], "GIT_SPACY_PROJECT": "models ner",
            "CI_PROJECT_DIR": str(clone), **variables,
        },
    )  # fmt: skip


REQUEST = {
    "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7", "GIT_SPACY_TOKEN": "the token",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
}  # fmt: skip


def test_the_gitlab_job_updates_its_comment(clone: Path) -> None:
    git(clone, "fetch", "-q", "--unshallow")  # GIT_DEPTH is 0
    with LocalServer(Notes) as server:
        comments = {"1": "Looks good", "4": f"{MARKER}\nold"}
        server.comments = comments  # type: ignore[attr-defined]
        done = run_gitlab(clone, CI_API_V4_URL=f"{server.url}/api/v4", **REQUEST)
    assert done.returncode == 0, done.stderr
    assert "the token" not in done.stdout + done.stderr
    assert list(comments) == ["1", "4"]
    assert comments["4"].startswith(f"{MARKER}\n")
    assert "| `evaluate` `ents_f` | 0.5 |" in comments["4"]
    assert "🟢 +0.25 better" in comments["4"]
    assert json.loads((clone / "git-spacy.json").read_text()) == []
    assert "<!DOCTYPE html>" in (clone / "git-spacy-report.html").read_text()


def test_the_gitlab_job_comments_and_then_fails_if_a_check_fails(clone: Path) -> None:
    write(clone, {"models ner/prepare.py": "another"})
    git(clone, "commit", "-qam", "Change a script")
    with LocalServer(Notes) as server:
        comments = {"1": "Looks good"}
        server.comments = comments  # type: ignore[attr-defined]
        url = f"{server.url}/api/v4"
        done = run_gitlab(clone, GIT_SPACY_REMOTE="none", CI_API_V4_URL=url, **REQUEST)
    assert done.returncode == 1
    assert "stale" in comments["2"]
    assert len(json.loads((clone / "git-spacy.json").read_text())) == 1
    for line in GITLAB["before_script"]:
        checked = subprocess.run(("bash", "-n", "-c", line), check=False)
        assert checked.returncode == 0
