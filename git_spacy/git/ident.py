"""Who commits, as git has it; somebody where nobody was named, as in CI."""

from __future__ import annotations

from pathlib import Path

from git_spacy.git import process

FALLBACK = ("git-spacy", "git-spacy@localhost")
"""Name and address of whoever has set none."""


def person(folder: Path, environ: dict[str, str], role: str) -> bytes:
    """Who commits (`role` AUTHOR or COMMITTER) and when: `Name <address> SECONDS ZONE`."""

    # what git would make up from the machine's name is nobody's address
    asked = ("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT")
    done = process.run_git(asked, cwd=folder, environ=environ, check=False)
    if done.returncode:
        name, address = FALLBACK
        environ = {
            **environ,
            f"GIT_{role}_NAME": environ.get(f"GIT_{role}_NAME") or name,
            f"GIT_{role}_EMAIL": environ.get(f"GIT_{role}_EMAIL") or address,
        }
        done = process.run_git(asked[2:], cwd=folder, environ=environ)
    return done.stdout.strip()
