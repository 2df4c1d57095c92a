"""Declare the parameters of a command without click, whose import takes longer than Python's start.

`to_click` makes click's command of a declaration. `flags` reads a command line of flags alone, the
common case, from the same declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from git_spacy.light_typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import click


class Parameter(NamedTuple):
    """An argument or an option: the names and settings that click knows it by.

    The setting `choices` stands for click's type of that name.
    """

    names: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def is_option(self) -> bool:
        return self.names[0].startswith("-")

    @property
    def name(self) -> str:
        """The name of the parameter of the function."""

        return self.names[-1].lstrip("-").replace("-", "_")

    @property
    def default(self) -> Any:
        """The value if the command line does not have the parameter."""

        if self.settings.get("multiple") or self.settings.get("nargs") == -1:
            return ()
        return self.settings.get("default", False if self.settings.get("is_flag") else None)

    def to_click(self) -> click.Parameter:
        import click

        settings = dict(self.settings)
        if choices := settings.pop("choices", None):
            settings["type"] = click.Choice(choices)
        kind = click.Option if self.is_option else click.Argument
        return kind(self.names, **settings)


class DeclaredCommand(NamedTuple):
    """A command: its function, which gets the CommandContext and the parameters by name, and
    whether it accepts overrides of variables."""

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    has_overrides: bool = False

    def to_click(self) -> click.Command:
        """Return the command for click."""

        import click

        from git_spacy.cli.command_class import OverridingCommand, SpacyCommand

        return click.command(
            cls=OverridingCommand if self.has_overrides else SpacyCommand,
            params=[parameter.to_click() for parameter in self.parameters],
        )(click.pass_obj(self.function))

    def flags(self, words: Sequence[str]) -> dict[str, Any] | None:
        """Return the values of all parameters if `words` are nothing but flags, else None."""

        names = {
            parameter.names[0]: parameter.name
            for parameter in self.parameters
            if parameter.settings.get("is_flag")
        }
        if not names.keys() >= set(words):
            return None
        defaults = {parameter.name: parameter.default for parameter in self.parameters}
        return defaults | dict.fromkeys((names[word] for word in words), True)


def parameter(*names: str, **settings: Any) -> Parameter:
    """Declare an option, or an argument if the name does not begin with a dash."""

    return Parameter(names, settings)


def command(
    *parameters: Parameter, has_overrides: bool = False
) -> Callable[[Callable[..., Any]], DeclaredCommand]:
    """Declare the decorated function as a command with these parameters."""

    return lambda function: DeclaredCommand(function, parameters, has_overrides)
