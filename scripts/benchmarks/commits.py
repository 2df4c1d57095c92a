"""What is felt on every commit: start-up, status, the hooks, the notes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from benchmarks.contest import OURS, PYTHON, Budget, Row, contest, is_there, reporting, started
from tests.testing.repositories import git, noise

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
NOTES = 10_000
APPENDED = 10


def start_up(folder: Path) -> list[Row]:
    """Saying one's version, and one's help."""

    contestants = {
        "python -c pass": started(PYTHON, "-c", "pass", cwd=folder, times=3),
        "--version": started(OURS, "--version", cwd=folder, times=3),
        "-h": started(OURS, "-h", cwd=folder, times=3),
    }
    for program in ("weasel", "dvc"):
        if is_there(program):
            contestants[f"{program} --help"] = started(program, "--help", cwd=folder)
    against = "python -c pass"
    budgets = [Budget("--version", 5, against), Budget("-h", 5, against)]
    return contest("start-up", contestants, budgets, rounds=9)


def every_commit(folder: Path) -> list[Row]:
    """Whether the embedded template, all of it run and committed, is as it should be."""

    made = template(folder)
    contestants = {
        "python -c pass": started(PYTHON, "-c", "pass", cwd=made, times=3),
        "status": started(OURS, "status", cwd=made, times=3),
        "check --staged": started(OURS, "check", "--staged", cwd=made, times=3),
        "git-spacy-hook all": started("git-spacy-hook", "all", cwd=made, times=3),
    }
    budgets = [
        Budget(name, 8, "python -c pass")
        for name in ("status", "check --staged", "git-spacy-hook all")
    ]
    return contest("embedded template, all up to date", contestants, budgets, rounds=9)


def pre_commit(folder: Path) -> list[Row]:
    """pre-commit's run of our hooks, warm, nothing wrong, and of as many that do nothing."""

    made = template(folder)
    every, *hooks = yaml.safe_load(HOOKS.read_text())
    contestants = {}
    if is_there("pre-commit"):
        for name in ("our hooks", "the one for all", "as many true hooks"):
            some = []
            for hook in [every] if name == "the one for all" else hooks:
                entry = "true" if name == "as many true hooks" else hook["entry"]
                some.append({**hook, "language": "system", "entry": entry})
            config = folder / f"{name}.yaml"
            config.write_text(json.dumps({"repos": [{"repo": "local", "hooks": some}]}))
            words = ("run", "--all-files", "--config", str(config))
            contestants[name] = started("pre-commit", *words, cwd=made)
    if not contestants:
        return []
    names = ("our hooks", "the one for all")
    budgets = [Budget(name, 2.5, "as many true hooks") for name in names]
    return contest(f"pre-commit, {len(hooks)} hooks", contestants, budgets, rounds=11)


def template(folder: Path) -> Path:
    """The embedded template as a repository in which everything was run; nothing is trained, the
    outputs are of noise."""

    made = folder / "project"
    for words in (("clone", "ner_fashion", str(made)), ("-C", str(made), "assets")):
        subprocess.run((OURS, *words), check=True, capture_output=True)
    told = json.loads(
        subprocess.run(
            (OURS, "resolved", "--json"), cwd=made, capture_output=True, check=True
        ).stdout
    )
    for command in told["commands"]:
        for name in (*command.get("outputs", ()), *command.get("outputs_no_cache", ())):
            if not (made / name).exists():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(noise(100_000))
    names = told["workflows"]["all"]
    subprocess.run((OURS, "lock", "record", *names), cwd=made, check=True, capture_output=True)
    git(made, "add", "-A")
    git(made, "commit", "-qm", "Run it")
    return made


def notes(folder: Path) -> list[Row]:
    """A history of 10,000 commits with a note each: the last 20, and one more note."""

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
    shown = contest(
        "10,000 notes: the last 20",
        {
            "log -n 20": started(OURS, "log", "-n", "20", cwd=made, times=3),
            "git log --notes -20": started("git", "log", "--notes=spacy", "-20", cwd=made, times=3),
        },
        [Budget("log -n 20", 5, "git log --notes -20")],
        rounds=9,
    )
    ours = (
        "import time, subprocess, sys; from pathlib import Path\n"
        "from git_spacy.git import notes; from git_spacy.git.repository import Repository\n"
        "repository = Repository.discover(Path.cwd())\n"
        "ids = subprocess.check_output(['git', 'rev-list', '-n', sys.argv[1], 'HEAD'], text=True)\n"
        "begun = time.perf_counter()\n"
        "for id in ids.split(): notes.append(repository, id, [f'{begun}'])\n"
        "print((time.perf_counter() - begun) / len(ids.split()))\n"
    )
    theirs = (
        "import time, subprocess, sys\n"
        "ids = subprocess.check_output(['git', 'rev-list', '-n', sys.argv[1], 'HEAD'], text=True)\n"
        "begun = time.perf_counter()\n"
        "for id in ids.split():\n"
        "    subprocess.run(['git', 'notes', '--ref=other', 'append', '-m', 'x', id], check=True)\n"
        "print((time.perf_counter() - begun) / len(ids.split()))\n"
    )
    git(made, "update-ref", "refs/notes/other", "refs/notes/spacy")
    return shown + contest(
        "10,000 notes: append one",
        {
            "append": reporting(ours, str(APPENDED), cwd=made),
            "git notes append": reporting(theirs, str(APPENDED), cwd=made),
        },
        [Budget("append", 5, "git notes append")],
        rounds=9,
    )
