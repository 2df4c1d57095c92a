"""The verdict on a command, for each difference from its lock entry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.project import loader
from git_spacy.project.model import Command
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import PreviousRun
from git_spacy.state.verdict import (
    Reason,
    Unknown,
    Verdict,
    compute_verdict,
    orphaned_entries,
    script_reasons,
    with_upstream,
)


def command(more: str = "") -> Command:
    text = f"commands: [{{name: c, script: [x, y], deps: [in], outputs: [out]{more}}}]"
    return loader.parse(text.encode()).project.commands[0]


def fingerprint(digest: str, names: str = "") -> Fingerprint:
    return Fingerprint(digest, names, 1)


def texts(verdict: Verdict) -> tuple[str, ...]:
    return tuple(map(str, verdict.reasons))


ENTRY = LockEntry(
    "c", ("x", "y"), (TrackedPath("in", "1"),), (TrackedPath("out", "2"),), "weasel run c"
)
UNCHANGED: dict[str, Fingerprint | None] = {"in": fingerprint("1"), "out": fingerprint("2")}


@pytest.mark.parametrize(
    ("entry", "changes", "state", "reasons"),
    [
        (ENTRY, {}, "up_to_date", ()),
        (ENTRY._replace(cmd="other", extra=(("spacy_version", "3"),)), {}, "up_to_date", ()),
        (None, {}, "not_run", ("not run yet",)),
        (ENTRY, {"in": None}, "unknown", ("dependency 'in' is missing",)),
        (None, {"in": None}, "not_run", ("not run yet", "dependency 'in' is missing")),
        (
            ENTRY._replace(script=("x", "z")), {"in": None}, "stale",
            ("script changed: line 2 is now 'y'", "dependency 'in' is missing"),
        ),
        (ENTRY, {"in": Unknown("'in' is unavailable")}, "unknown", ("'in' is unavailable",)),
        (
            ENTRY, {"in": Unknown("'in' is unavailable"), "out": fingerprint("9")}, "stale",
            ("output 'out' changed",),
        ),
        (ENTRY, {"in": fingerprint("9")}, "stale", ("dependency 'in' changed",)),
        (ENTRY, {"out": fingerprint("9")}, "stale", ("output 'out' changed",)),
        (ENTRY, {"out": None}, "stale", ("output 'out' is missing",)),
        (ENTRY._replace(script=("x", "z")), {}, "stale", ("script changed: line 2 is now 'y'",)),
        (ENTRY._replace(script=("x",)), {}, "stale", ("script changed: it has 2 lines, had 1",)),
        (ENTRY._replace(deps=()), {}, "stale", ("dependency 'in' is new",)),
        (
            ENTRY._replace(deps=(*ENTRY.deps, TrackedPath("old", "3"))), {}, "stale",
            ("dependency 'old' is no longer declared",),
        ),
        (
            ENTRY._replace(outs=(TrackedPath("out", None),)), {"out": None, "in": fingerprint("9")}, "stale",
            ("dependency 'in' changed", "output 'out' is missing"),
        ),
    ],
)  # fmt: skip
def test_the_verdict_has_a_reason_for_each_difference(
    entry: LockEntry | None, changes: dict[str, Any], state: str, reasons: tuple[str, ...]
) -> None:
    found = compute_verdict(command(), entry, {**UNCHANGED, **changes})
    assert (found.state, texts(found)) == (state, reasons)
    assert [str(path) for path in found.missing] == (["in"] if changes.get("in", 1) is None else [])


@pytest.mark.parametrize(
    ("more", "reason"), [(", no_skip: true", "sets no_skip"), ("", "declares no outputs")]
)
def test_a_command_with_no_skip_or_without_outputs_always_runs(more: str, reason: str) -> None:
    always_run = command(more)
    if not more:
        always_run = always_run._replace(outputs=())
    assert compute_verdict(always_run, ENTRY, UNCHANGED) == Verdict(
        "always_runs", (Reason("always_runs", reason),)
    )


def previous_run(
    names: dict[str, str], script: tuple[str, ...] = ("x", "y"), out: str = "2"
) -> PreviousRun:
    return PreviousRun((script, ENTRY.deps, (TrackedPath("out", out),)), names)


def test_a_rename_in_a_folder_is_noticed_by_its_names() -> None:
    renamed = {"in": fingerprint("1", "names-now"), "out": fingerprint("2")}
    found = compute_verdict(command(), ENTRY, renamed, [previous_run({"in": "names-then"})])
    assert texts(found) == ("a file was renamed in 'in'",)
    assert (
        compute_verdict(command(), ENTRY, renamed, [previous_run({"in": "names-now"})]).state
        == "up_to_date"
    )
    assert compute_verdict(command(), ENTRY, renamed, []).state == "up_to_date", (
        "names are only known for remembered runs"
    )


def test_an_earlier_run_with_the_same_variables_and_outputs_is_up_to_date() -> None:
    entry = ENTRY._replace(script=("x", "other"), outs=(TrackedPath("out", "9"),))
    found = compute_verdict(command(), entry, UNCHANGED, [previous_run({})])
    assert found.state == "up_to_date"
    assert found.entry is not None
    assert found.entry.script == ("x", "y")
    overwritten = compute_verdict(
        command(), entry, {**UNCHANGED, "out": fingerprint("9")}, [previous_run({})]
    )
    assert overwritten.state == "stale"


def test_a_script_that_weasel_recorded_with_values_of_the_environment_is_the_same() -> None:
    with_env = command()._replace(script=("get ${env.a}",))
    entry = ENTRY._replace(script=("get s3cret",))

    def same_line(line: str, old: str) -> bool:
        return line.replace("${env.a}", "s3cret") == old

    assert compute_verdict(with_env, entry, UNCHANGED, same_line=same_line).state == "up_to_date"
    assert compute_verdict(with_env, entry, UNCHANGED).state == "stale"


def test_the_caller_can_give_the_message_for_a_difference() -> None:
    found = compute_verdict(
        command(), ENTRY, {**UNCHANGED, "in": fingerprint("9")}, change_messages={"in": "is not so"}
    )
    assert found.reasons == (Reason("dependency", "dependency 'in' is not so", "in"),)


CHAIN = """
commands:
  - {name: a, script: [x], outputs: [out/a]}
  - {name: b, script: [x], deps: [out], outputs: [b]}
  - {name: c, script: [x], deps: [b, out/a], outputs: [c]}
  - {name: alone, script: [x], deps: [in], outputs: [d]}
