"""project.yml: every problem at once, each with its place, what is wrong and the hint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.project import loader
from tests.testing.waiting import PATIENCE


def problems(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(GitSpacyError) as caught:
        loader.parse(data)
    return [str(problem) for problem in caught.value.problems]


ONE_PROBLEM = {
    "project-file-type: empty": (b"", "1:1", "the file is empty"),
    "project-file-type: only a comment": (b"# nothing\n", "1:1", "the file is empty"),
    "project-file-type: a list": (b"- a\n", "1:1", "not a mapping"),
    "project-file-type: a text": (b"hello\n", "1:1", "not a mapping"),
    "yaml-syntax: a key twice": (b"title: a\nvars: {}\ntitle: b\n", "3:1", "stands twice"),
    "yaml-syntax: a tab": (b"vars:\n\ta: 1\n", "2:1", "not YAML"),
    "yaml-syntax: Latin-1": (b"title: caf\xe9\n", "1:11", "not UTF-8"),
    "yaml-syntax: NUL": (b"title: a\x00b\n", "1:9", "control character"),
    "yaml-syntax: a tag": (b"title: !!python/object:os.system x\n", "1:8", "tag"),
    "wrong-types-and-keys: commands: null": (b"commands: null\n", "1:1", "nothing in it"),
    "wrong-types-and-keys: a text for a list": (
        b"commands:\n  - name: a\n    deps: data.txt\n", "3:5", "is a text, not a list"),
    "wrong-types-and-keys: a misspelt key": (
        b"commands:\n  - name: a\n    scirpt: [x]\n", "3:5", "unknown key 'scirpt'"),
    "split-commands: a dash too many": (
        b"commands:\n  - name: annotate\n  - script:\n      - 'x'\n", "3:5", "line 3: remove the dash"),
    "checksum-format: not a checksum": (
        b"assets:\n  - dest: a\n    checksum: 'xyz'\n", "3:15", "is not a checksum"),
    "checksum-format: a checksum cut short": (
        b"assets:\n  - dest: a\n    checksum: sha256:abc\n", "3:15", "is not a checksum"),
    "yaml-bombs: an alias of itself": (b"vars: &a {b: *a}\n", "1:14", "contains itself"),
    "an unknown alias": (b"vars: {b: *a}\n", "1:11", "has no anchor"),
    "a second document": (b"title: a\n---\ntitle: b\n", "2:1", "second document"),
    "a workflow without its command": (
        b"commands: [{name: train}]\nworkflows:\n  all: [trian]\n", "3:9", "'trian'"),
    "a workflow named as a command": (
        b"commands: [{name: a}]\nworkflows:\n  a: [a]\n", "3:3", "name of a command"),
    "a command twice": (
        b"commands:\n  - name: a\n  - name: a\n", "3:11", "defined twice, first in line 2"),
    "a command without a name": (b"commands:\n  - script: [x]\n", "2:5", "has no 'name'"),
    "an open quote": (
        b"commands:\n  - name: a\n    script:\n      - 'echo \"x'\n", "4:9", "no closing quotation"),
    "an empty script line": (
        b"commands:\n  - name: a\n    script: ['#']\n    no_skip: maybe\n", "4:14", "neither true"),
    "an empty command after one with a name alone": (
        b"commands: [{name: a}, {}]\n", "1:23", "has no 'name'"),
    "git without repo": (b"assets: [{dest: a, git: {path: b}}]\n", "1:25", "without 'repo'"),
    "a number for a path": (b"assets: [{dest: 1}]\n", "1:17", "asset destination is 1, not a text"),
    "merge conflict": (b"title: a\n<<<<<<< HEAD\nvars: {}\n", "2:1", "conflict markers"),
}  # fmt: skip


@pytest.mark.threat("yaml-syntax")
@pytest.mark.parametrize(("data", "place", "what"), ONE_PROBLEM.values(), ids=ONE_PROBLEM)
def test_a_problem_is_told_with_its_place_and_a_mend(data: bytes, place: str, what: str) -> None:
    (told,) = problems(data)
    assert told.startswith(f"project.yml:{place}: error: ")
    assert what in told
    assert "\nhint: " in told


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    told = problems(
        "vars: {a: '${vars.b}'}\n"
        "assets:\n  - {dest: ../x, checksum: nope}\n"
        "commands:\n  - {name: c, deps: x}\n"
        "workflows: {all: [d]}\n"
    )
    places = [text.split(": ")[0] for text in told]
    assert places == ["project.yml:1:11", "project.yml:3:12", "project.yml:3:28",
                      "project.yml:5:15", "project.yml:6:19"]  # fmt: skip


def test_an_unsafe_path_makes_the_whole_unsafe_and_names_its_place() -> None:
    with pytest.raises(Refused) as caught:
        loader.parse(b"title: x\nassets:\n  - dest: '../x'\n")
    assert str(caught.value) == (
        "project.yml:3:11: error: asset destination '../x' leaves the project\n"
        "hint: use a path inside the project, e.g. 'assets/x'"
    )
    assert caught.value.exit_code == 3


@pytest.mark.threat("wrong-types-and-keys")
def test_an_unknown_key_of_the_project_is_a_warning_with_a_suggestion() -> None:
    project = loader.parse(b"title: x\ncomands: []\n").project
    assert project.warnings == (
        "project.yml:2:1: warning: project has an unknown key 'comands'\n"
        "hint: did you mean 'commands'?",
    )


@pytest.mark.threat("split-commands")
def test_the_specifications_own_prodigy_example_is_told_where_its_dashes_are() -> None:
    told = problems(
        "commands:\n  - name: annotate\n  - script:\n      - 'x'\n  - deps:\n      - 'a'\n"
        "  - outputs:\n      - 'b'\n"
    )
    assert [text.split(": ")[2] for text in told] == ["line 3", "line 5", "line 7"]


@pytest.mark.threat("yaml-syntax")
def test_a_byte_order_mark_and_windows_line_ends_work() -> None:
    data = "\ufefftitle: x\r\ncommands:\r\n  - name: a\r\n    script: ['echo']\r\n".encode()
    project = loader.parse(data).project
    assert (project.title, project.commands[0].script) == ("x", ("echo",))


@pytest.mark.parametrize(
    ("text", "value"),
    [("no", "no"), ("on", "on"), ("0o7", 7), ("010", 10), ("1_000", 1000), ("0x1F", 31), ("1e3", 1000.0),
     ("~", None), ("", None), ("True", True), ("2020-01-01", "2020-01-01"), ("1:20", "1:20"), (".5", 0.5)],
)  # fmt: skip
def test_scalars_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    document = loader.resolve_document(f"vars:\n  a: {text}\n".encode())
    assert document["vars"]["a"] == value
    assert type(document["vars"]["a"]) is type(value)


def test_anchors_and_merge_keys_work() -> None:
    data = b"""
