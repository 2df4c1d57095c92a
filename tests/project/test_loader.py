"""Loading project.yml: all problems are reported at once, each with position, message and hint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import Diagnostic, GitSpacyError, InvalidInput, Refused
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
    "project-file-type: a list": (b"- a\n", "1:1", "must be a mapping, not a list"),
    "project-file-type: a string": (b"hello\n", "1:1", "must be a mapping, not a string"),
    "yaml-syntax: a duplicate key": (b"title: a\nvars: {}\ntitle: b\n", "3:1", "duplicate key"),
    "yaml-syntax: a tab": (b"vars:\n\ta: 1\n", "2:1", "a tab in the indentation\nhint: indent this line with 2 spaces"),
    "yaml-syntax: Latin-1": (b"title: caf\xe9\n", "1:11", "not valid UTF-8"),
    "yaml-syntax: UTF-16": ("title: é\n".encode("utf-16"), "1:1", "save the file as UTF-8 (it may be in UTF-16)"),
    "yaml-syntax: NUL": (b"title: a\x00b\n", "1:9", "control character"),
    "yaml-syntax: a tag": (b"title: !!python/object:os.system x\n", "1:8", "tag"),
    "wrong-types-and-keys: commands: null": (b"commands: null\n", "1:1", "'commands' is empty"),
    "wrong-types-and-keys: a string instead of a list": (
        b"commands:\n  - name: a\n    deps: data.txt\n", "3:5", "must be a list, not a string"),
    "wrong-types-and-keys: a misspelt key": (
        b"commands:\n  - name: a\n    scirpt: [x]\n", "3:5", "unknown key 'scirpt'"),
    "split-commands: an extra dash": (
        b"commands:\n  - name: annotate\n  - script:\n      - 'x'\n", "3:5", "on line 3, remove the dash"),
    "checksum-format: not a checksum": (
        b"assets:\n  - dest: a\n    checksum: 'xyz'\n", "3:15", "invalid checksum"),
    "checksum-format: a truncated checksum": (
        b"assets:\n  - dest: a\n    checksum: sha256:abc\n", "3:15", "invalid checksum"),
    "yaml-bombs: an alias of itself": (b"vars: &a {b: *a}\n", "1:14", "contains itself"),
    "an unknown alias": (b"vars: {b: *a}\n", "1:11", "has no anchor"),
    "a second document": (b"title: a\n---\ntitle: b\n", "2:1", "second document"),
    "a workflow with an unknown command": (
        b"commands: [{name: train}]\nworkflows:\n  all: [trian]\n", "3:9", "'trian'"),
    "a workflow with the name of a command": (
        b"commands: [{name: a}]\nworkflows:\n  a: [a]\n", "3:3", "same name as a command"),
    "a duplicate command": (
        b"commands:\n  - name: a\n  - name: a\n", "3:11", "already defined on line 2"),
    "a command without a name": (b"commands:\n  - script: [x]\n", "2:5", "has no 'name'"),
    "an unclosed quote": (
        b"commands:\n  - name: a\n    script:\n      - 'echo \"x'\n", "4:9", "no closing quotation"),
    "an empty script line": (
        b"commands:\n  - name: a\n    script: ['#']\n    no_skip: maybe\n", "4:14", "must be true or false"),
    "an empty command after one that only has a name": (
        b"commands: [{name: a}, {}]\n", "1:23", "has no 'name'"),
    "git without repo": (b"assets: [{dest: a, git: {path: b}}]\n", "1:25", "'git' has no 'repo'"),
    "a number instead of a path": (
        b"assets: [{dest: 1}]\n", "1:17", "asset destination must be a string, not the number 1"),
    "merge conflict": (b"title: a\n<<<<<<< HEAD\nvars: {}\n", "2:1", "conflict markers"),
}  # fmt: skip


@pytest.mark.threat("yaml-syntax")
@pytest.mark.parametrize(("data", "position", "part"), ONE_PROBLEM.values(), ids=ONE_PROBLEM)
def test_a_problem_is_reported_with_its_position_and_a_hint(
    data: bytes, position: str, part: str
) -> None:
    (problem,) = problems(data)
    assert problem.startswith(f"project.yml:{position}: error: ")
    assert part in problem
    assert "\nhint: " in problem


def test_all_problems_are_reported_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        "vars: {a: '${vars.b}'}\n"
        "assets:\n  - {dest: .git, checksum: nope}\n"
        "commands:\n  - {name: c, deps: x}\n"
        "workflows: {all: [d]}\n"
    )
    positions = [text.split(": ")[0] for text in found]
    assert positions == ["project.yml:1:11", "project.yml:3:12", "project.yml:3:28",
                         "project.yml:5:15", "project.yml:6:19"]  # fmt: skip


def test_an_unsafe_path_is_refused_with_its_position() -> None:
    with pytest.raises(Refused) as caught:
        loader.parse(b"title: x\nassets:\n  - dest: '.git/x'\n")
    assert str(caught.value) == (
        "project.yml:3:11: error: asset destination '.git/x' is inside Git's own directory\n"
        "hint: use another folder"
    )
    assert caught.value.exit_code == 3


@pytest.mark.threat("wrong-types-and-keys")
def test_an_unknown_top_level_key_is_a_warning_with_a_suggestion() -> None:
    project = loader.parse(b"title: x\ndirctory: []\n").project
    message = "unknown key 'dirctory' at the top level"
    assert project.warnings == (
        Diagnostic(message, "did you mean 'directories'?", "project.yml", 2, 1, "warning"),
    )


@pytest.mark.parametrize("key", ["Commands", "COMMANDS", "comands", "command"])
def test_a_top_level_key_that_is_clearly_misspelt_is_an_error_and_its_contents_are_read(
    key: str,
) -> None:
    found = problems(f"workflows: {{all: [a]}}\n{key}:\n  - {{name: a, no_skip: maybe}}\n")
    assert found == [
        f"project.yml:2:1: error: unknown key '{key}' at the top level\n"
        f"hint: rename '{key}' to 'commands'",
        "project.yml:3:24: error: 'no_skip' must be true or false\nhint: write 'no_skip: true'",
    ]
    loader.parse(f"{key}: 1\ncommands: []\n".encode())  # where both are there: only a warning


@pytest.mark.threat("split-commands")
def test_the_extra_dashes_of_the_specifications_prodigy_example_are_located() -> None:
    found = problems(
        "commands:\n  - name: annotate\n  - script:\n      - 'x'\n  - deps:\n      - 'a'\n"
        "  - outputs:\n      - 'b'\n"
    )
    hints = [text.split("\nhint: ")[1] for text in found]
    assert [hint.split(",")[0] for hint in hints] == ["on line 3", "on line 5", "on line 7"]


@pytest.mark.threat("yaml-syntax")
def test_a_byte_order_mark_and_windows_line_endings_are_accepted() -> None:
    data = "\ufefftitle: x\r\ncommands:\r\n  - name: a\r\n    script: ['echo']\r\n".encode()
    project = loader.parse(data).project
    assert (project.title, project.commands[0].script) == ("x", ("echo",))


@pytest.mark.parametrize(
    ("text", "value"),
    [("no", "no"), ("on", "on"), ("0o7", 7), ("010", 10), ("1_000", 1000), ("0x1F", 31), ("1e3", 1000.0),
     ("~", None), ("", None), ("True", True), ("2020-01-01", "2020-01-01"), ("1:20", "1:20"), (".5", 0.5)],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    document = loader.resolve_document(f"vars:\n  a: {text}\n".encode())
    assert document["vars"]["a"] == value
    assert type(document["vars"]["a"]) is type(value)


def test_anchors_and_merge_keys_are_supported() -> None:
    data = b"""
