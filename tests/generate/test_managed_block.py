"""Managed blocks: they are found again, edits are detected, and the rest of a file is unchanged."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput, Refused
from git_spacy.generate import managed_block, writer
from git_spacy.generate.managed_block import HASH, MARKDOWN, XML, ForeignBlock, GeneratedFile
from tests.testing.projects import snapshot
from tests.testing.repositories import write

OTHERS = (ForeignBlock("<!-- OLD START -->", "<!-- OLD END -->"),)
ONE = GeneratedFile(
    "README.md", "one\n", "git spacy document", MARKDOWN, shared=True, replaces=OTHERS
)
TWO = ONE._replace(body="two\nlines\n")
NONE = ONE._replace(body="")
FILE = GeneratedFile(
    "dvc.yaml", "a: 1\n", "git spacy dvc all", HASH, replaces=(ForeignBlock("# by a tool", ""),)
)

surroundings = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=60
).map(lambda text: text.replace("git-spacy:", ""))
bodies = st.lists(st.text("abc #<>-'`\u2028é", max_size=8), max_size=4).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


@given(surroundings, bodies, bodies)
def test_a_block_is_appended_and_later_replaced_in_place(
    before: str, first: str, second: str
) -> None:
    one, two = ONE._replace(body=first), ONE._replace(body=second)
    once = managed_block.insert_block(before, one)
    assert once.startswith(before)
    assert managed_block.insert_block(once, one) == once
    if first and second:
        assert managed_block.insert_block(once, two) == managed_block.insert_block(before, two)


@given(surroundings, bodies, surroundings)
def test_the_text_around_a_block_is_preserved_byte_for_byte(
    before: str, body: str, after: str
) -> None:
    above = before + "\n" if before else ""
    text = above + managed_block.with_markers(ONE) + after
    assert managed_block.insert_block(text, ONE._replace(body=body + "x\n")) == (
        above + managed_block.with_markers(ONE._replace(body=body + "x\n")) + after
    )


@given(surroundings)
def test_an_empty_body_removes_the_block_and_restores_the_text(text: str) -> None:
    before = text + "\n" if text else ""
    assert managed_block.insert_block(managed_block.insert_block(before, ONE), NONE) == before
    assert managed_block.insert_block(before, NONE) == before


@given(st.binary(max_size=60).filter(lambda data: b"\0" not in data and b"\r" not in data))
def test_invalid_utf8_is_preserved(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert managed_block.insert_block(text, ONE).encode("utf-8", "surrogateescape").startswith(data)


@pytest.mark.parametrize("part", [ONE, FILE], ids=["a block", "a file"])
def test_the_line_endings_of_the_file_are_kept(part: GeneratedFile) -> None:
    text = managed_block.insert_block("kept\r\n" if part.shared else None, part).replace(
        "\r\n", "\n"
    )
    windows = text.replace("\n", "\r\n")
    assert writer.plan(windows, part).action == "nothing"
    changed = writer.plan(windows, part._replace(body="other\n"))
    assert changed.action == "write"
    assert "\n" not in changed.text.replace("\r\n", "")


def test_a_block_without_its_end_marker_counts_as_edited() -> None:
    text = "above\n" + managed_block.with_markers(ONE).rpartition("<!--")[0] + "below\n"
    decided = writer.plan(text, TWO)
    assert decided.action == "refuse"
    assert decided.text.startswith("above\n")
    assert decided.text.endswith("one\nbelow\n")  # nothing of it is taken for ours


def test_two_blocks_left_by_a_merge_count_as_edited_and_become_one() -> None:
    text = (
        f"above\n{managed_block.with_markers(ONE)}between\n{managed_block.with_markers(TWO)}below\n"
    )
    decided = writer.plan(text, TWO)
    assert decided.action == "refuse"
    assert decided.text == f"above\n{managed_block.with_markers(TWO)}between\nbelow\n"
    assert writer.plan(decided.text, TWO).action == "nothing"


def test_another_tools_block_is_replaced_between_its_markers() -> None:
    text = "above\n<!-- OLD START -->\nold\n<!-- OLD END -->\nbelow\n"
    block = managed_block.with_markers(ONE)
    assert (
        managed_block.insert_block(text, ONE)
        == f"above\n<!-- OLD START -->\n{block}<!-- OLD END -->\nbelow\n"
    )
    not_closed = "above\n<!-- OLD START -->\nold\n"
    assert (
        managed_block.insert_block(not_closed, ONE)
        == f"{not_closed}\n{managed_block.with_markers(ONE)}"
    )


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (None, "write"),
        ("", "write"),
        ("\n  \n", "write"),
        ("b: 2\n", "refuse"),  # a person's
        ("# by a tool, which made all of it\nb: 2\n", "write"),
        (managed_block.with_markers(FILE), "nothing"),
        (managed_block.with_markers(FILE._replace(body="b: 2\n")), "write"),
        (managed_block.with_markers(FILE._replace(command="git spacy dvc other")), "write"),
        (managed_block.with_markers(FILE) + "c: 3\n", "refuse"),  # edited
        (
            managed_block.with_markers(FILE._replace(command="git spacy graph")),
            "refuse",
        ),  # of another command
    ],
)
def test_only_a_generated_file_is_overwritten(text: str | None, action: str) -> None:
    assert writer.plan(text, FILE).action == action


def test_an_edited_block_is_overwritten_only_with_force(tmp_path: Path) -> None:
    assert writer.write(tmp_path, ONE)
    assert not writer.write(tmp_path, ONE)
    path = tmp_path / "README.md"
    edited = path.read_text().replace("one", "edited")
    path.write_text(edited)
    with pytest.raises(Refused, match=r"was edited by hand\nhint: .*git spacy document --force"):
        writer.write(tmp_path, TWO)
    assert path.read_text() == edited
    assert writer.write(tmp_path, TWO, force=True)
    assert path.read_text() == managed_block.with_markers(TWO)


def test_an_empty_block_creates_no_file(tmp_path: Path) -> None:
    assert not writer.write(tmp_path, NONE)
    assert snapshot(tmp_path) == {}


def test_a_file_outside_of_the_project_is_not_written(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(tmp_path, {"outside.md": "mine\n", "project/x": ""})
    (project / "README.md").symlink_to("../outside.md")
    with pytest.raises(Refused):
        writer.write(project, ONE)
    assert (tmp_path / "outside.md").read_text() == "mine\n"


def test_a_binary_file_is_not_changed(tmp_path: Path) -> None:
    write(tmp_path, {"README.md": b"\0\1", "folder/x": ""})
    with pytest.raises(InvalidInput, match="not a text file"):
        writer.write(tmp_path, ONE)
    with pytest.raises(Refused, match="regular file"):
        writer.write(tmp_path, ONE._replace(file="folder"))


def test_the_difference_is_a_diff_that_git_can_apply(tmp_path: Path) -> None:
    text = managed_block.insert_block("kept\n", ONE)
    assert writer.difference(text, ONE) == ""
    lines = writer.difference(text, TWO).splitlines()
    assert lines[:2] == ["--- a/README.md", "+++ b/README.md"]
    assert {line for line in lines[3:] if line[0] in "+-" and "git-spacy" not in line} == {
        "-one", "+two", "+lines",
    }  # fmt: skip


@pytest.mark.parametrize("before", [None, "", "one line", "kept\n\nno end"])
def test_git_applies_the_difference_also_without_a_final_newline(
    tmp_path: Path, before: str | None
) -> None:
    if before is not None:
        (tmp_path / "README.md").write_text(before)
    (tmp_path / "patch").write_text(writer.difference(before, TWO))
    subprocess.run(("git", "apply", "patch"), cwd=tmp_path, check=True)
    assert (tmp_path / "README.md").read_text() == managed_block.insert_block(before, TWO)


def test_git_applies_the_difference_to_a_block_without_a_final_newline(tmp_path: Path) -> None:
    """An editor removed the last newline: only that differs."""

    before = managed_block.insert_block("kept\n", ONE).removesuffix("\n")
    (tmp_path / "README.md").write_text(before)
    (tmp_path / "patch").write_text(writer.difference(before, ONE))
    subprocess.run(("git", "apply", "patch"), cwd=tmp_path, check=True)
    assert (tmp_path / "README.md").read_text() == f"{before}\n"


def test_a_marker_names_its_source_unless_it_has_none() -> None:
    """The schema is the same for every project."""

    for part in (FILE, FILE._replace(source="")):
        text = managed_block.with_markers(part)
        assert ("from project.yml" in text) == bool(part.source)
        assert list(managed_block.find_commands(text)) == [(part.command, 1)]
        existing = managed_block.find_block(text, part)
        assert existing
        assert existing.intact


words = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]).filter(str.isprintable),
    min_size=1, max_size=20,
)  # fmt: skip


@given(st.lists(words, min_size=1, max_size=4))
def test_a_markers_command_is_read_back_unchanged(names: list[str]) -> None:
    made = managed_block.marker_command("dvc", *names)
    part = FILE._replace(command=made)
    assert managed_block.split_command(made) == ["dvc", *names]
    assert list(managed_block.find_commands(f"# x\n{managed_block.with_markers(part)}")) == [
        (made, 2)
    ]


def test_a_command_with_unprintable_characters_or_too_long_is_rejected() -> None:
    for name in ("a\nb", "\x1b[0m", "x" * 500):
        with pytest.raises(InvalidInput):
            managed_block.marker_command("dvc", name)


def test_a_marker_can_be_below_the_first_line() -> None:
    part = GeneratedFile("g.svg", "<svg>\n</svg>\n", "git spacy graph -o g.svg", XML)
    lines = managed_block.with_markers(part).splitlines()
    assert (lines[0], lines[2]) == ("<svg>", "</svg>")
    assert writer.plan(managed_block.with_markers(part), part).action == "nothing"
