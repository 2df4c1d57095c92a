"""Substitution of the variables of project.yml: `{NAME}`, `${vars.a.b}` and `${env.X}`.

As in weasel's configuration system, a string that consists of a single reference takes the type of
the variable, except in lists. Inside a longer string, values that are not strings are written as
JSON. `${env.X}` is validated but left in place: `fill_environment` substitutes it on use, so that
the value is never stored.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from git_spacy.errors import InvalidInput
from git_spacy.light_typing import Any
from git_spacy.patterns import compile_late
from git_spacy.project.diagnostics import closest_name, did_you_mean

VARIABLE = compile_late(r"\$\{([^${}\s]+)\}")
# `{{NAME}}` is an escaped `{NAME}`; braces around anything but a name are left alone
_BRACED = compile_late(r"\{(\{[A-Za-z_]\w*\})\}|(?<!\$)\{([A-Za-z_]\w*)\}")
ENVIRONMENT = compile_late(r"\$\{env[.:]([^${}\s]+)\}")
# what is almost a reference: `{vars.x}`, `${ vars.x }`, `${vars.x`, `$(vars.x)` or `$vars.x`
_ALMOST = compile_late(
    r"(\$?\{{1,2}\s{0,4}|\$\(?)((?:vars|variables|env)[.:]\w[\w.:-]*)(\s{0,4}[})]{0,2})"
)
_COMMIT_ID = compile_late(r"(?=.{7,40}$)[0-9]+e[0-9]+")
TABLES = ("vars", "variables", "env")
"""What a full name of a variable can begin with."""
MAX_TEXT = 1 << 16


class VariableError(Exception):
    """An invalid reference. The message is empty if the problem has already been reported."""

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class Variables:
    """The variables of one project, resolved on demand.

    `leaves` maps full names (`vars.a.b`, `variables.NAME`) to raw values, and `environment` has
    the names that `${env.NAME}` may use. `braces` says whether `{NAME}` is a reference.
    """

    def __init__(
        self, leaves: Mapping[str, Any], environment: Iterable[str], *, braces: bool
    ) -> None:
        self.leaves = dict(leaves)
        self.environment = frozenset(environment)
        self.braces = braces
        self._resolved: dict[str, Any] = {}
        self._invalid: set[str] = set()

    def replaced(self, values: Mapping[str, Any]) -> Variables:
        """Return the variables with other raw values for some of them."""

        return Variables({**self.leaves, **values}, self.environment, braces=self.braces)

    def definition(self, name: str) -> Any:
        """Resolve a variable at its definition.

        Raises VariableError with a message. Later references to an invalid variable raise it
        without one, so that each problem is reported once.
        """

        try:
            return self._value(name, ())
        except VariableError:
            self._invalid.add(name)
            raise

    def fill(self, value: Any, *, in_list: bool = False) -> Any:
        """Return `value` with references in strings substituted. Raises VariableError."""

        return self._fill(value, (), in_list)

    def unread_references(self, text: str, filled: Any) -> dict[str, str]:
        """Return what is meant as a reference in `text` but is not one, with the right spelling.

        `filled` is the text after substitution. Weasel leaves such a slip in place, and so do we.
        """

        # substitution leaves no trace of a right reference, so that most texts end here
        if not isinstance(filled, str) or not any(table in filled for table in TABLES):
            return {}
        slips = {}
        for match in _ALMOST.finditer(text):
            opening, written, closing = match.groups()
            if opening == "${" and closing.startswith("}"):
                continue
            if opening == "$":
                closing = ""
            if opening.lstrip("$")[:1] == "{" and opening[0] != "$" and "}" not in closing:
                continue  # `{vars.x` may begin a dictionary
            name = self._known_prefix(written.replace(":", "."))
            if name:
                is_whole = len(name) == len(written)
                slip = opening + written[: len(name)] + (closing.rstrip() if is_whole else "")
                slips[slip] = f"${{{name}}}"
        return slips

    def _known_prefix(self, name: str) -> str:
        """Return the longest part of `name`, from its start, that is a variable, or ''."""

        while name and name not in self.leaves:
            if name.startswith("env.") and name[4:] in self.environment:
                return name
            name = name[: max(name.rfind("."), name.rfind("-"), 0)]
        return name

    def _value(self, name: str, chain: tuple[str, ...]) -> Any:
        if name in self._resolved:
            return self._resolved[name]
        if name in self._invalid:
            raise VariableError
        if name in chain:
            cycle = " → ".join((*chain[chain.index(name) :], name))
            self._invalid.update(chain)
            raise VariableError(
                f"variable cycle: {cycle}", "replace one of these references with a value"
            )
        value = self._fill(self.leaves[name], (*chain, name), False)
        self._resolved[name] = value
        return value

    def _fill(self, value: Any, chain: tuple[str, ...], in_list: bool) -> Any:
        if isinstance(value, list):
            return [self._fill(item, chain, True) for item in value]
        if not isinstance(value, str):
            return value
        whole = VARIABLE.fullmatch(value)
        if whole and not in_list and not ENVIRONMENT.fullmatch(value):
            return self._lookup(whole[1], chain)
        text = VARIABLE.sub(lambda match: self._dollar_reference(match, chain), value)
        if self.braces:
            text = _BRACED.sub(lambda match: self._brace_reference(match, chain), text)
        if len(text) > MAX_TEXT:
            raise VariableError(
                f"this string has {len(text):,} characters after substitution;"
                f" the limit is {MAX_TEXT:,}",
                "shorten the variables that it uses",
            )
        return text

    def _dollar_reference(self, match: re.Match[str], chain: tuple[str, ...]) -> str:
        if ENVIRONMENT.fullmatch(match[0]):
            self._check_environment(match[1].replace(":", ".").removeprefix("env."))
            return match[0]
        return format_value(self._lookup(match[1], chain))

    def _brace_reference(self, match: re.Match[str], chain: tuple[str, ...]) -> str:
        if match[1]:
            return match[1]
        name = f"variables.{match[2]}"
        if name in self.leaves:
            return format_value(self._value(name, chain))
        names = [leaf.removeprefix("variables.") for leaf in self.leaves]
        closest = closest_name(match[2], names)
        raise VariableError(
            f"unknown variable {{{match[2]}}}",
            f"did you mean {{{closest}}}?"
            if closest
            else f"define it under 'variables', or write {{{{{match[2]}}}}} for literal braces",
        )

    def _lookup(self, reference: str, chain: tuple[str, ...]) -> Any:
        name = reference.replace(":", ".")
        if name in self.leaves:
            return self._value(name, chain)
        inner = [leaf for leaf in self.leaves if leaf.startswith(name + ".")]
        if inner:
            raise VariableError(
                f"${{{reference}}} is a mapping, not a value",
                f"use a value inside it, e.g. ${{{inner[0]}}}",
            )
        for prefix in ("vars.", "variables."):
            if prefix + name in self.leaves:
                raise VariableError(
                    f"unknown variable ${{{reference}}}", f"write ${{{prefix}{name}}}"
                )
        raise VariableError(f"unknown variable ${{{reference}}}", self._suggestion(name))

    def _suggestion(self, name: str) -> str:
        known = [leaf for leaf in self.leaves if leaf.startswith("vars.")]
        known += [f"env.{name}" for name in self.environment]
        closest = closest_name(name, known)
        return f"did you mean ${{{closest}}}?" if closest else "define it under 'vars'"

    def _check_environment(self, name: str) -> None:
        if name not in self.environment:
            hint = did_you_mean(name, self.environment)
            raise VariableError(
                f"unknown environment variable ${{env.{name}}}",
                hint or f"add 'env: {{{name}: ENVIRONMENT_VARIABLE}}'",
            )


def references(text: str, *, braces: bool) -> Iterator[str]:
    """Yield the full names that `text` refers to; `braces` says whether `{NAME}` is a reference."""

    for match in VARIABLE.finditer(text):
        yield match[1].replace(":", ".")
    if braces:
        for match in _BRACED.finditer(text):
            if match[2]:
                yield f"variables.{match[2]}"


def format_value(value: Any) -> str:
    """Return a variable's value as it is written inside a string."""

    return value if isinstance(value, str) else json.dumps(value)


