"""project.lock is read, and written byte for byte as weasel writes it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LockEntry, TrackedPath
from tests.testing.projects import CORPUS, needs_corpus

LOCKS = sorted(CORPUS.glob("*/project.lock"))


def weasel_text(document: dict[str, Any]) -> bytes:
    srsly = pytest.importorskip("srsly")
    return bytes(srsly.yaml_dumps(document).encode("utf-8", "surrogatepass"))


@needs_corpus
@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.parent.name)
def test_a_public_lock_is_written_as_it_was_read(path: Path) -> None:
    data = path.read_bytes()
    assert lock_format.text(lock_format.parse(data)) == data


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=120)
awkward = st.sampled_from(
    ["no", "yes", "null", "~", "", "0o7", "1e5", "12e03", "0x1f", "1_0", ".5", ".inf", "<<", "=",
     "2020-01-01", "a: b", "a #b", " a", "a ", "it's", "'q' " * 30, "a\nb", "a\n", "- a", "? a",
     "x" * 200 + " y", "word " * 40, "---", "%a", "@x", "`x`", "!x", "&x", "*x", "{a}", "[a]",
     "1234567890123456789012345678901e"]
)  # fmt: skip


@given(st.lists(texts | awkward, max_size=4), awkward | texts, st.none() | awkward)
def test_any_text_is_written_as_weasel_writes_it(
    script: list[str], path: str, md5: str | None
) -> None:
    entry = LockEntry("c", tuple(script), (TrackedPath(path, md5),), (), "python -m weasel run c")
    document = {
        "c": {
            "cmd": entry.cmd,
            "script": script,
            "deps": [{"path": path, "md5": md5}],
            "outs": [],
        }
    }
    assert lock_format.text({"c": entry}) == weasel_text(document)


@given(st.lists(texts.filter(str.strip) | awkward.filter(bool), max_size=3))
def test_a_written_lock_reads_back_unchanged(script: list[str]) -> None:
    entry = LockEntry(
        "c", tuple(script), (TrackedPath("a", None),), (TrackedPath("b", "0" * 32),), "x run c"
    )
    # control characters are written but refused on reading; any reader folds Unicode line breaks
    odd = {"\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff"}
    if all(ch in "\n\t" or (ch >= " " and ch not in odd) for line in script for ch in line):
        assert lock_format.parse(lock_format.text({"c": entry})) == {"c": entry}


def entry(name: str = "train", **more: Any) -> LockEntry:
    return LockEntry(name, ("python train.py",), (), (TrackedPath("model", "0" * 32),), **more)


def test_a_new_lock_has_the_format_of_weasel() -> None:
    assert (
        lock_format.match_format(entry(), {}, lambda: "3.8.0").cmd == "python -m weasel run train"
    )


def test_an_old_lock_keeps_its_format_and_its_version_of_spacy() -> None:
    old = entry("prepare", cmd="python -m spacy run prepare")
    old = old._replace(extra=(("spacy_version", "3.1.1"), ("spacy_git_version", "ffaead8fe")))
    result = lock_format.match_format(entry(), {"prepare": old}, lambda: "3.1.1")
    assert result.cmd == "python -m spacy run train"
    assert result.extra == old.extra


def test_an_old_lock_gets_the_version_of_spacy_that_the_scripts_ran_with() -> None:
    old = entry(cmd="python -m spacy run train")
    old = old._replace(extra=(("spacy_version", "3.1.1"), ("spacy_git_version", "ffaead8fe")))
    result = lock_format.match_format(entry(), {"train": old}, lambda: "3.4.0")
    assert result.extra == (("spacy_version", "3.4.0"), ("spacy_git_version", "Unknown"))


def test_an_update_without_changes_does_not_write_the_file(tmp_path: Path) -> None:
    LockFile(tmp_path).put(entry(cmd="python -m weasel run train"))
    before = (tmp_path / "project.lock").stat()
    LockFile(tmp_path).put(entry(cmd="python -m spacy run train"))
    after = (tmp_path / "project.lock").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_an_update_keeps_the_order_of_the_entries(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        LockFile(tmp_path).put(entry(name, cmd=f"python -m weasel run {name}"))
    LockFile(tmp_path).put(entry("a", cmd="python -m weasel run a")._replace(script=("new",)))
    assert list(lock_format.read(tmp_path)) == ["b", "a", "c"]
    assert lock_format.read(tmp_path)["a"].script == ("new",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("[]", "not a mapping"),
        ("a: b", "not a mapping"),
        ("a:\n  script: x\n", "not a list"),
        ("a:\n  deps:\n    - x\n", "no path"),
        ("a: {b: [}", "invalid YAML"),
        ("<<<<<<< ours\na: {}\n=======\nb: {}\n>>>>>>> theirs\n", "conflict"),
    ],
)
def test_an_invalid_lock_is_an_error_and_not_changed(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "project.lock").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        lock_format.read(tmp_path)
    assert message in str(caught.value)
    assert "git" in caught.value.problems[0].hint
    assert (tmp_path / "project.lock").read_text() == text


def test_the_text_is_utf8_in_any_locale() -> None:
    data = lock_format.text({"c": entry("c", cmd="x")._replace(script=("echo ß 😀",))})
    assert io.BytesIO(data).read().decode("utf-8").count("ß") == 1


@pytest.mark.threat("hostile-values", commands="check lock run status")
@pytest.mark.parametrize(
    "md5", ["../../../evil", "/x", "'*'", "''", "A" * 32, "a" * 31, "a" * 33, "~", f"'{'a' * 32}/..'", "'\u0661'"]
)  # fmt: skip
def test_an_invalid_md5_is_refused_with_its_line(md5: str) -> None:
    """Threat model: hostile-values: the md5 becomes a path in the run cache."""

    data = LOCK_WITH.format(md5).encode()
    if md5 == "~":  # null: the path did not exist
        assert lock_format.parse(data)["train"].outs == (TrackedPath("model", None),)
        return
    with pytest.raises(
        InvalidInput, match="is not an md5 of 32 lower-case hexadecimal digits"
    ) as raised:
        lock_format.parse(data)
    assert raised.value.problems[0].location == "project.lock:6:1"
    assert "'train'" in raised.value.problems[0].message


LOCK_WITH = """\
train:
  script: []
  deps: []
  outs:
  - path: model
    md5: {}
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("path: model", f"path: {'a/' * 2048}a", "is not text of at most 4,096 bytes"),
        ("path: model", 'path: "a\\nb"', "is not one line of text"),
        ("path: model", "path: 7", "is not text"),
        ("script:", f"script:\n  - {'x' * (1 << 20)}y", "is not text of at most 1,048,576 bytes"),
    ],
    ids=["long path", "two lines", "number", "long script"],
)
def test_an_invalid_path_or_script_is_refused_with_its_line(
    before: str, after: str, message: str
) -> None:
    """With a path of several megabytes, `status` took ten seconds."""

    data = LOCK_WITH.format("a" * 32)
    assert before in data
    with pytest.raises(InvalidInput) as raised:
        lock_format.parse(data.replace(before, after).encode())
    (problem,) = raised.value.problems
    assert message in problem.message
    assert problem.location.startswith("project.lock:")
    assert len(problem.message) < 200
