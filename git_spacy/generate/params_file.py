"""params.yaml: the values with which DVC, and so `git spacy run`, runs the stages.

People and `dvc exp run` change it, so that only missing values are ever added to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import write_beneath
from git_spacy.generate import writer
from git_spacy.generate.managed_block import GeneratedFile
from git_spacy.light_typing import Any
from git_spacy.project import documents, variables_table
from git_spacy.project.documents import Node
from git_spacy.project.params import nested
from git_spacy.project.project_text import PARAMS_FILE, names_params

_HEADER = """\
# The values of variables with which DVC and 'git spacy run' run the commands:
# they count instead of those in project.yml. To change one for a single run:
# dvc exp run --set-param NAME=VALUE
"""


def missing(text: str | None, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of those of `values` that a params.yaml does not have.

    Raises InvalidInput for invalid YAML.
    """

    present = _present(text)
    return tuple(name for name in values if f".{name}" not in present)


def updated(text: str | None, values: Mapping[str, Any]) -> str:
    """Return the text of a params.yaml with those of `values` added that it does not have.

    Raises InvalidInput for invalid YAML, and where a value of one is a table of the other.
    """

    absent = {name: values[name] for name in missing(text, values)}
    if not absent:
        return text or ""
    present = _present(text)
    _require_tables(present, absent)
    kept = {name[1:]: documents.to_plain(node) for name, node in present.items()}
    if not kept:
        before = text if text and text.strip() else _HEADER
        added = before + "\n" * (not before.endswith("\n")) + _emit(absent)
    else:
        from git_spacy.project import add_entries  # seldom needed

        added = text or ""
        for name, value in absent.items():
            added = add_entries.with_value(added, name.split("."), value)
    with suppress(InvalidInput):
        found = {name[1:]: documents.to_plain(node) for name, node in _present(added).items()}
        if found == {**kept, **absent}:
            return added
    return _HEADER + _emit({**kept, **absent})  # an unusual notation, e.g. with aliases


def _require_tables(present: Mapping[str, Node], absent: Iterable[str]) -> None:
    """Raise InvalidInput where params.yaml has a value and project.yml a table, or vice versa."""

    for name in absent:
        for other, node in present.items():
            if f".{name}.".startswith(f"{other}.") or other.startswith(f".{name}."):
                line, column = node.position
                raise InvalidInput(
                    f"'{other[1:]}' and 'vars.{name}' of project.yml exclude each other",
                    hint=f"remove '{other[1:]}' here", file=PARAMS_FILE, line=line, column=column,
                )  # fmt: skip


def update(root: Path, generated: GeneratedFile, *, force: bool = False) -> bool:
    """Add the missing values of `generated`, a dvc.yaml, to the params.yaml in `root`.

    Returns whether there were any. Raises Refused, unless `force`, if that dvc.yaml cannot be
    written, and for a params.yaml that is not ours: the present dvc.yaml does not name it. Raises
    InvalidInput for invalid YAML; OSError.
    """

    if not generated.params:
        return False
    stages = writer.plan_write(root, generated, force=force).before or ""
    text = writer.read(root, PARAMS_FILE)
    is_ours = names_params(stages.encode("utf-8", "surrogateescape"))
    is_ours = is_ours or (text or "").startswith(_HEADER)
    if text and text.strip() and not is_ours:
        if not force:
            raise Refused(
                f"'{PARAMS_FILE}' was not written by git-spacy, and DVC reads the variables there",
                hint=f"move its values elsewhere, or to overwrite it: {generated.command} --force",
            )
        text = None
    result = updated(text, generated.params)
    if result == text:
        return False
    write_beneath(root, PARAMS_FILE, result.encode("utf-8", "surrogateescape"))
    return True


def difference(root: Path, generated: GeneratedFile) -> str:
    """Return what `update` would add to the params.yaml in `root`, as a unified diff."""

    if not generated.params:
        return ""
    text = writer.read(root, PARAMS_FILE)
    result = updated(text, generated.params)
    return "" if result == text else writer.unified_diff(text, result, PARAMS_FILE)


def _present(text: str | None) -> dict[str, Node]:
    """Return the values by dotted names, each with a dot in front."""

    node, problems = documents.parse((text or "").encode("utf-8", "surrogateescape"), PARAMS_FILE)
    if problems:
        raise InvalidInput.from_problems(problems)
    found: dict[str, Node] = {}
    if node is not None and isinstance(node.value, dict):
        variables_table.flatten("", node.value, found)
    return found


def _emit(values: Mapping[str, Any]) -> str:
    from git_spacy.project import yaml_text  # most projects have no params.yaml

    return yaml_text.emit(nested(values)).decode("utf-8")
