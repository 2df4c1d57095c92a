"""The built-in templates: every folder below this one that contains a project.yml.

Files that several templates share exist only once; a template is copied on top of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_TEMPLATES = Path(__file__).parent
# group of templates → the shared files to copy first: (folder, files and folders in it; () for all)
_SHARED = {
    "integrations": (
        ("ner_fashion", ("data", "configs", "scripts/preprocess.py", ".gitignore")),
        ("integrations/_shared", ()),
    )
}


def template_names() -> tuple[str, ...]:
    """Return the sorted names of the templates, as `git spacy clone` accepts them."""

    folders = (path.parent for path in _TEMPLATES.rglob("project.yml"))
    return tuple(sorted(folder.relative_to(_TEMPLATES).as_posix() for folder in folders))


def template_folder(name: str) -> Path:
    """Return the folder with the project.yml of the template `name`."""

    return _TEMPLATES / name


def copy_template(name: str, destination: Path) -> None:
    """Copy the template `name` to the folder `destination` and create that. Raises OSError."""

    for folder, parts in (*_SHARED.get(name.rpartition("/")[0], ()), (name, ())):
        for part in parts or (".",):
            source, target = _TEMPLATES / folder / part, destination / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy2(source, target)
