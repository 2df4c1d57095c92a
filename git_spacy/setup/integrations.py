"""Add an integration, e.g. Weights & Biases, to an existing project.

The pieces come from the template integrations/NAME: commands and variables from its project.yml,
whose paths are replaced by those of the project, scripts, and lines of requirements.txt.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy import templates
from git_spacy.errors import InvalidInput, Refused
from git_spacy.files import open_beneath, write_beneath
from git_spacy.generate.ignore import FILE as IGNORE_FILE
from git_spacy.git.index import Index
from git_spacy.git.repository import prefix
from git_spacy.project import documents, loader, yaml
from git_spacy.project.add_entries import Entry, with_entries
from git_spacy.project.edit_yaml import TextValue, read_positions
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.setup.training import Training, find_training

REQUIREMENTS = "requirements.txt"
_MAX_BYTES = 4 << 20
_VARIABLE = re.compile(r"\$\{vars\.(\w+)\}")
_PACKAGE = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_SHARED_VARIABLES = ("lang", "seed", "gpu_id")  # every template has them, and most projects


class Integration(NamedTuple):
    """The pieces of a template that are added to other projects.

    `commands` maps the names in the template to those in the project. `settings` are files that
    are kept as they are if they exist, `packages` lines of requirements.txt, and `ignored` lines of
    .gitignore. `workflow` is the name of one that runs all the commands. The values of the
    variables `unsure` are those of the template, and rarely right elsewhere.
    """

    summary: str
    commands: Mapping[str, str]
    scripts: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    workflow: str = ""
    unsure: tuple[str, ...] = ()


INTEGRATIONS = {
    "dvc": Integration(
        "Manage data and models with DVC.",
        {
            "repository": "dvc-repository",
            **{f"dvc-{step}": f"dvc-{step}"
               for step in ("init", "remote", "yaml", "repro", "push", "pull")},
        },
        ("scripts/dvc_setup.py",), packages=("dvc", "typer"), workflow="dvc-setup",
    ),
    "fastapi": Integration(
        "Serve the model with a REST API.",
        {"serve": "serve"},
        tuple(f"scripts/{name}.py" for name in ("serve", "api", "batching", "limits", "measuring")),
        packages=(
            "fastapi", "fastapi-offline", "prometheus-client", "uvicorn", "pydantic", "typer",
        ),
    ),
    "prodigy": Integration(
        "Correct the model's suggestions in Prodigy, and export them.",
        {"annotate": "annotate", "data-to-spacy": "data-to-spacy"},
        unsure=("dataset", "labels"),
    ),
    "ray": Integration(
        "Evaluate the model in parallel with Ray.",
        {"parallel-evaluate": "parallel-evaluate"},
        ("scripts/parallel_evaluate.py",), packages=("ray", "typer"),
    ),
    "streamlit": Integration(
        "Try the model in a browser.",
        {"visualize": "visualize"},
        ("scripts/check_models.py", "scripts/visualize.py"), (".streamlit/config.toml",),
        ("spacy-streamlit", "streamlit"),
    ),
    "wandb": Integration(
        "Log trainings to Weights & Biases.",
        {"config": "wandb-config", "train": "wandb-train"},
        ("scripts/add_wandb.py", "scripts/run_link.py"),
        packages=("spacy-loggers", "wandb", "typer"), ignored=("/wandb/",),
    ),
}  # fmt: skip


class FileEdit(NamedTuple):
    """A file of the project before and after; `before` is None for a new one."""

    name: str
    before: bytes | None
    after: bytes


class Plan(NamedTuple):
    """What adding an integration changes. `edits` is empty if the project has it already.

    `names` are those of the added workflow and commands, `missing` the variables whose values
    project.yml does not tell, and `kept` the settings that exist with other contents.
    """

    edits: tuple[FileEdit, ...]
    names: tuple[str, ...]
    missing: tuple[str, ...]
    kept: tuple[str, ...]
    training: Training


def plan_integration(root: Path, data: bytes, name: str, label: str | None = None) -> Plan:
    """Return the changes that add the integration `name` to the project with this project.yml.

    With `label`, its commands, variables and scripts are named after that. Raises Refused if the
    project has other commands, variables or files of these names.
    """

    if name not in INTEGRATIONS:
        raise InvalidInput(
            f"unknown integration '{name}'; known: {', '.join(INTEGRATIONS)}",
            hint="git spacy add --list",
        )
    plan, conflicts = _plan(root, data, name, label)
    if not conflicts:
        return plan
    used = [f"{label or name}{number}" for number in ("", *range(2, 10))]
    free = next((other for other in used if not _plan(root, data, name, other)[1]), "")
    raise Refused(
        f"'{name}' would replace {', '.join(conflicts)}",
        hint=f"use other names: git spacy add {name} --as {free}" if free else "",
        file=PROJECT_FILE,
    )


def _plan(root: Path, data: bytes, name: str, label: str | None) -> tuple[Plan, list[str]]:
    integration = INTEGRATIONS[name]
    node, _ = yaml.parse_document(data, PROJECT_FILE)
    document = (documents.to_plain(node) if node else None) or {}
    training = find_training(document)
    pieces = _Pieces(name, label, training, document, root.name)
    entries, conflicts = _new_entries(document, [*pieces.commands(), *pieces.workflows()])
    names = [entry.key for entry in sorted(entries, key=lambda entry: entry.section != "workflows")]
    if entries:
        variables, others = _new_entries(document, pieces.variables())
        entries, conflicts = [*variables, *entries], [*conflicts, *others]
    edits: list[FileEdit] = []
    kept: list[str] = []
    for source, target in pieces.files():
        before = _read(root, target)
        after = (templates.template_folder(f"integrations/{name}") / source).read_bytes()
        if before is None:
            edits.append(FileEdit(target, None, after))
        elif before != after and source in integration.settings:
            kept.append(target)
        elif before != after and entries:  # else, the user has changed it since it was added
            conflicts.append(f"the file '{target}'")
    for file, change in ((REQUIREMENTS, _with_requirements), (IGNORE_FILE, _with_ignored)):
        before = _read(root, file)
        after = change(before or b"", name, integration)
        if after != (before or b""):
            edits.append(FileEdit(file, before, after))
    if entries and not conflicts:
        edits.append(FileEdit(PROJECT_FILE, data, with_entries(data, entries)))
    return Plan(tuple(edits), tuple(names), tuple(pieces.missing), tuple(kept), training), conflicts


def _new_entries(
    document: Mapping[str, Any], entries: list[Entry]
) -> tuple[list[Entry], list[str]]:
    """Return the entries that are new, and the names of those that exist with other values."""

    new, conflicts = [], []
    for entry in entries:
        section = document.get(entry.section) or {}
        if entry.section == "commands":
            section = {item["name"]: item for item in section if isinstance(item, dict)}
        if entry.key not in section:
            new.append(entry)
        elif section[entry.key] != entry.value():
            conflicts.append(f"the {entry.section.rstrip('s')} '{entry.key}'")
    if any(entry.section == "commands" for entry in new):
        taken = {*(document.get("workflows") or {})}
        conflicts += [f"the workflow '{e.key}'" for e in new
                      if e.section == "commands" and e.key in taken]  # fmt: skip
    return new, conflicts


class _Pieces:
    """The entries and files of an integration, with the names and paths of a project."""

    def __init__(
        self, name: str, label: str | None, training: Training, document: Mapping[str, Any],
        title: str,
    ) -> None:  # fmt: skip
        self.name, self.label, self.training = name, label, training
        self.integration = INTEGRATIONS[name]
        self.own = document.get("vars") or {}
        self.title = title
        self.missing: list[str] = []
        data = (templates.template_folder(f"integrations/{name}") / PROJECT_FILE).read_bytes()
        self.text = data.decode()
        self.template, _ = read_positions(self.text)
        self.paths = self._paths()

    def _paths(self) -> dict[str, str]:
        """Map the paths in the template to those of the project, longest first."""

        found, model = self.training, self.training.model
        config = found.config or self._unknown("config")
        folder = posixpath.dirname(found.config) if found.config else "configs"
        own = {
            "corpus/train.spacy": found.train_corpus or self._unknown("train_corpus"),
            "corpus/dev.spacy": found.dev_corpus or self._unknown("dev_corpus"),
            "assets/comments_raw.jsonl": self._unknown("texts"),
            "configs/wandb.cfg": posixpath.join(folder, "wandb.cfg"),
            "configs/config.cfg": config,
            "training/model-best": model or self._unknown("model"),
        }
        if self.name == "wandb":  # a training beside the one without Weights & Biases
            own["training/model-best"] = f"{self._own_output()}/model-best"
        return own

    def _own_output(self) -> str:
        suffix = self.label or self.name
        return f"{self.training.output or 'training'}-{suffix}"

    def _unknown(self, name: str) -> str:
        return f"${{vars.{self._variable(name)}}}"

    def _variable(self, name: str) -> str:
        if name in _SHARED_VARIABLES:
            return name
        label = re.sub(r"\W", "_", self.label or self.name)
        return f"{label}_{name.removeprefix(f'{self.name}_')}"

    def _command(self, name: str) -> str:
        own = self.integration.commands[name]
        return f"{self.label}-{own.removeprefix(f'{self.name}-')}" if self.label else own

    def _file(self, name: str) -> str:
        folder, base = posixpath.split(name)
        if self.label and name in self.integration.scripts:
            return f"{folder}/{self.label}/{base}"
        return name

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the files of the template, and where they are in the project."""

        for name in (*self.integration.scripts, *self.integration.settings):
            yield name, self._file(name)

    def commands(self) -> list[Entry]:
        """Return the commands."""

        _, listed = self.template.entries["commands"]
        found = {item.entries["name"][1].event.value: item for item in listed.items}
        return [
            Entry("commands", self._command(name), self._adapted(name, found[name]))
            for name in self.integration.commands
        ]

    def workflows(self) -> list[Entry]:
        """Return the workflow, if the integration has one."""

        if not self.integration.workflow:
            return []
        name = f"{self.label}-setup" if self.label else self.integration.workflow
        steps = "".join(f"  - {self._command(step)}\n" for step in self.integration.commands)
        return [Entry("workflows", name, f"{name}:\n{steps}")]

    def _adapted(self, name: str, item: TextValue) -> str:
        """Return the text of a command, with the names and paths of the project."""

        text = self._block(item.start, item.end)
        text = re.sub(rf"name: {name}\b", f"name: {self._command(name)}", text, count=1)
        for script in self.integration.scripts:
            text = text.replace(script, self._file(script))
        if self.name == "wandb" and name == "train":
            text = self._with_own_options(text)
        if self.name == "dvc":
            workflow = self.training.workflow
            text = text.replace("git spacy dvc all", f"git spacy dvc {shlex.quote(workflow)}"
                                if workflow else "git spacy dvc")  # fmt: skip
            text = text.replace("each command of 'all'", "each command")
        text = text.replace("${vars.models}", "training/model-best")
        for path, own in self.paths.items():
            text = text.replace(path, own)
        return _VARIABLE.sub(self._with_own_name, text)

    def _with_own_name(self, match: re.Match[str]) -> str:
        """Return the variable's name in the project, unless it is one of the project already."""

        _, variables = self.template.entries["vars"]
        known = match[1] in variables.entries
        return f"${{vars.{self._variable(match[1])}}}" if known else match[0]

    def _with_own_options(self, text: str) -> str:
        """Return the training with the options and dependencies of the project's own one."""

        found = self.training
        options = " ".join(found.options) or (
            "--paths.train corpus/train.spacy --paths.dev corpus/dev.spacy"
        )
        if "'" not in options:  # a line break in quotes would be another text
            lines = textwrap.wrap(options, 90, break_long_words=False, break_on_hyphens=False)
            options = "\n      ".join(lines)
        if found.code:
            text = text.replace(
                "python -m spacy", f"env RUN_LINK_CODE={found.code}\n      python -m spacy"
            )
        text = text.replace("--output training ", f"--output {self._own_output()} ")
        start = text.index("--paths.train")
        end = text.index("\n  deps:")
        text = f"{text[:start]}{options}{text[end:]}"
        if found.command:
            deps = [f"    - {json.dumps(path, ensure_ascii=False)}\n" for path in found.deps]
            own = '    - "corpus/train.spacy"\n    - "corpus/dev.spacy"\n'
            text = text.replace(own, "".join(deps))
        return text

    def variables(self) -> list[Entry]:
        """Return the variables that the commands use, and that the project does not define."""

        used = dict.fromkeys(
            name for entry in self.commands() for name in _VARIABLE.findall(entry.text)
        )
        _, section = self.template.entries["vars"]
        known = {self._variable(name): name for name in section.entries}
        entries = []
        for name in used:
            if name in self.own and (name in _SHARED_VARIABLES or name not in known):
                continue
            if name in known:
                key, value = section.entries[known[name]]
                text = self._block(key.start_mark.index, value.end)
                text = re.sub(rf"^{known[name]}:", f"{name}:", text, flags=re.MULTILINE)
                text = text.replace('"ner_fashion"', json.dumps(self.title, ensure_ascii=False))
                if known[name] in (*_SHARED_VARIABLES, *self.integration.unsure):
                    self.missing.append(name)
            else:
                text = self._unknown_value(name)
                self.missing.append(name)
            entries.append(Entry("vars", name, text))
        return entries

    def _unknown_value(self, name: str) -> str:
        """Return a variable for what project.yml does not tell."""

        purpose, example = next(
            (value for key, value in _UNKNOWN.items() if self._variable(key) == name),
            ("a variable that is not defined", ""),
        )
        return f'{name}: "{example}" # set this: {purpose}\n'

    def _block(self, start: int, end: int) -> str:
        """Return whole lines of the template with the comments above them, without indentation."""

        first = self.text.rfind("\n", 0, start) + 1
        while (above := self.text.rfind("\n", 0, first - 1) + 1) < first and self.text[
            above:first
        ].lstrip().startswith("#"):
            first = above
        last = self.text.find("\n", len(self.text[:end].rstrip()))
        lines = self.text[first : last if last > 0 else len(self.text)].splitlines()
        return "".join(f"{line[2:]}\n" for line in lines)


