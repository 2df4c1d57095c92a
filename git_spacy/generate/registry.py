"""The generators by command, and regeneration of files from the commands in their markers.

Each module in `GENERATORS` has a function `regenerate(words, subject)` that takes the arguments of
a marker's command and returns its current output. The command itself is never run.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from git_spacy.light_typing import TYPE_CHECKING, NamedTuple
from git_spacy.project.loader import LoadedProject

if TYPE_CHECKING:
    from git_spacy.generate.managed_block import GeneratedFile
    from git_spacy.state.tracked_paths import TrackedPaths

GENERATORS = {
    "ignore": "git_spacy.generate.ignore",
    "dvc": "git_spacy.generate.dvc",
    "document": "git_spacy.generate.document",
    "schema": "git_spacy.generate.schema",
    "graph": "git_spacy.generate.drawing",
}
# the default names of generated files, and patterns for other names. Graphs in *.txt files are not
# searched for, since text files are usually data.
NAMES = (".gitignore", "dvc.yaml", "README.md", "project.schema.json")
PATTERNS = (*NAMES, "*.md", "*.schema.json", "*.svg", "*.mmd", "*.mermaid", "*.dot", "*.gv")


class GeneratorInput(NamedTuple):
    """The project at `root`; `data` is the content of its project.yml, and `git` the index of its
    worktree, None outside of any."""

    root: Path
    loaded: LoadedProject
    data: bytes
    git: TrackedPaths | None


class CommandWords(NamedTuple):
    """The arguments of a command: its names, and its options with their values (or "")."""

    names: tuple[str, ...]
    options: dict[str, str]


def parse_words(words: Sequence[str], valued: Sequence[str] = ("-o",)) -> CommandWords:
    """Parse the words after the command's name; options in `valued` take a value."""

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
    """Regenerate the blocks in a file; yield each with the line of its marker.

    `file` is the path relative to the project and `text` the file's content. Raises InvalidInput
    for a block that can no longer be generated, ExternalError and OSError.
    """

    from git_spacy.generate import managed_block

    seen = set()
    for command, line in managed_block.find_commands(text):
        name, *words = managed_block.split_command(command)
        if name in GENERATORS and name not in seen:
            seen.add(name)
            generated = importlib.import_module(GENERATORS[name]).regenerate(words, subject)
            # a marker of another file means that this is a copy, or belongs to another project
            if generated is not None and generated.file == file:
                yield generated, line
