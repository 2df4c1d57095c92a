"""Variables in both dialects, overrides, and invalid references."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput, Refused
from git_spacy.project import loader
from git_spacy.project.variables import could_resolve_to, fill_environment, parse_override


def script(text: str, line: str, overrides: dict[str, Any] | None = None) -> str:
    data = f"{text}\ncommands:\n  - name: c\n    script:\n      - {line}\n"
    return loader.parse(data.encode(), overrides).project.commands[0].script[0]


@pytest.mark.parametrize(
    ("variables", "line", "expected"),
    [
        ("vars: {a: 1}", "'x ${vars.a}'", "x 1"),
        ("vars: {a: 1}", "'x ${vars:a}'", "x 1"),
        ("vars: {a: '007'}", "'x ${vars.a}'", "x 007"),
        ("vars: {a: no}", "'x ${vars.a}'", "x no"),
        ("vars: {a: true}", "'x ${vars.a}'", "x true"),
        ("vars: {a: null}", "'x ${vars.a}'", "x null"),
        ("vars: {a: 1e-3}", "'x ${vars.a}'", "x 0.001"),
        ("vars: {a: 0.10}", "'x ${vars.a}'", "x 0.1"),
        ("vars: {a: [1, b]}", "'x ${vars.a}'", 'x [1, "b"]'),
        ("vars: {a: {b: {c: deep}}}", "'x ${vars.a.b.c}'", "x deep"),
        ("vars: {a: 'b ${vars.c}', c: d}", "'x ${vars.a}'", "x b d"),
        ("vars: {a: 'say \"hi\"'}", "'x ${vars.a}'", 'x say "hi"'),
        ("vars: {a: 1}", "'x {a} ${vars.a} $HOME $$'", "x {a} 1 $HOME $$"),
        ("variables: {A: 128}", "'x {A} ${HOMELESS'", "x 128 ${HOMELESS"),
        ("variables: {A: '{B}!', B: c}", "'x {A}'", "x c!"),
        ("variables: {A: 1}", "'x {{A}} {A}'", "x {A} 1"),
        ("variables: {A: 1}", "'x {\"json\": {}} {A}'", 'x {"json": {}} 1'),
        ("variables: {A: 1}\nvars: {b: 2}", "'x {A} ${vars.b}'", "x 1 2"),
    ],
)
def test_a_reference_is_replaced_by_its_value(variables: str, line: str, expected: str) -> None:
    assert script(variables, line) == expected


@pytest.mark.threat("variable-cycles")
@pytest.mark.parametrize(
    ("variables", "line", "message", "hint"),
    [
        ("vars: {name: 1}", "'x ${vars.nmae}'", "unknown variable ${vars.nmae}", "${vars.name}"),
        ("vars: {name: 1}", "'x ${name}'", "unknown variable ${name}", "${vars.name}"),
        ("variables: {NAME: 1}", "'x {NAEM}'", "unknown variable {NAEM}", "{NAME}"),
        ("vars: {t: {a: 1}}", "'x ${vars.t}'", "is a mapping", "${vars.t.a}"),
        ("env: {USER: WHO}", "'x ${env.USR}'", "${env.USR}", "did you mean 'USER'?"),
    ],
)
def test_an_invalid_reference_is_reported_with_a_suggestion(
    variables: str, line: str, message: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        script(variables, line)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert hint in problem.hint
    assert problem.location == "project.yml:5:9"


@pytest.mark.threat("variable-cycles")
def test_a_cycle_is_reported_once_with_its_variables() -> None:
    text = "vars:\n  a: ${vars.b}\n  b: x${vars.c}\n  c: ${vars.a}\n  d: ${vars.a}"
    with pytest.raises(InvalidInput) as caught:
        script(text, "'x ${vars.a} ${vars.b}'")
    (problem,) = caught.value.problems
    assert problem.message == "variable cycle: vars.a → vars.b → vars.c → vars.a"
    assert problem.location.startswith("project.yml:2:")


def test_exponential_growth_of_variables_hits_a_limit() -> None:
    lines = [f"  v{n}: '${{vars.v{n - 1}}}${{vars.v{n - 1}}}'" for n in range(1, 40)]
    with pytest.raises(InvalidInput, match="characters after substitution"):
        script("\n".join(["vars:", "  v0: xxxxxxxx", *lines]), "'x ${vars.v39}'")


def test_a_single_reference_keeps_the_variables_type_except_in_lists() -> None:
    data = b"vars: {n: 3, m: '${vars.n}'}\ntitle: ${vars.n}\nremotes: {a: 's3://${vars.n}'}\n"
    document = loader.resolve_document(data)
    assert document["title"] == 3
    assert document["vars"]["m"] == 3
    assert document["remotes"] == {"a": "s3://3"}


@pytest.mark.parametrize("name", ["seed", "vars.seed"])
def test_an_override_also_changes_variables_that_refer_to_it(name: str) -> None:
    text = "vars: {seed: 1, out: 'm-${vars.seed}'}"
    assert script(text, "'x ${vars.out}'", {name: 2}) == "x m-2"


def test_an_override_in_the_older_dialect_needs_no_prefix() -> None:
    assert script("variables: {SEED: 1}", "'x {SEED}'", {"SEED": 2}) == "x 2"


def test_an_override_of_an_unknown_variable_is_reported_with_the_closest_name() -> None:
    with pytest.raises(InvalidInput) as caught:
        script("vars: {seed: 1}", "'x'", {"vars.sed": 2})
    assert caught.value.problems[0].hint == "did you mean 'seed'?"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ("a b", "a b"),
        ("[1]", [1]),
        ("-1", -1),
    ],
)
def test_a_value_from_the_command_line_is_parsed_as_json_if_possible(text: str, value: Any) -> None:
    assert parse_override(text) == value


def test_an_environment_variable_is_substituted_only_on_use() -> None:
    text = "env: {token: SECRET}\nvars: {url: 'https://x/${env.token}'}"
    line = script(text, "'get ${vars.url} ${env.token}'")
    assert line == "get https://x/${env.token} ${env.token}"
    assert fill_environment(line, {"token": "SECRET"}, {"SECRET": "s"}) == "get https://x/s s"


@pytest.mark.parametrize(
    "section",
    [
        "assets: [{dest: 'assets/${env.token}'}]",
        "assets: [{dest: a, git: {repo: 'https://x/${env.token}', path: ''}}]",
        "commands: [{name: c, deps: ['${env.token}']}]",
        "commands: [{name: c, outputs: ['${env.token}']}]",
    ],
)
def test_an_environment_variable_whose_value_would_be_recorded_is_refused(section: str) -> None:
    with pytest.raises(Refused, match="environment variable"):
        loader.parse(f"env: {{token: SECRET}}\n{section}\n".encode())


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.lists(names, max_size=3), min_size=1))
def test_any_graph_of_variables_either_resolves_or_is_reported(graph: dict[str, list[str]]) -> None:
    lines = ["vars:"]
    for name, others in graph.items():
        text = "".join(f"${{vars.{other}}}" for other in others)
        lines.append(f"  {name}: 'x{text}'")
    try:
        document = loader.resolve_document("\n".join(lines).encode())
    except InvalidInput as error:
        assert all(
            "cycle" in problem.message or "unknown" in problem.message for problem in error.problems
        )
    else:
        for name, others in graph.items():
            values = document["vars"]
            assert values[name] == "x" + "".join(values[other] for other in others)


@pytest.mark.parametrize(
    ("text", "resolved", "expected"),
    [
        ("plain", "plain", True),
        ("plain", "other", False),
        ("a ${env.x} b", "a 1 b", True),
        ("a ${env.x} b", "a  b", True),
        ("a ${env.x} b", "a b", False),
        ("a ${env.x} b", "a ${env.x} b", True),
        ("${env.x}${env.y}", "", True),
        ("${env.x}-${env.y}-z", "1-2-z", True),
        ("${env.x}-${env.y}-z", "1-z", False),
        ("ab${env.x}ba", "aba", False),
        ("${env.x}-${env.y}+${env.z}", "1-2+3-4", True),
        ("${env.x}-${env.y}-${env.z}", "1-2", False),
        ("${env.x}ab${env.y}bc${env.z}", "abc", False),
        ("${env.x}a", "ab", False),
        ("a${env.x}", "ba", False),
    ],
)
def test_a_resolved_string_is_matched_for_any_values_of_the_environment(
    text: str, resolved: str, expected: bool
) -> None:
    assert could_resolve_to(text, resolved) is expected


def test_matching_a_malicious_line_is_not_slow() -> None:
    assert not could_resolve_to("${env.x}a" * 5_000 + "b", "a" * 60_000)
