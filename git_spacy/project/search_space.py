"""The values that a search may try, as typed after `--search`: a range or a list of choices.

`vars.dropout=0.1..0.5` is a range of numbers, both ends included: of integers if both are, else of
floats. `log` and `step=…` after it are the arguments of Optuna's `suggest_float`. The list is that
of `--matrix`. Nothing in it needs quotes in a shell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.project.matrix import Axis, parse_axis, to_cli
from git_spacy.project.variables import parse_override

OPTION = "--search"
_DIGITS = 4  # of a number in a range of floats, so that names of variants stay readable
_RANGE = re.compile(r"(?P<low>[^,\s]+?)\.\.(?P<high>[^,\s]*)(?P<rest>(?:[,\s]+\S+)*)\s*")
_WORDS = re.compile(r"[,\s]+")
# how Hydra, Ray Tune, hyperopt and Python write it: tag(log, interval(1e-5, 1e-2)), choice(1, 2)
_CALL = re.compile(r"([a-z_]+)\(([^()]*)\)")


class Range(NamedTuple):
    """Numbers from `low` to `high`, `step` apart (None: any float), spread by their logarithms with
    `log`."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def is_integer(self) -> bool:
        """Whether its numbers are integers."""

        return all(isinstance(x, int) for x in (self.low, self.high, self.step or 0))

    def as_float(self) -> Range:
        """Return the range of floats with the same ends."""

        return self._replace(low=float(self.low), high=float(self.high))

    def typed(self, number: float) -> str:
        """Return a number of the range as it is typed: a float with few digits."""

        if self.is_integer:
            return str(int(number))
        rounded = float(f"{number:.{_DIGITS - 1}e}") if not self.step else round(number, 12)
        return to_cli(min(max(rounded, self.low), self.high))

    def contains(self, value: Any) -> bool:
        """Return whether a value is one of the range."""

        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.is_integer and not isinstance(value, int):
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-6)

    def size(self) -> float:
        """Return how many numbers it has."""

        step = self.step or (1 if self.is_integer else 0)
        return math.floor((self.high - self.low) / step + 1e-9) + 1 if step else math.inf

    def describe(self) -> str:
        """Return e.g. `from 0.1 to 0.5, step 0.1`."""

        text = f"from {to_cli(self.low)} to {to_cli(self.high)}"
        text += f", step {to_cli(self.step)}" if self.step else ""
        return text + (", log" if self.log else "")


class Choices(NamedTuple):
    """Values, as typed."""

    values: tuple[str, ...]

    def contains(self, value: Any) -> bool:
        """Return whether a value is one of the choices."""

        return to_cli(value) in self.values

    def size(self) -> float:
        """Return how many there are."""

        return len(self.values)

    def describe(self) -> str:
        """Return e.g. `one of 64, 96, 128`."""

        return f"one of {', '.join(self.values)}"


class Dimension(NamedTuple):
    """A variable and the values that a search may give it."""

    variable: str
    values: Range | Choices

    def first(self) -> Axis:
        """Return the variable with one of its values."""

        found = self.values
        typed = found.typed(found.low) if isinstance(found, Range) else found.values[0]
        return Axis(self.variable, (typed,))


def parse_dimension(text: str) -> Dimension:
    """Parse `vars.width=32..128,step=32`, `vars.rate=1e-5..1e-2,log` or `vars.width=64,96,128`.

    Raises InvalidInput, with an option that works as the hint.
    """

    name, _, values = text.partition("=")
    if name and (found := _CALL.search(values)):
        raise _error(f"unknown notation '{values}'", _translated(name, values, found))
    match = _RANGE.fullmatch(values.strip())
    numbers = [_number(match[end]) for end in ("low", "high")] if match else []
    if match is None or (numbers == [None, None] and match["rest"]):
        return Dimension(*_as_choices(parse_axis(text, OPTION)))
    low, high = numbers
    if not name or low is None or high is None:
        bad = match["high"] if low is not None else match["low"]
        raise _error(f"'{bad}' is not a number, in '{text}'", _example(name))
    return Dimension(name, _parse_range(text, name, low, high, _WORDS.split(match["rest"])[1:]))


