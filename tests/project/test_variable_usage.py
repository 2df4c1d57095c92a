"""The variables that commands and assets use, read from the text of project.yml."""

from __future__ import annotations

import pytest

from git_spacy.project import variable_usage

PROJECT = """\
vars:
  size: small
  seed: 1
  model:
    name: "ner-${vars.size}"
    rate: 0.1
  unused: x
env: {token: TOKEN}
assets:
  - {dest: "assets/${vars.size}", url: u, description: "${vars.seed}"}
  - {dest: assets/plain, url: "https://example.com/${env.token}"}
  - {dest: assets/git, git: {repo: r, path: "${vars.model.rate}"}}
commands:
  - name: train
    help: "Train with ${vars.unused}"
    script: ["train ${vars.model.name}", "train ${vars.seed}"]
  - name: plain
    script: [x]
  - name: through
    script: [x]
    deps: ["corpus/${vars.seed}"]
    outputs: ["out/${vars.model.rate}"]
"""


def names(variables: tuple[variable_usage.Parts, ...]) -> list[str]:
    return [".".join(parts) for parts in variables]


def test_all_variables_are_listed_in_the_order_of_the_file() -> None:
    usage = variable_usage.find_usage(PROJECT.encode())
    assert names(usage.variables) == [
        "vars.size", "vars.seed", "vars.model.name", "vars.model.rate", "vars.unused",
    ]  # fmt: skip


def test_a_command_uses_variables_directly_and_by_way_of_others() -> None:
    train, plain, through = map(names, variable_usage.find_usage(PROJECT.encode()).commands)
    assert train == ["vars.size", "vars.seed", "vars.model.name"]
    assert plain == []
    assert through == ["vars.seed", "vars.model.rate"]


def test_an_asset_uses_the_variables_of_its_source_and_destination_not_its_description() -> None:
    sized, plain, git = map(names, variable_usage.find_usage(PROJECT.encode()).assets)
    assert sized == ["vars.size"]
    assert plain == [], "environment variables are not variables of the project"
    assert git == ["vars.model.rate"]


@pytest.mark.parametrize(
    ("table", "text", "expected"),
    [
        ("variables", "run {seed}", ["variables.seed"]),
        ("vars", "run {seed}", []),
        ("vars", "run ${vars.seed}", ["vars.seed"]),
        ("vars", "run ${vars.nothing}", []),
    ],
)
def test_names_in_braces_are_references_only_in_a_project_with_variables(
    table: str, text: str, expected: list[str]
) -> None:
    data = f"{table}: {{seed: 1}}\ncommands: [{{name: c, script: ['{text}']}}]"
    (command,) = variable_usage.find_usage(data.encode()).commands
    assert names(command) == expected


def test_a_cycle_of_variables_does_not_loop_forever() -> None:
    data = b"vars: {a: '${vars.b}', b: '${vars.a}'}\ncommands: [{name: c, script: ['${vars.a}']}]"
    assert names(variable_usage.find_usage(data).commands[0]) == ["vars.a", "vars.b"]


@pytest.mark.parametrize("data", [b"", b"title: x", b"commands:\nassets:\nvars:\n"])
def test_a_project_without_variables_uses_none(data: bytes) -> None:
    assert variable_usage.find_usage(data) == variable_usage.VariableUsage((), (), ())