_UNKNOWN = {
    "config": ("the training config", "configs/config.cfg"),
    "train_corpus": ("the corpus to train on", "corpus/train.spacy"),
    "dev_corpus": ("the corpus to evaluate on", "corpus/dev.spacy"),
    "model": ("the trained model", "training/model-best"),
    "texts": ("the texts to annotate", "assets/texts.jsonl"),
}


def _with_requirements(text: bytes, name: str, integration: Integration) -> bytes:
    """Return requirements.txt with the lines of the template for packages that it lacks."""

    folder = templates.template_folder(f"integrations/{name}")
    lines = (folder / REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    listed = {_package(line) for line in _lines(text)}
    wanted = set(integration.packages) - listed
    return _with_lines(text, [line for line in lines if _package(line) in wanted])


def _with_ignored(text: bytes, _name: str, integration: Integration) -> bytes:
    """Return .gitignore with the lines of the integration."""

    listed = {line.strip().strip("/") for line in _lines(text)}
    return _with_lines(
        text, [line for line in integration.ignored if line.strip("/") not in listed]
    )


def _lines(text: bytes) -> list[str]:
    return text.decode("utf-8", "replace").splitlines()


def _with_lines(text: bytes, new: list[str]) -> bytes:
    newline = b"\r\n" if b"\r\n" in text else b"\n"
    if new and text and not text.endswith(b"\n"):
        text += newline
    return text + b"".join(line.encode() + newline for line in new)


def _package(line: str) -> str:
    found = _PACKAGE.match(line)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def _read(root: Path, name: str) -> bytes | None:
    try:
        with open_beneath(root, name) as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) > _MAX_BYTES:
        raise InvalidInput(f"'{name}' is larger than {_MAX_BYTES >> 20} MiB")
    return data


