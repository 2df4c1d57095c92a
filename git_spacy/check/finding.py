"""Something that a check found, and the forms in which others want to read it.

The forms: lines as compilers write them; GitHub's workflow commands (`::error file=…::`, from its
documentation of workflow commands); GitLab's Code Quality report (a JSON array with description,
check_name, fingerprint, severity and location); JSON of our own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from git_spacy.errors import GitSpacyError, escape_controls, redact

Severity = Literal["error", "warning"]
_WHERE = re.compile(r"(?P<file>.*?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?")
_WARNING = re.compile(r"(.+?):(\d+):(\d+): warning: (.*)", re.DOTALL)


class Finding(NamedTuple):
    """What is wrong at a line and column (from 1) of a file, and how to fix it; `check` is the
    name of the check that found it."""

    check: str
    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: Severity = "error"

    def below(self, folder: str) -> Finding:
        """The same, its file seen from a folder further up: `folder` is "" or ends in a slash."""

        return self._replace(file=folder + self.file)


def findings_of_error(check: str, error: GitSpacyError, file: str) -> list[Finding]:
    """All problems of a failure; `file` is where they are, if they do not say."""

    found = []
    for problem in error.problems:
        match = _WHERE.fullmatch(problem.location)
        line, column = (int(match[part] or 1) if match else 1 for part in ("line", "column"))
        where = (match and match["file"]) or file
        found.append(Finding(check, where, line, column, problem.message, problem.hint))
    return found


def finding_of_warning(check: str, text: str, file: str) -> Finding:
    """A remark of the loader."""

    match = _WARNING.fullmatch(text)
    if match is None:
        return Finding(check, file, 1, 1, text, severity="warning")
    return Finding(check, match[1], int(match[2]), int(match[3]), match[4], severity="warning")


def _text(findings: Sequence[Finding]) -> str:
    lines = []
    for found in findings:
        where = f"{found.file}:{found.line}:{found.column}"
        lines.append(_clean(f"{where}: {found.severity}: {found.message}"))
        if found.hint:
            lines.append(_clean(f"hint: {found.hint}"))
    return "".join(line + "\n" for line in lines)


def _github(findings: Sequence[Finding]) -> str:
    lines = []
    for found in findings:
        properties = {
            "file": found.file,
            "line": str(found.line),
            "col": str(found.column),
            "title": f"git spacy check {found.check}",
        }
        joined = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        lines.append(f"::{found.severity} {joined}::{_data(_told(found))}\n")
    return "".join(lines)


def _gitlab(findings: Sequence[Finding]) -> str:
    return _json(
        {
            "description": _clean(_told(found)),
            "check_name": f"git-spacy-{found.check}",
            # stable while the line moves: GitLab tells new ones from old ones by it
            "fingerprint": _fingerprint(found),
            "severity": "major" if found.severity == "error" else "minor",
            "location": {"path": found.file, "lines": {"begin": found.line}},
        }
        for found in findings
    )


def _plain(findings: Sequence[Finding]) -> str:
    return _json(
        {**found._asdict(), "message": _clean(found.message), "hint": _clean(found.hint)}
        for found in findings
    )


FORMATS: dict[str, Callable[[Sequence[Finding]], str]] = {
    "text": _text,
    "github": _github,
    "gitlab": _gitlab,
    "json": _plain,
}


def _json(items: Iterable[dict[str, object]]) -> str:
    return json.dumps(list(items), indent=1, ensure_ascii=False) + "\n"


def _told(found: Finding) -> str:
    return f"{found.message}; hint: {found.hint}" if found.hint else found.message


def _fingerprint(found: Finding) -> str:
    text = "\0".join((found.check, found.file, found.message)).encode("utf-8", "surrogateescape")
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _clean(text: str) -> str:
    return escape_controls(redact(text))


def _data(text: str) -> str:
    return _clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
