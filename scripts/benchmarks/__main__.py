"""`scripts/bench [CASE…] [--list] [--write DOCUMENT]`."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import commits, files, network, projects, report
from benchmarks.contest import Row

CASES: dict[str, Callable[[Path], list[Row]]] = {
    "start-up": commits.start_up,
    "every-commit": commits.every_commit,
    "pre-commit": commits.pre_commit,
    "notes": commits.notes,
    "load": projects.load,
    "no-op": files.no_op,
    "cold": files.cold,
    "touched": files.touched,
    "memory": files.memory,
    "clone": network.clone,
    "assets": network.assets,
    "large-asset": network.large_asset,
}


def main() -> None:
    """Run the cases that are named, and report."""

    asked = argparse.ArgumentParser(prog="scripts/bench")
    asked.add_argument("cases", nargs="*", metavar="CASE")
    asked.add_argument("--list", action="store_true", help="say what cases there are")
    asked.add_argument("--write", type=Path, metavar="DOCUMENT", help="put the table there")
    given = asked.parse_args()
    if given.list:
        for name, case in CASES.items():
            print(f"{name:<14} {(case.__doc__ or '').splitlines()[0]}")
        return
    if unknown := set(given.cases) - set(CASES):
        asked.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if given.write and given.cases:
        asked.error("the table in a document is of one run of all cases")
    # users have their bytecode, and what lies on the PATH of this environment
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("PYTHONPATH", None)
    rows = []
    where = report.machine()
    for name in given.cases or CASES:
        # (no TemporaryDirectory: 200,000 files are quickly removed only as a whole)
        folder = Path(tempfile.mkdtemp(prefix="git-spacy-bench-"))
        try:
            seal(folder)
            rows += CASES[name](folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print("\n" + report.as_table(rows))
    print("\n" + report.as_json(rows, where))
    if given.write:
        report.write(given.write, rows, where)


def seal(folder: Path) -> None:
    """A home of its own, with a name for Git and nothing else."""

    home = folder / "home"
    home.mkdir()
    os.environ |= {"HOME": str(home), "GIT_CONFIG_GLOBAL": f"{home}/.gitconfig"}
    os.environ |= {"GIT_CONFIG_NOSYSTEM": "1", "DVC_NO_ANALYTICS": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        os.environ |= {f"GIT_{role}_NAME": "bench", f"GIT_{role}_EMAIL": "bench@localhost"}


if __name__ == "__main__":
    main()
