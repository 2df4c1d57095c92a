"""Script lines that need a shell get one, or are refused before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from git_spacy.project.yaml_text import emit
from tests.testing.projects import Spacy, project


def commands(folder: Path, *scripts: list[str], **files: str) -> Path:
    """Create a project with the commands c0, c1, … and the workflow `all`."""

    names = [f"c{number}" for number in range(len(scripts))]
    document = {
        "vars": {"out": "training", "word": "a b"},
        "env": {"token": "API_TOKEN"},
        "commands": [
            {"name": name, "script": script} for name, script in zip(names, scripts, strict=True)
        ],
        "workflows": {"all": names},
    }
    return project(
        folder, emit(document).decode(), {k.replace("__", "/"): v for k, v in files.items()}
    )


def test_lines_do_what_they_say_and_the_lock_has_them_as_weasel_writes_them(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cret")
    script = [
        "echo one > a.txt && echo two >> a.txt",
        "rm -rf ${vars.out}/*",
        "rm -rf ${vars.out}/*",
        "cat a.txt | sort > 'b ${vars.word}.txt'",
        "N=7 python -c 'import os; print(os.environ[\"N\"])' > n.txt",
        "python -c 'import sys; print(sys.argv[1:])' \\\n  --x 1 \\\n  y > c.txt\n",
        "mkdir sub\ncd sub\necho here > d.txt\n",
        'echo "<${env.token}>" > token.txt',
    ]
    root = commands(tmp_path, script, training__old="x", training__older="x")
    done = spacy("run", "c0", cwd=root)
    assert done.code == 0, done.err
    texts = {path.name: path.read_text() for path in root.rglob("*.txt")}
    assert texts == {
        "a.txt": "one\ntwo\n", "b a b.txt": "one\ntwo\n", "n.txt": "7\n",
        "c.txt": "['--x', '1', 'y']\n", "d.txt": "here\n", "token.txt": "<s3cret>\n",
    }  # fmt: skip
    assert list((root / "training").iterdir()) == []
    assert "$ rm -rf training/*\n" in done.err
    assert '$ echo "<${API_TOKEN-}>" > token.txt\n' in done.err
    assert "s3cret" not in done.err + (root / "project.lock").read_text()
    assert [
        line.replace("${vars.out}", "training").replace("${vars.word}", "a b") for line in script
    ] == [*lock_format.read(root)["c0"].script]


def test_what_is_shown_can_be_pasted(tmp_path: Path, spacy: Spacy) -> None:
    """The shown lines of a run, executed by a shell, do the same again."""

    import subprocess

    root = commands(
        tmp_path, ["python -c \"open('a b', 'w').write('x y')\"", "cp 'a b' c\\'d", "cat a* > e"]
    )
    for command in (("run", "c0", "--dry"), ("run", "c0")):
        done = spacy(*command, cwd=root)
        lines = [line[2:] for line in done.err.splitlines() if line.startswith("$ ")]
        assert len(lines) == 3
    written = {name: (root / name).read_text() for name in ("a b", "c'd", "e")}
    for name in written:
        (root / name).unlink()
    subprocess.run(("sh", "-c", "\n".join(lines)), cwd=root, check=True)
    assert {name: (root / name).read_text() for name in written} == written


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cat nothing/*.txt", "error: no file matches nothing/*.txt"),
        ("rm nothing/* || true", "error: no file matches nothing/*"),
        ("false\ntouch done\n", "ended with exit code 1"),
        ("false; touch done", "ended with exit code 1"),
        ("cd nowhere && touch done", "ended with exit code 2"),
    ],
)
def test_a_line_of_which_a_part_fails_is_not_done(
    tmp_path: Path, spacy: Spacy, line: str, message: str
) -> None:
    root = commands(tmp_path, [line])
    done = spacy("run", "c0", cwd=root)
    assert done.code in (1, 2)
    assert message in done.err
    assert not (root / "done").exists()
    assert lock_format.read(root) == {}


@pytest.mark.parametrize(
    ("line", "hints"),
    [
        ("echo $vars.a.lang > a", ["hint: write ${vars.a.lang}"]),
        (
            "echo $env.KEY $UNSET_HERE",
            [
                "hint: write ${env.KEY}",
                "hint: export UNSET_HERE=…",
                "hint: or, if it is just text, put it in single quotes: '$UNSET_HERE'",
            ],
        ),
        (
            "echo $env-x",
            [
                "hint: export env=…",
                "hint: or, if it is just text, put it in single quotes: '$env'",
            ],
        ),
    ],
)
def test_a_variable_of_the_project_written_as_one_of_the_shell_gets_the_right_spelling(
    tmp_path: Path, spacy: Spacy, line: str, hints: list[str]
) -> None:
    done = spacy("run", "c0", cwd=commands(tmp_path, [line]))
    assert done.code == 2
    assert [text for text in done.err.splitlines() if text.startswith("hint:")] == hints


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("cd sub", "remove it"),
        ("echo $UNSET_HERE/x", "export UNSET_HERE=…"),
        ('rm -rf "$UNSET_HERE"/*', "export UNSET_HERE=…"),
        ("echo (a", "single quotes"),
        ("if true; then", "single quotes"),
        ("sleep 1 &", "remove it"),
        ("python x.py &> log", "- bash -c 'python x.py &> log'"),
    ],
)
def test_a_line_that_cannot_be_meant_so_is_refused_before_any_command_starts(
    tmp_path: Path, spacy: Spacy, line: str, hint: str
) -> None:
    root = commands(tmp_path, ["touch first"], ["touch second", line])
    for words in (("run", "all"), ("run", "all", "-j", "2"), ("run", "all", "--dry")):
        done = spacy(*words, cwd=root)
        assert done.code == 2, done.err
        number = next(
            n for n, text in enumerate((root / "project.yml").read_text().splitlines(), 1)
            if "touch second" in text
        ) + 1  # fmt: skip
        assert f"project.yml:{number}:9: error: script line of 'c1': " in done.err
        assert hint in done.err
        assert not (root / "first").exists()
    assert spacy("run", "c0", cwd=root).code == 0, "another command can run"
    check = spacy("check", "project", cwd=root)
    if "UNSET" not in line and "sub" not in line and hint != "single quotes":
        assert f"project.yml:{number}:9: warning: script line of 'c1': " in check.out
        assert hint in check.out


def test_the_hint_to_join_lines_makes_them_work(tmp_path: Path, spacy: Spacy) -> None:
    root = commands(tmp_path, ["cd sub", "export A=1", "python a.py"], sub__a__py="")
    (root / "sub/a.py").write_text("import os; open('a' + os.environ['A'], 'w')")
    done = spacy("run", "c0", cwd=root)
    assert done.code == 2
    hint = done.err.splitlines()[1].removeprefix("hint: join them: - ")
    assert hint == "cd sub && export A=1 && python a.py"
    commands(root, [hint])
    assert spacy("run", "c0", cwd=root).code == 0
    assert (root / "sub/a1").exists()


def test_a_command_that_weasel_ran_is_skipped_though_it_could_not_run(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['touch out &'], outputs: [out]}]",
        {"out": ""},
    )
    assert spacy("lock", "record", "c", cwd=root).code == 0
    done = spacy("run", "c", cwd=root)
    assert (done.code, "up to date" in done.err) == (0, True)
    assert spacy("run", "c", "--force", cwd=root).code == 2


def test_without_sh_plain_lines_run_and_others_are_refused(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch = shutil.which("touch")
    assert touch
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/touch").symlink_to(touch)
    (tmp_path / "bin/python").write_text("#!/bin/sh\n")
    (tmp_path / "bin/python").chmod(0o755)
    root = commands(tmp_path / "p", ["touch plain"], ["touch a && touch b"])
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert spacy("run", "c0", cwd=root).code == 0
    done = spacy("run", "c1", cwd=root)
    assert done.code == 2
    assert "it needs a shell ('&&'), and the PATH has no 'sh'" in done.err


def test_check_warns_of_lines_that_weasel_runs_differently_but_hooks_do_not(
    tmp_path: Path, spacy: Spacy
) -> None:
    from tests.testing.repositories import git, repository

    root = commands(repository(tmp_path), ["touch x", "rm -rf ${vars.out}/*"])
    done = spacy("check", "project", cwd=root)
    assert done.code == 0
    assert "'${…}/*' needs a shell, which weasel does not start" in done.out
    hint = "- sh -c 'rm -rf ${vars.out}/*'"
    assert f"hint: to run it alike with both, write {hint}" in done.out
    git(root, "add", "project.yml")
    assert spacy("check", "project", "--staged", cwd=root).out == ""
    commands(root, ["touch x", hint[2:]])
    assert spacy("check", "project", cwd=root).out == ""
    assert spacy("run", "c0", cwd=root).code == 0
