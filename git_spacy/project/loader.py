"""project.yml to a Project, or one error that carries every problem of the file at once.

Two dialects: `variables:` with `{NAME}` (the specification) and `vars:`/`env:` with `${vars.name}`
(weasel, spaCy 3.7 and later). What leaves here is frozen; nothing outside sees a node.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.files import descriptor_beneath
from git_spacy.project import paths, resources, schema_keys, source_map, variables_table, yaml
from git_spacy.project.diagnostics import Diagnostic, closest_name, did_you_mean, raise_all
from git_spacy.project.model import (
    Asset,
    Checksum,
    Command,
    GitSource,
    Project,
    RemoteConfig,
    Workflow,
)  # fmt: skip
from git_spacy.project.paths import ProjectPath, bare_repository, has_git_dir, is_git_dir
from git_spacy.project.source_map import SourceMap
from git_spacy.project.variables import (
    VariableError,
    Variables,
    apply_overrides,
    environment_names,
)  # fmt: skip
from git_spacy.project.yaml import Node

PROJECT_FILE = "project.yml"

_GIT_HINTS = {
    "repo": "add 'repo:', the repository's address",
    "path": "add 'path:'; '' is the whole repository",
}
_CHECKSUM = re.compile(schema_keys.CHECKSUM)


class LoadedProject(NamedTuple):
    """A project, the document it came from and where things stand in it: `document` is JSON-like,
    with the variables filled in and the reference's own keys; for printing and comparing only."""

    project: Project
    document: dict[str, Any]
    source_map: SourceMap


def find(start: Path) -> Path:
    """The folder at or above `start` that has a project.yml, no further up than the top of the
    Git work tree. Raises Malformed if there is none, Unsafe in a bare repository that nobody
    named."""

    start = Path(os.path.abspath(start))
    found = None
    for folder in (start, *start.parents):
        if found is None and (folder / PROJECT_FILE).exists():
            found = folder
        if has_git_dir(folder):
            break
        if is_git_dir(folder) and not os.environ.get("GIT_DIR"):
            raise bare_repository(folder)
    if found is None:
        raise InvalidInput(
            f"no {PROJECT_FILE} in '{start}' or a folder above it",
            hint="go to a project, or get one: git spacy clone ner_fashion",
        )
    return found


def load(root: Path, overrides: Mapping[str, Any] | None = None) -> Project:
    """The project in the folder `root`. Raises Malformed or Unsafe with all its problems."""

    return load_with_document(root, overrides).project


def load_with_document(root: Path, overrides: Mapping[str, Any] | None = None) -> LoadedProject:
    """As `load`, and the document with its variables filled in."""

    return parse(read_bytes(root), overrides)


def parse(
    data: bytes, overrides: Mapping[str, Any] | None = None, file: str = PROJECT_FILE
) -> LoadedProject:
    """The same from the content of a project.yml, wherever it came from."""

    reader, filled = _filled(data, overrides or {}, file)
    project = reader.project(filled)
    if reader.problems:
        raise_all(reader.problems)
    return LoadedProject(project, _document(filled), source_map.build_source_map(filled))


