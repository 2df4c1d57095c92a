"""The `resources:` section of project.yml."""

from __future__ import annotations

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.project.model import Command, Project, Resources, Timeout

COMMANDS = b"vars: {n: 4}\ncommands: [{name: train}, {name: prepare}]\n"


def load(text: str) -> Project:
    return loader.parse(COMMANDS + text.encode()).project


def resources_of_train(text: str, **variant: str) -> Resources:
    project = load(text)
    command = project.command("train")
    assert isinstance(command, Command)
    return project.resources_for(command._replace(**variant))


def test_resources_are_read_after_substitution() -> None:
    text = (
        "resources:\n  train: {num_cpus: '${vars.n}', num_gpus: 0.5, memory: 8_000_000_000,"
        " accelerator_type: A100, resources: {licence: 1}}\n"
    )
    assert resources_of_train(text) == Resources(4, 0.5, 8_000_000_000, "A100", (("licence", 1),))


def test_a_variant_has_the_resources_of_its_command_and_other_commands_have_none() -> None:
    text = "resources: {train: {num_gpus: 1}}"
    assert resources_of_train(text, name="train --vars.n 1", variant_of="train") == Resources(
        num_gpus=1
    )
    assert resources_of_train("resources: {prepare: {num_gpus: 1}}") == Resources()
    assert resources_of_train("") == Resources()


