"""Examples of each command for the man pages. A test parses every command line."""

from __future__ import annotations

# Command ("" is git spacy itself) → (command line, purpose)
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("git spacy clone ner_fashion", "Copy a template."),
        ("git spacy assets", "Fetch its assets."),
        ("git spacy run all", "Run the stale commands of the workflow 'all'."),
        ("git spacy log", "Show which commands ran on which commit."),
    ),
    "clone": (
        ("git spacy clone --list", "List the templates."),
        ("git spacy clone ner_fashion", "Copy a template into a folder of the same name."),
        (
            "git spacy clone --repo https://example.com/x -b v2 ner my-ner",
            "Copy the folder 'ner' of your own repository at the tag v2 to 'my-ner'.",
        ),
    ),
    "init": (
        ("git spacy init --dry", "Show what would be set up in this repository."),
        ("git spacy init hooks", "Set up only the hooks."),
        ("git spacy init --undo", "Undo the setup."),
        ("git spacy init --new hello", "Create a small project in the folder 'hello'."),
    ),
    "assets": (
        ("git spacy assets", "Fetch assets that are missing or have changed."),
        ("git spacy assets --extra assets/vectors", "Also fetch the extra assets in one folder."),
    ),
    "run": (
        ("git spacy run", "List commands and workflows."),
        ("git spacy run all", "Run the workflow 'all'; skip commands that are up to date."),
        ("git spacy run --dry all", "Show what would run, and why."),
        ("git spacy run train --vars.seed 7", "Run a command with another value of a variable."),
        (
            "git spacy run all --jobs 3 --matrix vars.seed=0,1,2",
            "Use three seeds in parallel.",
        ),
    ),
    "status": (
        ("git spacy status", "Show what is up to date, and why the rest is not."),
        ("git spacy status --porcelain", "Show the same for scripts."),
    ),
    "check": (
        ("git spacy check", "Check everything, as in CI."),
        ("git spacy check lock --staged", "Check only the lock, as staged for commit."),
        ("git spacy check --format github", "Annotate the lines of a pull request on GitHub."),
    ),
    "log": (
        ("git spacy log --command train", "Show every run of 'train'."),
        ("git spacy log main..HEAD", "Show the runs on this branch."),
        ("git spacy log --table --sort ents_f", "Show which variables gave the highest score."),
    ),
    "show": (("git spacy show HEAD~1", "Show all that is recorded for the parent of HEAD."),),
    "diff": (("git spacy diff main HEAD", "Show how and why results differ from main."),),
    "lock": (
        ("git spacy lock rebuild", "Rebuild a lost project.lock."),
        ("git spacy lock record train", "Record a model that you copied here."),
        ("git spacy lock resolve", "Resolve a merge conflict in project.lock."),
    ),
    "notes": (
        ("git spacy notes push", "Push run records to the branch's remote."),
        ("git spacy notes pull upstream", "Fetch the run records of another remote."),
        ("git spacy notes status", "Compare run records with the remote."),
    ),
    "ignore": (
        ("git spacy ignore", "Update .gitignore."),
        ("git spacy ignore --check", "Check whether .gitignore is up to date."),
    ),
    "dvc": (
        ("git spacy dvc", "Write dvc.yaml for the first workflow."),
        ("git spacy dvc all --stdout", "Print the dvc.yaml of the workflow 'all'."),
    ),
    "document": (
        ("git spacy document", "Update README.md."),
        ("git spacy document --output docs/project.md", "Write to another file."),
    ),
    "graph": (
        ("git spacy graph", "Draw the graph in the terminal."),
        ("git spacy graph all -o docs/graph.svg", "Draw the workflow 'all' as SVG."),
    ),
    "schema": (("git spacy schema -o project.schema.json", "Write the schema to a file."),),
    "push": (
        ("git spacy push", "Send up-to-date outputs to the default remote."),
        ("git spacy push s3://bucket/models", "Send outputs to an address."),
    ),
    "pull": (("git spacy pull", "Fetch outputs that others made from the same inputs."),),
    "restore": (
        ("git spacy restore", "Restore the outputs of HEAD."),
        ("git spacy restore v1.0", "Restore the outputs of a tag."),
    ),
    "cache": (
        ("git spacy cache status", "Show the size of the cache."),
        ("git spacy cache gc --days 7", "Remove results that were not used for a week."),
    ),
    "resolved": (("git spacy resolved --vars.seed 7", "Show what a variable changes."),),
    "config": (
        ("git spacy config", "Show all settings."),
        ("git config --global spacy.jobs 4", "Run up to four commands at a time."),
    ),
    "doctor": (
        ("git spacy doctor", "Examine this clone and this machine."),
        ("git spacy doctor --network", "Also contact the remotes."),
    ),
}
