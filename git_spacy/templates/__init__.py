"""The embedded templates: every folder below this one that has a project.yml."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Their names, as `git spacy clone` takes them."""

    found = (path.parent.relative_to(_HERE).as_posix() for path in _HERE.rglob("project.yml"))
    return tuple(sorted(found))


def folder(name: str) -> Path:
    """Where the template `name` lies."""

    return _HERE / name
