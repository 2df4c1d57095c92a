"""Find the program that Git starts for us, `git-spacy-hook`, and the hooks that call it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

HOOKS = ("pre-commit", "pre-merge-commit", "pre-applypatch")
PROGRAM = "git-spacy-hook"
CHECK = "git spacy-hook all"
"""The shell command for configurations that are committed: Git finds PROGRAM on the PATH, or else
by the alias of `alias_command`, which each clone has for itself."""
TRY = "GIT_SPACY_TRY_HOOK"
"""The environment variable that makes our hooks and PROGRAM only answer READY."""
READY = "git-spacy-hook is ready"


def scripts_folder() -> Path:
    """Return the folder of HOOKS, which is in the package, or beside it in a checkout."""

    package = Path(__file__).parents[1]
    installed = package / "hooks"
    return installed if installed.is_dir() else package.parent / "hooks"


def find_program() -> Path | None:
    """Return the path of PROGRAM: beside the running program or its Python, or on the PATH."""

    beside = (
        Path(os.path.abspath(path)).with_name(PROGRAM) for path in (sys.argv[0], sys.executable)
    )
    on_path = shutil.which(PROGRAM)
    candidates = (*beside, *([Path(os.path.abspath(on_path))] if on_path else []))
    return next((path for path in candidates if path.is_file() and os.access(path, os.X_OK)), None)


def alias_command(program: Path) -> str:
    """Return the value of `alias.spacy-hook`: starts `program`, or says how to find it again."""

    folder = shlex.quote(str(program.parent))
    hint = "hint: in the environment where it is now, run: git spacy init hooks --yes"
    return (
        f'!f() {{ {folder}/{PROGRAM} "$@"; code=$?; case $code in 126|127)'
        f' echo "error: git-spacy does not start from" {folder} >&2; echo "{hint}" >&2;; esac;'
        " return $code; }; f"
    )


def merge_driver_command(program: Path | None) -> str:
    """Return the value of `merge.spacy-lock.driver`.

    It looks for PROGRAM as the hooks do. If that fails and leaves no conflict markers, Git merges
    the file line by line, as it would without us.
    """

    path = f"PATH=$PATH:{shlex.quote(str(program.parent))}; " if program else ""
    warning = "warning: git-spacy could not merge project.lock; merged line by line"
    hint = "hint: in the environment of git-spacy, run: git spacy init merge --yes"
    return (
        f"{path.replace('%', '%%')}{PROGRAM} merge-driver %O %A %B ||"
        ' { ! grep -q "^<<<<<<<" %A || exit 1;'
        f' echo "{warning}" >&2; echo "{hint}" >&2;'
        " git merge-file -L ours -L base -L theirs %A %O %B; }"
    )
