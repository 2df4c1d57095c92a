"""What commands need of a machine, as project.yml has it."""

from __future__ import annotations

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.project.model import Command, Project, Resources

COMMANDS = b"vars: {n: 4}\ncommands: [{name: train}, {name: prepare}]\n"


def read(text: str) -> Project:
    return loader.parse(COMMANDS + text.encode()).project


def needs(text: str, **variant: str) -> Resources:
    found = read(text)
    command = found.command("train")
    assert isinstance(command, Command)
    return found.resources_for(command._replace(**variant))


def test_what_a_command_needs_is_read_with_variables_filled_in() -> None:
    text = (
        "resources:\n  train: {num_cpus: '${vars.n}', num_gpus: 0.5, memory: 8_000_000_000,"
        " accelerator_type: A100, resources: {licence: 1}}\n"
    )
    assert needs(text) == Resources(4, 0.5, 8_000_000_000, "A100", (("licence", 1),))


def test_a_variant_needs_what_its_command_does_and_others_need_nothing() -> None:
    text = "resources: {train: {num_gpus: 1}}"
    assert needs(text, name="train --vars.n 1", variant_of="train") == Resources(num_gpus=1)
    assert needs("resources: {prepare: {num_gpus: 1}}") == Resources()
    assert needs("") == Resources()


@pytest.mark.parametrize(
    ("text", "place", "what", "hint"),
    [
        ("trian: {}", "3:13", "names the command 'trian', which is not", "did you mean 'train'?"),
        ("zzz: {}", "3:13", "names the command 'zzz', which is not", "name a command"),
        ("train: 4", "3:13", "the resources of 'train' are not a mapping", "num_cpus: 4"),
        ("train: {num_cpu: 1}", "3:21", "unknown key 'num_cpu'", "did you mean 'num_cpus'?"),
        ("train: {num_cpus: -1}", "3:31", "num_cpus is less than 0", "how much"),
        ("train: {num_cpus: many}", "3:31", "num_cpus is not a number", "write 1"),
        ("train: {num_cpus: true}", "3:31", "num_cpus is not a number", "write 1"),
        ("train: {num_cpus: .inf}", "3:31", "num_cpus is not a number", "write 1"),
        ("train: {num_gpus: 1.5}", "3:31", "only up to 1 are there parts of one", "write 1"),
        ("train: {memory: 8 GB}", "3:29", "memory is not a number of bytes", "8_000_000_000"),
        ("train: {accelerator_type: 1}", "3:39", "accelerator_type is 1, not a text", "quotes"),
        ("train: {resources: {GPU: 1}}", "3:33", "'GPU' is not the cluster's own", "num_gpus"),
        ("train: {resources: {x: a}}", "3:36", "resources.x is not a number", "write 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_its_mend(
    text: str, place: str, what: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(f"resources: {{{text}}}")
    (problem,) = caught.value.problems
    assert problem.location == f"project.yml:{place}"
    assert what in problem.message
    assert hint in problem.hint


NEEDED = "resources of 'train'"


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("trian: {}", "'resources' names the command 'trian', which is not defined",
         "did you mean 'train'?"),
        ("zzz: {}", "'resources' names the command 'zzz', which is not defined",
         "name a command, or remove it"),
        ("train: 4", "the resources of 'train' are not a mapping",
         "write 'num_cpus: 4' or the like below it"),
        ("train: {zzz: 1}", f"{NEEDED} has an unknown key 'zzz'",
         "the keys are: num_cpus, num_gpus, memory, accelerator_type, resources"),
        ("train: {num_cpus: -1}", f"{NEEDED}: num_cpus is less than 0", "write how much it needs"),
        ("train: {num_cpus: x}", f"{NEEDED}: num_cpus is not a number", "write 1, or 0.5"),
        ("train: {num_gpus: 2.5}", f"{NEEDED}: num_gpus: only up to 1 are there parts of one",
         "write 2"),
        ("train: {memory: 1.5}", f"{NEEDED}: memory is not a number of bytes",
         "write 8_000_000_000 for 8 GB"),
        ("train: {memory: -1}", f"{NEEDED}: memory is not a number of bytes",
         "write 8_000_000_000 for 8 GB"),
        ("train: {memory: true}", f"{NEEDED}: memory is not a number of bytes",
         "write 8_000_000_000 for 8 GB"),
        ("train: {resources: 1}", f"'{NEEDED}: resources' is not a mapping",
         f"write '{NEEDED}: resources:' and below it 'name: value'"),
        ("train: {resources: {'': 1}}", f"{NEEDED}: resources has one without a name", "name it"),
        ("train: {resources: {memory: 1}}", f"{NEEDED}: resources: 'memory' is not the cluster's own",
         "write num_cpus, num_gpus or memory above"),
        ("train: {resources: {x: -1}}", f"{NEEDED}: resources.x is less than 0",
         "write how much it needs"),
    ],
)  # fmt: skip
def test_what_is_wrong_reads_as_it_stands_here(text: str, what: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(f"resources: {{{text}}}")
    (problem,) = caught.value.problems
    assert (problem.message, problem.hint) == (what, hint)


def test_amounts_from_nothing_to_whole_numbers_are_taken_as_they_are() -> None:
    text = (
        "resources: {train: {num_cpus: 0, num_gpus: 1, memory: 8e9, resources: {a: 0.25, b: 2.0}}}"
    )
    assert needs(text) == Resources(0, 1, 8_000_000_000, None, (("a", 0.25), ("b", 2.0)))
    assert needs("resources: {train: {memory: 0}}") == Resources(memory=0)
