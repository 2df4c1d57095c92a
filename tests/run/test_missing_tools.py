"""A module or program that a script line needs and that is not installed: named, with how to get
it, before the line is run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from git_spacy.run import missing_tools
from tests.testing.projects import Done, Spacy, project

NOWHERE = "no_such_module_anywhere"


@pytest.mark.parametrize(
    ("line", "name", "python", "environ"),
    [
        ("python -m prodigy ner.correct d m s", "prodigy", "python", {}),
        ("/env/bin/python3.12 -m dvc.cli push", "dvc", "/env/bin/python3.12", {}),
        ("env A=1 B=x=y python3 -m spacy train", "spacy", "python3", {"A": "1", "B": "x=y"}),
    ],
)
def test_the_module_that_a_line_runs(
    line: str, name: str, python: str, environ: dict[str, str]
) -> None:
    assert missing_tools.parse_module(line.split()) == missing_tools.PythonModule(
        name, python, environ
    )


@pytest.mark.parametrize(
    "line",
    [
        *("python scripts/a.py -m x", "python -m", "python -c pass -m", "python -m -h"),
        *("env", "env A=1", "env -i python -m x", "pythonista -m x", "git -m x"),
    ],
)
def test_a_line_that_runs_none_that_we_know_of(line: str) -> None:
    assert missing_tools.parse_module(line.split()) is None


def ran(spacy: Spacy, folder: Path, *lines: str, **files: str) -> Done:
    script = "".join(f"\n      - {json.dumps(line)}" for line in lines)
    contents: dict[str, str | bytes] = {
        name.replace("__", "/").replace("_", "."): content for name, content in files.items()
    }
    made = project(folder, f"commands:\n  - name: c\n    script:{script}\n", contents)
    return spacy("run", "c", cwd=made)


def test_prodigy_is_named_with_where_it_comes_from_and_nothing_is_run(
    tmp_path: Path, spacy: Spacy
) -> None:
    done = ran(spacy, tmp_path, "python -m prodigy ner.correct d m s.jsonl")
    assert done.code == 127
    assert done.err.splitlines()[-2:] == [
        "python -m prodigy ner.correct d m s.jsonl: error: Python module not found: 'prodigy'",
        "hint: Prodigy is licensed; how to get and install it: https://prodi.gy/docs/install",
    ]
    assert "No module named" not in done.err, "Python's own words"
    assert not (tmp_path / "project.lock").exists()
    assert ran(spacy, tmp_path, "prodigy ner.correct").err.endswith(
        "https://prodi.gy/docs/install\n"
    )


@pytest.mark.parametrize(
    ("requirements", "hint"),
    [
        (
            f"# of ours\nspacy>=3\n  {NOWHERE.replace('_', '-').upper()}[x] >=1,<2\n",
            "pip install -r",
        ),
        (f"spacy>=3\n# {NOWHERE}\n", f"install the package that provides '{NOWHERE}' in"),
        (f"\xff\n{NOWHERE}", "pip install -r"),
    ],
)
def test_what_requirements_txt_lists_is_got_with_it(
    tmp_path: Path, spacy: Spacy, requirements: str, hint: str
) -> None:
    done = ran(spacy, tmp_path, f"python -m {NOWHERE}.cli", requirements_txt=requirements)
    assert (done.code, f"hint: {hint}" in done.err) == (127, True)


def test_it_is_named_where_several_run_too(tmp_path: Path, spacy: Spacy) -> None:
    made = project(
        tmp_path,
        f"commands:\n  - {{name: c, script: ['python -m {NOWHERE}']}}\n"
        "  - {name: d, script: ['python -m site']}\n",
    )
    done = spacy("run", "c", "d", "--jobs", "2", "--keep-going", cwd=made)
    assert done.code == 127
    assert f"Python module not found: '{NOWHERE}'" in done.err
    assert "==> d: done in" in done.err


def test_a_module_that_an_earlier_line_brings_is_there(tmp_path: Path, spacy: Spacy) -> None:
    install = "python -c \"open('brought.py', 'w').write('open(chr(97), chr(119))')\""
    assert ran(spacy, tmp_path, install, "python -m brought").code == 0
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("python -m json.tool in.json out.json", {"in_json": "[]"}),  # Python's own
        ("python -m pip --version", {}),  # installed
        ("python -m own", {"own_py": ""}),  # the project's
        ("python -m own.part", {"own__part_py": ""}),
        ("env PYTHONPATH=lib python -m far", {"lib__far_py": ""}),
    ],
)
def test_a_module_that_is_there_is_run(
    tmp_path: Path, spacy: Spacy, line: str, files: dict[str, str]
) -> None:
    done = ran(spacy, tmp_path, line, **files)
    assert done.code == 0, done.err


def test_a_python_that_cannot_answer_is_left_to_speak_for_itself(
    tmp_path: Path, spacy: Spacy
) -> None:
    broken = tmp_path / "python"
    broken.write_text(f"#!{sys.executable}\nraise SystemExit(9)\n")
    broken.chmod(0o755)
    assert ran(spacy, tmp_path, f"{broken} -m {NOWHERE}").code == 9
