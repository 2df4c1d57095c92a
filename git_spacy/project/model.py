"""The project as understood: plain frozen values, variables filled in, paths checked.

Text may still hold `${env.NAME}` where project.yml has it in a script or an asset's URL: the value
of an environment variable is filled in when it is used and kept nowhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from git_spacy.project.paths import ProjectPath


class Checksum(NamedTuple):
    """`algorithm` is md5 or sha256; `digest` is lower-case hexadecimal. For a directory: of the
    contents of its files, sorted by path, one after the other (weasel's rule)."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return self.digest if self.algorithm == "md5" else f"{self.algorithm}:{self.digest}"


class GitSource(NamedTuple):
    """A file or folder of a Git repository. `path` "" is all of it; `branch` None its own HEAD."""

    repo: str
    path: str
    branch: str | None


class Asset(NamedTuple):
    """Data to fetch to `dest` from `url` (http, https or a path) or `git`; with neither it is
    private: somebody has to put it there. `line` is where project.yml names it."""

    dest: ProjectPath
    url: str | None
    git: GitSource | None
    checksum: Checksum | None
    description: str
    extra: bool
    line: int


class Command(NamedTuple):
    """A named list of script lines, what they read and what they make. A variant of one has some
    variables set otherwise (project.matrix) and is called as one would type it after `run`;
    `variant_of` is the name that project.yml has, "" for the command itself."""

    name: str
    help: str
    script: tuple[str, ...]
    deps: tuple[ProjectPath, ...]
    outputs: tuple[ProjectPath, ...]
    outputs_no_cache: tuple[ProjectPath, ...]
    no_skip: bool
    line: int
    variant_of: str = ""

    @property
    def cli_name(self) -> str:
        """What to type to run it."""

        return f"git spacy run {self.name if self.variant_of else shlex.quote(self.name)}"

    @property
    def produced(self) -> tuple[ProjectPath, ...]:
        """All outputs, in the order of project.lock."""

        return self.outputs + self.outputs_no_cache


class Workflow(NamedTuple):
    """Command names to run in order."""

    name: str
    steps: tuple[str, ...]
    line: int


class RemoteConfig(NamedTuple):
    """Where outputs are kept for others."""

    name: str
    url: str


class Resources(NamedTuple):
    """What a command needs of a machine; None and nothing: it does not say. `memory` is in bytes,
    `custom` what clusters have of their own, by name."""

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    accelerator_type: str | None = None
    custom: tuple[tuple[str, float], ...] = ()


class Project(NamedTuple):
    """Everything project.yml says. `environment` maps the names of `${env.NAME}` to variables of
    the process's environment; `warnings` are remarks that refuse nothing; `resources` are those
    of commands, by name."""

    title: str
    description: str
    environment: dict[str, str]
    directories: tuple[ProjectPath, ...]
    assets: tuple[Asset, ...]
    commands: tuple[Command, ...]
    workflows: tuple[Workflow, ...]
    remotes: tuple[RemoteConfig, ...]
    warnings: tuple[str, ...]
    resources: Mapping[str, Resources] = MappingProxyType({})

    def command(self, name: str) -> Command | None:
        return next((command for command in self.commands if command.name == name), None)

    def workflow(self, name: str) -> Workflow | None:
        return next((workflow for workflow in self.workflows if workflow.name == name), None)

    def resources_for(self, command: Command) -> Resources:
        """What `command` needs of a machine; a variant needs what its command does."""

        return self.resources.get(command.variant_of or command.name, Resources())
