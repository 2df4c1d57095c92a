"""Check the documents: what they tell readers to type is run, what they list is complete.

A block of `console` is a session in a real shell; all blocks of a document are one session. A block
of `sh` has commands that the test named in `RUN_BY` runs, or says in its first line that no test
runs them. Blocks in other languages contain no commands.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from git_spacy.cli.group import group
from git_spacy.cli.registry import COMMANDS
from git_spacy.errors import EXIT_CODES
from git_spacy.generate import registry
from git_spacy.lock import lock_format
from git_spacy.project import loader, schema_keys
from git_spacy.run.requirements import satisfies
from tests.testing import console
from tests.testing.hooks import REFUSED, two_projects
from tests.testing.projects import CopyOf, Spacy, on_path, project
from tests.testing.repositories import GIT, git, write

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
DOCUMENTS = {
    path.relative_to(DOCS if path.is_relative_to(DOCS) else REPOSITORY).as_posix(): path
    for path in (
        *sorted(DOCS.rglob("*.md")), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md",
    )
}  # fmt: skip
THIS_FILE = "tests/test_documents.py"
NOT_RUN = "# not run by the tests: "
# Documents with blocks of `sh` or transcripts that are not typed here, and the tests that run them.
RUN_BY = {
    "README.md": THIS_FILE,
    "how-to/ci.md": "tests/state/test_results.py",
    "how-to/editor.md": THIS_FILE,
    "how-to/from-weasel.md": "tests/cli/test_weasel_compat.py",
    "how-to/generated-files.md": THIS_FILE,
    "how-to/hooks.md": THIS_FILE,
    "how-to/install.md": THIS_FILE,
    "how-to/integrations.md": "tests/integrations/test_shared.py",
    "how-to/parallel.md": THIS_FILE,
    "how-to/ray.md": THIS_FILE,
    "how-to/remotes.md": THIS_FILE,
    "how-to/restore.md": THIS_FILE,
    "how-to/set-up-a-repository.md": THIS_FILE,
    "how-to/variants.md": THIS_FILE,
    "tutorial/train-a-model.md": "tests/test_quickstart.py",
}


SESSIONS = (  # each in an empty folder
    "tutorial/first-steps.md", "how-to/archives.md", "how-to/report.md",
    "how-to/run-history.md", "how-to/template-updates.md",
)  # fmt: skip


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put git-spacy, its hook and `python` on the PATH, as in an environment that has git-spacy."""

    source, python = str(REPOSITORY), sys.executable
    run = "import sys; from git_spacy.hook import main; sys.exit(main())"
    text = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{python}' -c '{run}' \"$@\"\n"
    write(tmp_path / "bin", {"git-spacy-hook*": text})
    os.symlink(python, tmp_path / "bin/python")
    on_path(tmp_path / "bin", monkeypatch)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_prints_what_the_document_shows(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    session = console.session(DOCUMENTS[name])
    results = console.run_commands([step.command for step in session], folder)
    assert len(results) == len(session)
    for step, (code, lines) in zip(session, results, strict=True):
        assert console.matches_document(step.shown, lines), (step.command, step.shown, lines)
        shows_error = any(": error: " in line or line.startswith("error: ") for line in step.shown)
        assert (code != 0) == shows_error, (step.command, lines)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_block_is_run_by_a_test_or_marked(name: str) -> None:
    for language, text in console.fences(DOCUMENTS[name]):
        assert language, f"{name}: a block without a language: {text[:60]}"
        if text.startswith(NOT_RUN):
            continue
        if language in ("console", "sh") and name not in SESSIONS:
            runner = RUN_BY.get(name)
            assert runner, f"{name}: no test runs this block: {text[:60]}"
            # this file also has the name in RUN_BY
            assert (REPOSITORY / runner).read_text().count(name) > (runner == THIS_FILE)
        elif language not in ("console", "sh"):
            assert not re.search(r"^\$ ", text, re.MULTILINE)


def test_the_readme_is_short() -> None:
    assert len(DOCUMENTS["README.md"].read_text().splitlines()) < 120


def test_the_reference_of_project_yml_lists_every_key() -> None:
    text = DOCUMENTS["reference/project-yml.md"].read_text()
    sections = dict(re.findall(r"^##+ (.*?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    for title, table in {
        "The project": schema_keys.PROJECT, "Assets": schema_keys.ASSET, "git": schema_keys.GIT,
        "Commands": schema_keys.COMMAND, "Resources": schema_keys.RESOURCES,
    }.items():  # fmt: skip
        rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", sections[title], re.MULTILINE)
        assert sorted(key for key, _ in rows) == sorted(table.keys), title
        required = {key for key, meaning in rows if meaning.endswith("Required.")}
        assert title == "Commands" or required == set(table.required)
    assert "`name` | The name for `run` and for workflows. Required." in sections["Commands"]


def test_the_examples_of_project_yml_are_valid_projects() -> None:
    blocks = [
        text
        for language, text in console.fences(DOCUMENTS["reference/project-yml.md"])
        if language == "yaml"
    ]
    today, first, archive = (loader.parse(text.encode()).project for text in blocks)
    assert today.warnings == first.warnings == archive.warnings == ()
    assert archive.assets[0].extract
    assert today.commands[0].script[0].endswith("--dropout 0.2")
    assert first.commands[0].outputs[0].text == "training/fashion"
    used = {line.split(":")[0].strip(" -") for line in blocks[0].splitlines()}
    assert set(schema_keys.COMMAND.keys) - used == {"no_skip"}


def test_the_example_of_project_lock_is_formatted_byte_for_byte() -> None:
    (block,) = [
        text
        for language, text in console.fences(DOCUMENTS["reference/run-records.md"])
        if language == "yaml"
    ]
    assert lock_format.text(lock_format.parse(block.encode())) == block.encode()


def test_the_reference_lists_every_exit_code() -> None:
    text = DOCUMENTS["reference/exit-codes.md"].read_text()
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert listed == {*EXIT_CODES, 127}


def test_the_reference_lists_every_command() -> None:
    text = DOCUMENTS["reference/commands.md"].read_text()
    listed = re.findall(r"`git spacy ([a-z]+)[^`]*`(?=[^|]*\| )", text)
    assert set(listed) - {"project"} == set(COMMANDS)


def test_the_examples_of_errors_are_what_git_spacy_prints(tmp_path: Path, spacy: Spacy) -> None:
    lines = "\n" * 10 + "assets:\n  - dest: .git/x\n    url: https://example.com/x\n"
    done = spacy("check", "project", cwd=project(tmp_path / "p", lines))
    (example,) = [
        text
        for language, text in console.fences(DOCUMENTS["reference/commands.md"])
        if language == "text"
    ]
    assert done.out == example

    text = "commands: [{name: x, script: [python -m nosuchmodule]}]"
    root = project(tmp_path / "q", text, {"requirements.txt": "nosuchmodule\n"})
    (example,) = [
        text
        for language, text in console.fences(DOCUMENTS["how-to/integrations.md"])
        if language == "text" and ": error: " in text
    ]
    example = example.replace("streamlit run …", "nosuchmodule").replace(
        "streamlit", "nosuchmodule"
    )
    assert spacy("run", "x", cwd=root).err.endswith(example)


def test_a_page_with_every_option_is_generated_for_each_command() -> None:
    pages = runpy.run_path(str(REPOSITORY / "scripts/command_pages.py"))
    commands = pages["commands"]()
    assert set(commands) == set(COMMANDS)
    for name, command in commands.items():
        text = pages["page"](name, command)
        assert text.startswith(f"# git spacy {name}\n")
        subcommands = command.commands.values() if isinstance(command, click.Group) else ()
        for option in (*command.params, *(each for sub in subcommands for each in sub.params)):
            if isinstance(option, click.Option) and not option.hidden and "-h" not in option.opts:
                assert option.opts[-1] in text, (name, option.opts)


def test_the_architecture_shows_every_package_and_names_modules_that_exist() -> None:
    text = DOCUMENTS["explanation/architecture.md"].read_text()
    root = REPOSITORY / "git_spacy"
    packages = {path.name + "/" for path in root.iterdir() if (path / "__init__.py").exists()}
    assert {package for package in packages if package not in text} == {"templates/"}
    for name in re.findall(r"`((?:\w+/)*\w+\.py)`", text.replace("git_spacy/", "")):
        if name.startswith("tests/"):
            continue
        assert (root / name).exists(), name


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command or subcommand that `words` begin with, and the other words."""

    command: click.Command | None = group
    rest = list(words)
    while isinstance(command, click.Group) and rest and re.fullmatch("[a-z-]+", rest[0]):
        command = command.get_command(click.Context(command), rest.pop(0))
    assert command is not None, words
    return command, rest


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_and_option_that_a_document_names_exists(name: str) -> None:
    for line in re.findall(r"`git spacy ([a-z][^`]*)`", DOCUMENTS[name].read_text()):
        words = re.split(r"[\s|]+", line.replace("[", "").replace("]", "").partition(" && ")[0])
        if words[0] in ("project", "count"):  # weasel's commands; the example of CONTRIBUTING.md
            continue
        command, rest = find_command(words)
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        variables = ("--vars.", "--set")
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        unknown = {
            option for option in used - known - {"--help"} if not option.startswith(variables)
        }
        assert unknown == set(), line


def test_sessions_are_compared_strictly_except_for_ids_dates_and_durations() -> None:
    seen = ["a1b2c3d Less", "  2026-11-24 10:03  train  45 s  x", "more", "end"]
    assert console.matches_document(
        ("e5f6a7b Less", "  2025-01-02 11:11  train  3.1 s   x", "...", "end"), seen
    )
    assert console.matches_document((), seen)
    assert console.matches_document(("...", "more", "..."), seen)
    assert not console.matches_document(("e5f6a7b More", "..."), seen)
    assert not console.matches_document(("a1b2c3d Less",), seen)
    assert not console.matches_document(("...", "more"), seen)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_documents_lead_to_files_and_headings(name: str) -> None:
    document = DOCUMENTS[name]
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", document.read_text()):
        if "://" in target:
            continue
        linked = document.parent / target if target else document
        assert linked.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert heading in map(anchor, titles), f"{target}#{heading}"


def anchor(title: str) -> str:
    """Return the anchor of a heading, as Git hosts and mkdocs make it."""

    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


# The commands that the documents tell readers to type


def blocks(document: str, language: str) -> list[str]:
    """Return the text of every block of code in this language."""

    text = (REPOSITORY / "docs" / document).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """README.md: install, then clone, enter and run a template. (test_quickstart.py installs.)"""

    on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    install, first = blocks("../README.md", "sh")
    assert install == "pip install .\n"
    done = shell(f"set -e; {first}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("ran 2, skipped 0\n")


def test_the_project_of_the_readme_runs(first_steps: Path) -> None:
    (text,) = blocks("../README.md", "yaml")
    (first_steps / "project.yml").write_text(text)
    assert len(text.splitlines()) <= 12
    assert shell("git spacy run all", first_steps).stderr.endswith("ran 2, skipped 0\n")


@pytest.fixture
def clone_without_data(tmp_path: Path, copy_of: CopyOf, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clone a repository with two projects that were run; their outputs are not in Git."""

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    copy_of(two_projects, tmp_path / "r")
    git(tmp_path, "clone", "-q", "r", "clone")
    assert not (tmp_path / "clone/one/model").exists()
    return tmp_path / "clone"


@pytest.fixture
def first_steps(tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what `git spacy clone first_steps` gives to a reader, with git-spacy on the PATH."""

    return clone_template("first_steps", tmp_path, spacy, monkeypatch)


def clone_template(name: str, folder: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clone a packaged template into `folder`."""

    on_path(folder / "bin", monkeypatch)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    assert spacy("clone", name, cwd=folder).code == 0
    return folder / name


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell."""

    return subprocess.run(
        ("sh", "-c", line), cwd=folder, capture_output=True, text=True, check=False
    )


def run_lines(text: str, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run each line of a block; every one must succeed."""

    results = []
    for line in text.splitlines():
        results.append(shell(line, folder))
        assert results[-1].returncode == 0, (line, results[-1].stdout, results[-1].stderr)
    return results


def ci_jobs() -> dict[str, list[str]]:
    """Return the commands of each job in docs/how-to/ci.md except those that install."""

    github, gitlab, *_ = (yaml.safe_load(block) for block in blocks("how-to/ci.md", "yaml"))
    steps: list[dict[str, Any]] = github["jobs"]["check"]["steps"]
    jobs = {
        "github": [step["run"] for step in steps if "run" in step],
        "gitlab": gitlab["spacy-project"]["script"],
    }
    return {
        name: [line for line in lines if not line.startswith(("pip ", "git clone "))]
        for name, lines in jobs.items()
    }


def test_ci_jobs_only_install_and_check() -> None:
    assert ci_jobs() == {
        "github": ["git spacy check --format github"],
        "gitlab": ["git spacy check --format gitlab > git-spacy.json"],
    }


@pytest.mark.parametrize("job", ["github", "gitlab"])
def test_a_ci_job_passes_if_the_lock_matches_and_fails_if_it_is_stale(
    clone_without_data: Path, job: str
) -> None:
    for line in ci_jobs()[job]:
        done = shell(line, clone_without_data)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    REFUSED["git-spacy-lock"][0](clone_without_data)
    for line in ci_jobs()[job]:
        done = shell(line, clone_without_data)
        assert done.returncode == 1
    if job == "github":
        assert done.stdout.startswith("::error file=one/project.lock,line=6,col=7,")
    else:
        (problem,) = json.loads((clone_without_data / "git-spacy.json").read_text())
        assert problem["location"] == {"path": "one/project.lock", "lines": {"begin": 6}}


def test_the_configuration_for_pre_commit_names_our_hooks() -> None:
    (config,) = (yaml.safe_load(block) for block in blocks("how-to/hooks.md", "yaml"))
    (source,) = config["repos"]
    every, *others = (hook["id"] for hook in HOOKS)
    assert [hook["id"] for hook in source["hooks"]] == [every]
    text = (REPOSITORY / "docs/how-to/hooks.md").read_text()
    assert all(f"`{other}`" in text for other in others)


@pytest.mark.parametrize("number", [0, 1])
def test_both_ways_to_install_the_hooks_refuse_a_stale_lock(
    clone_without_data: Path, number: int
) -> None:
    lines = blocks("how-to/hooks.md", "sh")[number]
    (clone_without_data / ".git/hooks/pre-commit").write_text("#!/bin/sh\necho before >&2\n")
    (clone_without_data / ".git/hooks/pre-commit").chmod(0o755)
    assert shell(lines, clone_without_data).returncode == 0
    REFUSED["git-spacy-lock"][0](clone_without_data)
    done = subprocess.run(
        (GIT, "commit", "-am", "x"),
        cwd=clone_without_data, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "before"
    assert REFUSED["git-spacy-lock"][1] in done.stderr


def test_the_schema_is_written_and_editors_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    write, _ = blocks("how-to/editor.md", "sh")
    first, hooks = blocks("how-to/editor.md", "yaml")
    (settings,) = blocks("how-to/editor.md", "json")
    assert shell(write, tmp_path).returncode == 0
    (name,) = [path.name for path in tmp_path.iterdir()]
    assert shell("git spacy schema --check", tmp_path).returncode == 0
    assert first.startswith(f"# yaml-language-server: $schema={name}\n")
    assert loader.parse(first.encode()).project.title == "A project"
    assert list(json.loads(settings)["yaml.schemas"]) == [f"./{name}"]
    (hook,) = yaml.safe_load(hooks)["repos"][0]["hooks"]
    assert hook["entry"].endswith(f" --schemafile {name}")
    assert re.search(hook["files"], "a/project.yml")
    assert not re.search(hook["files"], "a/my-project.yml")


def test_files_for_other_tools_are_generated(first_steps: Path) -> None:
    found = blocks("how-to/generated-files.md", "sh")
    lines = "".join(text for text in found if not text.startswith(NOT_RUN))
    run_lines(lines, first_steps)
    git(first_steps, "add", "-A")
    assert {".gitignore", "README.md", "dvc.yaml", "docs/project.md", "docs/graph.svg"} <= set(
        git(first_steps, "ls-files").splitlines()
    )
    assert shell("git spacy check generated", first_steps).returncode == 0
    commands = set(re.findall(r"git spacy (\w+)", lines))
    assert commands == set(registry.GENERATORS) - {"schema"}  # docs/how-to/editor.md has that


def test_outputs_are_restored(first_steps: Path) -> None:
    run_lines("".join(blocks("how-to/restore.md", "sh")), first_steps)


def test_the_hint_for_a_stale_lock_is_the_one_of_the_template() -> None:
    """test_quickstart.py holds the same line with the real template."""

    text = (REPOSITORY / "docs/how-to/hooks.md").read_text()
    assert "hint: git spacy run train evaluate package\n" in text


def test_outputs_are_pushed_to_a_remote_and_pulled(first_steps: Path) -> None:
    lines, settings = blocks("how-to/remotes.md", "sh")
    *before, pull = lines.splitlines()
    pushed = run_lines("\n".join(before), first_steps)[-1]
    assert re.search(r"^pushed 1, ", pushed.stderr, re.MULTILINE)
    (first_steps / "corpus/counts.json").unlink()
    assert re.search(r"^pulled 1, ", shell(pull, first_steps).stderr, re.MULTILINE)
    assert shell("git spacy run all", first_steps).stderr.endswith("ran 0, skipped 2\n")
    run_lines(settings, first_steps)
    assert "unknown setting" not in shell("git spacy config", first_steps).stderr
    (example,) = blocks("how-to/remotes.md", "yaml")
    project = loader.parse(example.encode()).project
    assert [remote.name for remote in project.remotes] == ["default", "backup"]


def test_every_documented_remote_names_its_package() -> None:
    from git_spacy.storage.fsspec_remote import EXTRAS, PACKAGES
    from git_spacy.storage.remote import SCHEMES

    text = (REPOSITORY / "docs/how-to/remotes.md").read_text()
    documented = dict(re.findall(r"\| `(\w+)://[^|]*\| `pip install '\.\[(\w+)\]'`", text))
    assert documented.items() <= EXTRAS.items()
    assert set(documented.values()) == set(EXTRAS.values())
    assert set(SCHEMES) == {*EXTRAS, "file"}
    text = (REPOSITORY / "pyproject.toml").read_text()
    extras = dict(re.findall(r"""^(\w+) = \["([^"]*)"\]$""", text, re.MULTILINE))
    assert {extra: extras[extra] for extra in documented.values()} == PACKAGES


def test_a_repository_is_set_up_and_the_changes_are_undone(first_steps: Path) -> None:
    lines, _ = blocks("how-to/set-up-a-repository.md", "sh")
    assert all(done.stdout for done in run_lines(lines, first_steps))
    assert not (first_steps / ".gitattributes").exists()
    from git_spacy.setup.changes import DEFAULT, STEPS

    text = (REPOSITORY / "docs/how-to/set-up-a-repository.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(documented) == sorted(STEPS)
    assert set(STEPS) - set(DEFAULT) == {"display"}


def test_commands_run_in_parallel_and_for_each_value_of_a_matrix(
    tmp_path: Path, first_steps: Path
) -> None:
    several = blocks("how-to/parallel.md", "sh")[0]
    isolated, restored, matrix, *_ = blocks("how-to/variants.md", "sh")
    run_lines(several, first_steps)
    run, table = run_lines(isolated, first_steps)
    assert f"To bring one into the project: {restored.replace('3', '4')}" in run.stderr
    assert "least" in table.stdout
    (done,) = run_lines(restored, first_steps)
    assert "restored from the local cache" in done.stderr
    done = run_lines(matrix, first_steps)[-1]
    assert done.stderr.endswith("ran 3, skipped 0\n")
    text = (first_steps / "project.lock").read_text()
    assert "report --vars.least 3:\n  cmd: " in text
    example = blocks("how-to/variants.md", "yaml")[0]
    edited = yaml.safe_load((first_steps / "project.yml").read_text())["commands"]
    assert yaml.safe_load(example) == [edited[1]]


def test_completion_is_turned_on(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    lines = blocks("how-to/install.md", "sh")[-1]
    assert shell(lines, tmp_path).returncode == 0
    link = sealed / ".local/share/bash-completion/completions/git-spacy"
    assert str(link.readlink()) == f"{sys.prefix}/share/bash-completion/completions/git-spacy"


def test_the_example_for_kubernetes_is_one_cluster_of_one_version_of_ray() -> None:
    """Its manifest was checked against KubeRay's schema by hand; this keeps what users rely on."""

    text = DOCUMENTS["how-to/ray.md"].read_text()
    (block,) = (
        block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if "RayCluster" in block
    )
    manifest = yaml.safe_load(block)
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayCluster")
    assert f"svc/{manifest['metadata']['name']}-head-svc" in text.replace("service/", "svc/")
    assert f"ray.io/cluster={manifest['metadata']['name']}," in text
    groups = [manifest["spec"]["headGroupSpec"], *manifest["spec"]["workerGroupSpecs"]]
    containers = [one for g in groups for one in g["template"]["spec"]["containers"]]
    version = manifest["spec"]["rayVersion"]
    assert {one["image"].partition(":")[2].split("-")[0] for one in containers} == {version}
    (extra,) = (REPOSITORY / "pyproject.toml").read_text().partition("\nray = [")[2].split("]")[:1]
    assert satisfies(version, extra.strip(' "').removeprefix("ray"))
    for workers in groups[1:]:
        assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
        assert workers["groupName"]
    for one in containers:
        assert one["name"]
        assert one["resources"]["limits"] == one["resources"]["requests"]
    assert "has not been tried on a cluster" in text
