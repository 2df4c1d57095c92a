"""What modules use of typing works without importing it."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from git_spacy import light_typing
from git_spacy.light_typing import Generic, Literal, NamedTuple, Protocol, Union, cast, get_args

Colour = Literal["red", "green"]


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 2
    colour: Colour = "red"

    @property
    def sum(self) -> int:
        return self.x + self.y

    @classmethod
    def at_origin(cls) -> Point:
        return cls(0, y=0)


class TypedPoint(typing.NamedTuple):
    """A point."""

    x: int
    y: int = 2
    colour: Colour = "red"


def test_a_named_tuple_is_like_that_of_typing() -> None:
    point = Point(1)
    assert point == (1, 2, "red") == TypedPoint(1)
    assert repr(point) == repr(TypedPoint(1)).removeprefix("Typed")
    assert point._replace(y=5) == Point(1, 5)
    assert point._asdict() == TypedPoint(1)._asdict()
    for name in ("_fields", "_field_defaults", "__doc__", "__module__"):
        assert getattr(Point, name) == getattr(TypedPoint, name)
    assert (point.sum, Point.at_origin()) == (3, Point(0, 0))
    assert Point.__qualname__ == "Point"
    for copied in (pickle.loads(pickle.dumps(point)), copy.deepcopy(point)):
        assert (type(copied), copied) == (Point, point)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        point.x = 3  # type: ignore[misc]


def test_the_values_of_a_literal_are_known() -> None:
    assert get_args(Colour) == typing.get_args(Colour) == ("red", "green")


def test_types_can_be_subscripted_and_inherited_from() -> None:
    class Box(Generic[light_typing.TypeVar("T")]):  # type: ignore[misc]
        pass

    class Reader(Protocol):
        def read(self) -> str: ...

    class File(Reader):
        def read(self) -> str:
            return "text"

    assert isinstance(Box(), Box)
    assert File().read() == "text"
    assert get_args(Union[int, str]) == (int, str)  # noqa: UP007
    assert cast("int", "x") == "x"  # type: ignore[comparison-overlap]


def test_it_has_every_name_that_it_exports() -> None:
    for name in light_typing.__all__:
        assert hasattr(light_typing, name)
        assert hasattr(typing, name)
