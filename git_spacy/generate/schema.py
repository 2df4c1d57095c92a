"""A JSON Schema (draft 2020-12) of project.yml, generated from the loader's tables of keys.

It describes the raw text before substitution and must accept everything that the loader accepts,
so it leaves out rules whose result depends on variables. Its patterns use only syntax that all
regular expression engines support.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from git_spacy.generate.managed_block import JSON, GeneratedFile, marker_command
from git_spacy.generate.registry import GeneratorInput, parse_words
from git_spacy.light_typing import Any
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.schema_keys import (
    ASSET,
    BUILT_IN,
    CHECKSUM,
    COMMAND,
    DURATION,
    GIT,
    LEAST_AMOUNT,
    MAX_COUNT,
    PROJECT,
    RESOURCES,
    KeyTable,
    SchemaKey,
    ValueKind,
)
from git_spacy.project.variables import ENVIRONMENT, VARIABLE

FILE = "project.schema.json"
Schema = dict[str, Any]

# A reference that substitution replaces: `${vars.name}`, `{NAME}`.
_REFERENCE = r"\{[^${}\s]+\}"
# The start of a path, up to a component that no variable can change.
_PATH_PREFIX = r"^(([^{}]|\{[^{}]*\})*[/\\])?"
_NOT_BLANK = r"[^ \t\r\n]"

_TEXT: Schema = {"type": "string", "minLength": 1}
_OPTIONAL: Schema = {"type": ["string", "null"]}


# Outside of lists a variable keeps its type, so it may be a number.
_VARIABLE: Schema = {"type": "string", "pattern": f"^{VARIABLE.pattern}$"}
_AMOUNT: Schema = {
    "anyOf": [
        {"type": "number", "minimum": LEAST_AMOUNT, "maximum": 1},
        {"type": "integer", "minimum": 0},
        _VARIABLE,
    ]
}


def _not_matching(title: str, pattern: str) -> Schema:
    return {"not": {"title": title, "type": "string", "pattern": pattern}}


_NO_ENVIRONMENT = _not_matching(
    "an environment variable whose value would be recorded", ENVIRONMENT.pattern
)
# Nothing in $defs has a title or description: editors would show it instead of the key's own.
_PATH: Schema = {
    "type": ["string", "null"],  # without a value, it is a problem of the command that needs it
    "allOf": [
        _not_matching("the project folder itself", r"^(\.?/)+\.?$|^\.$"),
        _not_matching(
            "a path inside Git's own directory",
            rf"{_PATH_PREFIX}(\.[gG][iI][tT]|[gG][iI][tT]~[0-9]+)[. ]*([:/\\]|$)",
        ),
        _not_matching("a path with a control character", r"^[^{}]*[\x00-\x1f\x7f]"),
        _NO_ENVIRONMENT,
    ],
}
_OUTPUT_PATH: Schema = {
    "$ref": "#/$defs/path",
    **_not_matching("the project's own file", r"^(\.?/)*project\.(yml|lock)(/\.?)*$"),
}
_BY_KIND: dict[ValueKind, Schema] = {
    "anything": {},
    "line": {"type": ["string", "number", "boolean", "null"]},
    "text": _TEXT,
    "optional": _OPTIONAL,
    "source": {**_TEXT, **_NO_ENVIRONMENT},
    "part": {**_OPTIONAL, **_NO_ENVIRONMENT},
    "flag": {"type": "boolean"},
    "checksum": {**_OPTIONAL, "pattern": rf"^$|^\s*({CHECKSUM})\s*$|{_REFERENCE}"},
    "script": {"type": "array", "items": {"type": "string", "pattern": _NOT_BLANK}},
    "variables": {"type": "object"},
    "texts": {"type": "object", "additionalProperties": _TEXT},
    "amount": _AMOUNT,
    "bytes": {"anyOf": [{"type": "integer", "minimum": 0}, _VARIABLE]},
    "duration": {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": f"^{DURATION}$|{_REFERENCE}"},
        ]
    },
    "count": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_COUNT}, _VARIABLE]},
    "amounts": {
        "type": "object",
        "propertyNames": {"minLength": 1, "not": {"enum": list(BUILT_IN)}},
        "additionalProperties": _AMOUNT,
    },
}


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile:  # noqa: ARG001
    """Return the current output of `git spacy schema WORDS`, the same for every project."""

    return schema_file(parse_words(words).options.get("-o", FILE))


def schema_file(file: str = FILE) -> GeneratedFile:
    """Return the schema as the generated file `file`."""

    command = marker_command("schema", "-o", file)
    return GeneratedFile(file, schema_text(), command, JSON, source="")


def schema_text() -> str:
    """Return the schema as JSON."""

    return json.dumps(_document(), indent=2) + "\n"


def _document() -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": PROJECT_FILE,
        "description": "A spaCy project: its assets, commands and workflows.",
        **_table(PROJECT, top=True),
        "$defs": {
            **{table.noun: _table(table) for table in (COMMAND, ASSET, GIT, RESOURCES)},
            "path": _PATH,
            "written": _OUTPUT_PATH,
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
    """Return the schema of a key's value; `top` says whether the key is at the top level."""

    if key.kind == "path":
        return _path(key)
    if key.kind == "paths":
        return _list(_path(key), variable=top)
    if key.kind == "names":
        return _list(_TEXT, variable=top)
    if key.kind == "workflows":
        return {"type": "object", "additionalProperties": _list(_TEXT, variable=True)}
    if key.item:
        item = {"$ref": f"#/$defs/{key.item.noun}"}
        if key.kind == "named":
            return {"type": "object", "additionalProperties": item}
        return _list(item, variable=top) if key.kind == "tables" else item
    return _BY_KIND[key.kind]


def _path(key: SchemaKey) -> Schema:
    return {"$ref": "#/$defs/path" if key.role == "dependency" else "#/$defs/written"}


def _list(item: Schema, *, variable: bool) -> Schema:
    """Return the schema of a list; with `variable`, a single reference to a list is allowed too."""

    if not variable:
        return {"type": "array", "items": item}
    return {"type": ["array", "string"], "items": item, "pattern": f"^{VARIABLE.pattern}$"}
