"""Which variables of project.yml DVC may change, by params.yaml, and the paths that they are in.

DVC fills in every `${…}` of a parameter file that an experiment changes, so params.yaml has plain
values only. A variable that is made of others, or that DVC cannot change without breaking the
stages, stays a parameter of project.yml.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from git_spacy.errors import Diagnostic
from git_spacy.light_typing import Any, NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project import documents
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.paths import parse_path
from git_spacy.project.variable_usage import Parts, VariableUsage
from git_spacy.project.variables import VariableError, Variables, format_value, references

_KEY = compile_late(r"[A-Za-z_][\w-]*")
_NOT_STRINGS = ("null", "true", "false")  # keys that YAML does not read as strings
_PATHS = ("deps", "outputs", "outputs_no_cache")
_MARK = "\ufdd0"  # around the name of a variable; a noncharacter, which is in no path
_MARKED = compile_late(f"{_MARK}([^{_MARK}]*){_MARK}")


class DvcParams(NamedTuple):
    """The variables in params.yaml, and the paths with them.

    `names` has the names without `vars.` and `values` the values in project.yml by these names.
    `templates` has the paths of commands as DVC fills them in, by the number of the command and the
    normalized path.
    """

    names: Mapping[Parts, str] = {}
    values: Mapping[str, Any] = {}
    templates: Mapping[tuple[int, str], str] = {}


def find_params(
    data: bytes, usage: VariableUsage, environment: Iterable[str], commands: Collection[int]
) -> DvcParams:
    """Return the params of the stages of `commands`, by their numbers in project.yml.

    `data` is the content of a valid project.yml, `usage` its variables, and `environment` has the
    names in its `env`.
    """

    node, _ = documents.parse(data, PROJECT_FILE)
    document = documents.to_plain(node) if node else {}
    braces = "variables" in document
    raw = {".".join(parts): _at(document, parts) for parts in usage.variables}
    fixed = {parts for used in usage.assets for parts in used}
    used = {parts for number in commands for parts in usage.commands[number]} - fixed
    names = {
        parts: name
        for parts in usage.variables
        if parts in used
        and all(map(is_key, parts[1:]))
        and _is_plain(raw[".".join(parts)], braces)
        # the same name in both tables: the one in `vars`
        and (parts[0] == "vars" or f"vars.{'.'.join(parts[1:])}" not in raw)
        for name in [".".join(parts[1:])]
    }
    variables = Variables(raw, environment, braces=braces)
    items = {number: document["commands"][number] for number in commands}
    while True:
        values = {name: raw[".".join(parts)] for parts, name in names.items()}
        marked = variables.replaced(
            {".".join(parts): f"{_MARK}{name}{_MARK}" for parts, name in names.items()}
        )
        try:
            templates = dict(_templates(items, marked, values))
        except _CannotChangeError as error:
            names = {parts: name for parts, name in names.items() if name not in error.names}
        else:
            return DvcParams(names, values, templates)


def is_key(key: str) -> bool:
    """Return whether DVC can name `key` as a part of a parameter."""

    return _KEY.fullmatch(key) is not None and key.lower() not in _NOT_STRINGS


class _CannotChangeError(Exception):
    """Variables that DVC cannot change, by the names in params.yaml."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.names = frozenset(names)


def _templates(
    items: Mapping[int, Mapping[str, Any]], marked: Variables, values: Mapping[str, Any]
) -> Iterator[tuple[tuple[int, str], str]]:
    """Yield the paths with variables. Raises _CannotChangeError if DVC would fill one in
    differently, or if a variable is in the name of a command, which is also that of its stage."""

    def fill(text: Any) -> str:
        try:
            return str(marked.fill(text, in_list=True))
        except VariableError:  # it is too long with our marks
            raise _CannotChangeError(values) from None

    def plain(text: str) -> str:
        return _MARKED.sub(lambda match: format_value(values[match[1]]), text)

    for number, item in items.items():
        if found := _MARKED.findall(fill(item["name"])):
            raise _CannotChangeError(found)
        for text in (fill(path) for key in _PATHS for path in item.get(key) or ()):
            if not (found := _MARKED.findall(text)):
                continue
            template, path = parse_path(text, "dependency"), parse_path(plain(text), "dependency")
            if (
                isinstance(template, Diagnostic)
                or isinstance(path, Diagnostic)
                or plain(template.normal) != path.normal
                or any(isinstance(values[name], (list, type(None))) for name in found)
            ):
                raise _CannotChangeError(found)
            written = _MARKED.sub(r"${\1}", template.normal.replace("${", "\\${"))
            yield (number, path.normal), written


def _is_plain(value: Any, braces: bool) -> bool:
    """Return whether neither we nor DVC would substitute anything in a value."""

    if isinstance(value, list):
        return all(_is_plain(item, braces) for item in value)
    if isinstance(value, str):
        return "${" not in value and not any(references(value, braces=braces))
    return not isinstance(value, dict)


def _at(document: Mapping[str, Any], parts: Parts) -> Any:
    value: Any = document
    for part in parts:
        value = value[part]
    return value
