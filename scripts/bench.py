"""The cases of `scripts/bench`: each runs its contestants in turn, several times over.

Prints a table and, last, one line of JSON. The first contestant of a case is what the others are
measured by.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.testing.git_server import GitServer
from tests.testing.projects import project
from tests.testing.repositories import commit, noise, repository, serve

ROUNDS = 5
OURS = (sys.executable, "-m", "git_spacy")
WEASEL = (sys.executable, "-m", "weasel")


def timed(command: Sequence[str], cwd: Path) -> float:
    """Seconds that one run takes; it must succeed."""

    begun = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    took = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode()}")
    return took


def contest(
    case: str, contestants: dict[str, Callable[[], Sequence[str]]], cwd: Path
) -> dict[str, dict[str, float]]:
    """Run the contestants in turn; their medians and ratios."""

    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, command in contestants.items():
            times[name].append(timed(command(), cwd))
    first = statistics.median(next(iter(times.values())))
    print(f"\n{case}")
    found = {}
    for name, values in times.items():
        median = statistics.median(values)
        found[name] = {"seconds": round(median, 4), "ratio": round(median / first, 2)}
        print(f"  {name:<40} {median:8.3f} s  {median / first:7.2f}x")
    return found


def start_up(folder: Path) -> dict[str, dict[str, float]]:
    """Saying one's version."""

    return contest(
        "start-up: --version",
        {
            "python -c pass": lambda: (sys.executable, "-c", "pass"),
            "git spacy": lambda: (*OURS, "--version"),
            "weasel --help (it has no --version)": lambda: (*WEASEL, "--help"),
        },
        folder,
    )


def every_commit(folder: Path) -> dict[str, dict[str, float]]:
    """What is asked on every commit, of the embedded template with nothing wrong."""

    timed((*OURS, "clone", "ner_fashion", "project"), folder)
    made = folder / "project"
    timed((*OURS, "assets"), made)
    for name in ("corpus/train.spacy", "corpus/dev.spacy", "training/model-best/meta.json"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(noise(100_000))
    hook = (
        sys.executable,
        "-c",
        "from git_spacy.hook import main; raise SystemExit(main(['all']))",
    )
    return contest(
        "every commit: the embedded template",
        {
            "python -c pass": lambda: (sys.executable, "-c", "pass"),
            "git spacy status": lambda: (*OURS, "status"),
            "git spacy check --staged": lambda: (*OURS, "check", "--staged"),
            "git-spacy-hook all": lambda: hook,
        },
        made,
    )


def no_op(folder: Path) -> dict[str, dict[str, float]]:
    """Finding that nothing changed in 20,000 files and 256 MiB."""

    data: dict[str, str | bytes] = {f"d/{n % 100}/{n}": noise(2000, n) for n in range(20_000)}
    data["large"] = noise(1 << 24) * 16
    text = "commands: [{name: c, script: ['python -c pass'], deps: [d, large], outputs: [d]}]"
    made = project(folder / "project", text, data)
    timed((*OURS, "run", "c"), made)
    return contest(
        "no-op: run, nothing changed in 20,000 files and 256 MiB",
        {"git spacy run": lambda: (*OURS, "run", "c"), "weasel run": lambda: (*WEASEL, "run", "c")},
        made,
    )


def clone(folder: Path) -> dict[str, dict[str, float]]:
    """One of 60 templates out of a repository of 57 MB."""

    files: dict[str, str | bytes] = {}
    for number in range(60):
        files[f"templates/t{number}/project.yml"] = f"title: {number}\n"
        files[f"templates/t{number}/data.bin"] = noise(950_000, number)
    files["templates/wanted/project.yml"] = "title: wanted\n"
    made = repository(folder / "source", files)
    commit(made, {"README.md": "templates\n"})
    subprocess.run(("git", "-C", str(made), "branch", "-M", "main"), check=True)
    (folder / "served").mkdir()
    with GitServer(folder / "served") as server:
        url = server.url + serve(made, folder / "served")
        dest = folder / "dest"

        def fresh(*command: str) -> Callable[[], Sequence[str]]:
            def make() -> Sequence[str]:
                shutil.rmtree(dest, ignore_errors=True)
                server.requests.clear()
                return command

            return make

        ours = (*OURS, "clone", "wanted", str(dest), "--repo", url, "--no-git")
        theirs = (
            *WEASEL,
            "clone",
            "templates/wanted",
            str(dest),
            "--repo",
            url,
            "--branch",
            "main",
        )
        found = contest(
            "clone: one of 60 templates, 57 MB, over loopback HTTP",
            {"git spacy clone": fresh(*ours), "weasel clone": fresh(*theirs)},
            folder,
        )
        for name, command in (("git spacy clone", ours), ("weasel clone", theirs)):
            before = server.sent
            timed(fresh(*command)(), folder)
            found[name] |= {"requests": len(server.requests), "bytes": server.sent - before}
            print(f"  {name:<40} {len(server.requests)} requests, {server.sent - before:,} bytes")
    return found


CASES = {"start-up": start_up, "every-commit": every_commit, "no-op": no_op, "clone": clone}


def main(names: Sequence[str]) -> None:
    """Run the cases that are named."""

    unknown = set(names) - set(CASES)
    if unknown:
        sys.exit(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users have their bytecode
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    results = {}
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"HOME": folder, "GIT_CONFIG_GLOBAL": f"{folder}/.gitconfig"}
            for role in ("AUTHOR", "COMMITTER"):
                os.environ |= {f"GIT_{role}_NAME": "bench", f"GIT_{role}_EMAIL": "bench@localhost"}
            results[name] = CASES[name](Path(folder))
    print("\n" + json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1:])