base: &base {deps: [a.txt], help: shared}
commands:
  - {<<: *base, name: one, help: mine}
  - {<<: *base, name: two}
"""
    first, second = loader.parse(data).project.commands
    assert (first.help, second.help) == ("mine", "shared")
    assert first.deps == second.deps


@pytest.mark.parametrize("key", ["'<<'", '"<<"', "!!str <<"])
def test_a_merge_key_in_quotes_is_a_name_like_any_other(key: str) -> None:
    data = f"commands: [{{name: a}}]\nworkflows:\n  {key}: [a]\n".encode()
    (workflow,) = loader.parse(data).project.workflows
    assert (workflow.name, workflow.steps) == ("<<", ("a",))


def test_a_list_variable_can_replace_a_whole_list() -> None:
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
    # problems in its items are reported where the variable is used
    (problem,) = problems("vars: {a: [1]}\n\ndirectories: ${vars.a}\n")
    assert problem.startswith(
        "project.yml:3:14: error: directory must be a string, not the number 1"
    )


def test_a_project_file_that_is_a_folder_or_a_fifo_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "folder" / "project.yml").mkdir(parents=True)
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "project.yml")
    for name in ("folder", "fifo"):
        with pytest.raises(InvalidInput, match=r"not a regular file|cannot be read"):
            loader.load(tmp_path / name)


@pytest.mark.threat("project-file-type")
@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_project_file_without_read_permission_is_reported(tmp_path: Path) -> None:
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
def test_a_yaml_bomb_is_rejected_with_little_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "project.yml").write_text(text)
    code = (
        "import re, sys; from pathlib import Path\n"
        "from git_spacy.project import loader; from git_spacy.errors import InvalidInput\n"
        "try: loader.load(Path(sys.argv[1]))\n"
        "except InvalidInput as error: print(error.problems[0].message)\n"
        # not getrusage: that counts the parent's memory before exec, too
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code, str(tmp_path)), capture_output=True, text=True, check=True,
        timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    )  # fmt: skip
    message, kilobytes = done.stdout.splitlines()
    # (PyYAML 6.0.4 has its own limit)
    expected = ("levels deep", "values (aliases counted in full)", "maximum nesting depth")
    assert any(part in message for part in expected)
    assert int(kilobytes) < 150_000


@pytest.mark.threat("huge-project-file")
def test_a_file_of_10_megabytes_is_rejected_with_the_limit() -> None:
    (problem,) = problems(b"title: x\n" + b"# comment\n" * 1_000_000)
    assert "larger than 4,194,304 bytes" in problem


@given(st.text(max_size=200))
def test_any_text_either_loads_or_raises_our_own_error(text: str) -> None:
    try:
        loader.parse(text.encode("utf-8", "surrogatepass"))
    except GitSpacyError as error:
        assert error.exit_code in (2, 3)
        assert str(error)


fragments = st.sampled_from(
    ["title", "commands", "assets", "workflows", "vars", "env", "git", "name", "script", "deps",
     "outputs", "dest", "checksum", ": ", "\n", "\n  ", "\n    ", "- ", "[", "]", "{", "}", ", ",
     "'", '"', "${vars.a}", "{A}", "&a ", "*a", "<<", "null", "true", "1", "x", "../y", "|", ">"]
)  # fmt: skip


@given(st.lists(fragments, max_size=40).map("".join))
def test_any_mix_of_project_syntax_either_loads_or_reports_problems(text: str) -> None:
    try:
        loader.parse(text.encode())
    except GitSpacyError as error:
        assert all(problem.message and problem.location for problem in error.problems)


SHA = "a" * 64
MESSAGES = [
    ("[]", "1:1", "the file must be a mapping, not a list",
     "add a top-level key: 'title:', 'assets:', 'commands:' or 'workflows:'"),
    ("vars: [a]", "1:1", "'vars' must be a mapping, not a list",
     "write 'NAME: VALUE' lines below it, indented"),
    ("env: {a: [x]}", "1:10", "env.a must be a string, not a list", "put it in quotes"),
    ("env: {a: ''}", "1:10", "env.a is empty", "add a value, or remove it"),
    ("env: {a: 1}", "1:10", "env.a must be a string, not the number 1", "put it in quotes: '1'"),
    ("env: {a: true}", "1:10", "env.a must be a string, not true", "put it in quotes: 'true'"),
    ("title: [x]", "1:8", "expected a string, not a list", 'write: title: "x"'),
    ("commands: x", "1:1", "'commands' must be a list, not a string", "write it as a list: ['x']"),
    ("commands: [{name: a, script: python -c 'x'}]", "1:22",
     "'script' must be a list, not a string", """write it as a list: ["python -c 'x'"]"""),
    ("commands: {a: b}", "1:1", "'commands' must be a list, not a mapping",
     "begin each item with '- '"),
    ("commands:", "1:1", "'commands' is empty", "remove it, or add items that begin with '- '"),
    ("commands: [x]", "1:12", "this command must be a mapping, not a string",
     "begin it with '- name: '"),
    ("assets: [x]", "1:10", "this asset must be a mapping, not a string", "begin it with '- dest: '"),
    ("commands: [{nam: a}]", "1:12", "this command has no 'name'", "rename 'nam' to 'name'"),
    ("commands: [{script: [x]}]", "1:12", "this command has no 'name'", "add 'name:'"),
    ("commands: [{name: a, zzz: 1}]", "1:22", "unknown key 'zzz' in command 'a'",
     "valid keys: name, help, script, deps, outputs, outputs_no_cache, no_skip"),
    ("commands: [{name: a, dep: []}]", "1:22", "unknown key 'dep' in command 'a'",
     "did you mean 'deps'?"),
    ("commands: [{name: a, no_skip: 1}]", "1:31", "'no_skip' must be true or false",
     "write 'no_skip: true'"),
    ("assets: [{dest: a, extra: 1}]", "1:27", "'extra' must be true or false",
     "write 'extra: true'"),
    ("commands: [{name: a}, {name: a}]", "1:30", "command 'a' is already defined on line 1",
     "rename one of them"),
    ("commands:\n- name: a\n- script: [x]", "3:3",
     "'script' starts a new list item, but belongs to command 'a' on line 2",
     "on line 3, remove the dash and indent 'script' like 'name'"),
    ("commands: [{name: a, script: ['']}]", "1:31", "script line of 'a' is empty",
     "add a value, or remove it"),
    ("commands: [{name: a, script: [' ']}]", "1:31", "a script line of 'a' is blank",
     "remove the line"),
    ("""commands: [{name: a, script: ["'"]}]""", "1:31",
     "a script line of 'a' has no closing quotation", "close the quote"),
    ("commands: [{name: a}]\nworkflows: {a: []}", "2:13",
     "workflow 'a' has the same name as a command", "rename one of them"),
    ("commands: [{name: a}]\nworkflows: {w: [zzz]}", "2:17",
     "unknown command 'zzz' in workflow 'w'", "available commands: a"),
    ("commands: [{name: a}, {name: b}]\nworkflows: {w: [zzz]}", "2:17",
     "unknown command 'zzz' in workflow 'w'", "available commands: a, b"),
    ("commands: [{name: train}]\nworkflows: {w: [trian]}", "2:17",
     "unknown command 'trian' in workflow 'w'", "did you mean 'train'?"),
    ("workflows: {w: [a]}", "1:17", "unknown command 'a' in workflow 'w'",
     "define it under 'commands:'"),
    ("commands: [{name: a}]\nworkflows: {w: [1]}", "2:17",
     "step of workflow 'w' must be a string, not the number 1", "put it in quotes: '1'"),
    ("workflows: {w: a}", "1:13", "workflow 'w' must be a list, not a string",
     "write it as a list: ['a']"),
    ("remotes: {r: 1}", "1:14", "remote 'r' must be a string, not the number 1",
     "put it in quotes: '1'"),
    ("assets: [{dest: a, checksum: x}]", "1:30", "invalid checksum 'x'",
     "use the 32 hexadecimal digits of an MD5, or 'sha256:' and 64 digits"),
    ("assets: [{dest: a, git: x}]", "1:25", "'git' must be a mapping, not a string",
     "write 'repo:' and 'path:' lines below it, indented"),
    ("assets: [{dest: a, git: {repo: '', path: b}}]", "1:32", "'repo' is empty",
     "add the URL of the repository"),
    ("env: {x: X}\nassets: [{dest: a, git: {repo: 'https://${env.x}@h/r', path: b}}]", "2:32",
     "the value of an environment variable in 'repo' would be recorded",
     "remove it, and store passwords in a Git credential helper"),
    ("env: {x: X}\nassets: [{dest: 'a/${env.x}'}]", "2:17",
     "an environment variable in asset destination 'a/${env.x}' would be recorded in project.lock",
     "use a variable under 'vars', and override it with --vars.NAME VALUE"),
    ("commands: [{name: a, deps: [.git/x]}]", "1:29",
     "dependency '.git/x' is inside Git's own directory", "use another folder"),
    ("commands: [{name: a, outputs: ['./']}]", "1:32", "output './' is the project folder itself",
     "use the path of a file or folder inside it"),
    ("commands: [{name: a, outputs_no_cache: [project.yml]}]", "1:41",
     "output 'project.yml' would overwrite the project's own file", "use another name"),
    ('directories: ["a\\tb"]', "1:15", "directory 'a\\tb' contains a control character",
     "remove it"),
    ("directories: [/]", "1:15", "directory '/' is the root folder",
     "use the path of a file or folder inside it"),
    ("vars: {a: '${vars.b}', b: '${vars.a}'}", "1:11",
     "variable cycle: vars.a → vars.b → vars.a", "replace one of these references with a value"),
    ("vars: {a: {b: 1}}\ntitle: '${vars.a}'", "2:8", "${vars.a} is a mapping, not a value",
     "use a value inside it, e.g. ${vars.a.b}"),
    ("vars: {size: 1}\ntitle: '${size}'", "2:8", "unknown variable ${size}", "write ${vars.size}"),
    ("vars: {size: 1}\ntitle: '${vars.siz}'", "2:8", "unknown variable ${vars.siz}",
     "did you mean ${vars.size}?"),
    ("title: '${vars.zzz}'", "1:8", "unknown variable ${vars.zzz}", "define it under 'vars'"),
    ("title: 'x ${env.zzz}'", "1:8", "unknown environment variable ${env.zzz}",
     "add 'env: {zzz: ENVIRONMENT_VARIABLE}'"),
    ("env: {token: T}\ntitle: 'x ${env.tokn}'", "2:8", "unknown environment variable ${env.tokn}",
     "did you mean 'token'?"),
    ("variables: {size: 1}\ntitle: 'x {siz}'", "2:8", "unknown variable {siz}",
     "did you mean {size}?"),
    ("variables: {size: 1}\ntitle: 'x {zzz}'", "2:8", "unknown variable {zzz}",
     "define it under 'variables', or write {{zzz}} for literal braces"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "position", "message", "hint"), MESSAGES)
def test_each_problem_has_exactly_this_message_and_hint(
    text: str, position: str, message: str, hint: str
) -> None:
    with pytest.raises(GitSpacyError) as caught:
        loader.parse(text.encode())
    (problem,) = caught.value.problems
    assert str(problem) == f"project.yml:{position}: error: {message}\nhint: {hint}"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("titel: x",
         "project.yml:1:1: warning: unknown key 'titel' at the top level\nhint: did you mean 'title'?"),
        ("zzz: x", "project.yml:1:1: warning: unknown key 'zzz' at the top level"),
        ("assets: [{dest: a, zzz: 1}]", "project.yml:1:20: warning: unknown key 'zzz' in this asset"),
        ("assets: [{dest: a, git: {repo: r, path: p, zzz: 1}}]",
         "project.yml:1:44: warning: unknown key 'zzz' in 'git'"),
        ("assets: [{dest: a, url: u, git: {repo: r, path: p}}]",
         "project.yml:1:20: warning: 'url' is ignored because of 'git'\nhint: remove one of them"),
        ("license: [MIT, 1]",
         "project.yml:1:1: warning: 'license' is ignored: it is a list\nhint: write one string"),
        ("assets: [{dest: a, license: {name: MIT}}]",
         "project.yml:1:20: warning: 'license' is ignored: it is a mapping\nhint: write one string"),
    ],
)  # fmt: skip
def test_a_key_that_is_ignored_gets_a_warning_at_its_position(text: str, warning: str) -> None:
    assert loader.parse(text.encode()).project.warnings[0].format() == warning


def test_a_command_that_depends_on_its_own_output_gets_a_warning() -> None:
    text = """\