"""
STALE = Verdict("stale", (Reason("script", "script changed"),))


@pytest.mark.parametrize(
    ("state", "reason", "becomes"),
    [
        ("stale", "'a', which produces 'out', is stale", "stale"),
        ("not_run", "'a', which produces 'out', has not run yet", "stale"),
        ("unknown", "'a', which produces 'out', may be stale", "unknown"),
        ("always_runs", None, "up_to_date"),
        ("up_to_date", None, "up_to_date"),
    ],
)
def test_a_command_downstream_of_a_stale_one_is_stale(
    state: Any, reason: str | None, becomes: str
) -> None:
    project = loader.parse(CHAIN.encode()).project
    up_to_date = Verdict("up_to_date")
    verdicts = {"a": Verdict(state), "b": up_to_date, "c": STALE, "alone": up_to_date}
    found = with_upstream(project, verdicts)
    assert list(found) == list(verdicts)
    assert found["alone"] == up_to_date
    assert (found["b"].state, texts(found["b"])) == (becomes, (reason,) if reason else ())
    is_or_may_be = {"stale": "is", "unknown": "may be"}.get(becomes)
    via_b = [f"'b', which produces 'b', {is_or_may_be} stale"] if is_or_may_be else []
    via_a = [reason.replace("'out'", "'out/a'")] if reason else []
    assert texts(found["c"]) == ("script changed", *via_b, *via_a)


def test_a_cycle_of_commands_terminates() -> None:
    text = "commands: [{name: a, script: [x], deps: [b], outputs: [a]}, {name: b, script: [x], deps: [a], outputs: [b]}]"
    project = loader.parse(text.encode()).project
    found = with_upstream(project, {"a": STALE, "b": Verdict("up_to_date")})
    assert {name: verdict.state for name, verdict in found.items()} == {"a": "stale", "b": "stale"}


@pytest.mark.parametrize("is_cycle", [False, True])
def test_staleness_spreads_along_a_long_chain(is_cycle: bool) -> None:
    count = 3000
    commands = [
        {"name": f"c{n}", "deps": [f"f{n}"], "outputs": [f"f{n + 1}"]} for n in range(count)
    ]
    commands[0]["deps"] = [f"f{count}"] if is_cycle else []
    project = loader.parse(json.dumps({"commands": commands[::-1]}).encode()).project
    verdicts = {f"c{n}": Verdict("up_to_date") for n in range(count)}
    verdicts["c0"] = Verdict("stale", (Reason("script", "script changed"),))
    found = with_upstream(project, verdicts)
    assert {verdict.state for verdict in found.values()} == {"stale"}


def test_entries_of_removed_commands_are_orphaned() -> None:
    project = loader.parse(b"commands: [{name: train, script: []}]").project
    found = orphaned_entries(project, ["train", "tain", "zzz"])
    assert found == (
        Reason(
            "orphaned",
            "lock entry for 'tain', which no longer exists (did you mean 'train'?)",
            "tain",
        ),
        Reason("orphaned", "lock entry for 'zzz', which no longer exists", "zzz"),
    )


def test_a_producer_without_a_verdict_does_not_make_its_consumers_stale() -> None:
    project = loader.parse(CHAIN.encode()).project
    assert with_upstream(project, {"b": Verdict("up_to_date")}) == {"b": Verdict("up_to_date")}


def test_a_commands_own_reasons_come_before_those_of_upstream_commands() -> None:
    project = loader.parse(CHAIN.encode()).project
    unknown = Verdict("unknown", (Reason("dependency", "unavailable", "in"),))
    found = with_upstream(project, {"a": STALE, "b": unknown, "c": Verdict("always_runs")})
    assert found["b"].state == "stale"
    assert texts(found["b"]) == ("unavailable", "'a', which produces 'out', is stale")
    assert found["b"].reasons[1] == Reason("upstream", "'a', which produces 'out', is stale", "a")
    assert found["c"] == Verdict("always_runs"), "it always runs"


@pytest.mark.parametrize(
    ("line", "old", "same"),
    [(("x", "y"), ("x", "y"), True), (("x", "y"), ("x", "z"), False), (("x",), ("x", "y"), False)],
)
def test_scripts_are_compared_line_by_line(
    line: tuple[str, ...], old: tuple[str, ...], same: bool
) -> None:
    found = script_reasons(command()._replace(script=line), ENTRY._replace(script=old), str.__eq__)
    assert bool(found) is not same
    assert [reason.kind for reason in found] == ([] if same else ["script"])
