"""`run --matrix` on projects whose outputs do not have the variable in their paths."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from git_spacy.history import run_history
from git_spacy.lock import lock_format
from git_spacy.project.loader import parse
from git_spacy.run.variant_trees import VariantTree
from git_spacy.run.workspace_archive import archive_content
from git_spacy.storage.run_cache import RunCache
from tests.testing.projects import Done, Spacy, process, project, snapshot
from tests.testing.repositories import git, write

NER = """\
title: As most projects are written
vars: {seed: 0, size: 4, least: 1}
directories: [corpus, training]
commands:
  - name: convert
    script: ["sh scripts/convert.sh ${vars.size}"]
    deps: [scripts/convert.sh]
    outputs: [corpus/train.spacy]
  - name: train
    script: ["sh scripts/train.sh training ${vars.seed}"]
    deps: [corpus/train.spacy, scripts/train.sh]
    outputs: [training/model-best]
  - name: evaluate
    script: ["sh scripts/evaluate.sh training/model-best metrics.json"]
    deps: [training/model-best, corpus/train.spacy]
    outputs_no_cache: [metrics.json]
workflows:
  all: [convert, train, evaluate]
"""
SCRIPTS: dict[str, str | bytes] = {
    "scripts/convert.sh": "echo $1 > corpus/train.spacy\n",
    "scripts/train.sh": (
        "test $2 != 13 || exit 3\nmkdir $1/model-best $1/model-last\n"
        "echo $2 > $1/model-best/weights; cat corpus/train.spacy > $1/model-best/vocab\n"
        "echo $2 > $1/model-last/weights\n"
    ),
    "scripts/evaluate.sh": 'echo "{\\"score\\": 0.$(cat $1/weights)$(cat $1/vocab)}" > $2\n',
    ".gitignore": "/corpus/\n/training/\n",
}
SEEDS = ("--matrix", "seed=0,1,2")
NAMES = [f"{name} --vars.seed {seed}" for seed in range(3) for name in ("train", "evaluate")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in its first commit that has not run yet."""

    return in_git(project(tmp_path / "r", NER, SCRIPTS))


def in_git(root: Path) -> Path:
    git(root, "init", "-q")
    return keep(root)


def keep(root: Path) -> Path:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")
    return root


def copies(root: Path) -> list[Path]:
    return list((root / ".git/spacy").glob("**/variants"))


def state(done: Done, word: str) -> list[str]:
    return re.findall(rf"^==> (.*): {word}", done.err, re.MULTILINE)


def scores(root: Path, spacy: Spacy) -> list[str]:
    rows = json.loads(spacy("log", "--table", "--json", cwd=root).out)
    return [f"{row['vars']['seed']} {row['metrics']['score']}" for row in rows]


def restore(root: Path, spacy: Spacy, done: Done) -> Done:
    """Type the command that the last line of the run shows."""

    hint = done.err.rstrip().splitlines()[-1]
    assert hint.startswith("To bring one into the project: git spacy run ")
    return spacy(*shlex.split(hint.partition("git spacy ")[2]), cwd=root)


