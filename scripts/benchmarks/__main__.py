"""The command line of the benchmarks: `scripts/bench [CASE…]`, with options as `--help` shows."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import (
    commits,
    compare,
    contest,
    files,
    history,
    network,
    projects,
    report,
    scale,
    transfers,
)
from benchmarks.contest import Row

CASES: dict[str, Callable[[Path], list[Row]]] = {
    "start-up": commits.start_up,
    "every-commit": commits.every_commit,
    "pre-commit": commits.pre_commit,
    "notes": commits.notes,
    "history": history.history,
    "load": projects.load,
    "scale": scale.scale,
    "no-op": files.no_op,
    "cold": files.cold,
    "touched": files.touched,
    "memory": files.memory,
    "clone": network.clone,
    "assets": network.assets,
    "large-asset": network.large_asset,
    "transfer-small": transfers.small_files,
    "transfer-large": transfers.large_file,
}


def main() -> None:
    """Run the given cases and print the report."""

    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--list", action="store_true", help="list the cases")
    parser.add_argument(
        "--write", type=Path, metavar="DOCUMENT", help="replace the table in DOCUMENT"
    )
    parser.add_argument(
        "--compare", metavar="REV", help="compare the working tree with this revision"
    )
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="with --compare: the number of rounds"
    )
    arguments = parser.parse_args()
    if arguments.list:
        for name, case in CASES.items():
            print(f"{name:<14} {(case.__doc__ or '').splitlines()[0]}")
        return
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"unknown case {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    if arguments.write and arguments.cases:
        parser.error("--write requires a run of all cases")
    if arguments.compare and arguments.write:
        parser.error("--write cannot be combined with --compare")
    # as for a user: with bytecode files, and without the checkout on the import path
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("PYTHONPATH", None)
    if arguments.compare:
        with tempfile.TemporaryDirectory(prefix="git-spacy-bench-") as folder:
            old = compare.extract(arguments.compare, Path(folder, "old"))
            contest.comparison = compare.Comparison(old, arguments.rounds)
            run_cases(arguments.cases or CASES)
        print("\n" + compare.as_table(contest.comparison.changes, arguments.compare))
        return
    machine = report.describe_machine()
    rows = run_cases(arguments.cases or CASES)
    print("\n" + report.as_table(rows))
    print("\n" + report.as_json(rows, machine))
    if arguments.write:
        report.write(arguments.write, rows, machine)


def run_cases(names: Iterable[str]) -> list[Row]:
    """Run cases, each in an empty folder."""

    rows = []
    for name in names:
        # not TemporaryDirectory, which takes long to remove 200,000 files
        folder = Path(tempfile.mkdtemp(prefix="git-spacy-bench-"))
        try:
            isolate(folder)
            rows += CASES[name](folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return rows


def isolate(folder: Path) -> None:
    """Use an empty home folder, and set only a user name for Git."""

    home = folder / "home"
    home.mkdir()
    os.environ |= {"HOME": str(home), "GIT_CONFIG_GLOBAL": f"{home}/.gitconfig"}
    os.environ |= {"GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        os.environ |= {f"GIT_{role}_NAME": "bench", f"GIT_{role}_EMAIL": "bench@localhost"}


if __name__ == "__main__":
    main()