def check_undo(root: Path, edits: tuple[FileEdit, ...], cwd: Path) -> str:
    """Return the command line that undoes the edits from `cwd`, "" outside a repository.

    Raises Refused where that would lose changes: in a file that Git does not have as it is.
    """

    index = Index.discover(root)
    if index is None:
        return ""
    folder = prefix(root, index.top)
    changed = [edit.name for edit in edits if edit.before is not None]
    names = {folder + edit.name: edit.name for edit in edits}
    tracked = {entry.name for entry in index.entries(list(names))}
    edited = index.edited([folder + name for name in changed])
    hidden = [name for path, name in names.items() if name not in changed and path in tracked]
    if hidden:
        raise Refused(
            f"'{hidden[0]}' is in Git, but not in the worktree",
            hint=f"git restore --ignore-skip-worktree-bits -- {' '.join(map(shlex.quote, hidden))}",
        )
    unstaged = [name for name in changed if folder + name in edited | (set(names) - tracked)]
    if unstaged:
        raise Refused(
            f"undoing the addition would lose what is not staged: {', '.join(unstaged)}",
            hint=f"git add -- {' '.join(map(shlex.quote, unstaged))}",
        )
    new = [os.path.relpath(root / edit.name, cwd) for edit in edits if edit.before is None]
    is_inside = index.top in (cwd, *cwd.parents)
    start = "git" if is_inside else f"git -C {shlex.quote(os.path.relpath(root, cwd))}"
    names_to_restore = [os.path.relpath(root / n, cwd) if is_inside else n for n in changed]
    commands = {f"{start} restore": names_to_restore, "rm": new}
    return " && ".join(
        f"{command} -- {' '.join(map(shlex.quote, names))}"
        for command, names in commands.items()
        if names
    )


def apply(root: Path, plan: Plan) -> None:
    """Write the files, project.yml last: an interrupted addition can be repeated.

    Raises InvalidInput before anything is written if the new project.yml would be invalid.
    """

    for edit in plan.edits:
        if edit.name == PROJECT_FILE:
            loader.parse(edit.after)
    for edit in plan.edits:
        write_beneath(root, edit.name, edit.after, parents=True)
