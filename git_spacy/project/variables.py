"""Variables of project.yml: `{NAME}`, `${vars.a.b}`, `${env.X}`; overrides; cycles. Pure.

A variable keeps its type where a text is nothing but its reference (and stands in no list), as the
reference's configuration system has it; inside a text it is written as JSON, a text as it is.
`${env.X}` is checked here and stays as it is: `fill_environment` puts the value in where it is
used, so that it can be kept nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from git_spacy.errors import InvalidInput
from git_spacy.project.diagnostics import closest_name, did_you_mean

VARIABLE = re.compile(r"\$\{([^${}\s]+)\}")
# `{{NAME}}` stands for the braces themselves; braces around anything but a name are left alone
_BRACED = re.compile(r"\{(\{[A-Za-z_]\w*\})\}|(?<!\$)\{([A-Za-z_]\w*)\}")
ENVIRONMENT = re.compile(r"\$\{env[.:]([^${}\s]+)\}")
MAX_TEXT = 1 << 16


class VariableError(Exception):
    """What is wrong with a reference, and the hint. Empty if it was reported elsewhere."""

    def __init__(self, what: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class Variables:
    """The variables of one project, resolved on demand.

    `leaves` maps full names (`vars.a.b`, `variables.NAME`) to raw values, `environment` the names
    of `${env.NAME}` to environment variables; `braces` says whether `{NAME}` is a reference.
    """

    def __init__(
        self, leaves: Mapping[str, Any], environment: Iterable[str], *, braces: bool
    ) -> None:
        self.leaves = dict(leaves)
        self.environment = frozenset(environment)
        self.braces = braces
        self._known: dict[str, Any] = {}
        self._broken: set[str] = set()

    def definition(self, name: str) -> Any:
        """The value of a variable, for its own place in the file. Raises VariableFault with the
        whole story, once; every reference to it is silent after that."""

        try:
            return self._value(name, ())
        except VariableError:
            self._broken.add(name)
            raise

    def fill(self, value: Any, *, in_list: bool = False) -> Any:
        """`value` with the references in its texts replaced. Raises VariableFault."""

        return self._fill(value, (), in_list)

    def _value(self, name: str, chain: tuple[str, ...]) -> Any:
        if name in self._known:
            return self._known[name]
        if name in self._broken:
            raise VariableError
        if name in chain:
            circle = " → ".join((*chain[chain.index(name) :], name))
            self._broken.update(chain)
            raise VariableError(f"variable cycle: {circle}", "give one of them a value of its own")
        value = self._fill(self.leaves[name], (*chain, name), False)
        self._known[name] = value
        return value

    def _fill(self, value: Any, chain: tuple[str, ...], in_list: bool) -> Any:
        if isinstance(value, list):
            return [self._fill(item, chain, True) for item in value]
        if not isinstance(value, str):
            return value
        whole = VARIABLE.fullmatch(value)
        if whole and not in_list and not ENVIRONMENT.fullmatch(value):
            return self._named(whole[1], chain)
        text = VARIABLE.sub(lambda match: self._in_text(match, chain), value)
        if self.braces:
            text = _BRACED.sub(lambda match: self._in_braces(match, chain), text)
        if len(text) > MAX_TEXT:
            raise VariableError(
                f"the text grows to {len(text):,} characters once its variables are filled in",
                f"keep it under {MAX_TEXT:,}",
            )
        return text

    def _in_text(self, match: re.Match[str], chain: tuple[str, ...]) -> str:
        if ENVIRONMENT.fullmatch(match[0]):
            self._check_environment(match[1].replace(":", ".").removeprefix("env."))
            return match[0]
        return format_value(self._named(match[1], chain))

    def _in_braces(self, match: re.Match[str], chain: tuple[str, ...]) -> str:
        if match[1]:
            return match[1]
        name = f"variables.{match[2]}"
        if name in self.leaves:
            return format_value(self._value(name, chain))
        names = [leaf.removeprefix("variables.") for leaf in self.leaves]
        close = closest_name(match[2], names)
        raise VariableError(
            f"unknown variable {{{match[2]}}}",
            f"did you mean {{{close}}}?"
            if close
            else f"define it under 'variables', or write {{{{{match[2]}}}}} for the braces",
        )

    def _named(self, reference: str, chain: tuple[str, ...]) -> Any:
        name = reference.replace(":", ".")
        if name in self.leaves:
            return self._value(name, chain)
        inner = [leaf for leaf in self.leaves if leaf.startswith(name + ".")]
        if inner:
            raise VariableError(
                f"${{{reference}}} is a table, not a value",
                f"name a value in it, e.g. ${{{inner[0]}}}",
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
        close = closest_name(name, known)
        return f"did you mean ${{{close}}}?" if close else "define it under 'vars'"

    def _check_environment(self, name: str) -> None:
        if name not in self.environment:
            hint = did_you_mean(name, self.environment)
            raise VariableError(
                f"unknown environment variable ${{env.{name}}}",
                hint or f"add 'env: {{{name}: VARIABLE_OF_YOUR_SHELL}}'",
            )


def references(text: str, *, braces: bool) -> Iterator[str]:
    """The full names that a text refers to; `braces` says whether `{NAME}` is a reference."""

    for match in VARIABLE.finditer(text):
        yield match[1].replace(":", ".")
    if braces:
        for match in _BRACED.finditer(text):
            if match[2]:
                yield f"variables.{match[2]}"


def format_value(value: Any) -> str:
    """A variable's value inside a text."""

    return value if isinstance(value, str) else json.dumps(value)


