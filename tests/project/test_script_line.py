"""Which script lines are plain words, which need a shell, and which cannot mean what they say."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.project import loader, script_line
from git_spacy.project.script_line import ScriptLine, read_line
from git_spacy.project.yaml_text import emit
from tests.testing.projects import CORPUS, needs_corpus


def read(*lines: str, **variables: object) -> list[ScriptLine]:
    """Return how the lines of a command run."""

    document = {
        "vars": variables,
        "env": {"a": "A"},
        "commands": [{"name": "c", "script": [*lines]}],
    }
    return script_line.read_lines(loader.parse(emit(document)).project.commands[0])


def problem(*lines: str, **variables: object) -> str:
    found = read(*lines, **variables)[0].problem
    return f"{found.message}\n{found.hint}" if found else ""


@pytest.mark.parametrize(
    "line",
    [
        "python x.py --a b", "sh -c 'a && b > c'", "bash -lc \"for f in *; do echo $f; done\"",
        "echo '$HOME' '*' \";\" \\&\\&", "find . -name '*.cfg' -exec rm {} +", "find . -exec rm {} \\;",
        "sed -i'' -e 's,a = .*,a = \"b\",g' f", "python x.py '[\"a\", \"b\"]'", "awk '{print $1}' f",
        "pip install 'a>=1' b>=2,<3 c[d]", "curl -o f https://x.y/z?a=1&b=2;c", "x --color #fff",
        "docker ps --format '{{.Names}}'", "x --pattern=*.txt", "x 'a\nb'", "x a=b", "x 5% a~ {}",
        "python x.py \\\n  --a b \\\n  --c\n", "python x.py\n  --a b\n  --c d\n",
    ],
)  # fmt: skip
def test_these_lines_need_no_shell(line: str) -> None:
    (found,) = read(line)
    assert (found.problem, found.shell_syntax) == (None, "")


@pytest.mark.parametrize(
    ("line", "syntax"),
    [
        ("a && b", "&&"), ("a || b", "||"), ("a; b", ";"), ("a | b", "|"), ("a > b 2>&1", ">"),
        ("a < b", "<"), ("a >>b", ">>"), ("rm *", "*"), ("ls a?.txt", "a?.txt"), ("ls [ab].x", "[ab].x"),
        ("echo $HOME", "$HOME"), ('echo "$HOME/a"', "$HOME"), ("echo `date`", "`date`"),
        ("echo \"a $(date)\"", '"a $(date)"'), ("ls ~/a", "~/a"), ("ls ~", "~"), ("cd a && b", "cd"),
        ("A=1 b", "A=1"), ("export A=1; b", "export"), (". v/bin/activate && a", "."),
        ("a\nb", "a line break"), ("a # why", "a comment"), ("for f in *; do a $f; done", "for"),
        ("if a; then\n  b\nfi", "if"), ("(a; b)", "("), ("! a", "!"), ("exec a", "exec"),
        ("a & b & wait", "&"), ("cat <<E\nx\nE", "<<"),
    ],
)  # fmt: skip
def test_these_lines_need_a_shell(line: str, syntax: str) -> None:
    (found,) = read(line)
    assert found.problem is None
    assert found.shell_syntax.strip("'") == syntax


REFUSED = {
    "cd x": "no effect on anything",
    "source v/bin/activate && a": "source",
    "a &": "leave a process behind",
    "nohup a > log &": "leave a process behind",
    "a &> log": "bash",
    "mkdir {a,b}": "bash",
    "[[ -e a ]] && b": "bash",
    "diff <(a) <(b)": "bash",
    "a $'b'": "bash",
    "echo a>b": "a>b",
    "pip install a>=1 && b": "a>=1",
    "curl https://x/?a&b > c": "https://x/?a&b",
    "a #b && c": "#b",
    "find . -name *.txt": "*.txt",
    "grep -r --include *.py x": "*.py",
    'x --list ["a", "b"]': "list",
    "x {{ vars.lang }}": "write ${vars.lang}",
    "x {{lang}}": "write ${vars.lang}",
    "a\n  b": "unclear whether 'b'",
    "a '${env.a}' | b": "single quotes",
}


@pytest.mark.parametrize("line", REFUSED)
def test_these_lines_are_refused(line: str) -> None:
    assert REFUSED[line] in problem(line)


@pytest.mark.parametrize(
    "first",
    ["cd x", "export A=1", "A=1", "source v/bin/activate", "unset A", "set -e", "ulimit -v 1"],
)
def test_a_line_that_changes_its_shell_only_is_joined_with_the_lines_after_it(first: str) -> None:
    hint = problem(first, "python a.py", "python b.py --x ${vars.n}", n=1).splitlines()[-1]
    joined = hint.removeprefix("join them: - ")
    assert joined == (
        f"{first.replace('source', '.')} && python a.py && python b.py --x ${{vars.n}}"
    )
    assert problem(joined, n=1) == ""


def test_a_hint_to_use_bash_is_accepted() -> None:
    for line in ("mkdir {a,b}", "a &> 'b c'", "[[ -e a ]] && b"):
        item = problem(line).splitlines()[-1].removeprefix("- ")
        assert shlex.split(item) == ["bash", "-c", line]
        assert problem(item) == ""


def test_values_of_variables_are_data() -> None:
    """In a line without shell syntax they are words, as in weasel; they never become syntax."""

    (found,) = read("x ${vars.v}", v="R&D")
    assert found == ScriptLine("x R&D", "x ${vars.v}")
    for value in ("a && b", "*.txt", "a | b", "Tom & Jerry", "> x"):
        assert "the value of a variable" in problem("x ${vars.v}", v=value)
        assert problem("x '${vars.v}'", v=value) == ""
    for value in ("a;b", "$(x)", "$HOME", "`x`", "*", "{a,b}", "# x", "~/x"):
        assert "the value of a variable" in problem("cat ${vars.v} > y", v=value)
    assert problem("cat '${vars.v}' > y", v="a;b $(x) *") == ""
    assert "the value of a variable" in problem("cat '${vars.v}' > y", v="a'; b; 'c")
    (found,) = read("rm -rf ${vars.v}/*", v="training")
    assert (found.text, found.problem) == ("rm -rf training/*", None)


def test_a_list_in_quotes_is_json_as_in_weasel() -> None:
    (found,) = read("x '${vars.v}'", v=["a", "b"])
    assert found == ScriptLine('x \'["a", "b"]\'', "x '${vars.v}'")
    assert "put the list in single quotes" in problem("x ${vars.v}", v=["a", "b"])
    assert "put the list in single quotes" in problem("x --v=${vars.v}", v=["a", "b"])


def test_patterns_of_the_first_command_must_match_unless_they_are_removed() -> None:
    assert read("cat a/*.txt b | c")[0].patterns == ("a/*.txt",)
    assert read('A=1 cat "a b"/*.txt')[0].patterns == ('"a b"/*.txt',)
    assert read("a && cat *.txt")[0].patterns == ()
    for line in ("rm -rf a/*", "rm -f *", "find a/* -name x"):
        assert read(line)[0].patterns == ()
    assert read("rm a/*")[0].patterns == ("a/*",)


def test_variables_that_a_line_sets_are_not_those_of_the_environment() -> None:
    assert read("a $A \"$B\" '$C'")[0].variables == ("A", "B")
    assert read("for f in x; do a $f $G; done")[0].variables == ("G",)
    assert read("A=1; b $A")[0].variables == ()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_quoted_words_never_need_a_shell(words: list[str]) -> None:
    line = shlex.join(["x", *(word.replace("$", "") + "x" for word in words)])
    found = read_line(line, line)
    assert (found.problem, found.shell_syntax) == (None, "")


@needs_corpus
def test_all_lines_of_public_projects_run_and_only_patterns_of_rm_need_a_shell() -> None:
    lines = [
        line
        for path in sorted(CORPUS.glob("*/project.yml"))
        if path.parent.name not in ("Tanmay98__CorefSpacy", OUTSIDE)
        for command in loader.parse(path.read_bytes()).project.commands
        for line in script_line.read_lines(command)
    ]
    assert len(lines) > 700
    assert [line for line in lines if line.problem] == []
    in_shell = [line.text for line in lines if line.shell_syntax]
    assert len(in_shell) == 38
    assert all(text.startswith("rm -rf ") and text.endswith("*") for text in in_shell)


OUTSIDE = "explosion__projects__pipelines__floret_wiki_oscar_vectors"
