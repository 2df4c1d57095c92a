"""Real repositories, made by readable shell."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

GIT = shutil.which("git") or "git"  # found before a test empties the PATH
_PATH = os.environ["PATH"]


def sh(script: str, cwd: Path, **variables: str) -> str:
    """What the shell `script` prints. It stops at the first command that fails."""

    environment = {**os.environ, "PATH": _PATH, **variables}
    done = subprocess.run(
        ("/bin/sh", "-euc", script), cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def incompressible(size: int, seed: int = 0) -> bytes:
    """`size` bytes that no compression makes smaller, the same ones every time."""

    return random.Random(seed).randbytes(size)


def template_repository(path: Path, *, ballast: int = 0, folders: int = 3) -> Path:
    """A work tree at `path` like the one that templates come from; return its path.

    `tutorials/ner_demo` has a project, an executable, a link that stays inside, a Git LFS pointer
    and text with CRLF; beside it lie `folders` others, with `ballast` incompressible bytes each.
    """

    path.mkdir(parents=True)
    sh("git init -q .", path)
    demo = path / "tutorials/ner_demo"
    (demo / "scripts").mkdir(parents=True)
    (demo / "assets").mkdir()
    (demo / "project.yml").write_text('title: "NER demo"\ncommands: []\n')
    (demo / "README.md").write_bytes(b"# NER\r\nwindows\r\n")
    (demo / "scripts/train.sh").write_text("#!/bin/sh\necho train\n")
    (demo / "scripts/train.sh").chmod(0o755)
    (demo / "scripts/latest.sh").symlink_to("train.sh")
    (demo / "assets/model.bin").write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
    )
    (demo / ".gitattributes").write_text("*.bin filter=lfs diff=lfs\n*.md text eol=lf\n")
    sh("git config core.autocrlf false", path)
    for number in range(folders):
        other = path / f"pipelines/other_{number}"
        other.mkdir(parents=True)
        (other / "project.yml").write_text(f"title: Other {number}\n")
        if ballast:
            (other / "ballast.bin").write_bytes(incompressible(ballast, number))
    for group in ("pipelines", "experimental"):
        double = path / group / "double"
        double.mkdir(parents=True)
        (double / "project.yml").write_text(f"title: Double in {group}\n")
    (path / "README.md").write_text("# Templates\n")
    # Attributes would normalise the README: its bytes go in as they are.
    sh(
        """
        printf '*.md -text\n*.bin -filter\n' > .git/info/attributes
        git add -A
        git commit -qm Templates
        """,
        path,
    )
    return path


def commit_tree(repository: Path, listing: str, message: str = "Hostile") -> str:
    """A commit on main of the tree `listing` (`git mktree` lines, with \\t), unchecked; its id."""

    return sh(
        f"""
        tree=$(printf '{listing}' | git mktree --missing)
        commit=$(git commit-tree -m {message} "$tree")
        git update-ref refs/heads/main "$commit"
        echo "$commit"
        """,
        repository,
    )


def fake_ssh(folder: Path) -> Path:
    """A program named ssh that runs the command here, and logs its arguments to `ssh.log`."""

    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "ssh"
    script.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$*" >> '{folder}/ssh.log'
while [ $# -gt 0 ]; do
    case "$1" in
        -o) case "$2" in *GIT_PROTOCOL=version=2*) export GIT_PROTOCOL=version=2;; esac; shift 2;;
        -p|-i) shift 2;;
        -*) shift;;
        *) break;;
    esac
done
shift
PATH='{_PATH}'
export PATH GIT_CONFIG_COUNT=2
export GIT_CONFIG_KEY_0=uploadpack.allowFilter GIT_CONFIG_VALUE_0=true
export GIT_CONFIG_KEY_1=uploadpack.allowAnySHA1InWant GIT_CONFIG_VALUE_1=true
exec /bin/sh -c "$*"
"""
    )
    script.chmod(0o755)
    return script
