"""Load project.yml into a `Project`, or raise one error with all problems of the file.

Both dialects are supported: `variables:` with `{NAME}` (the specification) and `vars:`/`env:` with
`${vars.name}` (weasel; spaCy 3.7 and later). The result is immutable and contains no YAML nodes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.light_typing import Any, NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project import (
    cycles,
    documents,
    paths,
    resources,
    schema_keys,
    source_map,
    variables_table,
    workflows,
)
from git_spacy.project.diagnostics import closest_name
from git_spacy.project.documents import Node
from git_spacy.project.model import (
    Asset,
    Checksum,
    Command,
    GitSource,
    Project,
    RemoteConfig,
    ScriptSource,
)  # fmt: skip
from git_spacy.project.node_reader import NodeReader, type_name
from git_spacy.project.params import Param, parse_params
from git_spacy.project.paths import ProjectPath
from git_spacy.project.project_file import PROJECT_FILE as PROJECT_FILE
from git_spacy.project.project_file import find as find
from git_spacy.project.project_text import ProjectText
from git_spacy.project.project_text import read_bytes as read_bytes
from git_spacy.project.source_map import SourceMap
from git_spacy.project.unset_paths import find_unset
from git_spacy.project.variables import (
    VariableError,
    Variables,
    apply_overrides,
    environment_names,
)  # fmt: skip

_GIT_HINTS = {
    "repo": "add 'repo:' with the URL of the repository",
    "path": "add 'path:'; use '' for the whole repository",
}
_CHECKSUM = compile_late(schema_keys.CHECKSUM)
_QUOTING = compile_late(r"""['"\\]""")


class LoadedProject(NamedTuple):
    """A project, its document and the positions of its items in the file.

    `document` is the content of project.yml with variables substituted, as weasel resolves it. Use
    it only for printing and comparing. `params` are the variables that have another value in
    params.yaml, which counts.
    """

    project: Project
    document: dict[str, Any]
    source_map: SourceMap
    params: tuple[Param, ...] = ()


def load(root: Path, overrides: Mapping[str, Any] | None = None) -> Project:
    """Load the project in the folder `root`.

    `overrides` replace the values of variables. Raises InvalidInput or Refused with all problems
    of the file.
    """

    return load_with_document(root, overrides).project


def load_with_document(root: Path, overrides: Mapping[str, Any] | None = None) -> LoadedProject:
    """Load the project in the folder `root` with its document and source map."""

    return parse(read_bytes(root), overrides)


def parse(
    data: bytes, overrides: Mapping[str, Any] | None = None, file: str = PROJECT_FILE
) -> LoadedProject:
    """Parse the content of a project.yml; `file` is its name in error messages.

    The values of the params.yaml of a `ProjectText` replace those of the variables, and `overrides`
    replace both. Raises InvalidInput or Refused with all problems of the files.
    """

    try:
        return _parse(data, overrides or {}, file)
    except InvalidInput as error:
        if overrides or any(problem.file != file for problem in error.problems):
            raise
        from git_spacy.project import slips  # only needed for an invalid file

        problems = slips.with_edits(error.problems, data, partial(_warnings, file))
        raise InvalidInput.from_problems(problems) from None


def _warnings(file: str, data: bytes) -> tuple[Diagnostic, ...]:
    return _parse(data, {}, file).project.warnings


def _parse(data: bytes, overrides: Mapping[str, Any], file: str) -> LoadedProject:
    reader, root = _substituted(data, overrides, file)
    project = reader.project(root)
    if reader.problems:
        raise reader.error()
    return LoadedProject(project, _document(root), source_map.build_source_map(root), reader.params)


def resolve_document(data: bytes, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the document with its variables substituted, without validating keys or paths.

    Weasel calls this the resolved project. Raises InvalidInput for invalid YAML and for unknown
    variables.
    """

    reader, root = _substituted(data, overrides or {}, PROJECT_FILE)
    if reader.problems:
        raise reader.error()
    return _document(root)


def lookup(document: Mapping[str, Any], name: str) -> Any:
    """Return the value of a variable, by its full name, in what `resolve_document` returns."""

    value: Any = document
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _substituted(data: bytes, overrides: Mapping[str, Any], file: str) -> tuple[_Reader, Node]:
    node, problems = documents.parse(data, file)
    reader = _Reader(file, problems, data.params if isinstance(data, ProjectText) else None)
    if node is None or not isinstance(node.value, dict):
        if not problems:
            reader.problem(
                Node(None, 1, 1),
                "the file is empty"
                if node is None or node.value is None
                else f"the file must be a mapping, not {type_name(node)}",
                "add a top-level key: 'title:', 'assets:', 'commands:' or 'workflows:'",
            )
        raise reader.error()
    return reader, reader.substitute(reader.with_known_keys(node), overrides)


def _document(root: Node) -> dict[str, Any]:
    entries: dict[str, Any] = documents.to_plain(root)
    entries.setdefault("vars", {})
    entries.setdefault("env", {})
    return entries


def _any_text(node: Node | None) -> str:
    """Return a value that may be anything as text; "" if it is missing."""

    return "" if node is None or node.value is None else str(node.value)


class _Reader(NodeReader):
    """Reads the sections of a project.yml."""

    def __init__(self, file: str, problems: list[Diagnostic], params: bytes | None = None) -> None:
        super().__init__(file, problems)
        self._params_text = params
        self.params: tuple[Param, ...] = ()
        self.environment: dict[str, str] = {}
        self._variables = Variables({}, (), braces=False)
        self._raw: dict[tuple[int, int], str] = {}
        """The texts with references, by position, as they are in the file."""
        self.has_all_commands = True

    def with_known_keys(self, root: Node) -> Node:
        """Report top-level keys that are clearly misspelt, e.g. 'Commands'.

        Return the document with the right ones, so that what they contain is read.
        """

        names = schema_keys.PROJECT.keys
        entries = {}
        for key, node in root.value.items():
            closest = None if key in names else closest_name(key, names, cutoff=0.9)
            if closest is None or closest in root.value:
                entries[key] = node
            else:
                message = f"unknown key '{key}' at the top level"
                self.problem(node, message, f"rename '{key}' to '{closest}'", at_key=True)
                entries[closest] = node
        return root._replace(value=entries)

    # Variables come first: everything else is read after substitution.

    def substitute(self, root: Node, overrides: Mapping[str, Any]) -> Node:
        """Return the tree with every variable reference replaced by its value."""

        tables = {name: self.table(root.value.get(name), name) for name in ("vars", "variables")}
        definitions: dict[str, Node] = {}
        for name, table in tables.items():
            variables_table.flatten(name, table, definitions)
        for name, node in self.table(root.value.get("env"), "env").items():
            if text := self.text(node, f"env.{name}"):
                self.environment[name] = text
        leaves = {name: documents.to_plain(node) for name, node in definitions.items()}
        leaves = apply_overrides({**leaves, **self._read_params(definitions)}, overrides)
        self._variables = variables = Variables(
            leaves, self.environment, braces="variables" in root.value
        )
        values: dict[str, Any] = {}
        for name, node in definitions.items():
            values[name] = self._or_problem(node, partial(variables.definition, name))
            self._warn_of_slips(node, values[name])
            if warning := variables_table.digits_warning(node):
                self.warn(node, *warning)
        entries = {
            key: variables_table.with_values(node, key, values)
            if key in tables
            else node
            if key == "env"
            else self._substitute_node(node, variables, in_list=False)
            for key, node in root.value.items()
        }
        return root._replace(value=entries)

    def _read_params(self, definitions: Mapping[str, Node]) -> dict[str, Any]:
        """Return the values of variables that differ in params.yaml, by full name."""

        if self._params_text is None:
            return {}
        self.params, problems, warnings = parse_params(self._params_text, definitions)
        self.problems += problems
        self.warnings += warnings
        return {param.name: param.value for param in self.params}

    def _substitute_node(self, node: Node, variables: Variables, *, in_list: bool) -> Node:
        if isinstance(node.value, dict):
            return node._replace(
                value={
                    key: self._substitute_node(inner, variables, in_list=in_list)
                    for key, inner in node.value.items()
                }
            )
        if isinstance(node.value, list):
            return node._replace(
                value=[
                    self._substitute_node(inner, variables, in_list=True) for inner in node.value
                ]
            )
        if not isinstance(node.value, str):
            return node
        if "{" in node.value:
            self._raw[node.line, node.column] = node.value
        value = self._or_problem(node, lambda: variables.fill(node.value, in_list=in_list))
        self._warn_of_slips(node, value)
        return variables_table.as_node(value, node)._replace(written=node.value)

    def _warn_of_slips(self, node: Node, filled: Any) -> None:
        """Warn of what is meant as a reference but stays as it is, e.g. '{vars.x}'."""

        if isinstance(node.value, str) and ("{" in node.value or "$" in node.value):
            for slip, reference in self._variables.unread_references(node.value, filled).items():
                message = f"'{slip}' is not replaced by the value of a variable"
                self.warn(node, message, f"write {reference}")

    def _or_problem(self, node: Node, resolve: Callable[[], Any]) -> Any:
        """Return the result of `resolve`; if it fails, report that and return the raw value."""

        try:
            return resolve()
        except VariableError as error:
            if error.message:
                self.problem(node, error.message, error.hint)
            return documents.to_plain(node)

    # The sections of a project.

    def project(self, root: Node) -> Project:
        entries: dict[str, Node] = root.value
        self.check_keys(root, schema_keys.PROJECT, "at the top level")
        commands = self.commands(entries.get("commands"))
        directories, unset = self.paths(entries, schema_keys.PROJECT, "directories")
        self.warnings += (problem._replace(severity="warning") for problem in unset)
        assets = [self.asset(item) for item in self.items(entries.get("assets"), "assets")]
        project = Project(
            title=self.display_text(entries.get("title")),
            description=self.display_text(entries.get("description")),
            environment=self.environment,
            directories=directories,
            assets=tuple(asset for asset in assets if isinstance(asset, Asset)),
            commands=commands,
            workflows=workflows.read_workflows(
                self, entries.get("workflows"), commands, complete=self.has_all_commands
            ),
            remotes=tuple(
                RemoteConfig(name, url)
                for name, node in self.table(entries.get("remotes"), "remotes").items()
                if (url := self.text(node, f"remote '{name}'"))
            ),
            warnings=(),
            resources=resources.read_resources(
                self, entries.get("resources"), schema_keys.RESOURCES, commands
            ),
            keep_outputs=frozenset(
                workflows.read_command_names(self, entries.get("keep_outputs"), commands)
            ),
            spacy_version=_any_text(entries.get("spacy_version")),
            check_requirements=_any_text(entries.get("check_requirements")) != "False",
            unset=tuple(asset for asset in assets if isinstance(asset, Diagnostic)),
            license=self.license(entries.get("license")),
        )
        return project._replace(warnings=tuple(self.warnings))

    def commands(self, node: Node | None) -> tuple[Command, ...]:
        commands: dict[str, Command] = {}
        nodes: dict[str, Node] = {}
        bare_name: Node | None = None
        for item in self.items(node, "commands"):
            nameless = isinstance(item.value, dict) and item.value and "name" not in item.value
            if (
                nameless
                and bare_name is not None
                and set(item.value) <= set(schema_keys.COMMAND.keys)
            ):
                key, first = next(iter(item.value.items()))
                self.problem(
                    item,
                    f"'{key}' starts a new list item, but belongs to command"
                    f" '{documents.to_plain(bare_name)}' on line {bare_name.line}",
                    f"on line {first.position[0]}, remove the dash and indent '{key}' like 'name'",
                )
                continue
            command = self.command(item)
            if command is None:
                self.has_all_commands = False
                continue
            name = item.value["name"]
            if set(item.value) <= {"name", "help"}:
                bare_name = name
            if earlier := commands.get(command.name):
                self.problem(
                    name,
                    f"command '{command.name}' is already defined on line {earlier.line}",
                    "rename one of them",
                )
            else:
                commands[command.name] = command
                nodes[command.name] = item
        for node_, message, hint in cycles.cycle_warnings(list(commands.values()), nodes):
            self.warn(node_, message, hint)
        return tuple(commands.values())

    def command(self, item: Node) -> Command | None:
        if not self.check_mapping(item, schema_keys.COMMAND):
            return None
        entries = item.value
        name = self.text(entries["name"], "name")
        self.check_keys(item, schema_keys.COMMAND, f"in command '{name}'")
        no_skip = self.flag(entries.get("no_skip"), "no_skip")
        if not name:
            return None
        typed = f"git spacy run {shlex.quote(name)}"
        paths, unset = zip(
            *(
                self.paths(entries, schema_keys.COMMAND, key, typed)
                for key in ("deps", "outputs", "outputs_no_cache")
            ),
            strict=True,
        )
        script = self.script(entries.get("script"), name)
        return Command(
            name=name,
            help=self.display_text(entries.get("help")),
            script=tuple(text for text, _ in script),
            deps=paths[0],
            outputs=paths[1],
            outputs_no_cache=paths[2],
            no_skip=no_skip,
            line=entries["name"].position[0],
            unset=tuple(chain.from_iterable(unset)),
            script_sources=tuple(source for _, source in script),
        )

    def script(self, node: Node | None, name: str) -> list[tuple[str, ScriptSource]]:
        """Return the script lines of the command `name`, and how they are written."""

        lines = []
        for item in self.items(node, "script"):
            line = self.text(item, f"script line of '{name}'")
            if not line:
                continue
            try:
                if not (shlex.split(line) if _QUOTING.search(line) else line.strip(" \t\r\n")):
                    self.problem(item, f"a script line of '{name}' is blank", "remove the line")
            except ValueError as error:
                self.problem(
                    item,
                    f"a script line of '{name}' has {str(error).lower()}",
                    "close the quote",
                )
            lines.append((line, ScriptSource(item.written or line, item.line, item.column)))
        return lines

    def asset(self, item: Node) -> Asset | Diagnostic | None:
        if not self.check_mapping(item, schema_keys.ASSET):
            return None
        entries = item.value
        self.check_keys(item, schema_keys.ASSET, "in this asset")
        role = schema_keys.ASSET.keys["dest"].role
        dest = self.path(entries["dest"], role, "git spacy assets")
        extra = self.flag(entries.get("extra"), "extra")
        git = self.git(entries.get("git"))
        url = self.optional_text(entries.get("url"), "url")
        if git and url:
            self.warn(entries["url"], "'url' is ignored because of 'git'", "remove one of them")
        checksum = self.checksum(entries.get("checksum"))
        extract = self.flag(entries.get("extract"), "extract")
        if extract and not (git or url):
            hint = "add the path of the archive as 'url', or remove 'extract'"
            self.warn(entries["extract"], "'extract' is ignored without 'url' or 'git'", hint)
        if not isinstance(dest, ProjectPath):
            return dest
        return Asset(
            dest=dest,
            url=None if git else url,
            git=git,
            checksum=checksum,
            description=self.display_text(entries.get("description")),
            extra=extra,
            line=entries["dest"].position[0],
            extract=extract and bool(git or url),
            license=self.license(entries.get("license")),
        )

    def git(self, node: Node | None) -> GitSource | None:
        if node is None:
            return None
        if not isinstance(node.value, dict):
            self.problem(
                node,
                f"'git' must be a mapping, not {type_name(node)}",
                "write 'repo:' and 'path:' lines below it, indented",
            )
            return None
        self.check_keys(node, schema_keys.GIT, "in 'git'")
        for key in schema_keys.GIT.required:
            if key not in node.value:
                self.problem(node, f"'git' has no '{key}'", _GIT_HINTS[key])
                return None
        texts = {key: self.optional_text(node.value.get(key), key) for key in schema_keys.GIT.keys}
        for key, text in texts.items():
            if text and environment_names(text):
                self.refuse(
                    node.value[key],
                    f"the value of an environment variable in '{key}' would be recorded",
                    "remove it, and store passwords in a Git credential helper",
                )
        if not texts["repo"]:
            self.problem(node.value["repo"], "'repo' is empty", "add the URL of the repository")
            return None
        return GitSource(texts["repo"], texts["path"] or "", texts["branch"] or None)

    def checksum(self, node: Node | None) -> Checksum | None:
        text = self.optional_text(node, "checksum")
        if node is None or not text:
            return None
        if not _CHECKSUM.fullmatch(text.strip()):
            self.problem(
                node,
                f"invalid checksum {text!r}",
                "use the 32 hexadecimal digits of an MD5, or 'sha256:' and 64 digits",
            )
            return None
        algorithm, _, digest = text.strip().rpartition(":")
        return Checksum(algorithm or "md5", digest.lower())

    def paths(
        self,
        entries: dict[str, Node],
        table: schema_keys.KeyTable,
        name: str,
        command_line: str = "git spacy run NAME",
    ) -> tuple[tuple[ProjectPath, ...], list[Diagnostic]]:
        """Return the paths of a list, and the reasons why others have no value yet."""

        role = table.keys[name].role
        parsed = [
            self.path(item, role, command_line) for item in self.items(entries.get(name), name)
        ]
        paths = tuple(path for path in parsed if isinstance(path, ProjectPath))
        return paths, [path for path in parsed if isinstance(path, Diagnostic)]

    def path(self, node: Node, role: str, command_line: str) -> ProjectPath | Diagnostic | None:
        """Return a path, the reason why it has no value yet, or None after reporting a problem.

        `command_line` is the command that needs it, to which values of variables can be added.
        """

        text = self._raw.get((node.line, node.column), node.value)
        if unset := find_unset(self._variables, text, role, command_line):
            return Diagnostic(*unset, self.file, node.line, node.column)
        text = self.text(node, role)
        if not text:
            return None
        if environment_names(text):
            self.refuse(
                node,
                f"an environment variable in {role} {text!r} would be recorded in project.lock",
                "use a variable under 'vars', and override it with --vars.NAME VALUE",
            )
            return None
        parsed = paths.parse_path(text, role)
        if isinstance(parsed, ProjectPath):
            return parsed
        self.refuse(node, parsed.message, parsed.hint)
        return None
