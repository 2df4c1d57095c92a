"""Declare the parameters of a command without click, whose import takes longer than Python's start.

`to_click` makes click's command of a declaration. `read` reads the common command lines from the
same declaration, and leaves all others to click.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from git_spacy.light_typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import click

_MAX_DIGITS = 9


class Parameter(NamedTuple):
    """An argument or an option: the names and settings that click knows it by.

    The settings `choices`, `minimum` and `maximum` stand for click's types Choice and IntRange.
    `light` says whether it can be read without click; by default, flags can.
    """

    names: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def is_option(self) -> bool:
        return self.names[0].startswith("-")

    @property
    def is_light(self) -> bool:
        light: bool = self.settings.get("light", bool(self.settings.get("is_flag")))
        return light and self.is_passed

    @property
    def is_passed(self) -> bool:
        """Whether the function gets its value."""

        return bool(self.settings.get("expose_value", True))

    @property
    def name(self) -> str:
        """The name of the parameter of the function."""

        return self.names[-1].partition("/")[0].lstrip("-").replace("-", "_")

    @property
    def default(self) -> Any:
        """The value if the command line does not have the parameter."""

        if self.settings.get("multiple") or self.settings.get("nargs") == -1:
            return ()
        return self.settings.get("default", False if self.settings.get("is_flag") else None)

    def read(self, texts: Sequence[str]) -> Any:
        """Return the value of an argument, or of an option that was given with these texts; None if
        click has to decide."""

        if self.settings.get("nargs") == -1:
            return tuple(texts)
        text = texts[0] if len(texts) == 1 else ""
        if "minimum" not in self.settings:
            return text if text and not text.startswith("-") else None
        if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
            return None
        number = int(text)
        is_in_range = self.settings["minimum"] <= number <= self.settings.get("maximum", number)
        return number if is_in_range else None

    def to_click(self) -> click.Parameter:
        import click

        settings = {key: value for key, value in self.settings.items() if key != "light"}
        if choices := settings.pop("choices", None):
            settings["type"] = click.Choice(choices)
        if "minimum" in settings:
            settings["type"] = click.IntRange(
                settings.pop("minimum"), settings.pop("maximum", None)
            )
        kind = click.Option if self.is_option else click.Argument
        return kind(self.names, **settings)


class DeclaredCommand(NamedTuple):
    """A command: its function, which gets the CommandContext and the parameters by name; whether it
    accepts overrides of variables; and click's other settings."""

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    has_overrides: bool
    settings: dict[str, Any]

    def to_click(self) -> click.Command:
        """Return the command for click."""

        import click

        from git_spacy.cli.command_class import OverridingCommand, SpacyCommand

        return click.command(
            cls=OverridingCommand if self.has_overrides else SpacyCommand,
            params=[parameter.to_click() for parameter in self.parameters],
            **self.settings,
        )(click.pass_obj(self.function))

    def read(self, words: Sequence[str]) -> dict[str, Any] | None:
        """Return the values of all parameters, or None if only click can tell.

        All `words` have to be light flags, light options, each followed by its value, or arguments.
        """

        light = [parameter for parameter in self.parameters if parameter.is_light]
        options = {name: option for option in light if option.is_option for name in option.names}
        passed = (parameter for parameter in self.parameters if parameter.is_passed)
        values = {parameter.name: parameter.default for parameter in passed}
        arguments = []
        rest = iter(words)
        for word in rest:
            if option := options.get(word):
                is_flag = option.settings.get("is_flag")
                values[option.name] = True if is_flag else option.read([next(rest, "")])
                if values[option.name] is None:
                    return None
            elif not word or word.startswith("-"):
                return None
            else:
                arguments.append(word)
        if arguments:
            argument = next((parameter for parameter in light if not parameter.is_option), None)
            value = argument.read(arguments) if argument else None
            if argument is None or value is None:
                return None
            values[argument.name] = value
        return values


def parameter(*names: str, **settings: Any) -> Parameter:
    """Declare an option, or an argument if the name does not begin with a dash."""

    return Parameter(names, settings)


def command(
    *parameters: Parameter, has_overrides: bool = False, **settings: Any
) -> Callable[[Callable[..., Any]], DeclaredCommand]:
    """Declare the decorated function as a command with these parameters."""

    return lambda function: DeclaredCommand(function, parameters, has_overrides, settings)
