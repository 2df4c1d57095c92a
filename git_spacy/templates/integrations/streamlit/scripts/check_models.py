"""Report pipelines that do not exist, before the app starts and shows an error in the browser.

python scripts/check_models.py MODELS

MODELS are paths or names of pipelines, separated by commas.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path


def exists(name: str) -> bool:
    """Return whether `name` is a saved pipeline or the package of one, as `spacy.load` has it."""

    if Path(name).exists():
        return Path(name, "config.cfg").is_file() and Path(name, "meta.json").is_file()
    return name.isidentifier() and find_spec(name) is not None


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/check_models.py MODELS")
    missing = [name for name in map(str.strip, sys.argv[1].split(",")) if not exists(name)]
    if not missing:
        return
    for name in missing:
        reason = "has no meta.json and config.cfg" if Path(name).exists() else "does not exist"
        print(f"error: pipeline '{name}' {reason}", file=sys.stderr)
    found = sorted(str(path.parent) for path in Path("training").glob("**/meta.json"))
    hint = f"choose from: {', '.join(found)}" if found else "git spacy run train"
    sys.exit(f"hint: {hint}")


if __name__ == "__main__":
    main()
