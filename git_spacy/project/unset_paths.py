"""Find paths of project.yml that are waiting for the value of a variable.

With a null or empty variable, `${vars.data}/train.txt` would be another path than its author meant.
Such a path is a problem of the command that needs it, not of the whole project.
"""

from __future__ import annotations

from git_spacy.light_typing import NamedTuple
from git_spacy.project.variables import VariableError, Variables, references


class UnsetPath(NamedTuple):
    """Why a path has no value, and how to give it one."""

    message: str
    hint: str


def find_unset(
    variables: Variables, text: object, role: str, command_line: str
) -> UnsetPath | None:
    """Return why `text`, a path used in `role`, has no value; None if it has one.

    `command_line` is the command that needs it, to which values of variables can be added.
    """

    if text is None or text == "":
        return UnsetPath(f"{role} is empty", "add a path, or remove it")
    try:
        missing = _missing_variables(variables, text) if isinstance(text, str) else []
    except VariableError:
        return None  # reported where the variables are substituted
    if not missing:
        return None
    names = " and ".join(f"'{name}'" for name in missing)
    verb = "are" if len(missing) > 1 else "is"
    value = "null" if variables.leaves[missing[0]] is None else "empty"
    given = " ".join(f"--{name} PATH" for name in missing)
    return UnsetPath(
        f"{role} '{text}' has no value: {names} {verb} {value}",
        f"{command_line} {given}\nor set {names} in project.yml",
    )


def _missing_variables(variables: Variables, text: str) -> list[str]:
    """Return the variables that have to get a value before `text` is a path.

    They are null, or they are empty and leave the path empty or with a slash at its start.
    """

    used = _used_leaves(variables, text, {})
    if null := [name for name, value in used.items() if value is None]:
        return null
    empty = [name for name, value in used.items() if value == ""]
    if not empty:
        return []
    filled = str(variables.fill(text))
    with_values = variables.replaced(dict.fromkeys(empty, "x"))
    leads_to_root = filled.startswith("/") and not str(with_values.fill(text)).startswith("/")
    return empty if not filled or leads_to_root else []


def _used_leaves(variables: Variables, text: str, found: dict[str, object]) -> dict[str, object]:
    """Add the raw values of the variables that `text` uses, directly or through others."""

    for name in references(text, braces=variables.braces):
        if name in variables.leaves and name not in found:
            found[name] = value = variables.leaves[name]
            if isinstance(value, str):
                _used_leaves(variables, value, found)
    return found
