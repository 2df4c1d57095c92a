"""Drawings of the project's graph as text, Mermaid, DOT and SVG.

Each format has a module with a function `draw(graph, states)`. Drawings are reproducible byte for
byte, and names are escaped so that none can end a string, a comment or a box.
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
    """An output format: its module, its file name suffixes and its comment syntax."""

    module: str
    suffixes: tuple[str, ...]
    comment: Comment


FORMATS = {
    "text": Format("git_spacy.generate.drawing.text", (".txt",), HASH),
    "mermaid": Format("git_spacy.generate.drawing.mermaid", (".mmd", ".mermaid"), PERCENT),
    "dot": Format("git_spacy.generate.drawing.dot", (".dot", ".gv"), SLASHES),
    "svg": Format("git_spacy.generate.drawing.svg", (".svg",), XML),
}


def draw(graph: Graph, format_name: str, states: NodeStates) -> str:
    """Draw `graph` in one of FORMATS; the result consists of whole lines."""

    text: str = importlib.import_module(FORMATS[format_name].module).draw(graph, states)
    return text


def format_of_file(file: str) -> str | None:
    """Return the format that the suffix of a file name stands for, or None."""

    lowercase = file.lower()
    return next(
        (name for name, format_ in FORMATS.items() if lowercase.endswith(format_.suffixes)), None
    )


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile | None:
    """Return the current output of `git spacy graph WORDS`; None if it does not write a file."""

    end = words.index("--") if "--" in words else len(words)
    names, options = parse_words(words[:end], ("-o", "-f"))
    names += tuple(words[end + 1 :])
    file = options.get("-o", "")
    format_name = options.get("-f") or format_of_file(file)
    if format_name not in FORMATS:
        return None
    project = subject.loaded.project
    workflow = find_workflow(project, names[0]) if names else None
    return graph_file(build_graph(project, workflow), file, format_name, workflow and workflow.name)


def graph_file(graph: Graph, file: str, format_name: str, workflow: str | None) -> GeneratedFile:
    """Return the drawing of `graph` as a generated file, without states.

    `file` is relative to the project, and `workflow` is the name of the workflow that the graph is
    restricted to. Raises InvalidInput for names that cannot be part of the marker.
    """

    format_option = [] if format_of_file(file) == format_name else ["-f", format_name]
    words = ["graph", *format_option, "-o", file]
    if workflow is not None:
        words += [*(["--"] if workflow.startswith("-") else []), workflow]
    comment = FORMATS[format_name].comment
    command = marker_command(*words)
    if comment is XML and "--" in command:
        raise InvalidInput(
            f"'{command}' contains '--', which is not allowed in the comments of an SVG",
            hint="use another file name, or rename the workflow",
        )
    return GeneratedFile(file, draw(graph, format_name, {}), command, comment)
