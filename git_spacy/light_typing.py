"""The names of typing for the modules of commands that users wait for many times a day.

Importing typing, and checking its named tuples, takes an eighth of the time of `git spacy status`.
Type checkers see typing itself. When git-spacy runs, no annotation is evaluated, so that most names
only have to exist; modules that use this one need `from __future__ import annotations`.
"""

from __future__ import annotations

from types import GenericAlias

__all__ = [
    "IO", "TYPE_CHECKING", "Any", "AnyStr", "BinaryIO", "Generic", "Literal", "NamedTuple",
    "NoReturn",    "Protocol", "TextIO", "TypeAlias", "TypeVar", "Union", "cast", "get_args",
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
        NoReturn,
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

    IO = Any = AnyStr = BinaryIO = NoReturn = TextIO = TypeAlias = None

    class Generic:
        """A base class that can be subscripted."""

        __class_getitem__ = classmethod(GenericAlias)

    class Literal(Generic):
        """A type with few values; `typing.get_args` returns them."""

    class Protocol(Generic):
        """The base class of protocols."""

    class Union(Generic):
        """One of several types."""

    _LIKE_ANY = namedtuple("_LIKE_ANY", [f"field_{number}" for number in range(32)])
    _FIELDS = [vars(_LIKE_ANY)[name] for name in _LIKE_ANY._fields]  # find a field by its position

    class _Tuple(tuple):
        """The methods of named tuples, as in collections."""

        __slots__ = ()
        _make = classmethod(tuple.__new__)

        def _replace(self, /, **changes):
            replaced = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise ValueError(f"Got unexpected field names: {list(changes)!r}")
            return replaced

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            values = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({values})"

        def __getnewargs__(self):
            return tuple(self)

    class _NamedTupleType(type):
        """Creates named tuples in a fifth of the time of collections, which compiles their
        constructors."""

        def __new__(cls, name, bases, namespace):
            if not bases:  # NamedTuple itself
                return super().__new__(cls, name, bases, namespace)
            fields = tuple(namespace["__annotations__"])
            assert len(fields) <= len(_FIELDS), name
            defaults = {field: namespace[field] for field in fields if field in namespace}

            def construct(cls, /, *values, **named):
                if not named and len(values) == len(fields):
                    return tuple.__new__(cls, values)
                exact = namedtuple(name, fields, defaults=defaults.values()).__new__
                created.__new__ = staticmethod(exact)  # from now on
                return exact(cls, *values, **named)

            created = type(
                name,
                (_Tuple,),
                {
                    **namespace,
                    **dict(zip(fields, _FIELDS, strict=False)),
                    "__new__": construct,
                    "__slots__": (),
                    "__match_args__": fields,
                    "_fields": fields,
                    "_field_defaults": defaults,
                },
            )
            return created

    class NamedTuple(metaclass=_NamedTupleType):
        """A base class of named tuples, whose fields are the annotations of the class."""

    def TypeVar(name, **_):
        return name

    def cast(_, value):
        return value

    def get_args(alias):
        return alias.__args__
