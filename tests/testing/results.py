"""Create a repository with a project that trained and evaluated a model, with its run records.

The scripts only look like spaCy's: training writes what spaCy's meta.json and weights would be.
"""

from __future__ import annotations

import json
from pathlib import Path

from git_spacy.cli.main import main
from git_spacy.history.run_record import RunRecord, to_line
from tests.testing.projects import project
from tests.testing.repositories import git

RAW = "raw data\n"
TRAINED = """\
title: Fashion brands
description: Finds brands in comments.
license: MIT
vars: {lang: en, seed: 0}
assets:
  - dest: assets/raw.txt
    url: https://someone:secret@example.com/raw.txt?token=secret&a=b
    license: CC-BY-4.0
    description: Comments
  - dest: assets/unused.jsonl
    url: https://example.com/unused.jsonl
    checksum: sha256:SHA
  - {dest: assets/mine.txt}
commands:
  - name: prepare
    help: Convert the data
    script: ["python prepare.py"]
    deps: [assets/raw.txt, prepare.py]
    outputs: [corpus]
  - name: train
    help: Train the model
    script: ["python train.py spacy train config.cfg --output training/ --seed ${vars.seed}"]
    deps: [corpus/train.spacy, train.py, config.cfg]
    outputs: [training/model-best]
  - name: evaluate
    script: ["python score.py spacy evaluate training/model-best corpus/dev.spacy -o metrics.json"]
    deps: [training/model-best, corpus/dev.spacy, score.py]
    outputs_no_cache: [metrics.json]
workflows:
  all: [prepare, train, evaluate]
""".replace("SHA", "5" * 64)
META = {
    "lang": "en", "name": "fashion", "version": "0.1.0", "license": "MIT",
    "description": "Brands", "spacy_version": ">=3.8.0,<3.9.0",
    "pipeline": ["tok2vec", "ner"], "labels": {"ner": ["BRAND"]},
}  # fmt: skip
SCORES = {
    "token_acc": 1.0, "ents_p": 0.8, "ents_r": 0.9, "ents_f": 0.85, "speed": 1000,
    "ents_per_type": {"BRAND": {"p": 0.8, "r": 0.9, "f": 0.85}},
}  # fmt: skip
FILES: dict[str, str | bytes] = {
    "assets/raw.txt": RAW,
    "config.cfg": '[nlp]\nlang = "en"\n',
    "LICENSE": "free\n",
    "prepare.py": (
        "import pathlib\nraw = open('assets/raw.txt').read()\n"
        "pathlib.Path('corpus').mkdir(exist_ok=True)\n"
        "for name in ('train', 'dev'): open(f'corpus/{name}.spacy', 'w').write(name + raw)\n"
    ),
    "train.py": (
        "import json, pathlib, sys\nmodel = pathlib.Path('training/model-best')\n"
        "model.mkdir(parents=True, exist_ok=True)\n"
        f"(model / 'meta.json').write_text({json.dumps(META)!r})\n"
        "(model / 'weights').write_text(sys.argv[-1])\n"
    ),
    "score.py": f"open('metrics.json', 'w').write({json.dumps(SCORES)!r})\n",
    ".gitignore": "/corpus/\n/training/\n",
}


def trained(folder: Path, text: str = TRAINED, files: dict[str, str | bytes] | None = None) -> Path:
    """Create the repository: a commit of the sources, and one of the results of `all`."""

    root = project(folder, text, {**FILES, **(files or {})})
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "sources")
    assert main(["-C", str(root), "run", "all"]) == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "results")
    return root


def note_runs(
    root: Path, metrics: list[dict[str, float]], command: str = "score", exit: int = 0
) -> None:
    """Record runs with these metrics on HEAD, a minute after one another."""

    lines = [
        to_line(
            RunRecord(
                f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z", "", command, (), (), (),
                exit=exit, metrics={"m.json": values},
            )
        )
        for number, values in enumerate(metrics)
    ]  # fmt: skip
    git(root, "notes", "--ref", "spacy", "append", "-m", "\n".join(lines), "HEAD")