def environment_names(text: str) -> list[str]:
    """Return the names in the `${env.NAME}` references of `text`."""

    return [match[1] for match in ENVIRONMENT.finditer(text)]


def fill_environment(text: str, names: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Substitute each `${env.NAME}` by the environment variable that `names` maps it to.

    A variable that is not set is replaced by an empty string. The result may contain secrets and
    must not be stored or printed.
    """

    return ENVIRONMENT.sub(lambda match: environ.get(names[match[1]], ""), text)


def could_resolve_to(text: str, filled: str) -> bool:
    """Return whether some values of the `${env.NAME}` in `text` would turn it into `filled`."""

    first, *others = ENVIRONMENT.split(text)[::2]
    if not others:
        return text == filled
    last = others.pop()
    if not filled.startswith(first) or not filled[len(first) :].endswith(last):
        return False
    # not a regular expression with a `.*` for each value: a malicious line would never finish
    position, end = len(first), len(filled) - len(last)
    for part in others:
        start = filled.find(part, position, end)
        if start < 0:
            return False
        position = start + len(part)
    return True


def parse_override(text: str) -> Any:
    """Parse a value from the command line: as JSON if that loses nothing, else as a string.

    Numbers that are too large stay as they are written, and so do Infinity and NaN, which JSON does
    not have, and what can be the abbreviated ID of a commit, e.g. 6100e12. Raises InvalidInput for
    bytes that are not UTF-8.
    """

    if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
        message = f"the value {text!r} is not valid UTF-8"
        raise InvalidInput(message, hint="run the command in a terminal that uses UTF-8")
    if _COMMIT_ID.fullmatch(text):
        return text
    try:
        value = json.loads(text, parse_float=finite_float, parse_constant=str)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # a UnicodeError is a ValueError
        return text
    return text if isinstance(value, str) and "\0" in value else value


def finite_float(text: str) -> float | str:
    """Return the number that `text` is, or `text` itself if that is too large for a float."""

    number = float(text)
    return text if math.isinf(number) else number


def apply_overrides(leaves: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `leaves` with `overrides` applied. Raises InvalidInput for an unknown variable.

    Names may omit the prefix `vars.` or `variables.`.
    """

    result = dict(leaves)
    for name, value in overrides.items():
        result[full_name(leaves, name, "--" + name if "." in name else "--set " + name)] = value
    return result


def full_name(leaves: Collection[str], name: str, location: str) -> str:
    """Return the full name of a variable; `name` may omit the prefix `vars.` or `variables.`.

    Raises InvalidInput for an unknown variable, with `location` in front of the message.
    """

    full = next((candidate for candidate in _full_names(name) if candidate in leaves), None)
    if full is None:
        short = [leaf.split(".", 1)[1] for leaf in leaves]
        hint = did_you_mean(name.removeprefix("vars.").removeprefix("variables."), short)
        raise InvalidInput(
            f"unknown variable '{name}'",
            hint=hint or "add it under 'vars' in project.yml",
            file=location,
        )
    return full


def _full_names(name: str) -> Iterator[str]:
    for spelling in (name, name.replace("-", "_")):  # weasel also accepts --vars.batch-size=1
        yield spelling
        if not spelling.startswith(("vars.", "variables.")):
            yield f"vars.{spelling}"
            yield f"variables.{spelling}"
