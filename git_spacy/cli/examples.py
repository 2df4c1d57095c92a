"""What people type, verb by verb: the examples of the man pages. A test parses each."""

from __future__ import annotations

# verb ("" for git spacy itself) → (command line, what it does)
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("git spacy clone ner_fashion", "Get a template."),
        ("git spacy assets", "Fetch its data."),
        ("git spacy run all", "Run what is stale of the workflow 'all'."),
        ("git spacy log", "See what was run, on which commit."),
    ),
    "clone": (
        ("git spacy clone --list", "See which templates there are."),
        ("git spacy clone ner_fashion", "Get one into a folder of its name."),
        (
            "git spacy clone --repo https://example.com/x -b v2 ner my-ner",
            "Get the folder 'ner' of a repository of your own, as its tag v2 has it.",
        ),
    ),
    "init": (
        ("git spacy init --dry", "See what would be set up in this repository."),
        ("git spacy init hooks", "Set up the hooks alone."),
        ("git spacy init --undo", "Take back all that was set up."),
        ("git spacy init --new hello", "Start a small project that runs in the folder 'hello'."),
    ),
    "assets": (
        ("git spacy assets", "Fetch what is not here, or not right."),
        ("git spacy assets --extra assets/vectors", "Fetch what lies below one folder."),
    ),
    "run": (
        ("git spacy run", "See what there is to run."),
        ("git spacy run all", "Run the workflow 'all', and skip what is current."),
        ("git spacy run --dry all", "See what would run, and why."),
        ("git spacy run train --vars.seed 7", "Run a command with another variable."),
        ("git spacy run all --jobs 3 --matrix vars.seed=0,1,2", "Train with three seeds at once."),
    ),
    "status": (
        ("git spacy status", "See what is up to date, and why the rest is not."),
        ("git spacy status --porcelain", "The same, for a script."),
    ),
    "check": (
        ("git spacy check", "Check everything, as CI does."),
        ("git spacy check lock --staged", "Check only the lock, as it will be committed."),
        ("git spacy check --format github", "Put each problem at its line of a pull request."),
    ),
    "log": (
        ("git spacy log --command train", "See every run of 'train'."),
        ("git spacy log main..HEAD", "See what was run on this branch."),
        ("git spacy log --table --sort ents_f", "See which variables gave the highest score."),
    ),
    "show": (("git spacy show HEAD~1", "See all that was recorded of the last commit but one."),),
    "diff": (("git spacy diff main HEAD", "See why results differ from those of main."),),
    "lock": (
        ("git spacy lock rebuild", "Rebuild a project.lock that was lost."),
        ("git spacy lock record train", "Enter a model that a colleague has sent."),
        ("git spacy lock resolve", "Settle the lock after a merge."),
    ),
    "notes": (
        ("git spacy notes push", "Send the records to the remote of the branch."),
        ("git spacy notes pull upstream", "Get those of another remote."),
        ("git spacy notes status", "See who lacks what."),
    ),
    "ignore": (
        ("git spacy ignore", "Write the block."),
        ("git spacy ignore --check", "See whether it is current."),
    ),
    "dvc": (
        ("git spacy dvc", "Write dvc.yaml for the first workflow."),
        ("git spacy dvc all --stdout", "See what would be written for the workflow 'all'."),
    ),
    "document": (
        ("git spacy document", "Write the block of README.md."),
        ("git spacy document --output docs/project.md", "Write it elsewhere."),
    ),
    "graph": (
        ("git spacy graph", "See it in the terminal."),
        ("git spacy graph all -o docs/graph.svg", "Draw the workflow 'all' as SVG."),
    ),
    "schema": (("git spacy schema -o project.schema.json", "Write it for an editor."),),
    "push": (
        ("git spacy push", "Send up-to-date outputs to the default remote."),
        ("git spacy push s3://bucket/models", "Send them to an address."),
    ),
    "pull": (("git spacy pull", "Get what others have made of the same inputs."),),
    "restore": (
        ("git spacy restore", "Bring the outputs of HEAD."),
        ("git spacy restore v1.0", "Bring those of a tag."),
    ),
    "cache": (
        ("git spacy cache status", "See how much is kept."),
        ("git spacy cache gc --days 7", "Remove what was not used for a week."),
    ),
    "resolved": (("git spacy resolved --vars.seed 7", "See what a variable changes."),),
    "config": (
        ("git spacy config", "See all settings."),
        ("git config --global spacy.jobs 4", "Run up to four commands at a time."),
    ),
}
