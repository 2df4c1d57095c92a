"""The embedded templates: every folder below this one that has a project.yml.

What several of them have in common is written once: a template is laid over what it shares.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_TEMPLATES = Path(__file__).parent
# group → what its templates begin with: (folder, the files and folders of it; () for all of them)
_SHARED = {
    "integrations": (
        ("ner_fashion", ("data", "configs", "scripts/preprocess.py", ".gitignore")),
        ("integrations/_shared", ()),
    )
}


def template_names() -> tuple[str, ...]:
    """Their names, as `git spacy clone` takes them."""

    found = (
        path.parent.relative_to(_TEMPLATES).as_posix() for path in _TEMPLATES.rglob("project.yml")
    )
    return tuple(sorted(found))


def copy_template(name: str, destination: Path) -> None:
    """Copy the template `name` into the folder `to`, which is made. Raises OSError."""

    for folder, parts in (*_SHARED.get(name.rpartition("/")[0], ()), (name, ())):
        for part in parts or (".",):
            source, target = _TEMPLATES / folder / part, destination / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy2(source, target)
