"""Create projects with results and recorded runs, without running anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from git_spacy.git import notes
from git_spacy.git.repository import Repository
from git_spacy.history.run_record import RunRecord, to_line
from tests.testing.projects import write_lock
from tests.testing.repositories import git


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def record_on_head(root: Path, records: Iterable[RunRecord]) -> None:
    """Record runs on the commit that is checked out."""

    head = git(root, "rev-parse", "HEAD").strip()
    notes.append(Repository.require(root), head, [to_line(record) for record in records])


def commit_results(root: Path, records: Iterable[RunRecord], subject: str) -> None:
    """Commit all files, with a project.lock that has the results of `records`, and record these."""

    listed = list(records)
    write_lock(root, {record.command: record.entry() for record in listed})
    git(root, "add", "-A")
    git(root, "commit", "-qm", subject)
    record_on_head(root, listed)