def resolve_document(data: bytes, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the reference calls the resolved project: the document with its variables filled in,
    its shape and its paths not looked at. Raises Malformed for wrong YAML and variables."""

    reader, filled = _filled(data, overrides or {}, PROJECT_FILE)
    if reader.problems:
        raise_all(reader.problems)
    return _document(filled)


def _filled(data: bytes, overrides: Mapping[str, Any], file: str) -> tuple[_Reader, Node]:
    node, problems = yaml.parse_document(data, file)
    reader = _Reader(file, problems)
    if node is None or not isinstance(node.value, dict):
        if not problems:
            reader.problem(
                Node(None, 1, 1),
                "the file is empty" if node is None or node.value is None else "not a mapping",
                "begin with 'title:', 'assets:', 'commands:' or 'workflows:'",
            )
        raise_all(problems)
    return reader, reader.fill(node, overrides)


def _document(filled: Node) -> dict[str, Any]:
    entries: dict[str, Any] = yaml.to_plain(filled)
    entries.setdefault("vars", {})
    entries.setdefault("env", {})
    return entries


def read_bytes(root: Path) -> bytes:
    """The bytes of the project.yml in the folder `root`, which may be anything at all. Raises
    Malformed, Unsafe; OSError where the disk fails."""

    try:
        descriptor = descriptor_beneath(root, PROJECT_FILE)
    except FileNotFoundError:
        raise InvalidInput(
            "no such file", location=PROJECT_FILE, hint="go to a project's folder"
        ) from None
    except OSError as error:
        if error.errno == errno.EIO:
            raise
        raise InvalidInput(
            f"cannot be read: {error.strerror}", location=PROJECT_FILE, hint="check its permissions"
        ) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidInput(
                "not a regular file", location=PROJECT_FILE, hint="put a text file there"
            )
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(yaml.MAX_BYTES + 1)
    finally:
        os.close(descriptor)


class _Reader:
    """Reads nodes into values and notes what is wrong with them."""

    def __init__(self, file: str, problems: list[Diagnostic]) -> None:
        self.file = file
        self.problems = problems
        self.warnings: list[str] = []
        self.environment: dict[str, str] = {}

    def problem(self, node: Node, what: str, hint: str = "", *, key: bool = False) -> None:
        line, column = node.position if key else (node.line, node.column)
        self.problems.append(Diagnostic(self.file, line, column, what, hint))

    def unsafe(self, node: Node, what: str, hint: str) -> None:
        self.problems.append(Diagnostic(self.file, node.line, node.column, what, hint, unsafe=True))

    def warn(self, node: Node, what: str, hint: str = "") -> None:
        warning = Diagnostic(self.file, *node.position, what, hint)
        self.warnings.append(warning.problem.format("warning"))

    # Variables first: everything else is read with them filled in.

    def fill(self, root: Node, overrides: Mapping[str, Any]) -> Node:
        """The same tree with every reference in it replaced."""

        tables = {name: self.table(root.value.get(name), name) for name in ("vars", "variables")}
        places: dict[str, Node] = {}
        for name, table in tables.items():
            variables_table.flatten(name, table, places)
        for name, node in self.table(root.value.get("env"), "env").items():
            if text := self.text(node, f"env.{name}"):
                self.environment[name] = text
        leaves = apply_overrides(
            {name: yaml.to_plain(node) for name, node in places.items()}, overrides
        )
        variables = Variables(leaves, self.environment, braces="variables" in root.value)
        known: dict[str, Any] = {}
        for name, node in places.items():
            known[name] = self._filled(node, partial(variables.definition, name))
        entries = {
            key: variables_table.with_values(node, key, known)
            if key in tables
            else node
            if key == "env"
            else self._fill_node(node, variables, in_list=False)
            for key, node in root.value.items()
        }
        return root._replace(value=entries)

    def table(self, node: Node | None, name: str) -> dict[str, Node]:
        if node is None:
            return {}
        if not isinstance(node.value, dict):
            self.problem(
                node,
                f"'{name}' is not a mapping",
                f"write '{name}:' and below it 'name: value'",
                key=True,
            )
            return {}
        return node.value

    def _fill_node(self, node: Node, variables: Variables, *, in_list: bool) -> Node:
        if isinstance(node.value, dict):
            return node._replace(
                value={
                    key: self._fill_node(inner, variables, in_list=in_list)
                    for key, inner in node.value.items()
                }
            )
        if isinstance(node.value, list):
            return node._replace(
                value=[self._fill_node(inner, variables, in_list=True) for inner in node.value]
            )
        if not isinstance(node.value, str):
            return node
        value = self._filled(node, lambda: variables.fill(node.value, in_list=in_list))
        return variables_table.as_node(value, node)

    def _filled(self, node: Node, fill: Callable[[], Any]) -> Any:
        try:
            return fill()
        except VariableError as fault:
            if fault.what:
                self.problem(node, fault.what, fault.hint)
            return yaml.to_plain(node)

    # The model.

    def project(self, root: Node) -> Project:
        entries: dict[str, Node] = root.value
        self.known_keys(root, schema_keys.PROJECT, "project")
        commands = self.commands(entries.get("commands"))
        project = Project(
            title=self.line_of_text(entries.get("title")),
            description=self.line_of_text(entries.get("description")),
            environment=self.environment,
            directories=self.paths(entries, schema_keys.PROJECT, "directories"),
            assets=tuple(
                asset
                for item in self.items(entries.get("assets"), "assets")
                if (asset := self.asset(item))
            ),
            commands=commands,
            workflows=self.workflows(entries.get("workflows"), commands),
            remotes=tuple(
                RemoteConfig(name, url)
                for name, node in self.table(entries.get("remotes"), "remotes").items()
                if (url := self.text(node, f"remote '{name}'"))
            ),
            warnings=(),
            resources=resources.read_resources(
                self, entries.get("resources"), schema_keys.RESOURCES, commands
            ),
        )
        return project._replace(warnings=tuple(self.warnings))

    def commands(self, node: Node | None) -> tuple[Command, ...]:
        commands: list[Command] = []
        headless: Node | None = None
        for item in self.items(node, "commands"):
            split = isinstance(item.value, dict) and item.value and "name" not in item.value
            if split and headless is not None and set(item.value) <= set(schema_keys.COMMAND.keys):
                first = next(iter(item.value.values()))
                self.problem(
                    item,
                    f"line {first.position[0]}: remove the dash: this belongs to command"
                    f" '{yaml.to_plain(headless)}' of line {headless.line}",
                    "indent it like 'name' and begin it without '- '",
                )
                continue
            command = self.command(item)
            if command is None:
                continue
            name = item.value["name"]
            if set(item.value) <= {"name", "help"}:
                headless = name
            twin = next((other for other in commands if other.name == command.name), None)
            if twin:
                self.problem(
                    name,
                    f"command '{command.name}' is defined twice, first in line {twin.line}",
                    "rename one of them",
                )
            else:
                commands.append(command)
        return tuple(commands)

    def command(self, item: Node) -> Command | None:
        if not self.mapping(item, schema_keys.COMMAND):
            return None
        entries = item.value
        name = self.text(entries["name"], "name")
        self.known_keys(item, schema_keys.COMMAND, f"command '{name}'")
        no_skip = self.flag(entries.get("no_skip"), "no_skip")
        if not name:
            return None
        return Command(
            name=name,
            help=self.line_of_text(entries.get("help")),
            script=self.script(entries.get("script"), name),
            deps=self.paths(entries, schema_keys.COMMAND, "deps"),
            outputs=self.paths(entries, schema_keys.COMMAND, "outputs"),
            outputs_no_cache=self.paths(entries, schema_keys.COMMAND, "outputs_no_cache"),
            no_skip=no_skip,
            line=entries["name"].position[0],
        )

    def script(self, node: Node | None, name: str) -> tuple[str, ...]:
        lines = []
        for item in self.items(node, "script"):
            line = self.text(item, f"script line of '{name}'")
            if not line:
                continue
            try:
                if not shlex.split(line):
                    self.problem(item, f"a script line of '{name}' does nothing", "remove it")
            except ValueError as error:
                self.problem(
                    item, f"a script line of '{name}': {str(error).lower()}", "close the quote"
                )
            lines.append(line)
        return tuple(lines)

    def workflows(self, node: Node | None, commands: tuple[Command, ...]) -> tuple[Workflow, ...]:
        names = [command.name for command in commands]
        workflows = []
        for name, steps in self.table(node, "workflows").items():
            if name in names:
                self.problem(
                    steps, f"workflow '{name}' has the name of a command", "rename one", key=True
                )
            for step in self.items(steps, f"workflow '{name}'"):
                text = self.text(step, f"step of workflow '{name}'")
                if text and text not in names:
                    hint = did_you_mean(text, names) or (
                        f"the commands are: {', '.join(names)}" if names else "define it"
                    )
                    self.problem(
                        step,
                        f"workflow '{name}' names the command '{text}', which is not defined",
                        hint,
                    )
            values = steps.value if isinstance(steps.value, list) else []
            workflows.append(
                Workflow(name, tuple(str(step.value) for step in values), steps.position[0])
            )
        return tuple(workflows)

    def asset(self, item: Node) -> Asset | None:
        if not self.mapping(item, schema_keys.ASSET):
            return None
        entries = item.value
        self.known_keys(item, schema_keys.ASSET, "asset")
        dest = self.path(entries["dest"], schema_keys.ASSET.keys["dest"].role)
        extra = self.flag(entries.get("extra"), "extra")
        git = self.git(entries.get("git"))
        url = self.optional(entries.get("url"), "url")
        if git and url:
            self.warn(entries["url"], "'url' is ignored where there is 'git'", "remove one")
        checksum = self.checksum(entries.get("checksum"))
        if dest is None:
            return None
        return Asset(
            dest=dest,
            url=None if git else url,
            git=git,
            checksum=checksum,
            description=self.line_of_text(entries.get("description")),
            extra=extra,
            line=entries["dest"].position[0],
        )

    def git(self, node: Node | None) -> GitSource | None:
        if node is None:
            return None
        if not isinstance(node.value, dict):
            self.problem(
                node, "'git' is not a mapping", "write 'repo:', 'path:', 'branch:' below it"
            )
            return None
        self.known_keys(node, schema_keys.GIT, "git")
        for key in schema_keys.GIT.required:
            if key not in node.value:
                self.problem(node, f"a git asset without '{key}'", _GIT_HINTS[key])
                return None
        texts = {key: self.optional(node.value.get(key), key) for key in schema_keys.GIT.keys}
        for key, text in texts.items():
            if text and environment_names(text):
                self.unsafe(
                    node.value[key],
                    f"an environment variable in a git asset's '{key}' would be recorded",
                    "let Git's own credential helper know the password",
                )
        if not texts["repo"]:
            self.problem(node.value["repo"], "'repo' is empty", "give the repository's address")
            return None
        return GitSource(texts["repo"], texts["path"] or "", texts["branch"] or None)

    def checksum(self, node: Node | None) -> Checksum | None:
        text = self.optional(node, "checksum")
        if node is None or not text:
            return None
        if not _CHECKSUM.fullmatch(text.strip()):
            self.problem(
                node,
                f"{text!r} is not a checksum",
                "write the 32 digits of an md5, or 'sha256:' and its 64 digits",
            )
            return None
        algorithm, _, digest = text.strip().rpartition(":")
        return Checksum(algorithm or "md5", digest.lower())

    # Small shapes.

    def items(self, node: Node | None, name: str) -> list[Node]:
        if node is None:
            return []
        if isinstance(node.value, list):
            return node.value
        if node.value is None:
            self.problem(
                node, f"'{name}' has nothing in it", "remove it, or list what it is for", key=True
            )
        elif isinstance(node.value, str):
            self.problem(
                node,
                f"'{name}' is a text, not a list",
                f"write it as a list: ['{node.value}']",
                key=True,
            )
        else:
            self.problem(node, f"'{name}' is not a list", "begin each item with '- '", key=True)
        return []

    def mapping(self, item: Node, table: schema_keys.KeyTable) -> bool:
        noun, needed = table.noun, table.required[0]
        if not isinstance(item.value, dict):
            self.problem(item, f"this {noun} is not a mapping", f"begin it with '- {needed}: '")
            return False
        if needed not in item.value:
            close = closest_name(needed, item.value)
            hint = f"write '{needed}' for '{close}'" if close else f"add '{needed}:'"
            self.problem(item, f"this {noun} has no '{needed}'", hint)
            return False
        return True

    def known_keys(self, node: Node, table: schema_keys.KeyTable, owner: str) -> None:
        for key, inner in node.value.items():
            if key in table.keys:
                continue
            what, hint = f"{owner} has an unknown key '{key}'", did_you_mean(key, table.keys)
            if table.closed:
                hint = hint or f"the keys are: {', '.join(table.keys)}"
                self.problem(inner, what, hint, key=True)
            else:
                self.warn(inner, what, hint)

    def flag(self, node: Node | None, name: str) -> bool:
        if node is not None and not isinstance(node.value, bool):
            self.problem(node, f"'{name}' is neither true nor false", f"write '{name}: true'")
        return node is not None and node.value is True

    def text(self, node: Node, name: str) -> str:
        if isinstance(node.value, str) and node.value:
            return node.value
        if node.value in (None, ""):
            self.problem(node, f"{name} is empty", "give it a value, or remove it")
        elif isinstance(node.value, (dict, list)):
            self.problem(node, f"{name} is not a text", "put the line in quotes")
        else:
            self.problem(node, f"{name} is {yaml.to_plain(node)!r}, not a text", "put it in quotes")
        return ""

    def optional(self, node: Node | None, name: str) -> str | None:
        if node is None or node.value is None or node.value == "":
            return None
        return self.text(node, name)

    def line_of_text(self, node: Node | None) -> str:
        """A text for people: a number will do."""

        if node is None or node.value is None:
            return ""
        if isinstance(node.value, (dict, list)):
            self.problem(node, "not a text", "put the line in quotes")
            return ""
        return str(node.value)

    def paths(
        self, entries: dict[str, Node], table: schema_keys.KeyTable, name: str
    ) -> tuple[ProjectPath, ...]:
        role = table.keys[name].role
        found = (self.path(item, role) for item in self.items(entries.get(name), name))
        return tuple(path for path in found if path)

    def path(self, node: Node, role: str) -> ProjectPath | None:
        text = self.text(node, role)
        if not text:
            return None
        if environment_names(text):
            self.unsafe(
                node,
                f"an environment variable in {role} {text!r} would end in project.lock",
                "use a variable of 'vars' and override it: --vars.name VALUE",
            )
            return None
        found = paths.parse_path(text, role)
        if isinstance(found, ProjectPath):
            return found
        self.unsafe(node, found.message, found.hint)
        return None
