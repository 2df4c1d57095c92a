"""The architecture: which packages may import which, who starts processes, what imports cost, what
is documented, and that names are unique."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import git_spacy

PACKAGE = Path(git_spacy.__file__).parent
REPOSITORY = PACKAGE.parent
MODULES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if "templates" not in path.parts or path.name == "__init__.py"
)
# package → the packages that it may import; a top-level module counts as a package
MAY_IMPORT = {
    "light_typing": set(),
    "patterns": {"light_typing"},
    "errors": {"light_typing", "patterns"},
    "sharing": {"patterns"},
    "containment": {"light_typing", "patterns"},
    "real_paths": {"errors", "containment"},
    "files": {"abandoned", "containment", "errors", "light_typing", "real_paths", "sharing"},
    "file_locks": {"errors", "files", "sharing"},
    "abandoned": set(),
    "light_hashes": {"light_typing"},
    "file_copy": set(),
    "background": set(),
    "interrupts": {"errors", "light_typing"},
    "threads": {"abandoned", "interrupts"},
    "project": {
        "containment",
        "errors",
        "files",
        "light_hashes",
        "light_typing",
        "patterns",
        "real_paths",
        "sharing",
    },
    "formats": {"containment", "errors", "light_typing", "patterns"},
    "git": {
        "abandoned",
        "containment",
        "errors",
        "file_locks",
        "files",
        "interrupts",
        "light_hashes",
        "light_typing",
        "patterns",
        "project",
        "sharing",
    },
    "lock": {"errors", "file_locks", "files", "formats", "git", "light_typing", "project"},
    "state": {
        "errors",
        "file_locks",
        "files",
        "formats",
        "git",
        "light_hashes",
        "light_typing",
        "lock",
        "patterns",
        "project",
        "real_paths",
        "sharing",
    },
    "history": {
        "errors",
        "file_locks",
        "files",
        "formats",
        "git",
        "light_hashes",
        "light_typing",
        "lock",
        "patterns",
        "project",
        "sharing",
        "state",
    },
    "jobs": {
        "errors",
        "files",
        "formats",
        "git",
        "history",
        "lock",
        "project",
        "run",
        "sharing",
        "state",
        "storage",
    },
    "run": {
        "containment",
        "errors",
        "file_copy",
        "files",
        "git",
        "history",
        "interrupts",
        "light_typing",
        "lock",
        "patterns",
        "project",
        "real_paths",
        "safe_extract",
        "sharing",
        "state",
    },
    "assets": {
        "background",
        "containment",
        "errors",
        "file_copy",
        "files",
        "git",
        "light_typing",
        "project",
        "safe_extract",
        "state",
        "threads",
    },
    "storage": {
        "abandoned",
        "background",
        "errors",
        "file_copy",
        "file_locks",
        "files",
        "formats",
        "git",
        "containment",
        "history",
        "lock",
        "project",
        "real_paths",
        "safe_extract",
        "sharing",
        "state",
        "threads",
    },
    "safe_extract": {"containment", "file_copy", "files", "project"},
    "templates": set(),
    "generate": {"errors", "files", "light_hashes", "light_typing", "patterns", "project", "state"},
    "provenance": {
        "errors",
        "files",
        "formats",
        "generate",
        "git",
        "history",
        "lock",
        "project",
        "state",
    },
    "check": {
        "assets",
        "errors",
        "files",
        "generate",
        "git",
        "history",
        "light_typing",
        "lock",
        "patterns",
        "project",
        "state",
    },
    "setup": {
        "containment",
        "errors",
        "file_locks",
        "files",
        "formats",
        "generate",
        "git",
        "light_typing",
        "lock",
        "patterns",
        "project",
        "run",
        "sharing",
        "storage",
        "templates",
    },
    "garbage": set(),
    "hook": {
        "check",
        "errors",
        "garbage",
        "git",
        "history",
        "interrupts",
        "light_typing",
        "project",
        "setup",
        "state",
    },
    "cli": {
        "assets",
        "check",
        "errors",
        "files",
        "generate",
        "git",
        "history",
        "interrupts",
        "jobs",
        "light_typing",
        "lock",
        "patterns",
        "project",
        "provenance",
        "real_paths",
        "run",
        "setup",
        "state",
        "storage",
        "templates",
    },
    "__main__": {"cli", "garbage", "interrupts"},
    "__init__": set(),
}


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def package_of(path: Path) -> str:
    """Return the subpackage or top-level module that the file belongs to."""

    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """Return the name of each imported module, and whether it is imported at the top level."""

    return tuple(_iter_imports(parse(path)))


def _iter_imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
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


# Each test of a rule lists all modules that break it: one test for each module and rule would take
# longer to start and report than to run.


def test_a_package_imports_only_the_packages_that_it_may() -> None:
    forbidden = []
    for path in MODULES:
        not_allowed = MAY_IMPORT.keys() - MAY_IMPORT[package_of(path)] - {package_of(path)}
        for module, _ in imports(path):
            parts = module.split(".")
            if parts[0] == "git_spacy" and len(parts) > 1 and parts[1] in not_allowed:
                forbidden.append(f"{name_of(path)} imports {module}")
    assert forbidden == []


def test_the_document_lists_what_each_package_may_import() -> None:
    text = (REPOSITORY / "docs/explanation/architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", allowed)) for name, allowed in rows}
    assert documented == MAY_IMPORT
    names = list(documented)
    for number, name in enumerate(names):
        assert documented[name].isdisjoint(names[:number]), f"'{name}' imports upwards"


HEAVY = {
    "requests", "dulwich", "rich", "yaml", "urllib3", "spacy", "ray", "rocrate", "cyclonedx",
    "packageurl",
}  # fmt: skip


def test_heavy_libraries_are_not_imported_at_the_top_level() -> None:
    heavy = [
        f"{name_of(path)} imports {module}"
        for path in MODULES
        for module, is_top_level in imports(path)
        if is_top_level
        and module.split(".")[0] in HEAVY
        and "TYPE_CHECKING" not in path.read_text()
    ]
    assert heavy == []


def calls(path: Path) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(parse(path)) if isinstance(node, ast.Call)}


def test_the_core_neither_prints_nor_exits_nor_changes_directory() -> None:
    never = {"os.chdir", "os.fork", "os._exit", "os.system", "eval", "exec"}
    only_in_main = {"print", "sys.exit", "exit", "click.echo"}
    found = {
        name_of(path): called
        for path in MODULES
        if (called := calls(path) & (never if path.name == "__main__.py" else never | only_in_main))
    }
    # a child that only shares work must not run what its parent registered for the exit
    assert found == {
        "run/ray_supervisor.py": {"os.fork"},
        "state/stat_summary.py": {"os.fork", "os._exit"},
    }


# The last two run on machines without git-spacy, so they must be self-contained.
MAY_START_PROCESSES = (
    "git/process.py",
    "jobs/__main__.py",
    "run/ctrl_c.py",
    "run/foreground.py",
    "run/relay.py",
    "run/ray_worker.py",
    "run/ray_supervisor.py",
)


def test_only_the_modules_for_git_and_scripts_start_processes() -> None:
    start = {
        name_of(path)
        for path in MODULES
        if any(module == "subprocess" for module, _ in imports(path))
    }
    assert start - set(MAY_START_PROCESSES) == set()


def test_modules_that_run_on_ray_workers_import_only_the_standard_library_and_ray() -> None:
    for name in ("ray_worker", "ray_supervisor"):
        imported = {module.split(".")[0] for module, _ in imports(PACKAGE / f"run/{name}.py")}
        assert imported <= {*sys.stdlib_module_names, "ray"}, name


def test_a_module_has_a_docstring_and_less_than_560_lines() -> None:
    undocumented = [name_of(path) for path in MODULES if not ast.get_docstring(parse(path))]
    assert undocumented == []
    lengths = {name_of(path): path.read_text().count("\n") for path in MODULES}
    assert {name: length for name, length in lengths.items() if length >= 560} == {}


def test_every_public_function_and_class_has_a_docstring() -> None:
    undocumented = []
    for path in MODULES:
        for node in parse(path).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node):
                undocumented.append(f"{path.name}: {node.name}")
    assert undocumented == []


def class_and_alias_names(path: Path) -> Iterator[str]:
    """Yield the names of all classes in a file, and of the type aliases at its top level."""

    tree = parse(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and re.match(r"_?[A-Z]\w*[a-z]", target.id):
                    yield target.id


def test_no_two_classes_or_type_aliases_share_a_name() -> None:
    defined_in: dict[str, list[str]] = {}
    for path in MODULES:
        for name in class_and_alias_names(path):
            defined_in.setdefault(name, []).append(name_of(path))
    duplicates = {name: files for name, files in defined_in.items() if len(files) > 1}
    assert duplicates == {}


def test_no_function_has_a_name_that_only_its_module_explains() -> None:
    vague = [
        f"{name_of(path)}: {node.name}"
        for path in MODULES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef) and node.name in ("of", "one", "all")
    ]
    assert vague == []


COMMAND_MODULES = [path for path in MODULES if path.parent.name == "commands"]


def test_no_command_imports_another_command() -> None:
    forbidden = [
        f"{path.stem} imports {module}"
        for path in COMMAND_MODULES
        for module, _ in imports(path)
        if module.startswith("git_spacy.cli.commands")
    ]
    assert forbidden == []


def test_no_function_of_the_command_line_has_more_than_40_lines_without_its_docstring() -> None:
    long = {}
    for path in MODULES:
        if package_of(path) != "cli":
            continue
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
                lines = (node.end_lineno or 0) - body[0].lineno + 1
                if lines > 40:
                    long[f"{path.stem}: {node.name}"] = lines
    assert long == {}


def modules_imported(*arguments: str, cwd: Path) -> set[str]:
    code = (
        "import sys; sys.argv[0] = 'git-spacy'\n"
        "from git_spacy.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)\n"
    )
    completed = subprocess.run(
        (sys.executable, "-S", "-c", code, *arguments), cwd=cwd, text=True, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
    )  # fmt: skip
    return {name.split(".")[0] for name in completed.stderr.split()}


@pytest.mark.parametrize("arguments", [["--version"], ["-h"], ["clone", "-h"], ["run", "-h"]])
def test_help_and_version_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    assert not modules_imported(*arguments, cwd=tmp_path) & (HEAVY | {"dataclasses", "asyncio"})


def test_run_imports_neither_network_nor_terminal_libraries(tmp_path: Path) -> None:
    (tmp_path / "project.yml").write_text("commands: [{name: c, script: []}]")
    imported = modules_imported("run", "c", cwd=tmp_path)
    assert "yaml" in imported
    assert not imported & (HEAVY - {"yaml"})