def test_run_records_are_read_once_however_many_variants_there_are(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    all_records = run_history.all_records
    monkeypatch.setattr(
        run_history, "all_records", lambda root, *rest: [read.append(root), *all_records(root)][1:]
    )
    assert spacy("run", "all", *SEEDS, cwd=root).code == 0
    assert len(read) == 1


def test_a_matrix_runs_on_a_project_as_it_is(root: Path, spacy: Spacy) -> None:
    (root / "scripts/train.sh").write_text(str(SCRIPTS["scripts/train.sh"]) + "true\n")
    write(root, {"notes.txt": "not committed", "training/mine.txt": "my own"})
    before = snapshot(root)
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert (done.code, state(done, "running")) == (0, ["convert", *NAMES]), done.err
    assert list(lock_format.read(root)) == ["convert"]
    added = {"corpus/": "", "corpus/train.spacy": b"4\n"}
    lock = (root / "project.lock").read_bytes()
    assert snapshot(root) == {**before, **added, "project.lock": lock}
    assert not copies(root)
    assert scores(root, spacy) == ["0 0.04", "1 0.14", "2 0.24"]
    assert "==> evaluate --vars.seed 0: running (not run yet) [3/7]\n" in done.err
    again = spacy("run", "all", *SEEDS, cwd=root)
    assert state(again, "up to date") == ["convert", *NAMES]
    assert "restored 2" in restore(root, spacy, again).err
    assert json.loads((root / "metrics.json").read_text()) == {"score": 0.24}
    assert (root / "training/model-best/weights").read_text() == "2\n"
    assert (root / "training/mine.txt").read_text() == "my own"
    assert list(lock_format.read(root)) == ["convert", "train", "evaluate"]
    assert "skipped 2" in restore(root, spacy, again).err


def test_a_run_whose_cache_is_lost_meanwhile_says_that_the_same_run_makes_it_anew(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = NER.replace(
        "deps: [training/model-best,", "deps: [scripts/evaluate.sh, training/model-best,"
    )
    write(root, {"project.yml": text})
    assert spacy("run", "all", *SEEDS, cwd=root).code == 0
    write(root, {"scripts/evaluate.sh": f"{SCRIPTS['scripts/evaluate.sh']}true\n"})
    restore_outputs = RunCache.restore_outputs

    def lose(cache: RunCache, *arguments: Any) -> bool:
        shutil.rmtree(root / ".git/spacy/store")
        return restore_outputs(cache, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(RunCache, "restore_outputs", lose)
        lost = spacy("run", "all", *SEEDS, cwd=root)
    assert (
        "the outputs of 'train --vars.seed 0' cannot be restored from the local cache" in lost.err
    )
    assert "hint: start the same run again" in lost.err
    again = spacy("run", "all", *SEEDS, cwd=root)
    assert (again.code, state(again, "running")) == (0, NAMES)
    assert scores(root, spacy) == ["0 0.04", "1 0.14", "2 0.24"]


def test_variants_run_again_only_where_something_changed(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", "--matrix", "seed=0,1", cwd=root)
    more = spacy("run", "all", *SEEDS, "--jobs", "3", cwd=root)
    assert (state(more, "running"), "skipped 5" in more.err) == (NAMES[4:], True)
    assert "==> train --vars.seed 0: up to date [2/7]\n" in more.err
    assert re.search(r"==> evaluate --vars.seed 2: done in .* s \[7/7\]\n", more.err)
    write(root, {"scripts/evaluate.sh": 'echo "{\\"score\\": 0.5}" > $2\n'})  # not a dependency
    assert "skipped 7" in spacy("run", "all", *SEEDS, cwd=root).err
    forced = spacy("run", "evaluate", "train", *SEEDS, "--force", cwd=root)
    assert sorted(state(forced, "running")) == sorted(NAMES)
    assert scores(root, spacy) == ["0 0.5", "1 0.5", "2 0.5"]
    write(root, {"scripts/train.sh": str(SCRIPTS["scripts/train.sh"]) + "true\n"})
    dry = spacy("run", "all", *SEEDS, "--dry", cwd=root)
    assert state(dry, "would run") == NAMES  # `evaluate` only if the models become others
    assert not copies(root)
    changed = spacy("run", "all", *SEEDS, cwd=root)
    assert (state(changed, "running"), state(changed, "up to date")) == (
        NAMES[::2], ["convert", *NAMES[1::2]]
    )  # fmt: skip


def test_a_stale_command_is_shown_with_those_that_depend_on_it(root: Path, spacy: Spacy) -> None:
    dry = spacy("run", "all", *SEEDS, "--dry", cwd=root)
    assert state(dry, "would run") == ["convert", *NAMES]
    assert (
        "dependency 'training/model-best' would change" not in spacy("run", "convert", cwd=root).err
    )
    assert not (root / "training").exists() or not any((root / "training").iterdir())


def test_a_variant_without_its_upstream_takes_what_the_cache_has(root: Path, spacy: Spacy) -> None:
    """`evaluate` runs later than `train`, in a copy that does not have the outputs of `train`."""

    spacy("run", "all", *SEEDS, cwd=root)
    text = NER.replace("metrics.json]", "metrics.json, copy]").replace(
        'metrics.json"]', 'metrics.json", cp metrics.json copy]'
    )
    write(root, {"project.yml": text})
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert (done.code, state(done, "running")) == (0, NAMES[1::2]), done.err
    assert state(done, "up to date") == ["convert", *NAMES[::2]]


def test_two_variables_give_a_variant_for_each_combination(root: Path, spacy: Spacy) -> None:
    text = NER.replace('metrics.json"]', 'metrics.json ${vars.least}"]')
    write(root, {"project.yml": text, "scripts/evaluate.sh": (
        'echo "{\\"score\\": 0.$(cat $1/weights)$3}" > $2\n'
    )})  # fmt: skip
    done = spacy("run", "all", "--matrix", "least=1,2", "--matrix", "seed=1,2", "-j2", cwd=root)
    assert sorted(state(done, "running")) == sorted([
        "convert", "train --vars.seed 1", "train --vars.seed 2",
        *(f"evaluate --vars.seed {seed} --vars.least {n}" for seed in (1, 2) for n in (1, 2)),
    ])  # fmt: skip
    rows = json.loads(spacy("log", "--table", "--json", cwd=root).out)
    found = {(row["vars"]["seed"], row["vars"]["least"]) for row in rows}
    assert found == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert "restored 2" in restore(root, spacy, done).err
    assert (root / "metrics.json").read_text() == '{"score": 0.22}\n'


def test_the_overrides_that_were_typed_are_part_of_the_hint(root: Path, spacy: Spacy) -> None:
    done = spacy("run", "all", *SEEDS, "--vars.size", "7", cwd=root)
    assert "restored 2" in restore(root, spacy, done).err
    assert (root / "metrics.json").read_text() == '{"score": 0.27}\n'
    (root / "sub").mkdir()
    done = spacy("run", "all", *SEEDS, "--vars.size", "7", cwd=root / "sub")
    assert "skipped 2" in restore(root / "sub", spacy, done).err


def test_upstream_commands_that_use_the_variable_in_their_outputs_stay(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = NER.replace("[training/model-best", '["training/${vars.seed}/model-best"')
    text = text.replace("train.sh training ", "train.sh training/${vars.seed} ")
    text = text.replace("sh training/model-best ", "sh training/${vars.seed}/model-best ")
    script = "mkdir -p $1\n" + str(SCRIPTS["scripts/train.sh"])
    files = {**SCRIPTS, "scripts/train.sh": script}
    root = in_git(project(tmp_path / "p", text, files))
    done = spacy("run", "all", *SEEDS, cwd=root)
    names = ["convert", "train", *NAMES[1:]]
    assert (done.code, sorted(state(done, "running"))) == (0, sorted(names)), done.err
    assert sorted(lock_format.read(root)) == ["convert", "train", *NAMES[2:5:2]]
    assert scores(root, spacy) == ["0 0.04", "1 0.14", "2 0.24"]
    assert (root / "training/2/model-best/weights").exists()
    assert not (root / "metrics.json").exists()


def test_a_failure_stops_only_the_variants_that_depend_on_it(root: Path, spacy: Spacy) -> None:
    before = snapshot(root)
    done = spacy("run", "all", "--keep-going", "--matrix", "seed=13,1", cwd=root)
    assert (done.code, copies(root)) == (3, [])
    assert "failed: train --vars.seed 13; not started: evaluate --vars.seed 13" in done.err
    assert "restored 2" in restore(root, spacy, Done(0, "", done.err.split("\nproject.yml")[0])).err
    git(root, "clean", "-fdqx")
    git(root, "checkout", "-q", ".")
    assert snapshot(root) == before
    assert "train     failed    exit code 3" in spacy("log", cwd=root).out


def test_an_output_that_was_not_written_fails_the_variant(root: Path, spacy: Spacy) -> None:
    write(root, {"metrics.json": '{"score": 0.9}\n', "scripts/evaluate.sh": "true\n"})
    keep(root)
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert done.code == 1
    assert "'evaluate --vars.seed 0' did not produce its output 'metrics.json'" in done.err
    assert (root / "metrics.json").read_text() == '{"score": 0.9}\n'


def test_what_scripts_change_in_a_copy_stays_there(root: Path, spacy: Spacy) -> None:
    """A dependency that is modified in place, and files that are not outputs."""

    script = "echo more >> corpus/train.spacy; echo x > notes.txt; rm project.yml\n"
    write(root, {"scripts/train.sh": str(SCRIPTS["scripts/train.sh"]) + script})
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert done.code == 0, done.err
    assert "'train --vars.seed 1' changed its dependency 'corpus/train.spacy', only in" in done.err
    assert (root / "corpus/train.spacy").read_text() == "4\n"
    assert not (root / "notes.txt").exists()
    lost = "'train' wrote 'notes.txt' and 1 more, which the variants do not keep"
    assert done.err.count(f"warning: {lost}") == 1
    assert "skipped 7" in spacy("run", "all", *SEEDS, cwd=root).err


def test_a_link_that_a_script_makes_in_its_copy_leads_nothing_out(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    """The dependency of the next command is not copied through the link."""

    outside = tmp_path / "outside"
    outside.mkdir()
    script = f"rm -r corpus; ln -s {shlex.quote(str(outside))} corpus\n"
    write(root, {"scripts/train.sh": str(SCRIPTS["scripts/train.sh"]) + script})
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert (done.code, list(outside.iterdir())) == (3, []), done.err
    assert (root / "corpus/train.spacy").read_text() == "4\n"


def test_an_output_outside_the_project_is_refused(root: Path, spacy: Spacy) -> None:
    write(root, {"project.yml": NER.replace("metrics.json]", "../metrics.json]")})
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert (done.code, "'../metrics.json' is outside the project" in done.err) == (3, True)
    assert not (root / "project.lock").exists()


def test_a_project_in_a_subfolder_of_the_repository(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "r/projects/ner", NER, {**SCRIPTS, ".gitignore": "corpus/\n"})
    git(tmp_path / "r", "init", "-q")
    write(tmp_path / "r", {"README.md": "above"})
    keep(tmp_path / "r")
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert (done.code, copies(tmp_path / "r")) == (0, []), done.err
    assert scores(root, spacy) == ["0 0.04", "1 0.14", "2 0.24"]
    assert "restored 2" in restore(root, spacy, done).err


def test_without_a_repository_the_results_are_in_the_cache(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = project(tmp_path / "p", NER, SCRIPTS)
    done = spacy("run", "all", *SEEDS, cwd=root)
    assert (done.code, "git spacy log" in done.err) == (0, False), done.err
    assert "restored 2" in restore(root, spacy, done).err


def test_the_copies_of_a_killed_run_are_removed(root: Path, spacy: Spacy) -> None:
    spacy("run", "convert", cwd=root)
    script = "kill -9 $PPID\n"
    write(root, {"scripts/train.sh": script})
    before = snapshot(root)
    assert process("run", "train", *SEEDS, cwd=root).code == -9
    assert copies(root)
    assert snapshot(root) == before
    assert spacy("clean", "--dry-run", cwd=root).code == 0
    assert not copies(root)


def test_a_lock_is_not_rebuilt_from_variants(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", "--matrix", "seed=1,2", cwd=root)
    (root / "project.lock").unlink()
    spacy("lock", "rebuild", cwd=root)
    assert list(lock_format.read(root)) == ["convert"]


def test_copies_share_no_inode_with_the_project(root: Path, spacy: Spacy) -> None:
    spacy("run", "convert", cwd=root)
    script = (
        str(SCRIPTS["scripts/train.sh"])
        + "stat -c %h corpus/train.spacy scripts/*; ls -a; echo $WANDB_DIR\n"
    )
    write(root, {"scripts/train.sh": script})
    git(root, "config", "spacy.cacheLinks", "true")
    done = spacy("run", "train", "--matrix", "seed=1,2", "--jobs", "2", cwd=root)
    printed = {line.split("| ")[1] for line in done.out.splitlines()}
    assert "2" not in printed
    assert str(root) in printed  # the offline runs of Weights & Biases are not lost with the copy
    assert printed >= {"1", "scripts", "project.yml", ".gitignore"}
    assert not printed & {".git", "metrics.json"}


def test_a_copy_can_be_packed_for_a_worker_of_a_cluster(root: Path) -> None:
    """Also its hidden files; no command of git works in Git's own folder."""

    write(root, {"corpus/train.spacy": "4\n", ".hidden": "x"})
    (train,) = (c for c in parse(NER.encode()).project.commands if c.name == "train")
    tree = VariantTree(
        parse(NER.encode()).project, root, root / ".git/spacy/variants/1", "--vars.seed 1"
    )
    tree.fill(train)
    tree.copy_dependency(train.deps[0])
    content = archive_content(parse(NER.encode()).project, train, tree.root)
    assert [name for name, *_ in content.files] == [
        ".gitignore", ".hidden", "corpus/train.spacy", "project.yml",
        *(f"scripts/{name}.sh" for name in ("convert", "evaluate", "train")),
    ]  # fmt: skip
    assert content.folders == ("corpus", "training")
