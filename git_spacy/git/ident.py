"""The author and committer of commits, with a fallback where no identity is set, as in CI."""

from __future__ import annotations

import re
import time
from pathlib import Path

from git_spacy.git import process

FALLBACK_IDENT = ("git-spacy", "git-spacy@localhost")
"""The name and email address for users who have not set any."""

_IDENT = re.compile("GIT_|HOME$|XDG_CONFIG_HOME$|EMAIL$")  # variables that decide it
_remembered: dict[tuple[Path, str, frozenset[tuple[str, str]]], bytes] = {}


def format_ident(folder: Path, environ: dict[str, str], role: str) -> bytes:
    """Return the identity for `role` (AUTHOR or COMMITTER) as `Name <email> SECONDS ZONE`."""

    # Without useConfigOnly, git would make up an address from the name of the machine.
    arguments = ("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT")
    done = process.run_git(arguments, cwd=folder, environ=environ, check=False)
    if done.returncode:
        name, address = FALLBACK_IDENT
        environ = {
            **environ,
            f"GIT_{role}_NAME": environ.get(f"GIT_{role}_NAME") or name,
            f"GIT_{role}_EMAIL": environ.get(f"GIT_{role}_EMAIL") or address,
        }
        done = process.run_git(arguments[2:], cwd=folder, environ=environ)
    return done.stdout.strip()


def remembered_ident(folder: Path, environ: dict[str, str], role: str) -> bytes:
    """Return the identity as `format_ident` does, with the present time; ask git once only, so that
    a change of the user's configuration counts from the next process on."""

    if f"GIT_{role}_DATE" in environ:
        return format_ident(folder, environ, role)
    known = frozenset((name, text) for name, text in environ.items() if _IDENT.match(name))
    key = folder, role, known
    if key not in _remembered:
        _remembered[key] = format_ident(folder, environ, role).rpartition(b"> ")[0]
    now = time.time()
    zone = time.strftime("%z", time.localtime(now))
    return b"%s> %d %s" % (_remembered[key], now, zone.encode())


def ident_variables(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment variables that name author and committer, for commands of git that
    fail where no identity is set."""

    variables = {}
    for role in ("AUTHOR", "COMMITTER"):
        name, _, rest = (
            format_ident(folder, environ, role).decode("utf-8", "replace").rpartition(" <")
        )
        variables[f"GIT_{role}_NAME"] = name
        variables[f"GIT_{role}_EMAIL"] = rest.partition(">")[0]
    return variables
