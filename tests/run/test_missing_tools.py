"""A module or program of a script line that is not installed is reported, with an installation hint,
before the line runs."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from git_spacy.run import missing_tools
from tests.testing.projects import Done, Spacy, project

MISSING_MODULE = "no_such_module_anywhere"


@pytest.mark.parametrize(
    ("line", "name", "python", "environ"),
    [
        ("python -m prodigy ner.correct d m s", "prodigy", "python", {}),
        ("/env/bin/python3.12 -m dvc.cli push", "dvc", "/env/bin/python3.12", {}),
        ("env A=1 B=x=y python3 -m spacy train", "spacy", "python3", {"A": "1", "B": "x=y"}),
    ],
)
def test_parse_module_finds_the_module_of_a_line(
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
def test_parse_module_returns_none_for_other_lines(line: str) -> None:
    assert missing_tools.parse_module(line.split()) is None


def run_lines(spacy: Spacy, folder: Path, *lines: str, **files: str) -> Done:
    script = "".join(f"\n      - {json.dumps(line)}" for line in lines)
    contents: dict[str, str | bytes] = {
        name.replace("__", "/").replace("_", "."): content for name, content in files.items()
    }
    root = project(folder, f"commands:\n  - name: c\n    script:{script}\n", contents)
    return spacy("run", "c", cwd=root)


def test_missing_prodigy_is_reported_with_its_source_and_nothing_runs(
    tmp_path: Path, spacy: Spacy
) -> None:
    done = run_lines(spacy, tmp_path, "python -m prodigy ner.correct d m s.jsonl")
    assert done.code == 127
    assert done.err.splitlines()[-2:] == [
        "python -m prodigy ner.correct d m s.jsonl: error: Python module not found: 'prodigy'",
        "hint: Prodigy is licensed; how to get and install it: https://prodi.gy/docs/install",
    ]
    assert "No module named" not in done.err, "Python was started although the module is missing"
    assert not (tmp_path / "project.lock").exists()
    assert run_lines(spacy, tmp_path, "prodigy ner.correct").err.endswith(
        "https://prodi.gy/docs/install\n"
    )


@pytest.mark.parametrize(
    ("requirements", "hint"),
    [
        (
            f"# a comment\nspacy>=3\n  {MISSING_MODULE.replace('_', '-').upper()}[x] >=1,<2\n",
            "pip install -r",
        ),
        (
            f"spacy>=3\n# {MISSING_MODULE}\n",
            f"install the package that provides '{MISSING_MODULE}' in",
        ),
        (f"\xff\n{MISSING_MODULE}", "pip install -r"),
    ],
)
def test_the_hint_names_requirements_txt_if_it_lists_the_module(
    tmp_path: Path, spacy: Spacy, requirements: str, hint: str
) -> None:
    done = run_lines(
        spacy, tmp_path, f"python -m {MISSING_MODULE}.cli", requirements_txt=requirements
    )
    assert (done.code, f"hint: {hint}" in done.err) == (127, True)


def test_a_missing_module_is_also_reported_in_a_parallel_run(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path,
        f"commands:\n  - {{name: c, script: ['python -m {MISSING_MODULE}']}}\n"
        "  - {name: d, script: ['python -m site']}\n",
    )
    done = spacy("run", "c", "d", "--jobs", "2", "--keep-going", cwd=root)
    assert done.code == 127
    assert f"Python module not found: '{MISSING_MODULE}'" in done.err
    assert "==> d: done in" in done.err


def test_a_module_created_by_an_earlier_line_is_found(tmp_path: Path, spacy: Spacy) -> None:
    install = "python -c \"open('created.py', 'w').write('open(chr(97), chr(119))')\""
    assert run_lines(spacy, tmp_path, install, "python -m created").code == 0
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("python -m json.tool in.json out.json", {"in_json": "[]"}),  # in the standard library
        ("python -m pip --version", {}),  # installed
        ("python -m own", {"own_py": ""}),  # in the project
        ("python -m own.part", {"own__part_py": ""}),
        ("env PYTHONPATH=lib python -m far", {"lib__far_py": ""}),
    ],
)
def test_an_available_module_is_run(
    tmp_path: Path, spacy: Spacy, line: str, files: dict[str, str]
) -> None:
    done = run_lines(spacy, tmp_path, line, **files)
    assert done.code == 0, done.err


def test_a_python_that_cannot_be_queried_reports_its_own_error(
    tmp_path: Path, spacy: Spacy
) -> None:
    broken = tmp_path / "python"
    broken.write_text(f"#!{sys.executable}\nraise SystemExit(9)\n")
    broken.chmod(0o755)
    assert run_lines(spacy, tmp_path, f"{shlex.quote(str(broken))} -m {MISSING_MODULE}").code == 9


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("pyhton", "did you mean 'python'?"),
        ("bahs", "did you mean 'bash'?"),
        ("streamlitt", "install the package that provides 'streamlitt'"),
    ],
)
def test_a_misspelt_program_gets_the_usual_one_as_its_hint(
    tmp_path: Path, spacy: Spacy, program: str, hint: str
) -> None:
    done = run_lines(spacy, tmp_path, f"{program} -c pass")
    assert done.code == 127
    assert f"program not found: '{program}'\nhint: {hint}" in done.err


@pytest.mark.parametrize("program", ["zsh", "dash", "pipx", "python3.99", "./pyhton", "spark"])
def test_a_program_that_is_not_misspelt_gets_no_suggestion(program: str) -> None:
    assert missing_tools.misspelt_hint(program, os.environ["PATH"]) == ""


def test_a_usual_program_that_is_not_installed_is_not_suggested(tmp_path: Path) -> None:
    assert missing_tools.misspelt_hint("pyhton", str(tmp_path)) == ""
