"""Ask every command that judges a project whether it is up to date."""

from __future__ import annotations

import json
from pathlib import Path

from tests.testing.projects import Done, Spacy

AGREED = {"status": True, "check": True, "check --staged": True, "run": True}


def opinions(root: Path, spacy: Spacy) -> dict[str, bool]:
    """Return for each command whether it calls the project at `root` up to date; `run` comes last,
    and changes that if it does not."""

    listed = json.loads(spacy("status", "--json", cwd=root).out)["commands"]
    return {
        "status": all(command["state"] == "up_to_date" for command in listed),
        "check": spacy("check", "lock", cwd=root).out == "",
        "check --staged": spacy("check", "lock", "--staged", cwd=root).out == "",
        "run": not ran(spacy("run", "all", cwd=root)),
    }


def ran(done: Done) -> bool:
    """Return whether a run started any command."""

    return ": running" in done.err
