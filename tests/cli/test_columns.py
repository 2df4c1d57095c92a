"""Columns fitted to a width: never wider, nothing cut that would say something else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from git_spacy.cli.columns import Column, fitted, lines
from git_spacy.generate.drawing.label import display_width

ROWS = 3
texts = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=50)
titles = st.text("abcé字._:", min_size=1, max_size=40)
numbers = st.floats(allow_nan=False).map(str) | st.integers().map(str)
columns = st.builds(
    Column, titles, st.tuples(*[numbers] * ROWS), st.integers(0, 5), bold=st.just(frozenset({1}))
) | st.builds(Column, titles, st.tuples(*[texts] * ROWS), st.integers(0, 5), st.just(True))
grids = st.lists(columns, max_size=8)


@given(grids, st.integers(1, 150))
def test_no_line_is_wider_than_the_terminal(some: list[Column], width: int) -> None:
    found = lines(fitted(some, width).columns)
    assert all(display_width(str(one)) <= width for one in found)
    assert not found or len(found) > ROWS


@given(grids, st.integers(1, 150))
def test_a_number_is_there_as_a_whole_or_not_at_all(some: list[Column], width: int) -> None:
    fits = fitted(some, width)
    assert len(fits.columns) + len(fits.left_out) == len(some)
    kept = [one.cells for one in some if not one.is_text]
    assert all(one.cells in kept for one in fits.columns if not one.is_text)


@given(grids, st.integers(1, 150))
def test_texts_that_differ_still_do_when_they_are_shortened(some: list[Column], width: int) -> None:
    unused = list(some)
    for one in fitted(some, width).columns:
        origin = next(other for other in unused if other.title == one.title and (
            other.cells == one.cells or other.is_text))  # fmt: skip
        unused.remove(origin)
        assert len(set(one.cells)) == len(set(origin.cells)) or origin.title in {
            other.title for other in unused
        }


@given(grids)
def test_where_nobody_looks_nothing_is_left_out(some: list[Column]) -> None:
    assert fitted(some, None) == (tuple(some), ())


def told(some: list[Column], width: int | None = None) -> list[str]:
    return [str(line) for line in lines(fitted(some, width).columns)]


def test_numbers_stand_to_the_right_and_texts_to_the_left() -> None:
    table = [Column("size", ("9", "10")), Column("kind", ("a", "bc"), is_text=True)]
    assert told(table) == ["  size  kind", "     9  a", "    10  bc"]


def test_a_long_title_is_folded_at_its_dots() -> None:
    table = [Column("seed", ("1",)), Column("ents_per_type.GPE.f", ("0.5",))]
    assert told(table) == [
        "        ents_per_type.",
        "  seed           GPE.f",
        "     1             0.5",
    ]


def test_the_column_of_the_highest_rank_goes_first_and_of_one_rank_the_last() -> None:
    table = [
        Column(name, ("1000",), rank) for name, rank in (("a", 0), ("b", 3), ("c", 3), ("d", 5))
    ]
    for width, left in ((24, ()), (23, ("d",)), (17, ("c", "d")), (11, ("b", "c", "d"))):
        assert fitted(table, width).left_out == left
    assert fitted(table, 5).columns == ()


def test_a_path_loses_its_middle_unless_it_would_be_taken_for_another() -> None:
    names = [f"configs/experiments/of/last/november/{name}.cfg" for name in ("large", "small")]
    assert told([Column("config", tuple(names), is_text=True)], 30) == [
        "  config", "  configs/exp…er/large.cfg", "  configs/exp…er/small.cfg"
    ]  # fmt: skip
    alike = tuple(f"{'a' * 20}{name}{'b' * 20}" for name in "12")
    assert fitted([Column("config", alike, is_text=True)], 30).left_out == ("config",)
