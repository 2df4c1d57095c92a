"""The forms of a finding, for people and for the CI systems."""

from __future__ import annotations

import json

from git_spacy.check.finding import FORMATS, Finding, finding_of_warning, findings_of_error
from git_spacy.errors import InvalidInput, Problem

ERROR = Finding("lock", "a,b/project.lock", 3, 7, "100%: it\nchanged", "run it")
WARNING = Finding("project", "project.yml", 1, 1, "an \x1b[31munknown key", severity="warning")
SECRET = Finding("project", "project.yml", 1, 1, "https://me:pass@example.com/x?token=1")


def test_text_is_what_compilers_write_and_the_hint_below() -> None:
    assert FORMATS["text"]([ERROR._replace(message="it changed"), WARNING]) == (
        "a,b/project.lock:3:7: error: it changed\n"
        "hint: run it\n"
        "project.yml:1:1: warning: an \\x1b[31munknown key\n"
    )


def test_github_gets_workflow_commands_that_nothing_can_break_out_of() -> None:
    assert FORMATS["github"]([ERROR, WARNING]) == (
        "::error file=a%2Cb/project.lock,line=3,col=7,title=git spacy check lock"
        "::100%25: it%0Achanged; hint: run it\n"
        "::warning file=project.yml,line=1,col=1,title=git spacy check project"
        "::an \\x1b[31munknown key\n"
    )


def test_gitlab_gets_a_code_quality_report() -> None:
    first, second = json.loads(FORMATS["gitlab"]([ERROR, WARNING]))
    assert first == {
        "description": "100%: it\nchanged; hint: run it",
        "check_name": "git-spacy-lock",
        "fingerprint": first["fingerprint"],
        "severity": "major",
        "location": {"path": "a,b/project.lock", "lines": {"begin": 3}},
    }
    assert second["severity"] == "minor"
    (moved,) = json.loads(FORMATS["gitlab"]([ERROR._replace(line=99)]))
    assert moved["fingerprint"] == first["fingerprint"] != second["fingerprint"]


def test_json_has_every_field() -> None:
    (found,) = json.loads(FORMATS["json"]([ERROR]))
    assert found == {**ERROR._asdict()}


def test_nothing_found_is_nothing_or_an_empty_list() -> None:
    assert [FORMATS[form]([]) for form in ("text", "github")] == ["", ""]
    assert [json.loads(FORMATS[form]([])) for form in ("gitlab", "json")] == [[], []]


def test_credentials_are_masked_in_every_form() -> None:
    for form in FORMATS.values():
        assert "example.com" in form([SECRET])
        assert "me:" not in form([SECRET])
        assert "token=1" not in form([SECRET])


def test_failures_and_remarks_of_the_loader_become_findings() -> None:
    error = InvalidInput.from_problems(
        [
            Problem("one", "fix it", "project.yml:12:11"),
            Problem("two", "", "project.yml:3"),
            Problem("three"),
        ]
    )
    assert findings_of_error("project", error, "project.yml") == [
        Finding("project", "project.yml", 12, 11, "one", "fix it"),
        Finding("project", "project.yml", 3, 1, "two"),
        Finding("project", "project.yml", 1, 1, "three"),
    ]
    remark = finding_of_warning(
        "project", "project.yml:2:3: warning: an unknown key", "project.yml"
    )
    assert remark == Finding("project", "project.yml", 2, 3, "an unknown key", severity="warning")


def test_a_remark_without_a_place_is_one_of_the_whole_file() -> None:
    assert finding_of_warning("lock", "an old dialect", "project.lock") == Finding(
        "lock", "project.lock", 1, 1, "an old dialect", severity="warning"
    )


def test_a_finding_is_seen_from_a_folder_further_up() -> None:
    assert ERROR.below("deep/one/").file == "deep/one/a,b/project.lock"
    assert ERROR.below("") == ERROR


def test_text_without_a_hint_is_one_line_each() -> None:
    plain = ERROR._replace(message="it changed", hint="")
    assert FORMATS["text"]([plain, plain]) == "a,b/project.lock:3:7: error: it changed\n" * 2
