"""Values to the YAML text that srsly's ruamel.yaml writes: YAML 1.2, sequences indented by two.

The counterpart of `yaml`: what is written here is read there, and by ruamel.yaml, as it was.
"""

from __future__ import annotations

import functools
import io
import re
from typing import Any, cast

from git_spacy.project import yaml

WIDTH = 80


def emit(document: dict[str, Any], *, width: int = WIDTH) -> bytes:
    """The text of a document, folded at `width` columns."""

    import yaml as pyyaml

    stream = io.StringIO()
    pyyaml.dump(
        document, stream, Dumper=_dumper(), default_flow_style=False, sort_keys=False,
        allow_unicode=True, indent=2, width=width,
    )  # fmt: skip
    return stream.getvalue().encode("utf-8")


@functools.cache
def _dumper() -> Any:
    """PyYAML's emitter made to write as ruamel.yaml does: list items indented, the implicit types
    of YAML 1.2."""

    import yaml as pyyaml

    class Dumper(pyyaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            super().increase_indent(flow, False)

        def choose_scalar_style(self) -> Any:
            style, event = super().choose_scalar_style(), cast("Any", self.event)
            # ruamel.yaml would rather escape a line break than fold it, and an apostrophe than
            # double it
            awkward = style == "'" and any(mark in event.value for mark in "'\n")
            return '"' if awkward else style

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    Dumper.yaml_implicit_resolvers = {}
    for kind, pattern, first in yaml.IMPLICIT:
        whole = re.compile(f"(?:{pattern.pattern})$")
        characters = [*first, ""] if kind == "null" else list(first)
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