def _parse_range(text: str, name: str, low: float, high: float, words: Sequence[str]) -> Range:
    bounds = f"{name}={to_cli(low)}..{to_cli(high)}"
    step: float | None = None
    for word in words:
        key, _, value = word.partition("=")
        number = _number(value)
        if word != "log" and (key != "step" or number is None):
            raise _error(
                f"invalid '{word}' in '{text}'; expected 'log' or 'step=NUMBER'",
                f"{OPTION} {bounds},{'step=1' if key == 'step' else 'log'}",
            )
        step = step if word == "log" else number
    log = "log" in words
    if low >= high:
        swapped = f"{OPTION} {name}={to_cli(high)}..{to_cli(low)}"
        raise _error(
            f"the range '{text}' is empty", swapped if low > high else f"--{name} {to_cli(low)}"
        )
    if log and low <= 0:
        raise _error(
            f"the logarithmic range '{text}' must begin above 0",
            f"{OPTION} {name}={to_cli(min(high / 1000, 0.001))}..{to_cli(high)},log"
            if high > 0
            else f"{OPTION} {bounds}",
        )
    if log and step is not None:
        raise _error(f"'log' and 'step' exclude each other, in '{text}'", f"{OPTION} {bounds},log")
    if step is not None and not 0 < step <= high - low:
        raise _error(
            f"the step in '{text}' must be above 0 and fit into the range",
            f"{OPTION} {bounds},step={to_cli((high - low) / 4)}",
        )
    found = Range(low, high, step, log)
    return found if found.is_integer else found.as_float()


def _as_choices(axis: Axis) -> tuple[str, Choices]:
    return axis.variable, Choices(axis.values)


def fit(dimension: Dimension, variable: str, value: Any) -> Dimension:
    """Return the dimension with the full name of its variable, whose value in project.yml is
    `value`: a range of integers is one of floats for a float.

    Raises InvalidInput for a range of numbers if that value is something else.
    """

    values = dimension.values
    number = _number(value) if isinstance(value, str) else value
    if isinstance(values, Range) and value not in (None, ""):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise _error(
                f"a range is for numbers, but '{variable}' is {to_cli(value)} in project.yml",
                f"{OPTION} {variable}=true,false"
                if isinstance(value, bool)
                else f"list its values: {OPTION} {variable}=A,B",
            )
        if isinstance(number, float) and not values.step:
            values = values.as_float()
    return Dimension(variable, values)


def contains(space: Sequence[Dimension], values: Mapping[str, Any]) -> bool:
    """Return whether `values`, by full name of the variable, are a point of the space."""

    return all(
        dimension.variable in values and dimension.values.contains(values[dimension.variable])
        for dimension in space
    )


def count_points(space: Sequence[Dimension]) -> float:
    """Return how many points the space has."""

    return math.prod(dimension.values.size() for dimension in space)


def _number(text: str) -> float | None:
    value = parse_override(text)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _translated(name: str, values: str, call: re.Match[str]) -> str:
    """Return the option for e.g. `tag(log, interval(1e-5, 1e-2))`, or an example."""

    arguments = [part.strip() for part in call[2].split(",")]
    if call[1] in ("choice", "choices", "categorical"):
        return f"{OPTION} {name}={','.join(arguments)}"
    ends = [argument for argument in arguments if _number(argument) is not None]
    is_log = "log" in values
    return f"{OPTION} {name}={ends[0]}..{ends[1]}{',log' if is_log else ''}" if ends[1:] else (
        _example(name)
    )  # fmt: skip


def _example(name: str) -> str:
    return f"e.g. {OPTION} {name or 'vars.dropout'}=0.1..0.5"


def _error(message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, file=OPTION, hint=hint)
