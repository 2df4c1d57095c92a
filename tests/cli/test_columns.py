"""Columns are never wider than the terminal, and nothing is cut that would change its meaning."""

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
def test_no_line_is_wider_than_the_terminal(columns: list[Column], width: int) -> None:
    found = lines(fitted(columns, width).columns)
    assert all(display_width(str(line)) <= width for line in found)
    assert not found or len(found) > ROWS


@given(grids, st.integers(1, 150))
def test_numbers_are_never_cut(columns: list[Column], width: int) -> None:
    fits = fitted(columns, width)
    assert len(fits.columns) + len(fits.left_out) == len(columns)
    kept = [column.cells for column in columns if not column.is_text]
    assert all(column.cells in kept for column in fits.columns if not column.is_text)


@given(grids, st.integers(1, 150))
def test_shortened_texts_stay_different(columns: list[Column], width: int) -> None:
    unused = list(columns)
    for column in fitted(columns, width).columns:
        origin = next(other for other in unused if other.title == column.title and (
            other.cells == column.cells or other.is_text))  # fmt: skip
        unused.remove(origin)
        assert len(set(column.cells)) == len(set(origin.cells)) or origin.title in {
            other.title for other in unused
        }


@given(grids)
def test_without_a_width_nothing_is_left_out(columns: list[Column]) -> None:
    assert fitted(columns, None) == (tuple(columns), ())


def rendered(columns: list[Column], width: int | None = None) -> list[str]:
    return [str(line) for line in lines(fitted(columns, width).columns)]


def test_numbers_are_aligned_right_and_texts_left() -> None:
    table = [Column("size", ("9", "10")), Column("kind", ("a", "bc"), is_text=True)]
    assert rendered(table) == ["  size  kind", "     9  a", "    10  bc"]


def test_a_long_title_is_folded_at_its_dots() -> None:
    table = [Column("seed", ("1",)), Column("ents_per_type.GPE.f", ("0.5",))]
    assert rendered(table) == [
        "        ents_per_type.",
        "  seed           GPE.f",
        "     1             0.5",
    ]


def test_columns_of_the_highest_rank_are_left_out_first_from_the_right() -> None:
    table = [
        Column(name, ("1000",), rank) for name, rank in (("a", 0), ("b", 3), ("c", 3), ("d", 5))
    ]
    for width, left in ((24, ()), (23, ("d",)), (17, ("c", "d")), (11, ("b", "c", "d"))):
        assert fitted(table, width).left_out == left
    assert fitted(table, 5).columns == ()


def test_the_middle_of_a_path_is_replaced_unless_paths_would_become_equal() -> None:
    names = [f"configs/experiments/of/last/november/{name}.cfg" for name in ("large", "small")]
    assert rendered([Column("config", tuple(names), is_text=True)], 30) == [
        "  config", "  configs/exp…er/large.cfg", "  configs/exp…er/small.cfg"
    ]  # fmt: skip
    alike = tuple(f"{'a' * 20}{name}{'b' * 20}" for name in "12")
    assert fitted([Column("config", alike, is_text=True)], 30).left_out == ("config",)
