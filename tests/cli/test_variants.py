"""What `run --matrix` and other values leave behind: `lock`, `check`, `log` and `diff` tell each
variant from the others and from the command itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.testing.projects import Spacy, on_path, seeds, two_steps
from tests.testing.repositories import git, write

THREE = ("run", "all", "--matrix", "vars.seed=0,1,2")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project in its first commit that has not run yet."""

    made = seeds(tmp_path / "r")
    git(made, "init", "-q")
    keep(made, "First")
    return made


def keep(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def facts(entries: dict[str, lock_format.LockEntry]) -> dict[str, object]:
    return {name: entry.fingerprint_key for name, entry in entries.items()}


def test_a_lock_with_variants_is_rebuilt_from_run_records_alone(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    before = (made / "project.lock").read_bytes()
    (made / "project.lock").unlink()
    done = spacy("lock", "rebuild", cwd=made)
    assert [line[2:26].strip() for line in done.out.splitlines()[::2]] == list(
        lock_format.parse(before)
    )
    assert (made / "project.lock").read_bytes() == before
    assert spacy("check", "lock", "--notes", cwd=made).code == 0
    assert "ran 0, skipped 7" in spacy(*THREE, cwd=made).err


def test_a_rebuilt_lock_keeps_stale_variants_of_the_committed_lock(
    made: Path, spacy: Spacy
) -> None:
    spacy(*THREE, cwd=made)
    keep(made, "Three seeds")
    expected = facts(lock_format.read(made))
    change(made, "train.py", "words = ", "letters = words = ")
    keep(made, "Other names")
    write(made, {"project.lock": "<<<<<<<"})
    printed = spacy("lock", "rebuild", "HEAD", cwd=made).out
    assert facts(lock_format.read(made)) == expected
    assert "train --vars.seed 2     stale" in printed


def test_variants_in_no_lock_are_rebuilt_only_if_they_match(made: Path, spacy: Spacy) -> None:
    spacy("run", "train", "--upstream", "--matrix", "vars.seed=1,2", cwd=made)
    change(made, "train.py", "words = ", "letters = words = ")
    (made / "project.lock").unlink()
    keep(made, "Other names")
    spacy("run", "train", "--matrix", "vars.seed=1", cwd=made)
    (made / "project.lock").unlink()
    done = spacy("lock", "rebuild", cwd=made)
    assert list(lock_format.read(made)) == ["prepare", "train --vars.seed 1"]
    assert "  train                unknown  no run is recorded" in done.out.splitlines()


def test_a_variant_is_not_mistaken_for_the_command(made: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=made)
    expected = facts(lock_format.read(made))
    (made / "project.lock").unlink()
    spacy("run", "all", "--matrix", "vars.seed=1", cwd=made)
    (made / "project.lock").unlink()
    change(made, "train.py", "words = ", "letters = words = ")
    keep(made, "Other names")
    printed = spacy("lock", "rebuild", cwd=made).out
    entries = facts(lock_format.read(made))
    assert entries["train"] == expected["train"]
    assert "  train                   stale" in printed


def test_overrides_that_produce_the_same_files_are_not_a_variant(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = two_steps(tmp_path / "r")
    git(made, "init", "-q")
    write(made, {".gitignore": "corpus/\nmodel/\n"})
    keep(made, "First")
    spacy("run", "prepare", "--vars.word", "other", cwd=made)
    (made / "project.lock").unlink()
    spacy("lock", "rebuild", cwd=made)
    assert list(lock_format.read(made)) == ["prepare"]


def test_a_removed_variable_does_not_make_a_variant(made: Path, spacy: Spacy) -> None:
    spacy("run", "prepare", "--vars.size", "7", cwd=made)
    change(made, "project.yml", "  size: 4\n", "")
    change(made, "project.yml", "${vars.size}", "7")
    keep(made, "Seven for good")
    (made / "project.lock").unlink()
    spacy("lock", "rebuild", cwd=made)
    assert list(lock_format.read(made)) == ["prepare"]
    assert spacy("check", "lock", cwd=made).code == 0


def test_a_variant_has_the_same_name_however_its_variables_are_given(
    made: Path, spacy: Spacy
) -> None:
    axes = ("--matrix", "vars.rate=0.2", "--matrix", "vars.seed=1")
    spacy("run", "all", *axes, cwd=made)
    assert list(lock_format.read(made))[1:] == [
        "train --vars.seed 1 --vars.rate 0.2", "evaluate --vars.seed 1 --vars.rate 0.2"
    ]  # fmt: skip
    turned = ("--matrix", "seed=1", "--matrix", "rate=0.2")
    assert "skipped 3" in spacy("run", "all", *turned, cwd=made).err


def test_overrides_beside_the_matrix_apply_to_all_variants(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, "--vars.rate", "0.3", cwd=made)
    keep(made, "Three seeds at 0.3")
    expected = facts(lock_format.read(made))
    assert "train --vars.seed 1" in expected
    spacy("lock", "rebuild", "HEAD", cwd=made)
    assert facts(lock_format.read(made)).items() >= expected.items()


def test_check_notes_finds_the_records_of_variants(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    keep(made, "Three seeds")
    assert spacy("check", "lock", "--notes", cwd=made).code == 0
    git(made, "update-ref", "-d", "refs/notes/spacy")
    done = spacy("check", "lock", "--notes", cwd=made)
    assert done.code == 1
    assert "or, to record it: git spacy lock record train --vars.seed 1" in done.out + done.err
    assert spacy("lock", "record", "train", "--vars.seed", "1", cwd=made).code == 0
    done = spacy("check", "lock", "--notes", cwd=made)
    assert "'train': no run record matches this entry" in done.out + done.err
    assert "'train --vars.seed 1'" not in done.out + done.err
    assert len(lock_format.read(made)) == 7


def test_stale_variants_are_reported_by_their_values(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    keep(made, "Three seeds")
    change(made, "prepare.py", "x", "y")
    keep(made, "Other words")
    done = spacy("check", "lock", cwd=made)
    assert (
        "git spacy run prepare train evaluate && git spacy run train evaluate --vars.seed 1 && "
        "git spacy run train evaluate --vars.seed 2"
    ) in " ".join((done.out + done.err).split())


def diverged(made: Path, spacy: Spacy) -> int:
    """Merge two branches that trained seeds 1 and 2 with different code; return the exit code."""

    spacy(*THREE, cwd=made)
    keep(made, "Three seeds")
    for branch, word in (("side", "letters"), ("ours", "tokens")):
        git(made, "checkout", "-q", "-b", branch, "main")
        change(made, "train.py", "words = ", f"{word} = words = ")
        spacy(*THREE, cwd=made)
        keep(made, branch)
    return subprocess.run(
        ("git", "merge", "-q", "side"), cwd=made, check=False, capture_output=True
    ).returncode


def test_conflicting_variants_are_resolved_like_commands(made: Path, spacy: Spacy) -> None:
    assert diverged(made, spacy) == 1
    git(made, "checkout", "-q", "--theirs", "train.py")
    theirs = lock_format.parse(git(made, "show", "side:project.lock").encode())
    done = spacy("lock", "resolve", cwd=made)
    assert "train --vars.seed 1: took theirs" in done.err.splitlines()
    assert facts(lock_format.read(made)) == facts(theirs)


def test_entries_stale_on_both_sides_are_named_as_one_would_type_them(
    made: Path, spacy: Spacy
) -> None:
    assert diverged(made, spacy) == 1
    (made / "train.py").write_text("# both\n")
    done = spacy("lock", "resolve", cwd=made)
    assert done.err.splitlines()[-1] == (
        "Next: git spacy run train && git spacy run train --vars.seed 1"
        " && git spacy run train --vars.seed 2 && git add project.lock"
    )


def test_branches_that_ran_different_seeds_merge_by_the_driver(
    made: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(made.parent / "bin", monkeypatch)
    git(made, "config", "merge.spacy-lock.driver", "git spacy lock merge-driver %O %A %B")
    write(made, {".gitattributes": "project.lock merge=spacy-lock\n"})
    spacy("run", "all", cwd=made)
    keep(made, "The first seed")
    for seed in (1, 2):
        git(made, "checkout", "-q", "-b", f"seed{seed}", "main")
        spacy("run", "all", "--matrix", f"vars.seed={seed}", cwd=made)
        keep(made, f"Seed {seed}")
    git(made, "merge", "-q", "-m", "merged", "seed1")
    assert len(lock_format.read(made)) == 7
    assert spacy("check", "lock", "--notes", cwd=made).code == 0


def test_diff_compares_a_variant_with_itself(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    keep(made, "Three seeds")
    change(made, "evaluate.py", "0.8", "0.7")
    spacy(*THREE, cwd=made)
    keep(made, "Score lower")
    done = spacy("diff", "HEAD~1", cwd=made)
    printed = dict.fromkeys(("evaluate", "evaluate --vars.seed 1", "evaluate --vars.seed 2"))
    assert [line for line in done.out.splitlines() if "metric" in line] == [
        "  metric score 0.9 → 0.8 (-0.1, worse)",
        "  metric score 0.91 → 0.81 (-0.1, worse)",
        "  metric score 0.92 → 0.82 (-0.1, worse)",
    ]
    assert printed.keys() <= set(done.out.splitlines())
    assert "python" not in done.out


def test_the_log_compares_a_run_with_the_previous_run_with_the_same_values(
    made: Path, spacy: Spacy
) -> None:
    spacy(*THREE, cwd=made)
    keep(made, "Three seeds")
    change(made, "evaluate.py", "0.8", "0.7")
    spacy("run", "evaluate", "--matrix", "vars.seed=2,3", "--upstream", cwd=made)
    keep(made, "Score lower")
    printed = [" ".join(line.split()) for line in spacy("log", cwd=made).out.splitlines()]
    first = next(number for number, line in enumerate(printed) if line.endswith("Three seeds"))
    assert "changed: script" not in printed
    assert printed.count("changed: evaluate.py") == 1
    assert printed[:first].count("first run with these values") == 2
    assert printed[first:].count("first run with these values") == 4


def test_hints_repeat_the_values_that_the_user_typed(made: Path, spacy: Spacy) -> None:
    git(made, "config", "spacy.remote.default.url", "../remote")
    values = ("--vars.seed", "7")
    for words, expected in {
        ("run", "evaluate", *values): "git spacy run train --vars.seed 7",
        ("run", "evaluate", "--set", "seed=a b"): "git spacy run train --set 'seed=a b'",
        ("push", *values): "git spacy run prepare train --vars.seed 7",
        ("status", *values): "git spacy run all --vars.seed 7",
    }.items():
        done = spacy(*words, cwd=made)
        hints = [text for text in (done.out + done.err).splitlines() if "git spacy" in text]
        assert [text.partition(": ")[2] for text in hints] == [expected]
        elsewhere = spacy("-C", made.name, *words, cwd=made.parent)
        assert expected.replace("spacy", f"spacy -C {made.name}") in elsewhere.out + elsewhere.err
    assert spacy("run", "prepare", *values, cwd=made).code == 0
    assert spacy("run", "train", *values, cwd=made).code == 0
    assert spacy("run", "evaluate", *values, cwd=made).code == 0
    assert "git spacy run all\n" in spacy("status", cwd=made).out, "the values are of one call"
