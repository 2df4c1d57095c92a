"""Benchmarks of the run history: the time to look something up must not depend on its length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.contest import OURS, Budget, Row, contest, is_installed, self_timed, timed
from git_spacy.history.run_record import RecordedFile, RunRecord, to_line
from git_spacy.lock import lock_format
from tests.testing.repositories import git

RECORDS = (1_000, 10_000, 100_000)
_MAX_COMMITS = 10_000
_METRICS = "metrics: [metrics.json]\n"  # dvc.yaml: dvc reads the metrics of each commit
_PROJECT = "commands: [{name: train, script: [python train.py], outputs: [out.txt]}]\n"
_WHO = "committer bench <bench@localhost> {} +0000\n"
_APPEND = (
    "import time; from pathlib import Path\n"
    "from git_spacy.git import notes; from git_spacy.git.repository import Repository\n"
    "repository = Repository.discover(Path.cwd())\n"
    "id = notes.resolve_commit(repository, 'HEAD')\n"
    "started = time.perf_counter()\n"
    "notes.append(repository, id, [f'{started}'])\n"
    "print(time.perf_counter() - started)\n"
)


def history(folder: Path) -> list[Row]:
    """Look up runs among 1,000, 10,000 and 100,000 records, each commit with a lock of its own."""

    rows = []
    append_budgets = []
    appends = {}
    for records in RECORDS:
        made = _history(folder / str(records), records)
        name = f"{records:,} records"
        contestants = {
            "log -n 20": timed(OURS, "log", "-n", "20", cwd=made, times=3),
            "show HEAD": timed(OURS, "show", "HEAD", cwd=made, times=3),
            "--version": timed(OURS, "--version", cwd=made, times=3),
            "git log --notes -20": timed("git", "log", "--notes=spacy", "-20", cwd=made, times=3),
        }
        if is_installed("dvc"):
            contestants["dvc exp show -n 20"] = timed("dvc", "exp", "show", "-n", "20", cwd=made)
        timed(OURS, "log", "-n", "20", cwd=made).measure()  # builds the index
        budgets = [Budget("log -n 20", 2, "--version"), Budget("show HEAD", 2, "--version")]
        rows += contest(f"{name}: look up", contestants, budgets, rounds=5)
        appends[name] = self_timed(_APPEND, cwd=made)
        append_budgets.append(Budget(name, 1.5, f"{RECORDS[0]:,} records"))
    return rows + contest("append one record", appends, append_budgets[1:], rounds=5)


def _history(made: Path, records: int) -> Path:
    """Create a repository with this many records; the lock of each commit has the result of one."""

    git(made.parent, "init", "-q", "-b", "main", str(made))
    git(made, "fast-import", "--quiet", input="".join(_script(records)))
    git(made, "reset", "-q", "--hard", "main")
    git(made, "repack", "-adq")
    return made


def _script(records: int) -> Iterator[str]:
    commits = min(records, _MAX_COMMITS)
    each = records // commits
    for mark, text in enumerate((_PROJECT, _METRICS, ""), 1):
        yield f"blob\nmark :{mark}\ndata {len(text)}\n{text}\n"
    for number in range(commits):
        entry = _record(number, 0).entry()._replace(cmd="python -m weasel run train")
        lock = lock_format.text({"train": entry}).decode()
        yield f"commit refs/heads/main\nmark :{number + 10}\n{_WHO.format(1_700_000_000 + number)}"
        yield "data 1\nc\nM 644 :1 project.yml\nM 644 :2 dvc.yaml\nM 644 :3 .dvc/config\n"
        scores = f'{{"score": {number / commits}}}'
        yield f"M 644 inline metrics.json\ndata {len(scores)}\n{scores}\n"
        yield f"M 644 inline project.lock\ndata {len(lock)}\n{lock}\n"
    yield f"commit refs/notes/spacy\n{_WHO.format(1_800_000_000)}data 1\nn\n"
    for number in range(commits):  # a run begins on the commit before the one that has its result
        note = "".join(f"{to_line(_record(number + 1, other))}\n" for other in range(each))
        yield f"N inline :{number + 10}\ndata {len(note)}\n{note}\n"
    yield "done\n"


def _record(number: int, other: int) -> RunRecord:
    out = RecordedFile("out.txt", f"{number:032x}", 1)
    time = f"2026-01-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00.000Z"
    script = (f"python train.py {number} {other}",)
    return RunRecord(time, "", "train", script, (), (out,), seconds=1.0, dirty=True)
