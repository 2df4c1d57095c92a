"""The formats in which findings are printed: for people and for CI systems."""

from __future__ import annotations

import json

from git_spacy.check.finding import FORMATS, Finding, finding_of_warning, findings_of_error
from git_spacy.errors import InvalidInput, Problem

ERROR = Finding("lock", "a,b/project.lock", 3, 7, "100%: it\nchanged", "run it")
WARNING = Finding("project", "project.yml", 1, 1, "an \x1b[31munknown key", severity="warning")
SECRET = Finding("project", "project.yml", 1, 1, "https://me:pass@example.com/x?token=1")


def test_text_looks_like_compiler_output_with_hints_below() -> None:
    assert FORMATS["text"]([ERROR._replace(message="it changed"), WARNING]) == (
        "a,b/project.lock:3:7: error: it changed\n"
        "hint: run it\n"
        "project.yml:1:1: warning: an \\x1b[31munknown key\n"
    )


def test_github_workflow_commands_are_escaped() -> None:
    assert FORMATS["github"]([ERROR, WARNING]) == (
        "::error file=a%2Cb/project.lock,line=3,col=7,title=git spacy check lock"
        "::100%25: it%0Achanged%0Ahint: run it\n"
        "::warning file=project.yml,line=1,col=1,title=git spacy check project"
        "::an \\x1b[31munknown key\n"
    )


def test_gitlab_format_is_a_code_quality_report() -> None:
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


def test_json_format_has_every_field() -> None:
    (document,) = json.loads(FORMATS["json"]([ERROR]))
    assert document == {
        name: value for name, value in ERROR._asdict().items() if name not in ("subject", "files")
    }


def test_no_findings_print_nothing_or_an_empty_list() -> None:
    assert [FORMATS[name]([]) for name in ("text", "github")] == ["", ""]
    assert [json.loads(FORMATS[form]([])) for form in ("gitlab", "json")] == [[], []]


def test_credentials_are_masked_in_every_format() -> None:
    for to_text in FORMATS.values():
        assert "example.com" in to_text([SECRET])
        assert "me:" not in to_text([SECRET])
        assert "token=1" not in to_text([SECRET])


def test_errors_and_warnings_of_the_loader_become_findings() -> None:
    error = InvalidInput.from_problems(
        [
            Problem("first", "fix it", "project.yml:12:11"),
            Problem("second", "", "project.yml:3"),
            Problem("third"),
        ]
    )
    about = {"subject": "project project.yml", "files": ("project.yml",)}
    assert findings_of_error("project", error, "project.yml") == [
        Finding("project", "project.yml", 12, 11, "first", "fix it", **about),
        Finding("project", "project.yml", 3, 1, "second", **about),
        Finding("project", "project.yml", 1, 1, "third", **about),
    ]
    warning = "project.yml:2:3: warning: an unknown key\nhint: remove it\nhint: or rename it"
    assert finding_of_warning("project", warning, "project.yml") == Finding(
        "project", "project.yml", 2, 3, "an unknown key", "remove it\nor rename it", "warning"
    )


def test_a_warning_without_a_location_is_about_the_whole_file() -> None:
    assert finding_of_warning("lock", "an old format", "project.lock") == Finding(
        "lock", "project.lock", 1, 1, "an old format", severity="warning"
    )


def test_below_prefixes_the_file_with_a_folder() -> None:
    assert ERROR.below("deep/folder/").file == "deep/folder/a,b/project.lock"
    assert ERROR.below("") == ERROR


def test_text_without_hints_has_one_line_per_finding() -> None:
    finding = ERROR._replace(message="it changed", hint="")
    assert FORMATS["text"]([finding, finding]) == "a,b/project.lock:3:7: error: it changed\n" * 2
