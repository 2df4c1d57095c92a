"""The functions of fuzz.py under atheris, which changes what opens new ways through the code.

    python -m tests.threats.by_atheris KIND CORPUS [LIBFUZZER OPTION…]

scripts/stress runs it where atheris can be installed; nothing else needs that.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris


def main() -> None:
    name, corpus = sys.argv.pop(1), sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HOME=folder, XDG_CACHE_HOME=f"{folder}/cache", GIT_CONFIG_NOSYSTEM="1")
        for role in ("AUTHOR", "COMMITTER"):
            os.environ.update({f"GIT_{role}_NAME": "A", f"GIT_{role}_EMAIL": "a@example.com"})
        arena_folder = Path(folder) / "arena"
        arena_folder.mkdir()
        with atheris.instrument_imports(include=["git_spacy"]):
            from tests.threats import fuzz

            arena = fuzz.Arena(arena_folder)
            fuzz.without_pauses()
            for number, data in enumerate(fuzz.good(arena, name)):
                (Path(corpus) / f"good-{number}").write_bytes(data)
                fuzz.KINDS[name](arena, data)  # imports what it needs
        atheris.Setup(sys.argv, lambda data: fuzz.KINDS[name](arena, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
