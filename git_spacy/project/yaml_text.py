"""A YAML writer with the output format of srsly's ruamel.yaml: YAML 1.2, sequences indented by two.

It is the inverse of `yaml`: both that module and ruamel.yaml read the same values back.
"""

from __future__ import annotations

import functools
import io
import re
from typing import Any, cast

WIDTH = 80


def emit(document: dict[str, Any], *, width: int = WIDTH) -> bytes:
    """Return a document as YAML, with lines folded at `width` columns."""

    import yaml as pyyaml

    stream = io.StringIO()
    pyyaml.dump(
        document, stream, Dumper=_dumper(), default_flow_style=False, sort_keys=False,
        allow_unicode=True, indent=2, width=width,
    )  # fmt: skip
    return stream.getvalue().encode("utf-8")


@functools.cache
def _dumper() -> Any:
    """Return a PyYAML dumper that writes as ruamel.yaml does.

    It indents list items and uses the implicit types of YAML 1.2.
    """

    import yaml as pyyaml

    from git_spacy.project import yaml

    class Dumper(pyyaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            super().increase_indent(flow, False)

        def choose_scalar_style(self) -> Any:
            style, event = super().choose_scalar_style(), cast("Any", self.event)
            # ruamel.yaml prefers double quotes to doubled apostrophes and folded line breaks
            needs_escapes = style == "'" and any(mark in event.value for mark in "'\n")
            return '"' if needs_escapes else style

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    Dumper.yaml_implicit_resolvers = {}
    for kind, pattern, first_characters in yaml.IMPLICIT:
        whole = re.compile(f"(?:{pattern.pattern})$")
        characters = [*first_characters, ""] if kind == "null" else list(first_characters)
        Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", whole, characters)
    Dumper.add_implicit_resolver(
        "tag:yaml.org,2002:timestamp",
        re.compile(
            r"^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d"
            r"(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$"
        ),
        list("0123456789"),
    )
    Dumper.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
    Dumper.add_implicit_resolver("tag:yaml.org,2002:value", re.compile("^=$"), ["="])
    Dumper.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return Dumper