commands:
  - name: in_place
    script: [x]
    deps: [other, "data/train.txt"]
    outputs: [data]
  - {name: exact, script: [x], deps: [./a], outputs_no_cache: [a]}
  - {name: fine, script: [x], deps: [data], outputs: [database, data/new]}
  - {name: two, script: [x], deps: [b, c, d], outputs: [c, b]}
"""
    first, second, third = map(str, loader.parse(text.encode()).project.warnings)
    hint = "hint: write the result to another path, so that a second run has the same input"
    assert first.splitlines() == [
        "project.yml:4:19: warning: 'in_place' depends on its own output 'data/train.txt'", hint
    ]  # fmt: skip
    assert second.splitlines() == [
        "project.yml:6:39: warning: 'exact' depends on its own output './a'",
        hint,
    ]
    assert "'two' depends on its own outputs 'b', 'c'\n" in third


def test_a_dependency_cycle_gets_a_warning() -> None:
    text = """\
commands:
  - {name: first, script: [x], deps: [in.txt, c], outputs: [a]}
  - {name: second, script: [x], deps: [a], outputs: [b]}
  - {name: third, script: [x], deps: [b], outputs: [c]}
  - {name: after, script: [x], deps: [c], outputs: [d]}
"""
    (warning,) = loader.parse(text.encode()).project.warnings
    assert str(warning).splitlines() == [
        "project.yml:2:47: warning: dependency cycle: 'first' → 'second' → 'third' → 'first'",
        "hint: remove one of the dependencies: each run makes another of these commands stale",
    ]


def test_every_key_of_an_asset_is_read() -> None:
    text = f"""\
