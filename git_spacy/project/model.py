"""The parsed project: immutable values with variables substituted and paths validated.

Scripts and asset URLs may still contain `${env.NAME}`: the values of environment variables are
substituted on use and never stored.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from git_spacy.errors import Diagnostic
from git_spacy.light_typing import NamedTuple
from git_spacy.project.paths import ProjectPath


class Checksum(NamedTuple):
    """The expected checksum of an asset.

    `algorithm` is "md5" or "sha256", and `digest` is lower-case hexadecimal. The checksum of a
    directory is that of its files' contents, concatenated in the order of their paths, as in
    weasel.
    """

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return self.digest if self.algorithm == "md5" else f"{self.algorithm}:{self.digest}"


class GitSource(NamedTuple):
    """A file or folder of a Git repository.

    An empty `path` is the whole repository; a `branch` of None is the repository's HEAD.
    """

    repo: str
    path: str
    branch: str | None


class Asset(NamedTuple):
    """Data to be fetched to `dest` from `url` (http, https or a path) or from `git`.

    An asset with neither is private: the user copies it there. `line` is that of `dest` in
    project.yml. With `extract`, the source is an archive or a compressed file: `checksum` is that
    of the source, and `dest` has its content.
    """

    dest: ProjectPath
    url: str | None
    git: GitSource | None
    checksum: Checksum | None
    description: str
    extra: bool
    line: int
    extract: bool = False
    license: str = ""

    @property
    def has_source(self) -> bool:
        """Whether the asset is fetched; a private one is not."""

        return bool(self.url or self.git)

    @property
    def content_checksum(self) -> Checksum | None:
        """The checksum of what is at `dest`; None if it is not known."""

        return None if self.extract else self.checksum


class ScriptSource(NamedTuple):
    """A script line as it is written in project.yml, before substitution, and its position."""

    written: str
    line: int
    column: int


class Command(NamedTuple):
    """A project command: its script lines, dependencies and outputs.

    A variant (see `project.matrix`) is named after the command line that runs it, and
    `variant_of` is the name of the command in project.yml; for other commands it is empty. While
    paths have no value, as with an empty variable, they are left out, and `unset` says why the
    command cannot run. `script_sources` has an item for each line of `script`.
    """

    name: str
    help: str
    script: tuple[str, ...]
    deps: tuple[ProjectPath, ...]
    outputs: tuple[ProjectPath, ...]
    outputs_no_cache: tuple[ProjectPath, ...]
    no_skip: bool
    line: int
    variant_of: str = ""
    unset: tuple[Diagnostic, ...] = ()
    script_sources: tuple[ScriptSource, ...] = ()

    @property
    def cli_name(self) -> str:
        """The command line that runs the command."""

        return f"git spacy run {self.name if self.variant_of else shlex.quote(self.name)}"

    @property
    def produced(self) -> tuple[ProjectPath, ...]:
        """All outputs, cached and uncached, in the order of project.lock."""

        return self.outputs + self.outputs_no_cache


class Workflow(NamedTuple):
    """A named sequence of commands.

    `steps` has the commands of the workflows that it contains, and `nested` the names of those.
    """

    name: str
    steps: tuple[str, ...]
    line: int
    nested: tuple[str, ...] = ()


class RemoteConfig(NamedTuple):
    """A remote of project.yml, to which outputs can be pushed."""

    name: str
    url: str


class Timeout(NamedTuple):
    """The longest time that a script may run: in seconds, and as a text for messages. `line` and
    `column` are its position in project.yml."""

    seconds: float
    text: str
    line: int
    column: int


class Resources(NamedTuple):
    """The machine resources that a command requests, and its limits; None if not specified.

    `memory` is in bytes. `custom` maps the names of a cluster's custom resources to amounts.
    `retries` is how often the command is repeated if it fails.
    """

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    accelerator_type: str | None = None
    custom: tuple[tuple[str, float], ...] = ()
    timeout: Timeout | None = None
    retries: int | None = None


class Project(NamedTuple):
    """The contents of project.yml.

    `environment` maps the names in `${env.NAME}` to environment variables, and `resources` maps
    command names to the resources that they request. `warnings` are what the loader noticed, and
    `unset` says which assets have a destination without a value; they are left out.
    `spacy_version` has version specifiers, e.g. ">=3.7,<4", or is empty; `check_requirements` says
    whether requirements.txt must be met. The commands in `keep_outputs` find the outputs of their
    earlier runs.
    """

    title: str
    description: str
    environment: dict[str, str]
    directories: tuple[ProjectPath, ...]
    assets: tuple[Asset, ...]
    commands: tuple[Command, ...]
    workflows: tuple[Workflow, ...]
    remotes: tuple[RemoteConfig, ...]
    warnings: tuple[Diagnostic, ...]
    resources: Mapping[str, Resources] = MappingProxyType({})
    spacy_version: str = ""
    check_requirements: bool = True
    keep_outputs: frozenset[str] = frozenset()
    unset: tuple[Diagnostic, ...] = ()
    license: str = ""

    @property
    def committed(self) -> list[ProjectPath]:
        """The outputs that are meant to be in Git, without those inside another of them."""

        unique = {path.normal: path for one in self.commands for path in one.outputs_no_cache}
        return [
            path
            for path in unique.values()
            if not any(other.holds(path) for other in unique.values() if other is not path)
        ]

    def command(self, name: str) -> Command | None:
        """Return the command called `name`, or None."""

        return next((command for command in self.commands if command.name == name), None)

    def workflow(self, name: str) -> Workflow | None:
        """Return the workflow called `name`, or None."""

        return next((workflow for workflow in self.workflows if workflow.name == name), None)

    def resources_for(self, command: Command) -> Resources:
        """Return the resources and limits of `command`; a variant has those of its command."""

        return self.resources.get(command.variant_of or command.name, Resources())
