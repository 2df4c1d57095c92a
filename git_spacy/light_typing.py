"""The names of typing for the modules of commands that users wait for many times a day.

Importing typing, and checking its named tuples, takes an eighth of the time of `git spacy status`.
Type checkers see typing itself. When git-spacy runs, no annotation is evaluated, so that most names
only have to exist; modules that use this one need `from __future__ import annotations`.
"""

from __future__ import annotations

from types import GenericAlias

__all__ = [
    "IO", "TYPE_CHECKING", "Any", "AnyStr", "BinaryIO", "Generic", "Literal", "NamedTuple",
    "Protocol", "TextIO", "TypeAlias", "TypeVar", "Union", "cast", "get_args",
]  # fmt: skip

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import (
        IO,
        Any,
        AnyStr,
        BinaryIO,
        Generic,
        Literal,
        NamedTuple,
        Protocol,
        TextIO,
        TypeAlias,
        TypeVar,
        Union,
        cast,
        get_args,
    )
else:
    from collections import namedtuple

    IO = Any = AnyStr = BinaryIO = TextIO = TypeAlias = None

    class Generic:
        """A base class that can be subscripted."""

        __class_getitem__ = classmethod(GenericAlias)

    class Literal(Generic):
        """A type with few values; `typing.get_args` returns them."""

    class Protocol(Generic):
        """The base class of protocols."""

    class Union(Generic):
        """One of several types."""

    class _NamedTupleType(type):
        def __new__(cls, name, bases, namespace):
            if not bases:  # NamedTuple itself
                return super().__new__(cls, name, bases, namespace)
            fields = namespace["__annotations__"]
            defaults = [namespace[field] for field in fields if field in namespace]
            module = namespace["__module__"]
            created = namedtuple(name, fields, defaults=defaults, module=module)
            for key, value in namespace.items():
                if key not in fields:
                    setattr(created, key, value)
            return created

    class NamedTuple(metaclass=_NamedTupleType):
        """A base class of named tuples, whose fields are the annotations of the class."""

    def TypeVar(name, **_):
        return name

    def cast(_, value):
        return value

    def get_args(alias):
        return alias.__args__