base: &base {deps: [a.txt], help: shared}
commands:
  - {<<: *base, name: one, help: mine}
  - {<<: *base, name: two}
"""
    one, two = loader.parse(data).project.commands
    assert (one.help, two.help) == ("mine", "shared")
    assert one.deps == two.deps


def test_a_variable_may_be_a_list_and_stand_where_one_is_wanted() -> None:
    loaded = loader.parse(
        b"""
vars: {folders: [a, "${vars.b}"], b: b, tables: [{x: [1, {y: 2}]}]}
directories: ${vars.folders}
commands: [{name: a}, {name: b}]
workflows: {all: "${vars.folders}"}
anything: ${vars.tables}
"""
    )
    assert [str(path) for path in loaded.project.directories] == ["a", "b"]
    assert loaded.project.workflows[0].steps == ("a", "b")
    assert loaded.document["anything"] == [{"x": [1, {"y": 2}]}]
    # and what is wrong in it is told where it stands
    (told,) = problems("vars: {a: [1]}\n\ndirectories: ${vars.a}\n")
    assert told.startswith("project.yml:3:14: error: directory is 1, not a text")


def test_a_folder_a_fifo_and_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "folder" / "project.yml").mkdir(parents=True)
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "project.yml")
    for name in ("folder", "fifo"):
        with pytest.raises(InvalidInput, match=r"not a regular file|cannot be read"):
            loader.load(tmp_path / name)


@pytest.mark.threat("project-file-type")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "project.yml").write_text("title: x")
    (tmp_path / "project.yml").chmod(0)
    with pytest.raises(InvalidInput, match="cannot be read"):
        loader.load(tmp_path)


BOMBS = {
    "aliases": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi")),  # noqa: B905
    "merges": "a: &a {x: 1}\n"
    + "".join(f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 50)}]}}\n" for a, b in zip("abcdefgh", "bcdefghi")),  # noqa: B905
    "lists in lists": "a: " + "[" * 10_000,
    "maps in maps": "a: " + "{a: " * 10_000,
    "blocks in blocks": "\n".join("  " * depth + "a:" for depth in range(1_000)),
}  # fmt: skip


@pytest.mark.threat("yaml-bombs")
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "project.yml").write_text(text)
    code = (
        "import re, sys; from pathlib import Path\n"
        "from git_spacy.project import loader; from git_spacy.errors import InvalidInput\n"
        "try: loader.load(Path(sys.argv[1]))\n"
        "except InvalidInput as error: print(error.problems[0].message)\n"
        # not getrusage's: that one counts what the parent had before exec
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code, str(tmp_path)), capture_output=True, text=True, check=True,
        timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    )  # fmt: skip
    what, kilobytes = done.stdout.splitlines()
    # (PyYAML 6.0.4 has a limit of its own)
    words = ("levels deep", "values (aliases counted in full)", "maximum nesting depth")
    assert any(word in what for word in words)
    assert int(kilobytes) < 150_000


@pytest.mark.threat("huge-project-file")
def test_a_file_of_10_megabytes_is_refused_with_the_limit() -> None:
    (told,) = problems(b"title: x\n" + b"# comment\n" * 1_000_000)
    assert "the limit is 4,194,304" in told


@given(st.text(max_size=200))
def test_any_text_loads_or_is_told(text: str) -> None:
    try:
        loader.parse(text.encode("utf-8", "surrogatepass"))
    except GitSpacyError as error:
        assert error.exit_code in (2, 3)
        assert str(error)


pieces = st.sampled_from(
    ["title", "commands", "assets", "workflows", "vars", "env", "git", "name", "script", "deps",
     "outputs", "dest", "checksum", ": ", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ", ",
     "'", '"', "${vars.a}", "{A}", "&a ", "*a", "<<", "null", "true", "1", "x", "../y", "|", ">"]
)  # fmt: skip


@given(st.lists(pieces, max_size=40).map("".join))
def test_anything_that_looks_like_a_project_loads_or_is_told(text: str) -> None:
    try:
        loader.parse(text.encode())
    except GitSpacyError as error:
        assert all(problem.message and problem.location for problem in error.problems)


SHA = "a" * 64
SAID = [
    ("[]", "1:1", "not a mapping", "begin with 'title:', 'assets:', 'commands:' or 'workflows:'"),
    ("vars: [a]", "1:1", "'vars' is not a mapping", "write 'vars:' and below it 'name: value'"),
    ("env: {a: [x]}", "1:10", "env.a is not a text", "put the line in quotes"),
    ("env: {a: ''}", "1:10", "env.a is empty", "give it a value, or remove it"),
    ("env: {a: 1}", "1:10", "env.a is 1, not a text", "put it in quotes"),
    ("title: [x]", "1:8", "not a text", "put the line in quotes"),
    ("commands: x", "1:1", "'commands' is a text, not a list", "write it as a list: ['x']"),
    ("commands: {a: b}", "1:1", "'commands' is not a list", "begin each item with '- '"),
    ("commands:", "1:1", "'commands' has nothing in it", "remove it, or list what it is for"),
    ("commands: [x]", "1:12", "this command is not a mapping", "begin it with '- name: '"),
    ("assets: [x]", "1:10", "this asset is not a mapping", "begin it with '- dest: '"),
    ("commands: [{nam: a}]", "1:12", "this command has no 'name'", "write 'name' for 'nam'"),
    ("commands: [{script: [x]}]", "1:12", "this command has no 'name'", "add 'name:'"),
    ("commands: [{name: a, zzz: 1}]", "1:22", "command 'a' has an unknown key 'zzz'",
     "the keys are: name, help, script, deps, outputs, outputs_no_cache, no_skip"),
    ("commands: [{name: a, dep: []}]", "1:22", "command 'a' has an unknown key 'dep'",
     "did you mean 'deps'?"),
    ("commands: [{name: a, no_skip: 1}]", "1:31", "'no_skip' is neither true nor false",
     "write 'no_skip: true'"),
    ("assets: [{dest: a, extra: 1}]", "1:27", "'extra' is neither true nor false",
     "write 'extra: true'"),
    ("commands: [{name: a}, {name: a}]", "1:30", "command 'a' is defined twice, first in line 1",
     "rename one of them"),
    ("commands:\n- name: a\n- script: [x]", "3:3",
     "line 3: remove the dash: this belongs to command 'a' of line 2",
     "indent it like 'name' and begin it without '- '"),
    ("commands: [{name: a, script: ['']}]", "1:31", "script line of 'a' is empty",
     "give it a value, or remove it"),
    ("commands: [{name: a, script: [' ']}]", "1:31", "a script line of 'a' does nothing",
     "remove it"),
    ("""commands: [{name: a, script: ["'"]}]""", "1:31",
     "a script line of 'a': no closing quotation", "close the quote"),
    ("commands: [{name: a}]\nworkflows: {a: []}", "2:13", "workflow 'a' has the name of a command",
     "rename one"),
    ("commands: [{name: a}]\nworkflows: {w: [zzz]}", "2:17",
     "workflow 'w' names the command 'zzz', which is not defined", "the commands are: a"),
    ("commands: [{name: a}, {name: b}]\nworkflows: {w: [zzz]}", "2:17",
     "workflow 'w' names the command 'zzz', which is not defined", "the commands are: a, b"),
    ("commands: [{name: train}]\nworkflows: {w: [trian]}", "2:17",
     "workflow 'w' names the command 'trian', which is not defined", "did you mean 'train'?"),
    ("workflows: {w: [a]}", "1:17", "workflow 'w' names the command 'a', which is not defined",
     "define it"),
    ("commands: [{name: a}]\nworkflows: {w: [1]}", "2:17",
     "step of workflow 'w' is 1, not a text", "put it in quotes"),
    ("workflows: {w: a}", "1:13", "'workflow 'w'' is a text, not a list",
     "write it as a list: ['a']"),
    ("remotes: {r: 1}", "1:14", "remote 'r' is 1, not a text", "put it in quotes"),
    ("assets: [{dest: a, checksum: x}]", "1:30", "'x' is not a checksum",
     "write the 32 digits of an md5, or 'sha256:' and its 64 digits"),
    ("assets: [{dest: a, git: x}]", "1:25", "'git' is not a mapping",
     "write 'repo:', 'path:', 'branch:' below it"),
    ("assets: [{dest: a, git: {repo: '', path: b}}]", "1:32", "'repo' is empty",
     "give the repository's address"),
    ("env: {x: X}\nassets: [{dest: a, git: {repo: 'https://${env.x}@h/r', path: b}}]", "2:32",
     "an environment variable in a git asset's 'repo' would be recorded",
     "let Git's own credential helper know the password"),
    ("env: {x: X}\nassets: [{dest: 'a/${env.x}'}]", "2:17",
     "an environment variable in asset destination 'a/${env.x}' would end in project.lock",
     "use a variable of 'vars' and override it: --vars.name VALUE"),
    ("commands: [{name: a, deps: [.git/x]}]", "1:29",
     "dependency '.git/x' lies in Git's own folder", "use another folder"),
    ("commands: [{name: a, outputs: ['./']}]", "1:32", "output './' is the project itself",
     "name a file or a folder in it"),
    ("commands: [{name: a, outputs_no_cache: [project.yml]}]", "1:41",
     "output 'project.yml' would overwrite the project's own file", "use another name"),
    ('directories: ["a\\tb"]', "1:15", "directory 'a\\tb' contains a control character",
     "remove it"),
    ("directories: ['~/deep/x:y/z']", "1:15", "directory '~/deep/x:y/z' leaves the project",
     "use a path inside the project, e.g. 'assets/z'"),
    ("directories: [/]", "1:15", "directory '/' leaves the project",
     "use a path inside the project, e.g. 'assets/data'"),
    ("vars: {a: '${vars.b}', b: '${vars.a}'}", "1:11",
     "variable cycle: vars.a → vars.b → vars.a", "give one of them a value of its own"),
    ("vars: {a: {b: 1}}\ntitle: '${vars.a}'", "2:8", "${vars.a} is a table, not a value",
     "name a value in it, e.g. ${vars.a.b}"),
    ("vars: {size: 1}\ntitle: '${size}'", "2:8", "unknown variable ${size}", "write ${vars.size}"),
    ("vars: {size: 1}\ntitle: '${vars.siz}'", "2:8", "unknown variable ${vars.siz}",
     "did you mean ${vars.size}?"),
    ("title: '${vars.zzz}'", "1:8", "unknown variable ${vars.zzz}", "define it under 'vars'"),
    ("title: 'x ${env.zzz}'", "1:8", "unknown environment variable ${env.zzz}",
     "add 'env: {zzz: VARIABLE_OF_YOUR_SHELL}'"),
    ("env: {token: T}\ntitle: 'x ${env.tokn}'", "2:8", "unknown environment variable ${env.tokn}",
     "did you mean 'token'?"),
    ("variables: {size: 1}\ntitle: 'x {siz}'", "2:8", "unknown variable {siz}",
     "did you mean {size}?"),
    ("variables: {size: 1}\ntitle: 'x {zzz}'", "2:8", "unknown variable {zzz}",
     "define it under 'variables', or write {{zzz}} for the braces"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "what", "hint"), SAID)
def test_a_problem_reads_as_it_stands_here_and_says_nothing_else(
    text: str, place: str, what: str, hint: str
) -> None:
    with pytest.raises(GitSpacyError) as caught:
        loader.parse(text.encode())
    (problem,) = caught.value.problems
    assert problem == (what, hint, f"project.yml:{place}")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("titel: x",
         "project.yml:1:1: warning: project has an unknown key 'titel'\nhint: did you mean 'title'?"),
        ("zzz: x", "project.yml:1:1: warning: project has an unknown key 'zzz'"),
        ("assets: [{dest: a, zzz: 1}]", "project.yml:1:20: warning: asset has an unknown key 'zzz'"),
        ("assets: [{dest: a, git: {repo: r, path: p, zzz: 1}}]",
         "project.yml:1:44: warning: git has an unknown key 'zzz'"),
        ("assets: [{dest: a, url: u, git: {repo: r, path: p}}]",
         "project.yml:1:20: warning: 'url' is ignored where there is 'git'\nhint: remove one"),
    ],
)  # fmt: skip
def test_what_is_ignored_is_a_warning_at_its_place(text: str, warning: str) -> None:
    assert loader.parse(text.encode()).project.warnings == (warning,)


def test_every_key_of_an_asset_is_read() -> None:
    text = f"""\
