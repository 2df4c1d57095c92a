"""Complete command lines: `git-spacy complete WORD…`, which the completion scripts of shells call.

The last word is the one being typed; it may be empty. Prints one candidate per line, followed by a
tab and a description. Reads project.yml and names from Git, never runs anything of the project, and
prints nothing on errors. It runs at each TAB, so slow modules such as click are imported only to
complete options and subcommands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from git_spacy.cli.registry import ARGUMENTS, COMMANDS, summary
from git_spacy.errors import escape_controls

if TYPE_CHECKING:
    import click

    from git_spacy.project.model import Project

Candidate = tuple[str, str]
"""A word and its description."""


def main(words: Sequence[str]) -> int:
    """Print the candidates for the last of `words`, which are those after `git spacy`.

    Always returns 0, since a shell shows no errors during completion.
    """

    try:
        if len(words) == 2 and words[0] == "--path":
            sys.stdout.write(f"{script_path(words[1])}\n")
            return 0
        text = "".join(
            f"{word}\t{description}\n"
            for word, description in _printable(candidates(words, Path.cwd()))
        )
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt):  # not even a bug may garble the prompt
        return 0
    return 0


def script_path(shell: str) -> Path:
    """Return the installed completion script for `shell` (bash, zsh or fish). Raises KeyError."""

    return Path(sys.prefix, "share", FILES[shell])


def candidates(words: Sequence[str], start: Path) -> Iterator[Candidate]:
    """Yield the candidates for the last of `words` in the folder `start`."""

    *before, current = words or [""]
    while before[:1] == ["-C"] and len(before) > 1:
        start = start / before[1]
        before = before[2:]
    if before[:1] == ["project"]:  # `git spacy project run`, as with spaCy
        before = before[1:]
    return (
        candidate
        for candidate in _all_candidates(before, current, start)
        if candidate[0].startswith(current) and candidate[0] != ""
    )


def _all_candidates(before: Sequence[str], current: str, start: Path) -> Iterable[Candidate]:
    if not before:
        return _options(()) if current.startswith("-") else _command_names()
    if before == ["-C"]:
        return ()
    arguments = ARGUMENTS.get(before[0])
    command = tuple(before[:2]) if isinstance(arguments, dict) else (before[0],)
    if isinstance(arguments, dict):
        if len(command) == 1:
            return _options(command) if current.startswith("-") else _subcommands(command[0])
        arguments = arguments.get(command[1])
    if current.startswith("--vars."):
        return _variables(start, "--vars.", "")
    if "--" not in before:
        if (
            before[-1].startswith("-")
            and (values := _values(command, before[-1], start)) is not None
        ):
            return values
        option, has_value, _ = current.partition("=")
        if option.startswith("--") and has_value:
            values = _values(command, option, start) or ()
            return ((f"{option}={value}", description) for value, description in values)
        if current.startswith("-"):
            return _options(command)
    if command == ("show",) and "--log" in before:
        names: Iterable[Candidate] = _logged(start)
    else:
        names = CANDIDATES[arguments](start) if arguments else ()
    # a name that looks like an option is offered only after "--"
    return names if "--" in before else (name for name in names if not name[0].startswith("-"))


def _command_names() -> Iterator[Candidate]:
    return ((name, summary(name)) for name in COMMANDS)


def _click_command(names: Sequence[str]) -> click.Command | None:
    import click

    from git_spacy.cli.group import group

    command: click.Command | None = group
    for name in names:
        if not isinstance(command, click.Group):
            return None
        command = command.get_command(click.Context(command), name)
    return command


def _subcommands(group_name: str) -> Iterator[Candidate]:
    commands = getattr(_click_command((group_name,)), "commands", {})
    return (
        (name, command.get_short_help_str(70))
        for name, command in commands.items()
        if not command.hidden
    )


def _options(names: Sequence[str]) -> Iterator[Candidate]:
    from git_spacy.cli.command_class import OverridingCommand

    command = _click_command(names)
    for parameter in command.params if command else ():
        description = getattr(parameter, "help", "") or ""
        if getattr(parameter, "hidden", False) or parameter.param_type_name != "option":
            continue
        for name in (*parameter.opts, *parameter.secondary_opts):
            yield name, description
    if isinstance(command, OverridingCommand):
        yield "--vars.", "Override a variable in project.yml."
        yield "--set", "Override a variable in project.yml."
    yield "--help", "Show the man page."


def _values(names: Sequence[str], option: str, start: Path) -> Iterable[Candidate] | None:
    """Return the possible values of an option; None if it takes no value."""

    if option in VALUES:
        return VALUES[option](start)
    if option.startswith("--vars."):
        return () if "=" not in option else None
    for parameter in getattr(_click_command(names), "params", ()):
        if option in parameter.opts and not parameter.is_flag:
            return ((choice, "") for choice in getattr(parameter.type, "choices", ()))
    return None


def _project(start: Path) -> Project:
    from git_spacy.project import loader

    return loader.load(loader.find(start), {})


def _workflows(start: Path) -> Iterator[Candidate]:
    for workflow in _project(start).workflows:
        yield workflow.name, "workflow: " + ", ".join(workflow.steps)


def _commands(start: Path) -> Iterator[Candidate]:
    for command in _project(start).commands:
        yield command.name, command.help


def _runnable(start: Path) -> Iterator[Candidate]:
    yield from _workflows(start)
    yield from _commands(start)


def _assets(start: Path) -> Iterator[Candidate]:
    for asset in _project(start).assets:
        yield str(asset.dest), asset.description


def _variables(start: Path, prefix: str = "", suffix: str = "=") -> Iterator[Candidate]:
    def flatten(table: Mapping[str, object], path: str) -> Iterator[Candidate]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from flatten(value, f"{path}{name}.")
            else:
                yield f"{prefix}{path}{name}{suffix}", str(value)

    from git_spacy.project import loader

    document = loader.resolve_document(loader.read_bytes(loader.find(start)))
    return flatten(document.get("variables") or document["vars"], "")


def _matrix_variables(start: Path) -> Iterator[Candidate]:
    return _variables(start, "vars.")


def _templates(start: Path) -> Iterator[Candidate]:  # noqa: ARG001
    from git_spacy import templates

    return ((name, "embedded template") for name in templates.template_names())


def _remotes(start: Path) -> Iterator[Candidate]:
    from git_spacy.git.settings import read_settings

    for remote in _project(start).remotes:
        yield remote.name, "from project.yml"
    for name in read_settings(start):
        if name.startswith("spacy.remote.") and name.endswith(".url"):
            yield name[len("spacy.remote.") : -len(".url")], "from git config"


def _shareable(start: Path) -> Iterator[Candidate]:
    """Yield what push and pull accept: remotes, and names that stand for outputs."""

    yield from _remotes(start)
    commands = {command.name: command for command in _project(start).commands if command.outputs}
    for workflow in _project(start).workflows:
        if not commands.keys().isdisjoint(workflow.steps):
            yield workflow.name, "the outputs of " + ", ".join(workflow.steps)
    for name, command in commands.items():
        yield name, command.help or "a command"
        yield from ((path.text, f"output of {name}") for path in command.outputs)


def _git_output(start: Path, *arguments: str) -> list[str]:
    from git_spacy.git.repository import Repository

    repository = Repository.discover(start)
    return (
        repository.run_git(arguments).stdout.decode("utf-8", "replace").split()
        if repository
        else []
    )


def _git_remotes(start: Path) -> Iterator[Candidate]:
    return ((name, "") for name in _git_output(start, "remote"))


def _revisions(start: Path) -> Iterator[Candidate]:
    yield "HEAD", ""
    arguments = ("for-each-ref", "--format=%(refname:strip=2)", "refs/heads", "refs/tags")
    yield from ((name, "") for name in _git_output(start, *arguments))


def _revisions_and_runs(start: Path) -> Iterator[Candidate]:
    """Yield revisions, and the newest runs that no commit holds."""

    from itertools import islice

    from git_spacy.cli.context import CommandContext
    from git_spacy.history import commit_runs
    from git_spacy.history.run_ids import short_run_id
    from git_spacy.project.matrix import to_cli

    yield from _revisions(start)
    repository, _, folder = CommandContext(start).open_history()
    history = commit_runs.read_history(repository, folder, experiments=True)
    for run in (run for commit in islice(history, 8) for run in reversed(commit.runs)):
        if run.is_experiment:
            variables = (f"{name}={to_cli(value)}" for name, value in run.record.vars.items())
            yield short_run_id(run.record), " ".join((run.record.command, *variables))


def _logged(start: Path) -> Iterator[Candidate]:
    """Yield what `show --log` accepts."""

    yield from _runnable(start)
    yield from _revisions_and_runs(start)


def _checks(start: Path) -> Iterator[Candidate]:  # noqa: ARG001
    return ((name, "") for name in ("project", "assets", "lock", "generated", "outputs", "all"))


def _jobs(start: Path) -> Iterator[Candidate]:
    from git_spacy.jobs.submitted_jobs import submitted_jobs
    from git_spacy.project import project_file

    root = project_file.find(start)
    return ((job.id, job.typed) for job in submitted_jobs(root, lambda _: None))


def _integrations(start: Path) -> Iterable[Candidate]:  # noqa: ARG001
    from git_spacy.setup.integrations import INTEGRATIONS

    return ((name, integration.summary) for name, integration in INTEGRATIONS.items())


def _init_steps(start: Path) -> Iterable[Candidate]:  # noqa: ARG001
    from git_spacy.setup.changes import STEPS

    return STEPS.items()


def _printable(all_candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield each printable candidate once, with its description in one printable line.

    Invisible and unassigned Unicode characters are not offered, since shells quote them in
    different ways.
    """

    seen = set()
    for word, description in all_candidates:
        if word not in seen and word.isprintable():
            seen.add(word)
            yield word, escape_controls(" ".join(description.split()))


FILES = {
    "bash": "bash-completion/completions/git-spacy",
    "zsh": "zsh/site-functions/_git-spacy",
    "fish": "fish/vendor_completions.d/git-spacy.fish",
}
# what completes arguments (see ARGUMENTS in cli/registry.py) → the candidates
CANDIDATES: dict[str, Callable[[Path], Iterable[Candidate]]] = {
    "assets": _assets,
    "checks": _checks,
    "commands and workflows": _runnable,
    "Git remotes": _git_remotes,
    "jobs": _jobs,
    "remotes and outputs": _shareable,
    "revisions": _revisions,
    "revisions and runs": _revisions_and_runs,
    "steps": _init_steps,
    "integrations": _integrations,
    "templates": _templates,
    "workflows": _workflows,
}
# option → the candidates for its value, where click does not know them
VALUES: dict[str, Callable[[Path], Iterable[Candidate]]] = {
    "--set": _variables,
    "--matrix": _matrix_variables,
    "--search": _matrix_variables,
    "--command": _commands,
    "--compare": _revisions_and_runs,
    "--remote": _remotes,
}