@pytest.mark.parametrize(
    ("text", "position", "message", "hint"),
    [
        ("trian: {}", "3:13", "unknown command 'trian'", "did you mean 'train'?"),
        ("zzz: {}", "3:13", "unknown command 'zzz'", "define the command"),
        ("train: 4", "3:13", "resources of 'train' must be a mapping", "num_cpus: 4"),
        ("train: {num_cpu: 1}", "3:21", "unknown key 'num_cpu'", "did you mean 'num_cpus'?"),
        ("train: {num_cpus: -1}", "3:31", "num_cpus must not be negative", "write 0"),
        ("train: {num_cpus: many}", "3:31", "num_cpus must be a number", "write e.g. 1"),
        ("train: {num_cpus: true}", "3:31", "num_cpus must be a number", "write e.g. 1"),
        ("train: {num_cpus: .inf}", "3:31", "num_cpus must be a number", "write e.g. 1"),
        ("train: {num_gpus: 1.5}", "3:31", "must be a whole number", "write 1 or 2"),
        ("train: {num_gpus: 0.00005}", "3:31", "0 or at least 0.0001", "write 0.0001"),
        ("train: {timeout: soon}", "3:30", "timeout must be a number of seconds", "30m or 1h30m"),
        ("train: {timeout: 1:30}", "3:30", "timeout must be a number of seconds", "30m or 1h30m"),
        ("train: {timeout: 2 weeks}", "3:30", "timeout must be", "30m or 1h30m"),
        ("train: {timeout: 0}", "3:30", "timeout must be greater than 0", "remove the line"),
        ("train: {timeout: 0h0m}", "3:30", "timeout must be greater than 0", "remove the line"),
        ("train: {timeout: true}", "3:30", "timeout must be", "30m or 1h30m"),
        ("train: {timeout: .inf}", "3:30", "timeout must be", "30m or 1h30m"),
        ("train: {retries: -1}", "3:30", "a whole number from 0 to 100", "write e.g. 2"),
        ("train: {retries: 1.5}", "3:30", "a whole number from 0 to 100", "write e.g. 2"),
        ("train: {retries: 101}", "3:30", "a whole number from 0 to 100", "write e.g. 2"),
        ("train: {retries: true}", "3:30", "a whole number from 0 to 100", "write e.g. 2"),
        ("train: {tmeout: 1h}", "3:21", "unknown key 'tmeout'", "did you mean 'timeout'?"),
        ("train: {memory: 8 GB}", "3:29", "memory must be a number of bytes", "8_000_000_000"),
        ("train: {accelerator_type: 1}", "3:39", "accelerator_type must be a string", "quotes"),
        ("train: {resources: {GPU: 1}}", "3:33", "'GPU' is a built-in resource", "num_gpus"),
        ("train: {resources: {x: a}}", "3:36", "resources.x must be a number", "write e.g. 1"),
    ],
)
def test_invalid_resources_are_reported_with_position_and_hint(
    text: str, position: str, message: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(f"resources: {{{text}}}")
    (problem,) = caught.value.problems
    assert problem.location == f"project.yml:{position}"
    assert message in problem.message
    assert hint in problem.hint


OWNER = "resources of 'train'"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("trian: {}", "unknown command 'trian' in 'resources'", "did you mean 'train'?"),
        ("zzz: {}", "unknown command 'zzz' in 'resources'", "define the command, or remove it here"),
        ("train: 4", "resources of 'train' must be a mapping, not the number 4",
         "write e.g. 'num_cpus: 4' below it, indented"),
        ("train: {zzz: 1}", f"unknown key 'zzz' in {OWNER}",
         "valid keys: num_cpus, num_gpus, memory, accelerator_type, resources, timeout, retries"),
        ("train: {num_cpus: -1}", f"{OWNER}: num_cpus must not be negative",
         "write 0 or a positive number"),
        ("train: {num_cpus: x}", f"{OWNER}: num_cpus must be a number", "write e.g. 1 or 0.5"),
        ("train: {num_gpus: 2.5}",
         f"{OWNER}: num_gpus must be a whole number if it is greater than 1", "write 2 or 3"),
        ("train: {memory: 1.5}", f"{OWNER}: memory must be a number of bytes",
         "write e.g. 8_000_000_000 (8 GB)"),
        ("train: {memory: -1}", f"{OWNER}: memory must be a number of bytes",
         "write e.g. 8_000_000_000 (8 GB)"),
        ("train: {memory: true}", f"{OWNER}: memory must be a number of bytes",
         "write e.g. 8_000_000_000 (8 GB)"),
        ("train: {resources: 1}", f"{OWNER}: resources must be a mapping, not the number 1",
         "write 'NAME: VALUE' lines below it, indented"),
        ("train: {resources: {'': 1}}", f"{OWNER}: resources has an empty key", "add a name"),
        ("train: {resources: {memory: 1}}", f"{OWNER}: resources: 'memory' is a built-in resource",
         "use num_cpus, num_gpus or memory instead"),
        ("train: {resources: {x: -1}}", f"{OWNER}: resources.x must not be negative",
         "write 0 or a positive number"),
    ],
)  # fmt: skip
def test_each_problem_of_resources_has_exactly_this_message_and_hint(
    text: str, message: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(f"resources: {{{text}}}")
    (problem,) = caught.value.problems
    assert (problem.message, problem.hint) == (message, hint)


def test_amounts_may_be_zero_fractions_or_whole_numbers() -> None:
    text = (
        "resources: {train: {num_cpus: 0, num_gpus: 1, memory: 8e9, resources: {a: 0.25, b: 2.0}}}"
    )
    assert resources_of_train(text) == Resources(
        0, 1, 8_000_000_000, None, (("a", 0.25), ("b", 2.0))
    )
    assert resources_of_train("resources: {train: {memory: 0}}") == Resources(memory=0)


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("90", 90, "90 s"), ("0.5", 0.5, "0.5 s"), ("90s", 90, "90s"), ("30m", 1800, "30m"),
        ("2h", 7200, "2h"), ("1.5d", 129600, "1.5d"), ("1h30m", 5400, "1h30m"),
        ("' 1 h 30 m '", 5400, "1 h 30 m"), ("'${vars.n}h'", 14400, "4h"), ("'${vars.n}'", 4, "4 s"),
    ],
)  # fmt: skip
def test_a_timeout_is_seconds_or_has_units(text: str, seconds: float, shown: str) -> None:
    assert resources_of_train(f"resources: {{train: {{timeout: {text}}}}}").timeout == Timeout(
        seconds, shown, 3, 30
    )


def test_a_number_without_bounds_is_a_problem_of_the_project_file() -> None:
    for key in ("timeout", "num_gpus", "retries"):
        with pytest.raises(InvalidInput):
            load(f"resources: {{train: {{{key}: {'9' * 400}}}}}")


def test_limits_are_not_keys_of_a_command_which_weasel_would_refuse() -> None:

    with pytest.raises(InvalidInput, match="unknown key 'timeout' in command 'x'"):
        loader.parse(b"commands: [{name: x, timeout: 2h}]")
    assert resources_of_train("resources: {train: {retries: 2}}").retries == 2
