"""Tests of the names that push and pull accept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.storage.selection import OutputSelection, select_outputs

TEXT = """\
vars: {lang: en}
remotes: {default: /srv, plots: s3://plots/x}
commands:
  - {name: corpus, script: [x], outputs: [corpus/train, corpus/dev]}
  - {name: train, script: [x], outputs: [training/best, training/last]}
  - {name: plots, script: [x], outputs: [training/plots, plots], outputs_no_cache: [scores.json]}
  - {name: show, script: [x]}
workflows: {all: [corpus, train], data: [corpus]}
"""
CORPUS, TRAIN = {"corpus/train", "corpus/dev"}, {"training/best", "training/last"}
PLOTS = {"training/plots", "plots"}


def select(root: Path, *names: str, cwd: str = "") -> OutputSelection:
    project = loader.parse(TEXT.encode()).project
    remotes = ("default", "plots")
    return select_outputs(project, root, remotes, names, root / cwd)


def paths(selection: OutputSelection) -> set[str]:
    return {path.text for outputs in selection.outputs.values() for path in outputs}


@pytest.mark.parametrize(
    ("names", "cwd", "remote", "expected"),
    [
        ((), "", None, CORPUS | TRAIN | PLOTS),
        (("default",), "", "default", CORPUS | TRAIN | PLOTS),
        (("s3://b/x", "train"), "", "s3://b/x", TRAIN),
        (("../elsewhere", "all"), "", "../elsewhere", CORPUS | TRAIN),
        # a remote comes first, a command before a path, and ./NAME is a path
        (("plots",), "", "plots", CORPUS | TRAIN | PLOTS),
        (("default", "plots"), "", "default", PLOTS),
        (("default", "./plots"), "", "default", {"plots"}),
        (("./plots",), "", None, {"plots"}),
        (("corpus",), "", None, CORPUS),
        (("./training/",), "", None, TRAIN | {"training/plots"}),
        (("training/best", "data"), "", None, {"training/best"} | CORPUS),
        # paths are relative to the current folder, or else to the project
        (("best",), "training", None, {"training/best"}),
        (("../plots",), "training", None, {"plots"}),
        (("corpus/dev",), "training", None, {"corpus/dev"}),
        (("default", "."), "training", "default", TRAIN | {"training/plots"}),
    ],
)  # fmt: skip
def test_names_select_outputs(
    tmp_path: Path, names: Sequence[str], cwd: str, remote: str | None, expected: set[str]
) -> None:
    selection = select(tmp_path, *names, cwd=cwd)
    assert (selection.remote, paths(selection)) == (remote, expected)
    assert selection.is_explicit == bool(set(names) - {remote})
    absolute = select(tmp_path, "default", str(tmp_path / "training/best"))
    assert paths(absolute) == {"training/best"}


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (("defautl",), "unknown remote, command or output 'defautl'", "did you mean 'default'?"),
        (("default", "trian"), "unknown command or output 'trian'", "did you mean 'train'?"),
        (("training/bset",), "unknown remote, command or output", "did you mean 'training/best'?"),
        (("training/best/w.bin",), "unknown remote", "as a whole: 'training/best'"),
        (("scores.json",), "unknown remote", "it belongs in Git"),
        (("zzz",), "unknown remote", "available: default, plots, corpus/train"),
        (("show",), "'show' has no outputs that a remote could have", "'outputs_no_cache' belong"),
        (("default", "../x"), "unknown command or output '../x'", "available: "),
        (("default", "plots", "default"), "unknown command or output 'default'", ""),
    ],
)  # fmt: skip
def test_unknown_names_are_errors_with_a_suggestion(
    tmp_path: Path, names: Sequence[str], message: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        select(tmp_path, *names)
    (problem,) = raised.value.problems
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        (
            "backup",
            "unknown command or output 'backup', and no remote is configured",
            "add it under 'remotes', or: git config spacy.remote.backup.url URL",
        ),
        ("orgin", "unknown command or output 'orgin', and no remote is configured",
         "did you mean 'train'?"),
        ("training/best/w.bin", "unknown command or output 'training/best/w.bin'",
         "an output is transferred as a whole: 'training/best'"),
        ("folder/x", "unknown command or output 'folder/x'",
         "available: corpus/train, corpus/dev, training/best, training/last, training/plots, plots"),
    ],
)  # fmt: skip
def test_without_remotes_an_unknown_name_may_be_meant_as_one(
    tmp_path: Path, name: str, message: str, hint: str
) -> None:
    project = loader.parse(TEXT.encode()).project
    with pytest.raises(InvalidInput) as raised:
        select_outputs(project, tmp_path, (), [name], tmp_path)
    (problem,) = raised.value.problems
    assert (problem.message, problem.hint) == (message, hint)


def test_only_the_first_name_may_be_meant_as_a_remote(tmp_path: Path) -> None:
    project = loader.parse(TEXT.encode()).project
    with pytest.raises(InvalidInput, match="unknown command or output 'zzz'\nhint: available"):
        select_outputs(project, tmp_path, (), ["train", "zzz"], tmp_path)


def test_the_name_of_a_command_stands_for_its_variants_too(tmp_path: Path) -> None:
    project = loader.parse(TEXT.encode()).project
    train = project.command("train")
    assert train
    variant = train._replace(name="train --vars.lang de", variant_of="train")
    project = project._replace(commands=(*project.commands, variant))
    both = select_outputs(project, tmp_path, (), ["train"], tmp_path)
    assert set(both.outputs) == {"train", "train --vars.lang de"}
    one = select_outputs(project, tmp_path, (), ["train --vars.lang de"], tmp_path)
    assert set(one.outputs) == {"train --vars.lang de"}
