"""Tests of entries that are added to the text of project.yml."""

from __future__ import annotations

import pytest

from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.project import loader
from git_spacy.project.add_entries import Entry, with_entries
from tests.testing.projects import CORPUS, needs_corpus

VARIABLE = Entry("vars", "new", "# why\nnew: 1 # what\n")
COMMAND = Entry("commands", "new", "- name: new\n  script:\n    - >-\n      python x.py\n      y\n")
WORKFLOW = Entry("workflows", "new", "new:\n  - a\n  - b\n")
ADDED = "- name: new\n  script:\n    - >-\n      python x.py\n      y\n"
INDENTED = "".join(f"  {line}\n" for line in ADDED.splitlines())
JSON = '{"name": "new", "script": ["python x.py y"]}'


@pytest.mark.parametrize(
    ("entry", "before", "after"),
    [
        (VARIABLE, "vars:\n  a: 1  # one\n\n# c\ntitle: t\n",
         "vars:\n  a: 1  # one\n  # why\n  new: 1 # what\n\n# c\ntitle: t\n"),
        (VARIABLE, "vars:\n    a: 1\n    # b: 2\ntitle: t\n",
         "vars:\n    a: 1\n    # b: 2\n    # why\n    new: 1 # what\ntitle: t\n"),
        (VARIABLE, "vars:\n  a: >-\n    long\n    text\n\ntitle: t\n",
         "vars:\n  a: >-\n    long\n    text\n  # why\n  new: 1 # what\n\ntitle: t\n"),
        (VARIABLE, "vars: {a: 1 , }  # all\ntitle: t\n", "vars: {a: 1, \"new\": 1 , }  # all\ntitle: t\n"),
        (VARIABLE, "vars: { }\ntitle: t\n", "vars: { \"new\": 1}\ntitle: t\n"),
        (VARIABLE, "{title: t}\n", "{title: t, \"vars\": {\"new\": 1}}\n"),
        (VARIABLE, "title: t\n\n# the commands\ncommands:\n- name: a\n",
         "title: t\n\nvars:\n  # why\n  new: 1 # what\n\n# the commands\ncommands:\n- name: a\n"),
        (VARIABLE, "title: t\n", "title: t\n\nvars:\n  # why\n  new: 1 # what\n"),
        (COMMAND, "commands:\n- name: a\n  script: [x]\n", f"commands:\n- name: a\n  script: [x]\n{ADDED}"),
        (COMMAND, "commands:\n  - name: a\n    script:\n      - x  # last", f"commands:\n  - name: a\n    script:\n      - x  # last\n{INDENTED[:-1]}"),
        (COMMAND, "commands:\n  - name: a\n\n  - name: b\n    script: [x]\n\n\nx: 1\n",
         f"commands:\n  - name: a\n\n  - name: b\n    script: [x]\n\n{INDENTED}\n\nx: 1\n"),
        (COMMAND, "commands:\n  -\n    name: a\nvars: {b: 1}\n", f"commands:\n  -\n    name: a\n{INDENTED}vars: {{b: 1}}\n"),
        (COMMAND, "commands:\n  -   name: a\n      help: |\n        x\n", f"commands:\n  -   name: a\n      help: |\n        x\n{INDENTED}"),
        (COMMAND, "commands: [{name: a},\n  {name: b}]\n", f"commands: [{{name: a}},\n  {{name: b}}, {JSON}]\n"),
        (COMMAND, "commands: []\n", f"commands: [{JSON}]\n"),
        (COMMAND, "title: ü\n", f"title: ü\n\ncommands:\n{INDENTED}"),
        (COMMAND, "x: &s\n  script: [x]\ncommands:\n- <<: *s\n  name: a\n",
         f"x: &s\n  script: [x]\ncommands:\n- <<: *s\n  name: a\n{ADDED}"),
        (WORKFLOW, "workflows:\n  all:\n    - a\n    # - b\n\ncommands:\n- name: a\n",
         "workflows:\n  all:\n    - a\n    # - b\n  new:\n    - a\n    - b\n\ncommands:\n- name: a\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_entry_is_added_at_the_end_of_its_section(
    entry: Entry, before: str, after: str, newline: str
) -> None:
    data = ("\ufeff" + before).replace("\n", newline).encode()
    assert with_entries(data, [entry]).decode() == ("\ufeff" + after).replace("\n", newline)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x: &v\n  a: 1\nvars: *v\n", 3),
        ("vars: &v\n  a: 1\nx: {<<: *v}\n", 1),
        ("commands: ${vars.all}\n", 1),
        ("? title\n: t\n? vars\n: {a: 1}\n", 0),
        ("vars:\n  a: |+\n    x\n\ntitle: t\n", 2),
    ],
)  # fmt: skip
def test_what_others_share_and_an_odd_notation_are_refused_or_right(text: str, line: int) -> None:
    entry = COMMAND if text.startswith("commands") else VARIABLE
    if not line:
        assert b'"new": 1' in with_entries(text.encode(), [entry])
        return
    with pytest.raises(InvalidInput, match="cannot be changed safely") as caught:
        with_entries(text.encode(), [entry])
    assert caught.value.problems[0].line == line
    assert "add it by hand" in caught.value.problems[0].hint


@needs_corpus
def test_real_projects_keep_every_line() -> None:
    count = 0
    for file in sorted(CORPUS.glob("*/project.yml")):
        data = file.read_bytes()
        try:
            loader.parse(data)
        except GitSpacyError:
            continue
        edited = with_entries(data, [VARIABLE, COMMAND])
        rest = iter(edited.splitlines())
        assert all(any(line == other for other in rest) for line in data.splitlines()), file
        assert "new" in {command.name for command in loader.parse(edited).project.commands}
        count += 1
    assert count > 40
