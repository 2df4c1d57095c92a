"""The findings of the checks, and the formats in which they are printed.

The formats: lines as compilers write them; GitHub's workflow commands (`::error file=…::`, as its
documentation of workflow commands defines them); GitLab's Code Quality report (a JSON array with
description, check_name, fingerprint, severity and location); our own JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from git_spacy.errors import GitSpacyError, Problem, escape_controls, redact, retarget

Severity = Literal["error", "warning"]
_LOCATION = re.compile(r"(?P<file>.*?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?")
_WARNING = re.compile(r"(.+?):(\d+):(\d+): warning: (.*)", re.DOTALL)


class Finding(NamedTuple):
    """A problem at a line and column (counted from 1) of a file, and how to fix it.

    `check` is the name of the check that found it, `subject` what it is about: a command, an asset
    or a file. `files` are the paths in the project that a commit without this finding may have to
    include.
    """

    check: str
    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: Severity = "error"
    subject: str = ""
    files: tuple[str, ...] = ()

    def below(self, folder: str) -> Finding:
        """Return the finding as seen from outside `folder`, which is "" or ends in a slash."""

        return self.seen_from(lambda path: os.path.normpath(folder + path)) if folder else self

    def seen_from(self, relative: Callable[[str], str]) -> Finding:
        """Return the finding with `relative` applied to its file and to the folders in its hint."""

        return self._replace(file=relative(self.file), hint=retarget(self.hint, relative))


def findings_of_error(check: str, error: GitSpacyError, file: str) -> list[Finding]:
    """Convert all problems of `error`; `file` is for problems that have no location."""

    findings = []
    for problem in error.problems:
        match = _LOCATION.fullmatch(problem.location)
        line, column = (int(match[part] or 1) if match else 1 for part in ("line", "column"))
        problem_file = (match and match["file"]) or file
        findings.append(
            Finding(
                check, problem_file, line, column, problem.message, problem.hint,
                subject=f"{check} {problem_file}", files=(problem_file,),
            )
        )  # fmt: skip
    return findings


def finding_of_warning(check: str, text: str, file: str) -> Finding:
    """Convert a warning of the project loader; `file` is for warnings without a location."""

    match = _WARNING.fullmatch(text)
    if match is None:
        return Finding(check, file, 1, 1, text, severity="warning")
    message, _, hint = match[4].partition("\nhint: ")
    hint = hint.replace("\nhint: ", "\n")
    return Finding(check, match[1], int(match[2]), int(match[3]), message, hint, "warning")


def _text(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        location = f"{finding.file}:{finding.line}:{finding.column}"
        problem = Problem(finding.message, finding.hint, location)
        lines.append(f"{problem.format(finding.severity)}\n")
    return "".join(lines)


def _github(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        properties = {
            "file": finding.file,
            "line": str(finding.line),
            "col": str(finding.column),
            "title": f"git spacy check {finding.check}",
        }
        joined = ",".join(f"{name}={_github_property(value)}" for name, value in properties.items())
        text = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
        lines.append(f"::{finding.severity} {joined}::{_github_data(text)}\n")
    return "".join(lines)


def _gitlab(findings: Sequence[Finding]) -> str:
    return _to_json(
        {
            "description": _sanitize(
                # GitLab shows the description in one line
                finding.message + (f"; hint: {finding.hint}" if finding.hint else "")
            ),
            "check_name": f"git-spacy-{finding.check}",
            # does not depend on the line: GitLab uses it to tell new findings from old ones
            "fingerprint": _fingerprint(finding),
            "severity": "major" if finding.severity == "error" else "minor",
            "location": {"path": finding.file, "lines": {"begin": finding.line}},
        }
        for finding in findings
    )


def _json(findings: Sequence[Finding]) -> str:
    return _to_json(
        {
            "check": finding.check,
            "file": finding.file,
            "line": finding.line,
            "column": finding.column,
            "message": _sanitize(finding.message),
            "hint": _sanitize(finding.hint),
            "severity": finding.severity,
        }
        for finding in findings
    )


FORMATS: dict[str, Callable[[Sequence[Finding]], str]] = {
    "text": _text,
    "github": _github,
    "gitlab": _gitlab,
    "json": _json,
}


def _to_json(items: Iterable[dict[str, object]]) -> str:
    return json.dumps(list(items), indent=1, ensure_ascii=False) + "\n"


def _fingerprint(finding: Finding) -> str:
    text = "\0".join((finding.check, finding.file, finding.message))
    data = text.encode("utf-8", "surrogateescape")
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sanitize(text: str) -> str:
    return escape_controls(redact(text))


def _github_data(text: str) -> str:
    return _sanitize(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")
