"""The house: who may import whom, what starts processes, what imports cost, what is documented."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import git_spacy
from git_spacy.cli import COMMANDS

PACKAGE = Path(git_spacy.__file__).parent
REPOSITORY = PACKAGE.parent
MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if "templates" not in path.parts or path.name == "__init__.py"
)
# room → the rooms that it may import; a module beside the rooms counts as one
MAY_IMPORT = {
    "errors": set(),
    "sharing": set(),
    "git_names": set(),
    "files": {"abandoned", "errors", "git_names", "sharing"},
    "abandoned": set(),
    "interrupts": {"errors"},
    "threads": {"abandoned", "interrupts"},
    "project": {"errors", "files", "git_names"},
    "formats": {"errors", "git_names"},
    "git": {
        "abandoned",
        "errors",
        "files",
        "formats",
        "git_names",
        "interrupts",
        "project",
        "sharing",
    },
    "state": {"errors", "files", "formats", "git", "project"},
    "run": {"errors", "files", "git", "git_names", "interrupts", "project", "sharing", "state"},
    "assets": {"errors", "files", "git", "git_names", "http_reader", "project", "state", "threads"},
    "storage": {
        "errors",
        "files",
        "formats",
        "git",
        "git_names",
        "project",
        "sharing",
        "state",
        "threads",
    },
    "http_reader": set(),
    "templates": set(),
    "generate": {"errors", "files", "git", "project", "state"},
    "clone": {"errors", "files", "generate", "git", "git_names", "project", "templates"},
    "check": {"errors", "files", "generate", "git", "project", "state"},
    "status": {"project", "state", "assets"},
    "setup": {"errors", "files", "formats", "generate", "git", "project", "sharing"},
    "hook": {"check", "errors", "git", "interrupts", "project", "setup", "state"},
    "cli": {
        "check",
        "status",
        "errors",
        "files",
        "git",
        "interrupts",
        "project",
        "state",
        "run",
        "assets",
        "clone",
        "generate",
        "setup",
        "storage",
        "templates",
    },
    "completion": {
        "cli",
        "errors",
        "git",
        "project",
        "setup",
        "templates",
    },  # an entry, like __main__
    "__main__": {"cli", "completion", "interrupts"},
    "__init__": set(),
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether it is imported with the module itself) for all imports in a file."""

    tree = ast.parse(path.read_text())
    top = set(
        ast.walk(
            ast.Module(
                [n for n in tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)], []
            )
        )
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, node in top) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node in top
            yield from ((f"{node.module}.{name.name}", node in top) for name in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    allowed = MAY_IMPORT[room(path)] | {room(path)}
    for module, _ in imports(path):
        parts = module.split(".")
        if parts[0] == "git_spacy" and len(parts) > 1 and parts[1] in MAY_IMPORT:
            assert parts[1] in allowed, f"{room(path)} imports {module}"


HEAVY = {"requests", "dulwich", "rich", "yaml", "urllib3", "spacy", "ray"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    source = path.read_text()
    for module, at_the_top in imports(path):
        if at_the_top and module.split(".")[0] in HEAVY:
            assert "TYPE_CHECKING" in source, module


def calls(path: Path) -> set[str]:
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_core_neither_prints_nor_exits_nor_changes_folder(path: Path) -> None:
    made = calls(path)
    assert not made & {"os.chdir", "os._exit", "os.system", "eval", "exec"}
    if path.name != "__main__.py":
        assert not made & {"print", "sys.exit", "exit", "click.echo"}


# (the last two run on machines that have no git-spacy: what they need travels with them)
STARTERS = ("git/process.py", "run/foreground.py", "run/ray_worker.py", "run/ray_supervisor.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_one_place_starts_git_and_one_runs_scripts(path: Path) -> None:
    starts = any(module == "subprocess" for module, _ in imports(path))
    assert starts <= (path.relative_to(PACKAGE).as_posix() in STARTERS)


def test_what_travels_to_a_worker_stands_alone() -> None:
    for name in ("ray_worker", "ray_supervisor"):
        found = {module.split(".")[0] for module, _ in imports(PACKAGE / f"run/{name}.py")}
        assert found <= {*sys.stdlib_module_names, "ray"}, name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_opens_with_what_it_knows_and_stays_small(path: Path) -> None:
    source = path.read_text()
    assert ast.get_docstring(ast.parse(source)), "no docstring"
    assert source.count("\n") < 560


def test_every_public_function_and_class_says_what_it_is_for() -> None:
    bare = []
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith(
                "_"
            )
            if named and not ast.get_docstring(node):
                bare.append(f"{path.name}: {node.name}")
    assert bare == []


def modules_imported(*arguments: str, cwd: Path) -> set[str]:
    code = (
        "import sys; sys.argv[0] = 'git-spacy'\n"
        "from git_spacy.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        (sys.executable, "-S", "-c", code, *arguments), cwd=cwd, text=True, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
    )  # fmt: skip
    return {name.split(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("arguments", [["--version"], ["-h"], ["clone", "-h"], ["run", "-h"]])
def test_help_and_version_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    assert not modules_imported(*arguments, cwd=tmp_path) & (HEAVY | {"dataclasses", "asyncio"})


def test_a_run_imports_no_network_and_no_terminal_library(tmp_path: Path) -> None:
    (tmp_path / "project.yml").write_text("commands: [{name: c, script: []}]")
    found = modules_imported("run", "c", cwd=tmp_path)
    assert "yaml" in found
    assert not found & (HEAVY - {"yaml"})


def test_every_verb_is_in_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert [verb for verb in COMMANDS if f"`git spacy {verb}" not in readme] == []


def test_the_readme_is_short() -> None:
    assert (REPOSITORY / "README.md").read_text().count("\n") < 150
