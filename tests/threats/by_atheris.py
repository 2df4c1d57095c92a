"""Run the functions of fuzz.py under atheris, which mutates inputs to reach new code paths.

    python -m tests.threats.by_atheris KIND CORPUS [LIBFUZZER OPTION…]

scripts/stress runs this if atheris can be installed; nothing else needs it.
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
            fuzz.skip_waiting()
            for number, data in enumerate(fuzz.valid_inputs(arena, name)):
                (Path(corpus) / f"valid-{number}").write_bytes(data)
                fuzz.KINDS[name](arena, data)  # imports what it needs
        atheris.Setup(sys.argv, lambda data: fuzz.KINDS[name](arena, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
