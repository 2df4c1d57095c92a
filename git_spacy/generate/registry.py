"""The parts that a project's files have, made again by the command that their markers name.

The table says which module knows a verb; that has `again(words, subject)`, the way back from the
words of a marker's command to the part. A marker is read, and never run.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.generate import managed_block
from git_spacy.generate.managed_block import GeneratedFile
from git_spacy.project.loader import LoadedProject

GENERATORS = {
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


class GeneratorInput(NamedTuple):
    """The project at `root`, of whose project.yml `data` is the text and `loaded` is made."""

    root: Path
    loaded: LoadedProject
    data: bytes


class CommandWords(NamedTuple):
    """The words of a command: its names, and its options with what they are given, or ""."""

    names: tuple[str, ...]
    options: dict[str, str]


def parse_words(words: Sequence[str], valued: Sequence[str] = ("-o",)) -> CommandWords:
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
    return CommandWords(tuple(names), options)


def regenerate_blocks(
    file: str, text: str, subject: GeneratorInput
) -> Iterator[tuple[GeneratedFile, int]]:
    """What the parts in the file of this name (from the project) and text are to be now, with the
    lines of their markers. Raises Malformed for what cannot be made any more, Unavailable,
    OSError."""

    seen = set()
    for command, line in managed_block.find_commands(text):
        verb, *words = managed_block.split_command(command)
        if verb in GENERATORS and verb not in seen:
            seen.add(verb)
            part = importlib.import_module(GENERATORS[verb]).regenerate(words, subject)
            # (else it is a copy, or the file of another project)
            if part is not None and part.file == file:
                yield part, line
