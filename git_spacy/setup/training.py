"""Find what a project trains: the config, the corpora and the model of its `spacy train`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

_SAFE = re.compile(r"[\w./@+=:,%${}-]+")  # needs no quotes in a script line, and none in YAML
_ADDED = "run_link.py"
_REPLACED = ("--output", "-o", "--code", "-c")


class Training(NamedTuple):
    """What project.yml says about its training, with variables as they are written: `${vars.x}`.

    A path is "" if nothing names it. `options` are those of `spacy train` without --output and
    --code, and `deps` what the command depends on besides its config. `workflow` is the first one
    that trains, or else the first one.
    """

    command: str = ""
    config: str = ""
    model: str = ""
    output: str = ""
    train_corpus: str = ""
    dev_corpus: str = ""
    code: str = ""
    options: tuple[str, ...] = ()
    deps: tuple[str, ...] = ()
    workflow: str = ""


def find_training(document: Mapping[str, Any]) -> Training:
    """Return what the first command that calls `spacy train` uses, in a valid project.yml.

    Commands that log to Weights & Biases were added to it, and do not count.
    """

    commands = [
        command
        for command in _items(document.get("commands"))
        if not any(_ADDED in line for line in _texts(command.get("script")))
    ]
    found = Training()
    for command, arguments in _calls(commands, "train"):
        found = _training(command, arguments)
        break
    for _, arguments in _calls(commands, "evaluate"):
        values = [*_positional(arguments), "", ""]
        if found.model in ("", values[0]) and not found.dev_corpus:
            found = found._replace(model=found.model or values[0], dev_corpus=_safe(values[1]))
    if not found.dev_corpus:
        produced = (path for command in commands for path in _texts(command.get("outputs")))
        dev = next((path for path in produced if path.endswith("dev.spacy")), "")
        found = found._replace(dev_corpus=_safe(dev))
    workflows = document.get("workflows") or {}
    training = (name for name, steps in workflows.items() if found.command in _texts(steps))
    return found._replace(workflow=next(training, next(iter(workflows), "")))


def _training(command: Mapping[str, Any], arguments: list[str]) -> Training:
    config = _safe(next(iter(_positional(arguments)), ""))
    output = _safe(_option(arguments, "--output", "-o")).rstrip("/")
    outputs = (path for path in _texts(command.get("outputs")) if path.endswith("model-best"))
    model = next(outputs, f"{output}/model-best" if output else "")
    return Training(
        command=str(command["name"]),
        config=config,
        model=_safe(model),
        output=output,
        train_corpus=_safe(_option(arguments, "--paths.train")),
        dev_corpus=_safe(_option(arguments, "--paths.dev")),
        code=_safe(_option(arguments, "--code", "-c")),
        options=tuple(map(_quoted, _other_options(arguments))),
        deps=tuple(path for path in _texts(command.get("deps")) if path != config),
    )


def _calls(
    commands: list[Mapping[str, Any]], subcommand: str
) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Yield each command with the arguments of its `spacy SUBCOMMAND`."""

    for command in commands:
        for line in _texts(command.get("script")):
            try:
                words = shlex.split(line)
            except ValueError:
                continue
            for number, pair in enumerate(pairwise(words)):
                if pair == ("spacy", subcommand):
                    yield command, words[number + 2 :]


def _positional(arguments: list[str]) -> Iterator[str]:
    previous = ""
    for word in arguments:
        if not word.startswith("-") and (not previous.startswith("-") or "=" in previous):
            yield word
        previous = word


def _option(arguments: list[str], *names: str) -> str:
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else following
    return ""


def _other_options(arguments: list[str]) -> Iterator[str]:
    """Yield the options and their values, without those that are replaced."""

    skips_value = is_value = False
    for word in arguments:
        if word.startswith("-") and not re.fullmatch(r"-[\d.]+", word):
            is_replaced = word.partition("=")[0] in _REPLACED
            skips_value, is_value = is_replaced and "=" not in word, "=" not in word
            if not is_replaced:
                yield word
        elif skips_value:
            skips_value = is_value = False
        elif is_value:
            is_value = False
            yield word


def _quoted(word: str) -> str:
    return word if _SAFE.fullmatch(word) else shlex.quote(word)


def _safe(path: str) -> str:
    return path if _SAFE.fullmatch(path) else ""


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value or () if isinstance(item, dict)]


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value or ()]
