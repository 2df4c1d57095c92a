"""The list of commands, for help and completion without importing any of them.

What else belongs to a command is in its module (see `cli/command_class.py`).
"""

from __future__ import annotations

# Heading → command → summary, as `git spacy -h` lists them. A command NAME is the function NAME in
# the module git_spacy.cli.commands.NAME.
SUMMARIES = {
    "Start a project": {
        "clone": "Copy a project template into a new folder.",
        "add": "Add a tool to a project, e.g. wandb or fastapi.",
        "init": "Set up this repository, or create a small project.",
        "update": "Merge the changes of a project's template.",
    },
    "Work on a project": {
        "assets": "Fetch the project's assets and verify their checksums.",
        "run": "Run commands and workflows; skip what is up to date.",
        "jobs": "List, follow and collect runs on a cluster.",
        "status": "Show what is up to date, what is stale, and why.",
        "clean": "Remove outputs, and nothing else.",
        "check": "Report problems in the project; for hooks and CI.",
    },
    "Examine the run history": {
        "log": "Show recorded runs by commit, or compare their metrics.",
        "show": "Show the runs of one commit, or a single one, in full.",
        "diff": "Compare the runs of commits, or single runs.",
        "provenance": "Describe how results were made, as RO-Crate or ML-BOM.",
        "report": "Write a page with graph, metrics, runs and changes.",
    },
    "Share and restore results": {
        "push": "Send outputs to a remote: a folder, S3, ssh, ...",
        "pull": "Fetch outputs from a remote.",
        "restore": "Restore the outputs of a commit.",
        "cache": "Show, verify or clean up the local cache of outputs.",
        "notes": "Share run records with other clones.",
        "lock": "Repair project.lock, e.g. after a merge conflict.",
    },
    "Generate files": {
        "document": "Describe the project in README.md.",
        "ignore": "List fetched and generated files in .gitignore.",
        "dvc": "Write dvc.yaml, so that 'dvc repro' runs a workflow.",
        "graph": "Draw the project's assets, commands and files.",
        "schema": "Print a JSON Schema of project.yml for editors.",
    },
    "Inspect the configuration": {
        "resolved": "Print the project with its variables filled in.",
        "config": "Show the settings and where each comes from.",
        "doctor": "Examine whether this clone is set up.",
    },
}
COMMANDS = tuple(name for section in SUMMARIES.values() for name in section)
# Command → what completes its arguments, a key of CANDIDATES in cli/completion.py; for a command
# with subcommands, this by subcommand.
ARGUMENTS: dict[str, str | dict[str, str]] = {
    "clone": "templates",
    "add": "integrations",
    "init": "steps",
    "assets": "assets",
    "run": "commands and workflows",
    "clean": "commands and workflows",
    "check": "checks",
    "log": "revisions",
    "show": "revisions and runs",
    "diff": "revisions and runs",
    "provenance": "revisions",
    "report": "revisions",
    "push": "remotes and outputs",
    "pull": "remotes and outputs",
    "restore": "revisions",
    "jobs": {"follow": "jobs", "collect": "jobs", "stop": "jobs"},
    "cache": {},
    "notes": {"push": "Git remotes", "pull": "Git remotes", "status": "Git remotes"},
    "lock": {"rebuild": "revisions", "record": "commands and workflows"},
    "dvc": "workflows",
    "graph": "workflows",
}


def summary(name: str) -> str:
    """Return the one-line summary of the command `name`, or "" if it has none."""

    return next((section[name] for section in SUMMARIES.values() if name in section), "")