assets:
  - {{dest: ./a, url: u, checksum: "sha256:{SHA.upper()}", description: 1, extra: true}}
  - {{dest: b, git: {{repo: r, path: p, branch: dev}}, checksum: " {SHA[:32]} "}}
  - {{dest: c, url: "", git: {{repo: r, path: ''}}, checksum: "md5:{SHA[:32]}"}}
  - {{dest: d, url: null, checksum: null}}
"""
    a, b, c, d = loader.parse(text.encode()).project.assets
    assert (a.dest.text, a.dest.normal, a.url, a.git) == ("./a", "a", "u", None)
    assert (str(a.checksum), a.description, a.extra, a.line) == (f"sha256:{SHA}", "1", True, 2)
    assert (b.url, b.git, str(b.checksum)) == (None, ("r", "p", "dev"), SHA[:32])
    assert (b.description, b.extra, b.line) == ("", False, 3)
    assert (c.url, c.git, c.checksum) == (None, ("r", "", None), ("md5", SHA[:32]))
    assert (d.url, d.git, d.checksum) == (None, None, None)


def test_every_key_of_a_project_is_read() -> None:
    text = b"""\
title: 7
description: about
env: {token: TOKEN}
directories: [a, b/]
commands:
  - {name: c, help: 1, script: [x, "y '#'"], deps: [d], outputs: [o], outputs_no_cache: [m], no_skip: true}
