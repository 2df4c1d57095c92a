"""The verdict: a table of what was, what is, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from git_spacy.project import loader
from git_spacy.project.model import Command
from git_spacy.state.fingerprint import Fingerprint
from git_spacy.state.index import Past
from git_spacy.state.lock import LockEntry, Tracked
from git_spacy.state.verdict import verdict


def command(more: str = "") -> Command:
    text = f"commands: [{{name: c, script: [x, y], deps: [in], outputs: [out]{more}}}]"
    return loader.parse(text.encode()).project.commands[0]


def thing(digest: str, names: str = "") -> Fingerprint:
    return Fingerprint(digest, names, 1)


ENTRY = LockEntry("c", ("x", "y"), (Tracked("in", "1"),), (Tracked("out", "2"),), "weasel run c")
STANDS: dict[str, Fingerprint | None] = {"in": thing("1"), "out": thing("2")}


@pytest.mark.parametrize(
    ("entry", "stands", "state", "reasons"),
    [
        (ENTRY, {}, "fresh", ()),
        (ENTRY._replace(cmd="other", extra=(("spacy_version", "3"),)), {}, "fresh", ()),
        (None, {}, "never", ("not run yet",)),
        (ENTRY, {"in": None}, "missing", ("dependency 'in' is missing",)),
        (None, {"in": None}, "missing", ("dependency 'in' is missing",)),
        (ENTRY, {"in": thing("9")}, "stale", ("dependency 'in' changed",)),
        (ENTRY, {"out": thing("9")}, "stale", ("output 'out' changed",)),
        (ENTRY, {"out": None}, "stale", ("output 'out' is missing",)),
        (ENTRY._replace(script=("x", "z")), {}, "stale", ("script changed: line 2 is now 'y'",)),
        (ENTRY._replace(script=("x",)), {}, "stale", ("script changed: it has 2 lines, had 1",)),
        (ENTRY._replace(deps=()), {}, "stale", ("dependency 'in' is new",)),
        (
            ENTRY._replace(deps=(*ENTRY.deps, Tracked("old", "3"))), {}, "stale",
            ("dependency 'old' is no longer declared",),
        ),
        (
            ENTRY._replace(outs=(Tracked("out", None),)), {"out": None, "in": thing("9")}, "stale",
            ("dependency 'in' changed", "output 'out' is missing"),
        ),
    ],
)  # fmt: skip
def test_the_verdict(
    entry: LockEntry | None, stands: dict[str, Any], state: str, reasons: tuple[str, ...]
) -> None:
    found = verdict(command(), entry, {**STANDS, **stands})
    assert (found.state, found.reasons) == (state, reasons)


@pytest.mark.parametrize(
    ("more", "reason"), [(", no_skip: true", "sets no_skip"), ("", "declares no outputs")]
)
def test_what_is_never_skipped(more: str, reason: str) -> None:
    one = command(more)
    if not more:
        one = one._replace(outputs=())
    assert verdict(one, ENTRY, STANDS) == ("always", (reason,), (), None)


def past(names: dict[str, str], script: tuple[str, ...] = ("x", "y"), out: str = "2") -> Past:
    return Past((script, ENTRY.deps, (Tracked("out", out),)), names)


def test_case_41_a_rename_that_the_digest_cannot_see_is_seen_by_the_names() -> None:
    stands = {"in": thing("1", "names-now"), "out": thing("2")}
    found = verdict(command(), ENTRY, stands, [past({"in": "names-then"})])
    assert found.reasons == ("a file was renamed in 'in'",)
    assert verdict(command(), ENTRY, stands, [past({"in": "names-now"})]).state == "fresh"
    assert verdict(command(), ENTRY, stands, []).state == "fresh", "nothing is remembered"


def test_a_variable_set_that_was_run_before_is_recognised_by_its_outputs() -> None:
    entry = ENTRY._replace(script=("x", "other"), outs=(Tracked("out", "9"),))
    found = verdict(command(), entry, STANDS, [past({})])
    assert found.state == "fresh"
    assert found.entry is not None
    assert found.entry.script == ("x", "y")
    overwritten = verdict(command(), entry, {**STANDS, "out": thing("9")}, [past({})])
    assert overwritten.state == "stale"


def test_a_script_that_the_reference_recorded_with_its_secrets_is_the_same() -> None:
    one = command()._replace(script=("get ${env.a}",))
    entry = ENTRY._replace(script=("get s3cret",))
    filled = lambda line: line.replace("${env.a}", "s3cret")  # noqa: E731
    assert verdict(one, entry, STANDS, filled=filled).state == "fresh"
    assert verdict(one, entry, STANDS).state == "stale"
