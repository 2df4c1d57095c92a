"""What commands need of a machine, as project.yml has it."""

from __future__ import annotations

import pytest

from git_spacy.errors import Malformed
from git_spacy.project import loader
from git_spacy.project.model import Command, Project, Resources

COMMANDS = b"vars: {n: 4}\ncommands: [{name: train}, {name: prepare}]\n"


def read(text: str) -> Project:
    return loader.parse(COMMANDS + text.encode()).project


def needs(text: str, **variant: str) -> Resources:
    found = read(text)
    command = found.command("train")
    assert isinstance(command, Command)
    return found.needs(command._replace(**variant))


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
    ("text", "place", "what", "mend"),
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
    text: str, place: str, what: str, mend: str
) -> None:
    with pytest.raises(Malformed) as caught:
        read(f"resources: {{{text}}}")
    (problem,) = caught.value.problems
    assert problem.where == f"project.yml:{place}"
    assert what in problem.what
    assert mend in problem.mend
