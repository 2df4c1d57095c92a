"""A JSON Schema (draft 2020-12) of project.yml, from the tables that the loader reads by. Pure.

It is of the raw text, variables not filled in, and must take whatever the loader takes: where a
variable may change the answer, it does not judge. Its patterns keep to what every implementation
of regular expressions has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from git_spacy.generate.managed_block import JSON, GeneratedFile, marker_command
from git_spacy.generate.registry import GeneratorInput, parse_words
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.schema_keys import (
    ASSET,
    BUILT_IN,
    CHECKSUM,
    COMMAND,
    GIT,
    PROJECT,
    RESOURCES,
    KeyTable,
    SchemaKey,
    ValueKind,
)
from git_spacy.project.variables import ENVIRONMENT, VARIABLE

FILE = "project.schema.json"
Schema = dict[str, Any]

# What may become another text: `${vars.name}`, `{NAME}`.
_FILLED = r"\{[^${}\s]+\}"
# The beginning of a path up to a name in it that no variable can change.
_TO_A_NAME = r"^(([^{}]|\{[^{}]*\})*[/\\])?"
_NOT_BLANK = r"[^ \t\r\n]"

_TEXT: Schema = {"type": "string", "minLength": 1}
_OPTIONAL: Schema = {"type": ["string", "null"]}


# Outside of lists a variable keeps its type: it may be a number.
_VARIABLE: Schema = {"type": "string", "pattern": f"^{VARIABLE.pattern}$"}
_AMOUNT: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "integer", "minimum": 0},
        _VARIABLE,
    ]
}


def _unlike(title: str, pattern: str) -> Schema:
    return {"not": {"title": title, "type": "string", "pattern": pattern}}


_NO_ENVIRONMENT = _unlike("an environment variable where it would be kept", ENVIRONMENT.pattern)
# Nothing in $defs has a title or a description: editors show it in place of what the key means.
_PATH: Schema = {
    **_TEXT,
    "allOf": [
        _unlike(
            "a path that leaves the project",
            rf"^[/\\~]|^[A-Za-z]:|{_TO_A_NAME}\.\.([/\\]|$)",
        ),
        _unlike("the project itself", r"^(\.?[/\\])*\.?$"),
        _unlike(
            "a path in Git's own folder",
            rf"{_TO_A_NAME}(\.[gG][iI][tT]|[gG][iI][tT]~[0-9]+)[. ]*([:/\\]|$)",
        ),
        _unlike("a path with a control character", r"^[^{}]*[\x00-\x1f\x7f]"),
        _NO_ENVIRONMENT,
    ],
}
_WRITTEN_PATH: Schema = {
    "$ref": "#/$defs/path",
    **_unlike("the project's own file", r"^(\.?/)*project\.(yml|lock)(/\.?)*$"),
}
_OF_KIND: dict[ValueKind, Schema] = {
    "anything": {},
    "line": {"type": ["string", "number", "boolean", "null"]},
    "text": _TEXT,
    "optional": _OPTIONAL,
    "source": {**_TEXT, **_NO_ENVIRONMENT},
    "part": {**_OPTIONAL, **_NO_ENVIRONMENT},
    "flag": {"type": "boolean"},
    "checksum": {**_OPTIONAL, "pattern": rf"^$|^\s*({CHECKSUM})\s*$|{_FILLED}"},
    "script": {"type": "array", "items": {"type": "string", "pattern": _NOT_BLANK}},
    "variables": {"type": "object"},
    "texts": {"type": "object", "additionalProperties": _TEXT},
    "amount": _AMOUNT,
    "bytes": {"anyOf": [{"type": "integer", "minimum": 0}, _VARIABLE]},
    "amounts": {
        "type": "object",
        "propertyNames": {"minLength": 1, "not": {"enum": list(BUILT_IN)}},
        "additionalProperties": _AMOUNT,
    },
}


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile:  # noqa: ARG001
    """The part that `git spacy schema WORDS` makes now: of every project the same."""

    return schema_file(parse_words(words).options.get("-o", FILE))


def schema_file(file: str = FILE) -> GeneratedFile:
    """The schema as `file`."""

    return GeneratedFile(file, schema_text(), marker_command("schema", "-o", file), JSON)


def schema_text() -> str:
    """The schema."""

    return json.dumps(_document(), indent=2) + "\n"


def _document() -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": PROJECT_FILE,
        "description": "A spaCy project: its data, its commands and what they make.",
        **_table(PROJECT, top=True),
        "$defs": {
            **{table.noun: _table(table) for table in (COMMAND, ASSET, GIT, RESOURCES)},
            "path": _PATH,
            "written": _WRITTEN_PATH,
        },
    }


def _table(table: KeyTable, *, top: bool = False) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {
            name: {"description": key.meaning, **_value(key, top=top)}
            for name, key in table.keys.items()
        },
    }
    if table.required:
        schema["required"] = list(table.required)
    if table.closed:
        schema["additionalProperties"] = False
    return schema


def _value(key: SchemaKey, *, top: bool) -> Schema:
    """What a key may hold; `top` says whether it is one of the project's own."""

    if key.kind == "path":
        return _path(key)
    if key.kind == "paths":
        return _list(_path(key), variable=top)
    if key.kind == "workflows":
        return {"type": "object", "additionalProperties": _list(_TEXT, variable=True)}
    if key.item:
        one = {"$ref": f"#/$defs/{key.item.noun}"}
        if key.kind == "named":
            return {"type": "object", "additionalProperties": one}
        return _list(one, variable=top) if key.kind == "tables" else one
    return _OF_KIND[key.kind]


def _path(key: SchemaKey) -> Schema:
    return {"$ref": "#/$defs/path" if key.role == "dependency" else "#/$defs/written"}


def _list(item: Schema, *, variable: bool) -> Schema:
    """A list; or a variable that is one: only outside of lists do variables keep their type."""

    if not variable:
        return {"type": "array", "items": item}
    return {"type": ["array", "string"], "items": item, "pattern": f"^{VARIABLE.pattern}$"}
