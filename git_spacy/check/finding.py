"""The findings of the checks, and the formats in which they are printed.

The formats: lines as compilers write them; GitHub's workflow commands (`::error file=…::`, as its
documentation of workflow commands defines them); GitLab's Code Quality report (a JSON array with
description, check_name, fingerprint, severity and location); our own JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from git_spacy.errors import Diagnostic, sanitize


def findings_of(check: str, problems: Iterable[Diagnostic], file: str) -> list[Diagnostic]:
    """Return `problems` as findings of `check`, all of them at a line and column of a file.

    Those without a location are at the start of `file`.
    """

    return [
        problem._replace(
            check=check,
            file=problem.file or file,
            line=problem.line or 1,
            column=problem.column or 1,
            subject=problem.subject or f"{check} {problem.file or file}",
            files=problem.files or (problem.file or file,),
        )
        for problem in problems
    ]


def _text(findings: Sequence[Diagnostic]) -> str:
    return "".join(f"{finding}\n" for finding in findings)


def _github(findings: Sequence[Diagnostic]) -> str:
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


def _gitlab(findings: Sequence[Diagnostic]) -> str:
    return _to_json(
        {
            "description": sanitize(
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


def _json(findings: Sequence[Diagnostic]) -> str:
    return _to_json(
        {
            "check": finding.check,
            "file": finding.file,
            "line": finding.line,
            "column": finding.column,
            "message": sanitize(finding.message),
            "hint": sanitize(finding.hint),
            "severity": finding.severity,
        }
        for finding in findings
    )


FORMATS: dict[str, Callable[[Sequence[Diagnostic]], str]] = {
    "text": _text,
    "github": _github,
    "gitlab": _gitlab,
    "json": _json,
}


def _to_json(items: Iterable[dict[str, object]]) -> str:
    import json

    return json.dumps(list(items), indent=1, ensure_ascii=False) + "\n"


def _fingerprint(finding: Diagnostic) -> str:
    import hashlib  # imported here, since it loads OpenSSL

    text = "\0".join((finding.check, finding.file, finding.message))
    data = text.encode("utf-8", "surrogateescape")
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _github_data(text: str) -> str:
    return sanitize(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")
