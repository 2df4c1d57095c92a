"""The verdict: a table of what was, what is, and what follows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from git_spacy.project import loader
from git_spacy.project.model import Command
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.lock import LockEntry, TrackedPath
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


def thing(digest: str, names: str = "") -> Fingerprint:
    return Fingerprint(digest, names, 1)


def texts(found: Verdict) -> tuple[str, ...]:
    return tuple(map(str, found.reasons))


ENTRY = LockEntry(
    "c", ("x", "y"), (TrackedPath("in", "1"),), (TrackedPath("out", "2"),), "weasel run c"
)
STANDS: dict[str, Fingerprint | None] = {"in": thing("1"), "out": thing("2")}


@pytest.mark.parametrize(
    ("entry", "stands", "state", "reasons"),
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
        (ENTRY, {"in": Unknown("'in' is far away")}, "unknown", ("'in' is far away",)),
        (
            ENTRY, {"in": Unknown("'in' is far away"), "out": thing("9")}, "stale",
            ("output 'out' changed",),
        ),
        (ENTRY, {"in": thing("9")}, "stale", ("dependency 'in' changed",)),
        (ENTRY, {"out": thing("9")}, "stale", ("output 'out' changed",)),
        (ENTRY, {"out": None}, "stale", ("output 'out' is missing",)),
        (ENTRY._replace(script=("x", "z")), {}, "stale", ("script changed: line 2 is now 'y'",)),
        (ENTRY._replace(script=("x",)), {}, "stale", ("script changed: it has 2 lines, had 1",)),
        (ENTRY._replace(deps=()), {}, "stale", ("dependency 'in' is new",)),
        (
            ENTRY._replace(deps=(*ENTRY.deps, TrackedPath("old", "3"))), {}, "stale",
            ("dependency 'old' is no longer declared",),
        ),
        (
            ENTRY._replace(outs=(TrackedPath("out", None),)), {"out": None, "in": thing("9")}, "stale",
            ("dependency 'in' changed", "output 'out' is missing"),
        ),
    ],
)  # fmt: skip
def test_the_verdict(
    entry: LockEntry | None, stands: dict[str, Any], state: str, reasons: tuple[str, ...]
) -> None:
    found = compute_verdict(command(), entry, {**STANDS, **stands})
    assert (found.state, texts(found)) == (state, reasons)
    assert [str(path) for path in found.missing] == (["in"] if stands.get("in", 1) is None else [])


@pytest.mark.parametrize(
    ("more", "reason"), [(", no_skip: true", "sets no_skip"), ("", "declares no outputs")]
)
def test_what_is_never_skipped(more: str, reason: str) -> None:
    one = command(more)
    if not more:
        one = one._replace(outputs=())
    assert compute_verdict(one, ENTRY, STANDS) == Verdict(
        "always_runs", (Reason("always_runs", reason),)
    )


def past(
    names: dict[str, str], script: tuple[str, ...] = ("x", "y"), out: str = "2"
) -> PreviousRun:
    return PreviousRun((script, ENTRY.deps, (TrackedPath("out", out),)), names)


def test_a_rename_that_the_digest_cannot_see_is_seen_by_the_names() -> None:
    stands = {"in": thing("1", "names-now"), "out": thing("2")}
    found = compute_verdict(command(), ENTRY, stands, [past({"in": "names-then"})])
    assert texts(found) == ("a file was renamed in 'in'",)
    assert (
        compute_verdict(command(), ENTRY, stands, [past({"in": "names-now"})]).state == "up_to_date"
    )
    assert compute_verdict(command(), ENTRY, stands, []).state == "up_to_date", (
        "nothing is remembered"
    )


def test_a_variable_set_that_was_run_before_is_recognised_by_its_outputs() -> None:
    entry = ENTRY._replace(script=("x", "other"), outs=(TrackedPath("out", "9"),))
    found = compute_verdict(command(), entry, STANDS, [past({})])
    assert found.state == "up_to_date"
    assert found.entry is not None
    assert found.entry.script == ("x", "y")
    overwritten = compute_verdict(command(), entry, {**STANDS, "out": thing("9")}, [past({})])
    assert overwritten.state == "stale"


def test_a_script_that_the_reference_recorded_with_its_secrets_is_the_same() -> None:
    one = command()._replace(script=("get ${env.a}",))
    entry = ENTRY._replace(script=("get s3cret",))
    alike = lambda line, old: line.replace("${env.a}", "s3cret") == old  # noqa: E731
    assert compute_verdict(one, entry, STANDS, same_line=alike).state == "up_to_date"
    assert compute_verdict(one, entry, STANDS).state == "stale"


def test_the_words_for_a_difference_are_those_of_whoever_knows() -> None:
    found = compute_verdict(
        command(), ENTRY, {**STANDS, "in": thing("9")}, change_messages={"in": "is not so"}
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
def test_what_is_below_a_stale_command_is_stale_and_says_so(
    state: Any, reason: str | None, becomes: str
) -> None:
    project = loader.parse(CHAIN.encode()).project
    fresh = Verdict("up_to_date")
    verdicts = {"a": Verdict(state), "b": fresh, "c": STALE, "alone": fresh}
    found = with_upstream(project, verdicts)
    assert list(found) == list(verdicts)
    assert found["alone"] == fresh
    assert (found["b"].state, texts(found["b"])) == (becomes, (reason,) if reason else ())
    verb = {"stale": "is", "unknown": "may be"}.get(becomes)
    below = [f"'b', which produces 'b', {verb} stale"] if verb else []
    above = [reason.replace("'out'", "'out/a'")] if reason else []
    assert texts(found["c"]) == ("script changed", *below, *above)


def test_a_cycle_of_commands_ends() -> None:
    text = "commands: [{name: a, script: [x], deps: [b], outputs: [a]}, {name: b, script: [x], deps: [a], outputs: [b]}]"
    project = loader.parse(text.encode()).project
    found = with_upstream(project, {"a": STALE, "b": Verdict("up_to_date")})
    assert {name: verdict.state for name, verdict in found.items()} == {"a": "stale", "b": "stale"}


@pytest.mark.parametrize("is_circle", [False, True])
def test_a_long_chain_is_settled_to_its_end(is_circle: bool) -> None:
    count = 3000
    commands = [
        {"name": f"c{n}", "deps": [f"f{n}"], "outputs": [f"f{n + 1}"]} for n in range(count)
    ]
    commands[0]["deps"] = [f"f{count}"] if is_circle else []
    project = loader.parse(json.dumps({"commands": commands[::-1]}).encode()).project
    verdicts = {f"c{n}": Verdict("up_to_date") for n in range(count)}
    verdicts["c0"] = Verdict("stale", (Reason("script", "script changed"),))
    found = with_upstream(project, verdicts)
    assert {one.state for one in found.values()} == {"stale"}


def test_entries_of_commands_that_are_gone_are_orphans() -> None:
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


def test_a_maker_without_a_verdict_makes_nothing_below_it_stale() -> None:
    project = loader.parse(CHAIN.encode()).project
    assert with_upstream(project, {"b": Verdict("up_to_date")}) == {"b": Verdict("up_to_date")}


def test_what_is_stale_itself_keeps_its_own_reason_first() -> None:
    project = loader.parse(CHAIN.encode()).project
    unknown = Verdict("unknown", (Reason("dependency", "far away", "in"),))
    found = with_upstream(project, {"a": STALE, "b": unknown, "c": Verdict("always_runs")})
    assert found["b"].state == "stale"
    assert texts(found["b"]) == ("far away", "'a', which produces 'out', is stale")
    assert found["b"].reasons[1] == Reason("upstream", "'a', which produces 'out', is stale", "a")
    assert found["c"] == Verdict("always_runs"), "it runs anyway"


@pytest.mark.parametrize(
    ("line", "old", "same"),
    [(("x", "y"), ("x", "y"), True), (("x", "y"), ("x", "z"), False), (("x",), ("x", "y"), False)],
)
def test_a_script_is_the_same_line_by_line(
    line: tuple[str, ...], old: tuple[str, ...], same: bool
) -> None:
    found = script_reasons(command()._replace(script=line), ENTRY._replace(script=old), str.__eq__)
    assert bool(found) is not same
    assert [reason.kind for reason in found] == ([] if same else ["script"])
