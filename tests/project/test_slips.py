"""Slips in project.yml: the message names them on the right line, and following the hint helps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from git_spacy import templates
from tests.project.test_loader import MESSAGES, ONE_PROBLEM
from tests.testing.projects import CORPUS, needs_corpus
from tests.testing.slips import SLIPS, broken, diagnostics, follow, is_cured

TEMPLATE = Path(templates.__file__).parent / "ner_fashion" / "project.yml"
COMMAND = "vars: {lang: en}\ncommands:\n  - name: train\n    help: Train it\n"
# Hints after which the user still has to decide something, so that there is no edit to follow.
CHOICES = re.compile(
    r"add |available commands|begin |close the quote|define |fix the|flatten|remove, and|remove it"
    r"|remove one of|remove the line|remove the '---'|rename one of|replace |resolve the|save the"
    r"|use |valid keys|write 'NAME|write 'repo:'|write e\.g\.|write \d|put it in quotes$|did you mean '?env"
    r"|change |check the|move data|shorten|remove the tag|include|remove$|put values"
)


def measure(text: str) -> tuple[int, int, int]:
    """Return the numbers of slips, of those that are reported where they are, and of those that are
    repaired by following the hint."""

    total = located = cured = 0
    known = {str(problem._replace(line=0)) for problem in diagnostics(text)}
    for slip in broken(text):
        found = [p for p in diagnostics(slip.text) if str(p._replace(line=0)) not in known]
        edited = follow(slip.text, found[0]) if found else None
        total += 1
        located += bool(found) and found[0].line == slip.line
        cured += edited is not None and is_cured(edited, text)
    return total, located, cured


def test_the_slips_in_a_template_are_located_and_repaired_by_their_hints() -> None:
    total, located, cured = measure(TEMPLATE.read_text(encoding="utf-8"))
    assert total > 30, "most of the slips fit"
    assert located >= 0.95 * total
    assert cured >= 0.8 * total


@needs_corpus
def test_the_slips_in_an_official_project_are_located_and_repaired_by_their_hints() -> None:
    path = CORPUS / "explosion__projects__pipelines__ner_demo" / "project.yml"
    total, located, cured = measure(path.read_text(encoding="utf-8"))
    assert total > 0.8 * len(SLIPS)
    assert located >= 0.95 * total
    assert cured >= 0.8 * total


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("help: @todo", "a value cannot begin with '@'", 'write: help: "@todo"'),
        ("help: %50 done", "a value cannot begin with '%'", 'write: help: "%50 done"'),
        ("help: `code`", "a value cannot begin with '`'", 'write: help: "`code`"'),
        ("help: *all*", "'*' begins an alias", 'write: help: "*all*"'),
        ("help: !wow", "'!' begins a tag", 'write: help: "!wow"'),
        ("help: {{ vars.lang }}", "a variable is written as ${vars.name}",
         'write: help: "${vars.lang}"'),
        ("deps: [${vars.lang}/a.py]", "special characters in a list need quotes",
         'write: deps: ["${vars.lang}/a.py"]'),
        ("deps: [${vars.lang}/a.py, 'b.py']", "special characters in a list need quotes",
         'write: deps: ["${vars.lang}/a.py", "b.py"]'),
        ("help: one: two", "': ' in a value needs quotes", 'write: help: "one: two"'),
        ('help: "one', "the quote is not closed", 'write: help: "one"'),
        ("help: 'it's'", "a quote inside the quotes ends them", 'write: help: "it\'s"'),
        ('help: "a" b', "text after the closing quote", r'write: help: "\"a\" b"'),
        (r'help: "C:\data"', r"in double quotes, '\' begins an escape", r"write: help: 'C:\data'"),
        ("script:python x", "no space after ':'", 'write: script: ["python x"]'),
        ("help : ] x", "a value cannot begin with ']'", 'write: help : "] x"'),
        ("script: python x.py", "'script' must be a list, not a string",
         'write: script: ["python x.py"]'),
        ("deps: a.txt", "'deps' must be a list, not a string", 'write: deps: ["a.txt"]'),
        ("deps: - a.txt", "'- ' begins a list item", 'write: deps: ["a.txt"]'),
        ("deps: [a.txt", "'[' is not closed", "write: deps: [a.txt]"),
        ("\thelp: x", "a tab in the indentation", "indent this line with 4 spaces"),
        (" no_skip: true", "wrong indentation", "indent this line with 4 spaces"),
        ("- no_skip: true", "the dash begins a new item of the list",
         "write: no_skip: true"),
        ("no_skip = true", "'=' in place of ':'", "write: no_skip: true"),
        ("Help: x", "unknown key 'Help' in command 'train'", "did you mean 'help'?"),
        ("script: [“python x”]", "curly quotes do not quote a value", 'write: script: ["python x"]'),
    ],
)  # fmt: skip
def test_a_slip_is_named_with_the_edit_to_make(line: str, message: str, hint: str) -> None:
    text = COMMAND.replace("help: Train it", line).replace("    \t", "\t")
    first = diagnostics(text)[0]
    assert (first.line, first.message, first.hint) == (4, message, hint)
    edited = follow(text, first)
    assert edited
    assert message not in {problem.message for problem in diagnostics(edited)}


@pytest.mark.parametrize("more", ["", "    description: x\n"])
def test_a_string_in_place_of_the_mapping_git_gets_the_hint_of_its_keys(more: str) -> None:
    text = f"assets:\n  - dest: assets/x\n    git: https://example.org/a\n{more}"
    (problem,) = diagnostics(text)
    assert (problem.line, problem.message, problem.hint) == (
        3,
        "'git' must be a mapping, not a string",
        "write 'repo:' and 'path:' lines below it, indented",
    )


CASES = [
    *[data.decode() for data, *_ in ONE_PROBLEM.values() if b"\xe9" not in data],
    *[text for text, *_ in MESSAGES],
    "vars: {name: 1}\ntitle: ${vars.nmae}\n",
    "vars: {name: 1}\ntitle: ${name}\n",
    "variables: {NAME: 1}\ntitle: 'x {NAEM}'\n",
    "commands: [{name: a}]\nworkflows:\n  x: [a, y]\n  y: [a, x]\n",
    "commands: [{name: a}]\nworkflows:\n  x: [a]\n  y: [x, a]\n",
    "vars: {commit: 61e9540}\n",
    "vars:\n  commit: 0123456\n",
]


@pytest.mark.parametrize("text", CASES, ids=lambda text: text.replace("\n", "; ")[:50])
def test_following_the_hint_of_any_problem_removes_it(text: str) -> None:
    """Either the hint names an edit, after which the problem is gone, or what there is to decide."""

    seen = set()
    for _ in range(4):
        found = diagnostics(text)
        if not found:
            return
        first = found[0]
        edited = follow(text, first)
        if edited is None:
            assert first.hint == "" or CHOICES.match(first.hint), first
            return
        assert (first.line, first.message) not in seen, f"still there: {first}"
        seen.add((first.line, first.message))
        left = {(problem.line, problem.message) for problem in diagnostics(edited)}
        assert (first.line, first.message) not in left, f"{first}\n{edited}"
        text = edited


def test_a_large_file_or_a_line_without_end_is_reported_without_trying_edits() -> None:
    for text in ("help: @x\n" + "# x\n" * 20_000, "title: @" + "x" * 2_000 + "\n"):
        assert "invalid YAML" in diagnostics(text)[0].message