workflows: {w: [c, c]}
remotes: {default: s3://bucket, other: /mnt}
spacy_version: anything
"""
    project = loader.parse(text).project
    assert (project.title, project.description) == ("7", "about")
    assert project.environment == {"token": "TOKEN"}
    assert [path.normal for path in project.directories] == ["a", "b"]
    (command,) = project.commands
    assert (command.name, command.help, command.no_skip, command.line) == ("c", "1", True, 6)
    assert command.script == ("x", "y '#'")
    paths = (command.deps, command.outputs, command.outputs_no_cache)
    assert [[path.text for path in some] for some in paths] == [["d"], ["o"], ["m"]]
    assert project.workflows == (("w", ("c", "c"), 7),)
    assert project.remotes == (("default", "s3://bucket"), ("other", "/mnt"))
    assert project.warnings == ()


def test_a_project_is_loaded_with_the_variables_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "project.yml").write_text("vars: {a: 1}\ntitle: '${vars.a} and ${vars.a}'\n")
    assert loader.load(tmp_path).title == "1 and 1"
    assert loader.load(tmp_path, {"a": 2}).title == "2 and 2"
    assert loader.load(tmp_path, {"vars.a": "x"}).title == "x and x"


def test_a_file_that_is_not_there_is_told_with_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        loader.load(tmp_path)
    assert caught.value.problems == (("no such file", "go to a project's folder", "project.yml"),)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1_000.5", 1000.5), ("-1.5e-3", -0.0015), ("+2.5E+3", 2500.0), (".inf", float("inf")),
     ("-.INF", float("-inf")), ("-0x1F", -31), ("+7", 7), ("-7", -7), ("0b11", 3), ("false", False)],
)  # fmt: skip
def test_numbers_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    found = loader.resolve_document(f"vars:\n  a: {text}\n".encode())["vars"]["a"]
    assert (type(found), found) == (type(value), value)