assets:
  - {{dest: ./a, url: u, checksum: "sha256:{SHA.upper()}", description: 1, license: CC-BY-4.0, extra: true}}
  - {{dest: b, git: {{repo: r, path: p, branch: dev}}, checksum: " {SHA[:32]} "}}
  - {{dest: c, url: "", git: {{repo: r, path: ''}}, checksum: "md5:{SHA[:32]}"}}
  - {{dest: d, url: null, checksum: null}}
"""
    a, b, c, d = loader.parse(text.encode()).project.assets
    assert (a.dest.text, a.dest.normal, a.url, a.git) == ("./a", "a", "u", None)
    assert (a.license, b.license) == ("CC-BY-4.0", "")
    assert (str(a.checksum), a.description, a.extra, a.line) == (f"sha256:{SHA}", "1", True, 2)
    assert (b.url, b.git, str(b.checksum)) == (None, ("r", "p", "dev"), SHA[:32])
    assert (b.description, b.extra, b.line) == ("", False, 3)
    assert (c.url, c.git, c.checksum) == (None, ("r", "", None), ("md5", SHA[:32]))
    assert (d.url, d.git, d.checksum) == (None, None, None)


def test_every_key_of_a_project_is_read() -> None:
    text = b"""\
title: 7
description: about
license: MIT
env: {token: TOKEN}
directories: [a, b/]
commands:
  - {name: c, help: 1, script: [x, "y '#'"], deps: [d], outputs: [o], outputs_no_cache: [m], no_skip: true}