def environment_names(text: str) -> list[str]:
    """The names of the `${env.NAME}` in a text."""

    return [match[1] for match in ENVIRONMENT.finditer(text)]


def fill_environment(text: str, names: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """`text` with each `${env.NAME}` replaced by the environment variable that `names` maps it
    to; one that is not set is an empty text. The result must not be kept or printed."""

    return ENVIRONMENT.sub(lambda match: environ.get(names[match[1]], ""), text)


def could_resolve_to(text: str, filled: str) -> bool:
    """Whether `text` is `filled` once its `${env.NAME}` have values, whatever they are."""

    first, *others = ENVIRONMENT.split(text)[::2]
    if not others:
        return text == filled
    last = others.pop()
    if not filled.startswith(first) or not filled[len(first) :].endswith(last):
        return False
    # not a pattern with a `.*` for each value: a hostile line would make that take for ever
    position, end = len(first), len(filled) - len(last)
    for part in others:
        found = filled.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def parse_override(text: str) -> Any:
    """A value typed on the command line: JSON where it is JSON, else the text as it is."""

    try:
        return json.loads(text)
    except ValueError:
        return text


def apply_overrides(leaves: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`leaves` with the overridden values. A name may leave out its `vars.` or `variables.`.

    Raises Malformed for a name that the project does not have.
    """

    result = dict(leaves)
    for name, value in overrides.items():
        result[full_name(leaves, name, "--" + name if "." in name else "--set " + name)] = value
    return result


def full_name(leaves: Collection[str], name: str, where: str) -> str:
    """The one of `leaves` that `name` means, which may leave out its `vars.` or `variables.`.

    Raises Malformed for a name that the project does not have; `where` is where it stands.
    """

    full = next((full for full in _full_names(name) if full in leaves), None)
    if full is None:
        short = [leaf.split(".", 1)[1] for leaf in leaves]
        hint = did_you_mean(name.removeprefix("vars.").removeprefix("variables."), short)
        raise InvalidInput(
            f"the project has no variable '{name}'",
            hint=hint or "add it under 'vars' in project.yml",
            location=where,
        )
    return full


def _full_names(name: str) -> Iterator[str]:
    for spelt in (name, name.replace("-", "_")):  # the reference takes --vars.batch-size=1 too
        yield spelt
        if not spelt.startswith(("vars.", "variables.")):
            yield f"vars.{spelt}"
            yield f"variables.{spelt}"
