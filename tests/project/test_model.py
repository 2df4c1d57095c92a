"""The values of the project model."""

from __future__ import annotations

from git_spacy.project import loader
from git_spacy.project.model import Checksum, Resources

PROJECT = loader.parse(
    b"""
commands: [{name: a b, outputs: [x], outputs_no_cache: [y]}, {name: c}]
workflows: {all: [c], none: []}
resources: {c: {num_gpus: 1}}
"""
).project


def test_a_checksum_is_written_with_its_algorithm_unless_it_is_md5() -> None:
    assert str(Checksum("md5", "aa")) == "aa"
    assert str(Checksum("sha256", "bb")) == "sha256:bb"


def test_commands_and_workflows_are_found_by_name() -> None:
    first, second = PROJECT.commands
    assert PROJECT.command("c") is second
    assert PROJECT.command("a b") is first
    assert PROJECT.command("all") is None
    assert PROJECT.workflow("none") is PROJECT.workflows[1]
    assert PROJECT.workflow("c") is None


def test_the_command_line_quotes_a_name_but_not_that_of_a_variant() -> None:
    first, second = PROJECT.commands
    assert first.cli_name == "git spacy run 'a b'"
    variant = second._replace(name="c --vars.x 'a b'", variant_of="c")
    assert variant.cli_name == "git spacy run c --vars.x 'a b'"
    assert PROJECT.resources_for(variant) == PROJECT.resources_for(second) == Resources(num_gpus=1)
    assert PROJECT.resources_for(first) == Resources()


def test_uncached_outputs_come_after_the_cached_outputs() -> None:
    assert [path.text for path in PROJECT.commands[0].produced] == ["x", "y"]
