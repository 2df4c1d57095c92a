"""`git spacy clean` removes outputs, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.testing.projects import Spacy, project, snapshot
from tests.testing.repositories import git, repository, write
from tests.testing.terminal import at_terminal, read_until, wait_for_exit

TEXT = """\
assets:
  - {dest: data/raw.txt, description: typed by hand}
commands:
  - name: prepare
    script: ["sh prepare.sh"]
    deps: [prepare.sh]
    outputs: [data, corpus/deep]
  - name: train
    script: ["sh train.sh"]
    deps: [corpus/deep]
    outputs: [training]
    outputs_no_cache: [metrics.json, "scores $n.json"]
workflows: {all: [prepare, train]}
"""
FILES: dict[str, str | bytes] = {
    "prepare.sh": "mkdir -p data/empty corpus/deep; echo 1 > data/x.txt; echo 22 > corpus/deep/a\n",
    "train.sh": "mkdir -p training/model; echo 3 > training/model/m; ln -s model training/latest\n"
    "echo 4 > metrics.json; echo 5 > 'scores $n.json'\n",
    "data/raw.txt": "raw\n",
    "training/.gitkeep": "",
    "corpus/mine.txt": "not an output\n",
    "notes.txt": "untracked\n",
}


def files_in(folder: Path) -> dict[str, bytes | str]:
    return {name: text for name, text in snapshot(folder).items() if not name.endswith("/")}


@pytest.fixture
def root(tmp_path: Path, spacy: Spacy) -> Path:
    """Return a project that has run; Git tracks metrics.json and training/.gitkeep."""

    root = project(repository(tmp_path / "p"), TEXT, FILES)
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "training/.gitkeep", "metrics.json", "project.yml")
    return root


def test_it_shows_and_removes_outputs_but_no_tracked_file_or_asset(
    root: Path, spacy: Spacy
) -> None:
    before = files_in(root)
    shown = spacy("clean", "--dry-run", cwd=root)
    assert shown == (
        0,
        "data            1 file, 2 B\n"
        "corpus/deep     1 file, 3 B\n"
        "training        2 files, 7 B\n"
        "scores $n.json  1 file, 2 B\n",
        "keeping 'data/raw.txt': it is an asset, or part of one\n"
        "keeping 'training/.gitkeep': it is tracked by Git\n"
        "keeping 'metrics.json': it is tracked by Git\n",
    )
    assert files_in(root) == before
    done = spacy("clean", "--force", cwd=root)
    assert (done.code, done.err.splitlines()[-1]) == (0, "removed 4 outputs, 14 B")
    gone = {"data/x.txt", "corpus/deep/a", "training/model/m", "training/latest", "scores $n.json"}
    assert files_in(root) == {name: text for name, text in before.items() if name not in gone}
    assert not (root / "data/empty").exists()
    again = spacy("clean", cwd=root)
    assert (again.code, again.err.splitlines()[-1]) == (0, "nothing to remove")
    assert spacy("run", "all", cwd=root).code == 0
    assert files_in(root).keys() == before.keys()


@pytest.mark.parametrize(
    ("names", "removed"),
    [
        (["prepare"], {"data/x.txt", "corpus/deep/a"}),
        (["corpus/deep/"], {"corpus/deep/a"}),
        (["./scores $n.json", "corpus/deep"], {"scores $n.json", "corpus/deep/a"}),
        (["all"], {"data/x.txt", "corpus/deep/a", "training/model/m", "training/latest",
                   "scores $n.json"}),
    ],
)  # fmt: skip
def test_names_are_those_of_commands_workflows_and_outputs(
    root: Path, spacy: Spacy, names: list[str], removed: set[str]
) -> None:
    before = files_in(root).keys()
    assert spacy("clean", *names, "-f", cwd=root).code == 0
    assert before - files_in(root).keys() == removed


@pytest.mark.parametrize("name", ["prepar", "notes.txt", "data/raw.txt", "..", "training/model"])
def test_what_is_not_an_output_is_refused(root: Path, spacy: Spacy, name: str) -> None:
    before = files_in(root)
    done = spacy("clean", name, "--force", cwd=root)
    assert done.code == 2
    assert f"error: unknown command, workflow or output '{name}'\nhint: " in done.err
    assert files_in(root) == before


def test_it_asks_first_and_without_a_terminal_names_the_option(root: Path, spacy: Spacy) -> None:
    before = files_in(root)
    done = spacy("clean", "train", cwd=root)
    assert done.code == 2
    assert done.err.endswith("without a terminal\nhint: git spacy clean train --force\n")
    for answer in ("\n", "no\n", "\x04"):
        pid, terminal = at_terminal(root, "clean")
        assert "scores $n.json  1 file, 2 B" in read_until(
            terminal, "Remove 4 outputs, 14 B? [y/N]: "
        )
        os.write(terminal, answer.encode())
        assert wait_for_exit(pid, terminal)[0] == 0
        assert files_in(root) == before
    pid, terminal = at_terminal(root, "clean")
    read_until(terminal, "? [y/N]: ")
    os.write(terminal, b"y\n")
    code, text = wait_for_exit(pid, terminal)
    assert (code, "removed 4 outputs, 14 B" in text) == (0, True)
    assert not (root / "corpus/deep").exists()


def test_the_cache_has_a_copy_that_a_run_restores(root: Path, spacy: Spacy) -> None:
    git(root, "config", "spacy.restore", "true")
    spacy("run", "all", "--force", cwd=root)
    before = files_in(root)
    assert "corpus/deep     1 file, 3 B, in the cache\n" in spacy("clean", "-n", cwd=root).out
    spacy("clean", "prepare", "-f", cwd=root)
    assert "restored from the local cache" in spacy("run", "prepare", cwd=root).err
    assert files_in(root) == before


def test_files_behind_a_link_that_leads_out_stay(tmp_path: Path, root: Path, spacy: Spacy) -> None:
    outside = tmp_path / "scratch"
    write(outside, {"deep/a": "elsewhere\n", "model/m": "elsewhere\n"})
    for name in ("corpus", "training"):
        (root / name).rename(tmp_path / f"moved-{name}")
        (root / name).symlink_to(outside)
    done = spacy("clean", "-f", cwd=root)
    assert (
        "keeping 'corpus/deep': it is outside the project, where nothing may be written\n"
        in done.err
    )
    assert (
        "keeping 'training': it is outside the project, where nothing may be written\n" in done.err
    )
    assert files_in(outside) == {"deep/a": b"elsewhere\n", "model/m": b"elsewhere\n"}


def test_outputs_outside_are_removed_where_the_user_allowed_to_write(
    tmp_path: Path, spacy: Spacy
) -> None:
    out = tmp_path / "scratch/out"
    text = f"commands: [{{name: a, script: [\"mkdir '{out}'\", \"touch '{out}/x'\"], outputs: ['{out}']}}]\n"
    root = project(repository(tmp_path / "p"), text)
    git(root, "config", "spacy.allowOutside", str(tmp_path / "scratch"))
    out.parent.mkdir()
    assert spacy("run", "a", cwd=root).code == 0
    git(root, "config", "--unset", "spacy.allowOutside")
    assert "where nothing may be written" in spacy("clean", "-f", cwd=root).err
    assert (out / "x").exists()
    git(root, "config", "spacy.allowOutside", str(tmp_path / "scratch"))
    assert spacy("clean", "-f", cwd=root).code == 0
    assert not out.exists()
    assert out.parent.exists()


def test_many_tracked_files_are_counted(root: Path, spacy: Spacy) -> None:
    write(root, {f"corpus/deep/{number}": "tracked\n" for number in range(9)})
    git(root, "add", "corpus/deep")
    (root / "corpus/deep/new").write_text("output\n")
    done = spacy("clean", "corpus/deep", "-f", cwd=root)
    assert "keeping 'corpus/deep': 10 of its files are tracked by Git\n" in done.err
    assert len(list((root / "corpus/deep").iterdir())) == 10


def test_it_works_outside_a_repository_and_for_variants(tmp_path: Path, spacy: Spacy) -> None:
    text = (
        "vars: {n: 1}\ncommands:\n"
        "- {name: a, script: ['touch m-${vars.n}'], outputs: ['m-${vars.n}']}\n"
    )
    root = project(tmp_path / "q", text)
    assert spacy("run", "a", "--matrix", "vars.n=1,2,3", cwd=root).code == 0
    assert spacy("clean", "--force", cwd=root).code == 0
    assert sorted(files_in(root)) == ["project.lock", "project.yml"]


VARIANTS = """\
vars: {n: 1, other: x}
commands:
- {name: a, script: ["touch a-${vars.n}"], outputs: ["a-${vars.n}"]}
- {name: b, script: ["touch b-${vars.n}-${vars.other}"], outputs: ["b-${vars.n}-${vars.other}"]}
- {name: c, script: ["touch c"], outputs: [c]}
workflows: {both: [a, b]}
"""
OF_A, OF_B = {"a-1", "a-2", "a-3"}, {"b-1-x", "b-2-x", "b-3-x", "b-1-y"}


@pytest.mark.parametrize(
    ("names", "removed"),
    [
        (["a"], OF_A),
        (["both"], OF_A | OF_B),
        (["c"], {"c"}),
        (["a-2"], {"a-2"}),
        (["a", "--vars.n", "3"], {"a-3"}),
        (["both", "--vars.n", "2"], {"a-2", "b-2-x"}),
        (["b", "--vars.other", "y"], {"b-1-y"}),
        (["--vars.n", "2"], {"a-2", "b-2-x", "c"}),
        ([], OF_A | OF_B | {"c"}),
    ],
)
def test_a_name_stands_for_all_variants_unless_variables_are_given(
    tmp_path: Path, spacy: Spacy, names: list[str], removed: set[str]
) -> None:
    root = project(tmp_path / "q", VARIANTS)
    assert spacy("run", "both", "c", "--matrix", "vars.n=1,2,3", cwd=root).code == 0
    assert spacy("run", "b", "--matrix", "vars.other=x,y", cwd=root).code == 0
    before = files_in(root).keys()
    assert spacy("clean", *names, "--force", cwd=root).code == 0
    assert before - files_in(root).keys() == removed


UPDATED = """\
assets: [{dest: models/base, description: by hand}]
commands:
- {name: annotate, script: ["true"], deps: [data.db, script.py], outputs: [./data.db]}
- {name: count, script: ["true"], deps: [counts/total, counts/seen], outputs: [counts]}
- {name: make, script: ["true"], outputs: [corpus, config/base]}
- {name: shuffle, script: ["true"], deps: [corpus, corpus/x], outputs: [corpus]}
- {name: fill, script: ["true"], deps: [config, config/base], outputs: [config/base, config/full]}
- {name: one, script: ["true"], deps: [both], outputs: [both]}
- {name: two, script: ["true"], deps: [both], outputs: [both]}
- {name: tune, script: ["true"], deps: [models], outputs: [models]}
workflows: {all: [annotate, count, make, shuffle, fill, one, two, tune]}
"""
IN_PLACE = {"data.db", "counts/total", "counts/seen", "both"}
AGAIN = {"counts/new", "corpus/x", "config/base", "config/full"}


@pytest.mark.parametrize(
    ("names", "removed"),
    [
        ([], AGAIN),
        (["all"], AGAIN),
        (["annotate"], set()),
        (["annotate", "data.db"], {"data.db"}),
        (["counts"], {"counts/new"}),
        (["./both", "corpus/"], {"both", "corpus/x"}),
    ],
)
def test_what_a_command_updates_in_place_is_only_removed_by_its_own_name(
    tmp_path: Path, spacy: Spacy, names: list[str], removed: set[str]
) -> None:
    """No run could produce it again, unless another command does."""

    files = IN_PLACE | AGAIN | {"models/base", "models/tuned"}
    root = project(tmp_path / "p", UPDATED, dict.fromkeys(sorted(files), "x"))
    before = files_in(root).keys()
    done = spacy("clean", *names, "--force", cwd=root)
    assert done.code == 0, done.err
    assert before - files_in(root).keys() == removed
    if names in ([], ["all"]):
        for name, command in (("data.db", "annotate"), ("counts/seen", "count"), ("both", "one")):
            reason = f"it is updated in place by '{command}' and cannot be produced again"
            assert f"keeping '{name}': {reason}\n" in done.err
        assert "keeping 'models': it is updated in place by 'tune'" in done.err


@pytest.mark.parametrize(
    ("folder", "name", "removed"),
    [
        ("corpus", "deep", ["corpus/deep"]),
        ("corpus", ".", ["corpus/deep"]),
        ("corpus", "../training", ["training"]),
        ("corpus", "corpus/deep", ["corpus/deep"]),  # as from the top
        ("corpus", "prepare", ["corpus/deep", "data"]),
        (".", "corpus", ["corpus/deep"]),
        (".", "./corpus/", ["corpus/deep"]),
        (".", "data/", ["data"]),
    ],
)
def test_a_path_is_relative_to_the_current_folder_or_to_the_project(
    root: Path, spacy: Spacy, folder: str, name: str, removed: list[str]
) -> None:
    done = spacy("clean", "--dry-run", name, cwd=root / folder)
    assert done.code == 0, done.err
    assert sorted(line.split()[0] for line in done.out.splitlines()) == removed


def test_a_folder_with_outputs_does_not_name_what_cannot_be_produced_again(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = "commands: [{name: c, script: [touch m/x], deps: [m/x], outputs: [m/x, m/y]}]\n"
    root = project(tmp_path, text, {"m/x": "kept", "m/y": "removed"})
    done = spacy("clean", "--force", "m", cwd=root)
    assert (done.code, (root / "m/x").exists(), (root / "m/y").exists()) == (0, True, False)
    assert "updated in place" in done.err
    assert spacy("clean", "--force", "x", cwd=root / "m").code == 0
    assert not (root / "m/x").exists()