workflows: {w: [c, c]}
remotes: {default: s3://bucket, other: /mnt}
spacy_version: anything
"""
    project = loader.parse(text).project
    assert (project.title, project.description, project.license) == ("7", "about", "MIT")
    assert project.environment == {"token": "TOKEN"}
    assert [path.normal for path in project.directories] == ["a", "b"]
    (command,) = project.commands
    assert (command.name, command.help, command.no_skip, command.line) == ("c", "1", True, 7)
    assert command.script == ("x", "y '#'")
    paths = (command.deps, command.outputs, command.outputs_no_cache)
    assert [[path.text for path in group] for group in paths] == [["d"], ["o"], ["m"]]
    assert project.workflows == (("w", ("c", "c"), 8, ()),)
    assert project.remotes == (("default", "s3://bucket"), ("other", "/mnt"))
    assert project.warnings == ()


@pytest.mark.parametrize(
    ("slip", "right"),
    [
        ("{vars.x}", "${vars.x}"),
        ("{{ vars.x }}", "${vars.x}"),
        ("${ vars.x }", "${vars.x}"),
        ("${vars.x", "${vars.x}"),
        ("${vars:a.b", "${vars.a.b}"),
        ("$(vars.x)", "${vars.x}"),
        ("$vars.x", "${vars.x}"),
        ("{env.KEY}", "${env.KEY}"),
    ],
)
def test_what_is_almost_a_reference_gets_a_warning_and_stays_as_it_is(
    slip: str, right: str
) -> None:
    text = f"vars: {{x: en, a: {{b: 1}}}}\nenv: {{KEY: K}}\ntitle: 'to {slip}/${{vars.x}}'\n"
    project = loader.parse(text.encode()).project
    assert project.title == f"to {slip}/en"
    assert [warning.format() for warning in project.warnings] == [
        f"project.yml:3:1: warning: '{slip}' is not replaced by the value of a variable"
        f"\nhint: write {right}"
    ]


def test_a_variable_that_contains_almost_a_reference_gets_the_only_warning() -> None:
    text = b"vars: {x: en, y: 'to/{vars.x}'}\ntitle: ${vars.y}\ndescription: a ${vars.x}\n"
    assert loader.parse(text).project.warnings[0].line == 1


@pytest.mark.parametrize(
    "script",
    [
        "python -c 'print({vars.y}, {x}, f\"{x!r}\")'",
        "echo $HOME ${vars.x} ${env.KEY} $x {x}",
        "awk '{print $1}' vars.x",
        "python -c 'd = {\"vars.x\": 1}; {vars.x: 1}'",
        "echo vars.x {other.x}",
    ],
)
def test_other_braces_get_no_warning(script: str) -> None:
    lines = ["vars: {x: en}", "env: {KEY: K}", "commands:", "  - name: a", "    script:"]
    text = "\n".join([*lines, f"      - {json.dumps(script)}", ""])
    assert loader.parse(text.encode()).project.warnings == ()


def test_overrides_replace_variables_on_load(tmp_path: Path) -> None:
    (tmp_path / "project.yml").write_text("vars: {a: 1}\ntitle: '${vars.a} and ${vars.a}'\n")
    assert loader.load(tmp_path).title == "1 and 1"
    assert loader.load(tmp_path, {"a": 2}).title == "2 and 2"
    assert loader.load(tmp_path, {"vars.a": "x"}).title == "x and x"


def test_a_missing_project_file_is_reported_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        loader.load(tmp_path)
    assert caught.value.problems == (
        Diagnostic("no such file", "change to a project's folder", "project.yml"),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("1_000.5", 1000.5), ("-1.5e-3", -0.0015), ("+2.5E+3", 2500.0), (".inf", float("inf")),
     ("-.INF", float("-inf")), ("-0x1F", -31), ("+7", 7), ("-7", -7), ("0b11", 3), ("false", False)],
)  # fmt: skip
def test_numbers_follow_yaml_1_2(text: str, value: object) -> None:
    parsed = loader.resolve_document(f"vars:\n  a: {text}\n".encode())["vars"]["a"]
    assert (type(parsed), parsed) == (type(value), value)
