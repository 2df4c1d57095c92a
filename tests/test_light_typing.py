"""What modules use of typing works without importing it."""

from __future__ import annotations

import copy
import pickle
import typing
from collections.abc import Callable
from typing import Any

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


class Origin(Point):
    """A subclass with a method that calls that of its base class."""

    @property
    def sum(self) -> int:
        return super().sum + 100


def light_point() -> type[Any]:
    class Point(NamedTuple):
        x: int
        y: int = 2
        colour: Colour = "red"

    return Point


def typing_point() -> type[Any]:
    class Point(typing.NamedTuple):
        x: int
        y: int = 2
        colour: Colour = "red"

    return Point


WRONG: list[Callable[[type[Any]], object]] = [
    lambda point: point(),
    lambda point: point(1, 2, "red", 4),
    lambda point: point(1, x=1),
    lambda point: point(1, z=1),
    lambda point: point(x=1, y=2, z=3),
]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("before", [lambda point: point(1, 2, "red"), lambda point: point(1)])
def test_wrong_arguments_are_reported_as_by_typing(
    before: Callable[[type[Any]], object], wrong: Callable[[type[Any]], object]
) -> None:
    messages = []
    for create in (light_point, typing_point):
        point = create()
        before(point)
        with pytest.raises(TypeError) as caught:
            wrong(point)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_a_named_tuple_can_be_inherited_from_matched_and_changed() -> None:
    for origin in (Origin(1, 2, "red"), Origin(1, colour="green"), Origin(x=1)):
        assert (type(origin), origin.sum, origin.y) == (Origin, 103, 2)
        assert isinstance(origin, Point)
        changed = origin._replace(colour="red", x=5)
        assert (type(changed), changed) == (Origin, (5, 2, "red"))
        with pytest.raises((TypeError, ValueError), match="z"):
            origin._replace(z=1)  # type: ignore[call-arg]
    match Point(1, 7):
        case Point(x, y, colour):
            assert (x, y, colour) == (1, 7, "red")
        case _:
            pytest.fail("no match")
    assert {Point(1): "a"}[Point(x=1)] == "a"
    assert not hasattr(Point(1), "__dict__")


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
