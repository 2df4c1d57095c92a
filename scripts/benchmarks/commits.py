"""Benchmarks of what runs with every commit: start-up, status, hooks and notes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from benchmarks.contest import (
    OURS,
    PYTHON,
    Budget,
    Row,
    contest,
    is_installed,
    self_timed,
    timed,
)
from tests.testing.repositories import git, noise

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
NOTES = 10_000
APPENDED = 10


def start_up(folder: Path) -> list[Row]:
    """Print the version and the help."""

    contestants = {
        "python -c pass": timed(PYTHON, "-c", "pass", cwd=folder, times=3),
        "--version": timed(OURS, "--version", cwd=folder, times=3),
        "-h": timed(OURS, "-h", cwd=folder, times=3),
    }
    for program in ("weasel", "dvc"):
        if is_installed(program):
            contestants[f"{program} --help"] = timed(program, "--help", cwd=folder)
    against = "python -c pass"
    budgets = [Budget("--version", 3, against), Budget("-h", 5, against)]
    return contest("start-up", contestants, budgets, rounds=9)


def every_commit(folder: Path) -> list[Row]:
    """Check the built-in template after everything was run and committed."""

    made = template(folder)
    contestants = {
        "python -c pass": timed(PYTHON, "-c", "pass", cwd=made, times=3),
        "status": timed(OURS, "status", cwd=made, times=3),
        "check --staged": timed(OURS, "check", "--staged", cwd=made, times=3),
        "git-spacy-hook all": timed("git-spacy-hook", "all", cwd=made, times=3),
    }
    budgets = [
        Budget(name, 5, "python -c pass")
        for name in ("status", "check --staged", "git-spacy-hook all")
    ]
    return contest("built-in template, all up to date", contestants, budgets, rounds=9)


def pre_commit(folder: Path) -> list[Row]:
    """Run our hooks with pre-commit, with nothing to report, and as many hooks that do nothing."""

    made = template(folder)
    combined, *hooks = yaml.safe_load(HOOKS.read_text())
    contestants = {}
    if is_installed("pre-commit"):
        for name in ("our hooks", "the combined hook", "as many true hooks"):
            configured = []
            for hook in [combined] if name == "the combined hook" else hooks:
                entry = "true" if name == "as many true hooks" else hook["entry"]
                configured.append({**hook, "language": "system", "entry": entry})
            config = folder / f"{name}.yaml"
            config.write_text(json.dumps({"repos": [{"repo": "local", "hooks": configured}]}))
            words = ("run", "--all-files", "--config", str(config))
            contestants[name] = timed("pre-commit", *words, cwd=made)
    if not contestants:
        return []
    names = ("our hooks", "the combined hook")
    budgets = [Budget(name, 2.5, "as many true hooks") for name in names]
    return contest(f"pre-commit, {len(hooks)} hooks", contestants, budgets, rounds=11)


def template(folder: Path) -> Path:
    """Create a repository of the built-in template with all commands recorded as run.

    Nothing is trained; the outputs contain random bytes.
    """

    made = folder / "project"
    for words in (("clone", "ner_fashion", str(made)), ("-C", str(made), "assets")):
        subprocess.run((OURS, *words), check=True, capture_output=True)
    resolved = json.loads(
        subprocess.run(
            (OURS, "resolved", "--json"), cwd=made, capture_output=True, check=True
        ).stdout
    )
    for command in resolved["commands"]:
        for name in (*command.get("outputs", ()), *command.get("outputs_no_cache", ())):
            if not (made / name).exists():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(noise(100_000))
    names = resolved["workflows"]["all"]
    subprocess.run((OURS, "lock", "record", *names), cwd=made, check=True, capture_output=True)
    git(made, "add", "-A")
    git(made, "commit", "-qm", "Run it")
    return made


def notes(folder: Path) -> list[Row]:
    """Show the last 20 records of 10,000 commits with a note each, and append to a note."""

    made = folder / "r"
    git(folder, "init", "-q", "-b", "main", str(made))
    record = json.dumps({
        "v": 1, "time": "2026-01-01T00:00:00.000Z", "project": "", "command": "train",
        "script": ["python train.py"], "deps": [], "outs": [], "vars": {}, "exit": 0,
        "seconds": 1.5, "how": "run", "tree": "", "dirty": False, "versions": {}, "metrics": {},
    }, sort_keys=True, separators=(",", ":"))  # fmt: skip
    blob = f"blob\nmark :1\ndata {len(record) + 1}\n{record}\n\n"
    project = "title: notes\ncommands: [{name: train, script: [python train.py]}]\n"
    blob += f"blob\nmark :2\ndata {len(project)}\n{project}\n"
    who = "committer bench <bench@localhost> {} +0000"
    commits = "".join(
        f"commit refs/heads/main\nmark :{number + 10}\n{who.format(1_700_000_000 + number)}\n"
        f"data 1\n{number % 10}\nM 644 :2 project.yml\n\n"
        for number in range(NOTES)
    )
    noted = f"commit refs/notes/spacy\n{who.format(1_800_000_000)}\ndata 1\nn\n"
    noted += "".join(f"N :1 :{number + 10}\n" for number in range(NOTES))
    git(made, "fast-import", "--quiet", input=f"{blob}{commits}{noted}\ndone\n")
    git(made, "reset", "-q", "--hard", "main")
    git(made, "repack", "-adq")
    rows = contest(
        "10,000 notes: the last 20",
        {
            "log -n 20": timed(OURS, "log", "-n", "20", cwd=made, times=3),
            "git log --notes -20": timed("git", "log", "--notes=spacy", "-20", cwd=made, times=3),
        },
        [Budget("log -n 20", 5, "git log --notes -20")],
        rounds=9,
    )
    ours = (
        "import time, subprocess, sys; from pathlib import Path\n"
        "from git_spacy.git import notes; from git_spacy.git.repository import Repository\n"
        "repository = Repository.discover(Path.cwd())\n"
        "ids = subprocess.check_output(['git', 'rev-list', '-n', sys.argv[1], 'HEAD'], text=True)\n"
        "started = time.perf_counter()\n"
        "for id in ids.split(): notes.append(repository, id, [f'{started}'])\n"
        "print((time.perf_counter() - started) / len(ids.split()))\n"
    )
    theirs = (
        "import time, subprocess, sys\n"
        "ids = subprocess.check_output(['git', 'rev-list', '-n', sys.argv[1], 'HEAD'], text=True)\n"
        "started = time.perf_counter()\n"
        "for id in ids.split():\n"
        "    subprocess.run(['git', 'notes', '--ref=other', 'append', '-m', 'x', id], check=True)\n"
        "print((time.perf_counter() - started) / len(ids.split()))\n"
    )
    git(made, "update-ref", "refs/notes/other", "refs/notes/spacy")
    return rows + contest(
        "10,000 notes: append one",
        {
            "append": self_timed(ours, str(APPENDED), cwd=made),
            "git notes append": self_timed(theirs, str(APPENDED), cwd=made),
        },
        [Budget("append", 5, "git notes append")],
        rounds=9,
    )
