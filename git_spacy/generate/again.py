"""The parts that a project's files have, made again by the command that their markers name.

The table says which module knows a verb; that has `again(words, subject)`, the way back from the
words of a marker's command to the part. A marker is read, and never run.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.generate import marked
from git_spacy.generate.marked import Part
from git_spacy.project.loader import Loaded

MAKERS = {
    "ignore": "git_spacy.generate.ignore",
    "dvc": "git_spacy.generate.dvc",
    "document": "git_spacy.generate.document",
    "schema": "git_spacy.generate.schema",
    "graph": "git_spacy.generate.drawing",
}
# what files with parts are called, unless somebody gave them another name (a graph's *.txt is not
# looked for: texts are data here)
NAMES = (".gitignore", "dvc.yaml", "README.md", "project.schema.json")
PATTERNS = (*NAMES, "*.md", "*.schema.json", "*.svg", "*.mmd", "*.mermaid", "*.dot", "*.gv")


class Subject(NamedTuple):
    """The project at `root`, of whose project.yml `data` is the text and `loaded` is made."""

    root: Path
    loaded: Loaded
    data: bytes


class Given(NamedTuple):
    """The words of a command: its names, and its options with what they are given, or ""."""

    names: tuple[str, ...]
    options: dict[str, str]


def given(words: Sequence[str], valued: Sequence[str] = ("-o",)) -> Given:
    """`words` after the verb; options in `valued` take the next word."""

    names, options = [], {}
    rest = iter(words)
    for word in rest:
        if word in valued:
            options[word] = next(rest, "")
        elif word.startswith("-"):
            options[word] = ""
        else:
            names.append(word)
    return Given(tuple(names), options)


def parts(file: str, text: str, subject: Subject) -> Iterator[tuple[Part, int]]:
    """What the parts in the file of this name (from the project) and text are to be now, with the
    lines of their markers. Raises Malformed for what cannot be made any more, Unavailable,
    OSError."""

    seen = set()
    for command, line in marked.commands(text):
        verb, *words = marked.words_of(command)
        if verb in MAKERS and verb not in seen:
            seen.add(verb)
            part = importlib.import_module(MAKERS[verb]).again(words, subject)
            # (else it is a copy, or the file of another project)
            if part is not None and part.file == file:
                yield part, line
