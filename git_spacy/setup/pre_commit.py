"""Add our entry to .pre-commit-config.yaml without changing anything else.

The entry runs the installed git-spacy: `repo: local` needs no address to fetch from.
"""

from __future__ import annotations

import re

from git_spacy.project import documents, yaml

FILE = ".pre-commit-config.yaml"
_ENTRY = """\
- repo: local
  hooks:
    - id: git-spacy
      name: git-spacy checks
      entry: git spacy-hook all
      language: system
      always_run: true
      pass_filenames: false
"""
_OURS = re.compile(rb"\bid:\s*['\"]?git-spacy|\bgit[ -]spacy-hook\b")
_LIST = re.compile(r"repos:[ \t]*(#.*)?\r?\n?")
_TOP_LEVEL = re.compile(r"[^\s#-]|---|\.\.\.")  # starts something else at the top level


def has_entry(data: bytes) -> bool:
    """Return whether a configuration already runs our checks in some way."""

    return _OURS.search(data) is not None


def add_entry(data: bytes) -> bytes | None:
    """Return the configuration with our entry at the end of its list of repositories.

    Returns None if the list is not written in the usual way.
    """

    try:
        rows = data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
    start = next((index for index, row in enumerate(rows) if _LIST.fullmatch(row)), None)
    if start is None:
        return None
    end = next(
        (index for index in range(start + 1, len(rows)) if _TOP_LEVEL.match(rows[index])), len(rows)
    )
    while end > start + 1 and (not rows[end - 1].strip() or rows[end - 1].startswith("#")):
        end -= 1
    first = next((row for row in rows[start + 1 : end] if row.lstrip().startswith("-")), "  -")
    indent = first[: len(first) - len(first.lstrip())]
    newline = "\r\n" if rows[start].endswith("\r\n") else "\n"
    entry = "".join(f"{indent}{row}{newline}" for row in _ENTRY.splitlines())
    before = "".join(rows[:end])
    gap = "" if before.endswith("\n") else newline
    after = (before + gap + entry + "".join(rows[end:])).encode()
    expected = [*_repos(data), *_repos(b"repos:\n" + _ENTRY.encode())]
    return after if _repos(after) == expected else None


def _repos(data: bytes) -> list[object]:
    node, problems = yaml.parse_document(data, FILE)
    document = None if node is None or problems else documents.to_plain(node)
    repos = document.get("repos") if isinstance(document, dict) else None
    return repos if isinstance(repos, list) else []
