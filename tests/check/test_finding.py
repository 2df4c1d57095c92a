"""The formats in which findings are printed: for people and for CI systems."""

from __future__ import annotations

import json

from git_spacy.check.finding import FORMATS, findings_of
from git_spacy.errors import Diagnostic

ERROR = Diagnostic("100%: it\nchanged", "run it", "a,b/project.lock", 3, 7, "error", check="lock")
WARNING = Diagnostic("an \x1b[31munknown key", "", "project.yml", 1, 1, "warning", check="project")
SECRET = WARNING._replace(message="https://me:pass@example.com/x?token=1")


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


def test_a_problem_without_a_location_is_about_the_whole_file() -> None:
    problems = [
        Diagnostic("first", "fix it", "project.yml", 12, 11),
        Diagnostic("second", file="project.yml", line=3, severity="warning"),
        Diagnostic("third"),
    ]
    file, other = ("project.yml",), ("project.lock",)
    assert findings_of("lock", problems, "project.lock") == [
        Diagnostic(
            "first", "fix it", "project.yml", 12, 11, "error", "lock", "lock project.yml", file
        ),
        Diagnostic("second", "", "project.yml", 3, 1, "warning", "lock", "lock project.yml", file),
        Diagnostic("third", "", "project.lock", 1, 1, "error", "lock", "lock project.lock", other),
    ]


def test_text_without_hints_has_one_line_per_finding() -> None:
    finding = ERROR._replace(message="it changed", hint="")
    assert FORMATS["text"]([finding, finding]) == "a,b/project.lock:3:7: error: it changed\n" * 2
