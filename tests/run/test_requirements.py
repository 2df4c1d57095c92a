"""Warnings of packages that project.yml and requirements.txt ask for, and that the scripts lack."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from git_spacy.run import requirements
from tests.testing.projects import Spacy, project
from tests.testing.repositories import write

TEXT = """\
{keys}
commands:
  - {{name: one, script: ["python -c 'print(1)'"], outputs_no_cache: [project.yml.copy]}}
  - {{name: two, script: ["{script}"]}}
workflows: {{all: [two, two]}}
"""


def environment(folder: Path, *packages: str, system: bool = False) -> Path:
    """Create a virtual environment with the metadata folders of `packages`."""

    write(
        folder,
        {
            "pyvenv.cfg": f"include-system-site-packages = {str(system).lower()}\n",
            **{
                f"lib/python3.11/site-packages/{package}/METADATA": "" for package in packages
            },
        },
    )  # fmt: skip
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(sys.executable)
    return folder


def made(
    tmp_path: Path, required: str = "", keys: str = "", script: str = "python -c 'print(1)'"
) -> Path:
    text = TEXT.format(keys=keys or "title: t", script=script)
    return project(tmp_path / "p", text, {"requirements.txt": required} if required else {})


def warnings(err: str) -> list[str]:
    lines = err.splitlines()
    return [line for line in lines if line.startswith(("warning: ", "hint: "))]


@pytest.fixture
def active(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Python of an active environment with a few packages."""

    folder = environment(
        tmp_path / "env", "spacy-3.7.5.dist-info", "My_Pkg-1.0.dist-info", "pip-24.0.dist-info",
        "dev-2.0.dev3.dist-info", "old-1.2-py3.11.egg-info",
    )  # fmt: skip
    monkeypatch.setenv("VIRTUAL_ENV", str(folder))
    return str(folder / "bin/python")


def test_a_spacy_version_that_is_not_met_is_reported_once_per_run(
    tmp_path: Path, spacy: Spacy, active: str
) -> None:
    root = made(tmp_path, keys="spacy_version: '>=9'")
    done = spacy("run", "all", cwd=root)
    assert done.code == 0
    assert warnings(done.err) == [
        "warning: spacy 3.7.5 is installed, but project.yml has 'spacy_version: >=9'",
        f"hint: {shlex.quote(active)} -m pip install 'spacy>=9'",
    ]
    assert spacy("run", "-D", "all", cwd=root).err.count("warning:") == 0


def test_requirements_that_are_not_met_are_reported_with_what_was_found(
    tmp_path: Path, spacy: Spacy, active: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    required = """\
# comment
spacy>=3.7,<4   # met
my.pkg==2.*
wasabi
spacy[lookups] ~= 3.6
old<1
dev>=3
elsewhere; python_version < "3"
other @ https://example.com/x.zip
-r more.txt
"""
    root = made(tmp_path, required)
    monkeypatch.chdir(tmp_path)
    assert warnings(spacy("-C", root, "run", "two").err) == [
        "warning: requirements.txt is not met: my.pkg 1.0 is installed, ==2.* is required;"
        " wasabi is not installed; old 1.2 is installed, <1 is required",
        f"hint: {shlex.quote(active)} -m pip install -r p/requirements.txt",
    ]


@pytest.mark.parametrize(
    ("keys", "script"),
    [
        ("check_requirements: false", "python -c 'print(1)'"),
        ("title: t", "python -c 'print(1)' requirements.txt"),
    ],
)
def test_requirements_are_not_checked_if_the_project_says_so_or_installs_them(
    tmp_path: Path, spacy: Spacy, active: str, keys: str, script: str
) -> None:
    assert active
    root = made(tmp_path, "wasabi\n", keys, script)
    assert warnings(spacy("run", "two", cwd=root).err) == []


def test_an_environment_without_pip_gets_the_hint_of_uv(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = environment(tmp_path / "env", "x-1.0.dist-info")
    monkeypatch.setenv("VIRTUAL_ENV", str(folder))
    root = made(tmp_path, "wasabi\n")
    monkeypatch.chdir(root)
    assert warnings(spacy("run", "two").err)[-1] == (
        f"hint: uv pip install --python {shlex.quote(str(folder / 'bin/python'))} -r requirements.txt"
    )


def test_what_may_be_installed_elsewhere_is_not_reported(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that also has the system's packages, and a Python that is not in one."""

    root = made(tmp_path, "wasabi\nspacy<3\n", "spacy_version: nonsense")
    folder = environment(tmp_path / "env", "spacy-3.7.5.dist-info", system=True)
    monkeypatch.setenv("VIRTUAL_ENV", str(folder))
    expected = "requirements.txt is not met: spacy 3.7.5 is installed, <3 is required"
    assert warnings(spacy("run", "two", cwd=root).err)[0] == f"warning: {expected}"
    (folder / "pyvenv.cfg").unlink()
    assert warnings(spacy("run", "two", cwd=root).err)[0] == f"warning: {expected}"


def test_a_run_that_skips_everything_checks_nothing(
    tmp_path: Path, spacy: Spacy, active: str
) -> None:
    text = """\
spacy_version: '>=9'
commands:
  - {name: one, script: ["python -c \\"open('o', 'w')\\""], outputs: [o]}
"""
    root = project(tmp_path / "p", text)
    assert active
    assert len(warnings(spacy("run", "one", cwd=root).err)) == 2
    assert warnings(spacy("run", "one", cwd=root).err) == []


def test_the_packages_of_our_own_python_are_those_that_it_imports() -> None:
    from importlib.metadata import version

    found = requirements.installed_packages(Path(sys.executable))
    assert found.is_complete
    for name in ("click", "pytest", "dulwich"):
        assert found.versions[name] == version(name)
    assert os.path.isabs(sys.executable)


@pytest.mark.parametrize(
    ("version", "specifiers", "expected"),
    [
        ("3.7.5", "", True),
        ("3.7.5", ">=3.7,<4", True),
        ("3.7.5", ">=3.7.6", False),
        ("3.7", "==3.7.0", True),
        ("3.7.5", "==3.7", False),
        ("3.7.5", "==3.7.*", True),
        ("3.8", "!=3.7.*", True),
        ("3.7.5", "~=3.6", True),
        ("3.7.5", "~=3.6.1", False),
        ("10.0", ">9", True),
        ("2.1.0+cu118", "==2.1", True),
        ("2.1.0.post1", "<3", True),
        ("4.0.0rc1", ">=4", None),
        ("4.0.0", ">=4.0.0rc1", None),
        ("3.0", ">=4.0.0rc1,<3", False),
        ("3.0", "nonsense", None),
    ],
)
def test_versions_are_compared_as_pip_does(
    version: str, specifiers: str, expected: bool | None
) -> None:
    assert requirements.satisfies(version, specifiers) is expected
