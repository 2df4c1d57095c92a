"""Replace values in a lock, record, journal, cache, index or remote by hostile ones.

No command may then read or change a file outside the project, a tracked file or one of Git's, fail
with an internal error, or take 300 MB or ten seconds.

Each value in a file that a real run has written is replaced by each hostile value (hostile_values.py,
sandbox.py), and the commands that read the file are run; then several values at once.
GIT_SPACY_STRESS runs all combinations; the default is a selection that covers each position, each
group of values and each command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.threats.forks import CommandResult, Forks
from tests.threats.hostile_values import (
    FIELDS,
    VALUES,
    Position,
    first_of_each_kind,
    iter_positions,
    replace_values,
)
from tests.threats.sandbox import FORMATS, Case, Format, Sandbox, combination, iter_cases

ALL = "GIT_SPACY_STRESS" in os.environ


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    environ = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    sandbox = Sandbox(folder, environ)
    forks = Forks(sandbox.root, sandbox.watched, sandbox.environ)
    sandbox.run = forks
    try:
        sandbox.make()
        yield sandbox
    finally:
        forks.close()


@pytest.mark.threat("hostile-values", "undeclared-outputs")
@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_no_value_leads_out_of_the_project_or_crashes_a_command(
    sandbox: Sandbox, format: Format
) -> None:
    before = sandbox.runs
    violations = [
        violation
        for case in iter_cases(sandbox, format, exhaustive=ALL)
        for violation in sandbox.violations(case)
    ]
    assert not violations, f"{len(violations)} violations:\n" + "\n".join(violations[:40])
    assert sandbox.runs > before


@pytest.mark.slow
@settings(
    max_examples=2000 if ALL else 20,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(data=st.binary(min_size=8, max_size=28))
def test_no_combination_of_values_leads_out_of_the_project_or_crashes_a_command(
    sandbox: Sandbox, data: bytes
) -> None:
    assert sandbox.violations(combination(sandbox, data)) == []


# Violations are detected


def _writes(name: str) -> Callable[[Sandbox], None]:
    def write(sandbox: Sandbox) -> None:
        path = sandbox.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("evil")

    return write


HARM: dict[str, tuple[Callable[[Sandbox], None], str]] = {
    "a file beside the project": (_writes("docs/a-1"), "changed docs/a-1"),
    "a new file beside it": (_writes("new"), "created new"),
    "a lost file": (lambda sandbox: (sandbox.home / ".profile").unlink(), "deleted home/.profile"),
    "a mode": (lambda sandbox: (sandbox.home / ".profile").chmod(0o777), "changed home/.profile"),
    "a hook": (_writes("p/.git/hooks/post-checkout"), "created p/.git/hooks/post-checkout"),
    "a setting": (_writes("p/.git/config"), "changed p/.git/config"),
    "a branch": (_writes("p/.git/refs/heads/new"), "created p/.git/refs/heads/new"),
    "a tracked file": (_writes("p/words.in"), "changed p/words.in"),
    "an undeclared file": (_writes("p/sitecustomize.py"), "created p/sitecustomize.py"),
    "the lock": (_writes("p/project.lock"), "changed p/project.lock"),
}
ENDS = {
    "internal error": (CommandResult(70, "", 0, 0, []), "exit code 70"),
    "signal": (CommandResult(-9, "", 0, 0, []), "exit code -9"),
    "traceback": (CommandResult(1, "Traceback (most recent", 0, 0, []), "Traceback"),
    "escape": (CommandResult(0, "a\x1b[2J", 0, 0, []), "printed"),
    "time": (CommandResult(0, "", 11, 0, []), "took 11.0 s"),
    "memory": (CommandResult(0, "", 0, 301, []), "took 301 MB"),
    "reading": (CommandResult(0, "", 0, 0, ["open /docs/a-1"]), "touched open"),
}


@pytest.mark.parametrize("name", HARM)
def test_harm_is_detected_and_undone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    harm, shown = HARM[name]

    def run(*words: str) -> CommandResult:
        harm(sandbox)
        return CommandResult(0, "", 0, 0, [])

    case = Case(FORMATS[0], (), "restore")
    monkeypatch.setattr(sandbox, "run", run)
    assert any(shown in violation for violation in sandbox.violations(case))
    monkeypatch.setattr(sandbox, "run", lambda *words: CommandResult(0, "", 0, 0, []))
    assert sandbox.violations(case) == []


@pytest.mark.parametrize("name", ENDS)
def test_a_bad_exit_is_detected(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ended, shown = ENDS[name]
    monkeypatch.setattr(sandbox, "run", lambda *words: ended)
    (violation,) = sandbox.violations(Case(FORMATS[0], (), "status"))
    assert shown in violation


def test_a_read_outside_the_project_is_detected(sandbox: Sandbox) -> None:
    name = str(sandbox.folder / "docs/none")
    ended = sandbox.run("-C", str(sandbox.root), "lock", "merge-driver", name, name, name)
    assert f"open {name}" in ended.touched


def test_a_case_without_changes_is_no_violation(sandbox: Sandbox) -> None:
    for number, format in enumerate(FORMATS):
        for command in format.commands if ALL else format.commands[number % 3 :: 3]:
            assert sandbox.violations(Case(format, (), command)) == []


# The table of values and the positions


def test_each_value_and_each_key_is_a_position() -> None:
    document = {"deps": [{"path": "a"}, {"path": "b"}], "mine": ["x", 1]}
    assert list(first_of_each_kind(document)) == [
        "deps (key)", "deps", "deps/*", "deps/*/path (key)", "deps/*/path",
        "* (key)", "*", "*/0", "*/1",
    ]  # fmt: skip
    assert len(list(iter_positions(document))) == 12
    assert "deps" in FIELDS


def test_values_and_keys_are_replaced() -> None:
    document = {"a": [1, {"b": 2}], "c": 3}
    value, key = Position(("a", 1, "b")), Position(("c",), is_key=True)
    assert json.loads(replace_values(document, (value, '"x"'), (key, '"y"'))) == {
        "a": [1, {"b": "x"}],
        "y": 3,
    }
    assert document == {"a": [1, {"b": 2}], "c": 3}
    assert replace_values({"a": 1}, (Position(("a",)), "NaN")) == '{"a": NaN}'
    # a change in a part that another change removed has no effect
    assert json.loads(replace_values(document, (Position(("a",)), "1"), (value, "2"))) == {
        "a": 1,
        "c": 3,
    }


def test_the_cases_cover_every_position_value_and_command(sandbox: Sandbox) -> None:
    names = {f"{group} ({name})" for group, values in VALUES.items() for name in values}
    for format in FORMATS:
        all_cases = list(iter_cases(sandbox, format, exhaustive=True))
        met: dict[str, set[str]] = {}
        for case in all_cases:
            ((position, name, _),) = case.changes
            met.setdefault(position.kind, set()).add(name)
        assert all(values == names for kind, values in met.items() if "(key)" not in kind)
        selected = list(iter_cases(sandbox, format, exhaustive=False))
        for chosen in (all_cases, selected):
            assert {case.command for case in chosen} == set(format.commands)
        assert {group.split(" (")[0] for case in selected for _, group, _ in case.changes} == set(
            VALUES
        )
        kinds_met = {case.changes[0][0].kind for case in all_cases}
        assert {case.changes[0][0].kind for case in selected} == kinds_met
        assert len(selected) < len(all_cases) / 5


def test_bytes_determine_a_case(sandbox: Sandbox) -> None:
    assert combination(sandbox, b"").format is FORMATS[0]
    assert combination(sandbox, bytes(range(40))) == combination(sandbox, bytes(range(40)))
    assert len({str(combination(sandbox, bytes([0, n] * 20))) for n in range(8)}) > 5
