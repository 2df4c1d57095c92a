"""Pictures of the graph: one module a format, each `draw(graph, words) → text`, and their table.

Every one is byte-stable, and shows any name as a name: none can end a string, a comment or a box.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.generate.graph import Graph, NodeStates, build_graph
from git_spacy.generate.managed_block import (
    HASH,
    PERCENT,
    SLASHES,
    XML,
    Comment,
    GeneratedFile,
    marker_command,
)
from git_spacy.generate.registry import GeneratorInput, parse_words
from git_spacy.project.graph import find_workflow


class Format(NamedTuple):
    """The module that draws it, the endings of its files, and its comments."""

    module: str
    suffixes: tuple[str, ...]
    comment: Comment


FORMATS = {
    "text": Format("git_spacy.generate.drawing.text", (".txt",), HASH),
    "mermaid": Format("git_spacy.generate.drawing.mermaid", (".mmd", ".mermaid"), PERCENT),
    "dot": Format("git_spacy.generate.drawing.dot", (".dot", ".gv"), SLASHES),
    "svg": Format("git_spacy.generate.drawing.svg", (".svg",), XML),
}


def draw(graph: Graph, form: str, words: NodeStates) -> str:
    """The picture of `graph` in the format `form`: whole lines."""

    text: str = importlib.import_module(FORMATS[form].module).draw(graph, words)
    return text


def format_of_file(file: str) -> str | None:
    """The format of a file of this name, if its ending says it."""

    name = file.lower()
    return next((form for form, one in FORMATS.items() if name.endswith(one.suffixes)), None)


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile | None:
    """The file that `git spacy graph WORDS` writes now; None for words that write none."""

    at = words.index("--") if "--" in words else len(words)
    names, options = parse_words(words[:at], ("-o", "-f"))
    names += tuple(words[at + 1 :])
    file = options.get("-o", "")
    form = options.get("-f") or format_of_file(file)
    if form not in FORMATS:
        return None
    project = subject.loaded.project
    workflow = find_workflow(project, names[0]) if names else None
    return graph_file(build_graph(project, workflow), file, form, workflow and workflow.name)


def graph_file(graph: Graph, file: str, form: str, workflow: str | None) -> GeneratedFile:
    """The file (a path from the project) that shows `graph`, of one `workflow` or of all. It says
    what project.yml says, and nothing of what is up to date. Raises Malformed for names that cannot
    be in its marker."""

    words = ["graph", *([] if format_of_file(file) == form else ["-f", form]), "-o", file]
    if workflow is not None:
        words += [*(["--"] if workflow.startswith("-") else []), workflow]
    comment = FORMATS[form].comment
    typed = marker_command(*words)
    if comment is XML and "--" in typed:
        raise InvalidInput(
            f"'{typed}' cannot be written into an SVG: no comment there may have '--'",
            hint="give the file or the workflow another name, or draw it to stdout",
        )
    return GeneratedFile(file, draw(graph, form, {}), typed, comment)
