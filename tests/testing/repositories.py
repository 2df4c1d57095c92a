"""Create Git repositories with the git command."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

GIT = shutil.which("git") or "git"  # resolved before a test changes PATH
PATH = os.environ["PATH"]


def git(folder: Path, *arguments: str, input: str | None = None, **environ: str) -> str:
    """Run git in `folder` and return its output without the last line break."""

    done = subprocess.run(
        (GIT, *arguments),
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        input=input,
        env={**os.environ, "PATH": PATH, **environ},
    )
    return done.stdout.rstrip("\n")


def repository(folder: Path, files: dict[str, str | bytes] | None = None) -> Path:
    """Create a repository in `folder` with one commit of `files`."""

    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    commit(folder, files or {"README.md": "a repository\n"})
    return folder


def commit(folder: Path, files: dict[str, str | bytes], message: str = "change") -> str:
    """Write `files`, commit everything, and return the commit id."""

    write(folder, files)
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    """Write `files` below `folder`; a name that ends in `*` is executable."""

    for name, content in files.items():
        path = folder / name.removesuffix("*")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if name.endswith("*"):
            path.chmod(0o755)


def noise(size: int, seed: int = 0) -> bytes:
    """Return random bytes, which do not compress."""

    return random.Random(seed).randbytes(size)


def templates(folder: Path) -> Path:
    """Create a repository of templates with large files, which a sparse clone must not fetch."""

    files: dict[str, str | bytes] = {"README.md": "templates\n"}
    for kind in ("tutorials", "pipelines", "benchmarks"):
        for number in range(5):
            name = f"{kind}/{kind[:3]}_{number}"
            files[f"{name}/project.yml"] = f"title: '{kind} {number}'\n"
            files[f"{name}/data/big.bin"] = noise(100_000, number)
    files["tutorials/ner_fashion_brands/project.yml"] = "title: Fashion brands\n"
    files["tutorials/ner_fashion_brands/scripts/run.sh*"] = "#!/bin/sh\necho hello\n"
    files["tutorials/ner_fashion_brands/README.md"] = "fashion\n"
    files["pipelines/same/project.yml"] = "title: one\n"
    files["benchmarks/same/project.yml"] = "title: two\n"
    made = repository(folder, files)
    os.symlink("README.md", made / "tutorials/ner_fashion_brands/link.md")
    commit(made, {}, "a link")
    return made


def serve(source: Path, served: Path, name: str = "templates") -> str:
    """Clone `source` into a bare repository for a GitServer; return its path in the URL."""

    bare = served / f"{name}.git"
    git(source, "clone", "-q", "--bare", str(source), str(bare))
    return f"/{name}.git"


def hostile(folder: Path, listing: str) -> Path:
    """Create a repository whose `main` has the tree `listing`, in the format of `git mktree`.

    The tree may be invalid. `{text}` stands for the id of a blob with this content.
    """

    repository(folder, {"project.yml": "title: hostile\n"})
    parts = re.split(r"\{(.*?)\}", listing)
    parts[1::2] = [git(folder, "hash-object", "-w", "--stdin", input=text) for text in parts[1::2]]
    tree = git(folder, "mktree", "--missing", input="".join(parts))
    made = git(folder, "commit-tree", "-m", "hostile", tree)
    git(folder, "update-ref", "refs/heads/main", made)
    return folder


def raw_tree(folder: Path, entries: list[tuple[str, bytes, str]]) -> str:
    """Write a tree that `git mktree` rejects, of (mode, name, id), and return its id."""

    data = b"".join(
        mode.encode() + b" " + name + b"\0" + bytes.fromhex(id) for mode, name, id in entries
    )
    done = subprocess.run(
        (GIT, "hash-object", "-w", "-t", "tree", "--literally", "--stdin"),
        cwd=folder, input=data, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode().strip()


def fake_ssh(folder: Path) -> Path:
    """Create an `ssh` program that runs the command on this machine and logs its arguments."""

    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "ssh"
    script.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$*" >> '{folder}/log'
while [ $# -gt 0 ]; do
    case "$1" in
        -o) case "$2" in *GIT_PROTOCOL=version=2*) export GIT_PROTOCOL=version=2;; esac; shift 2;;
        -p|-i) shift 2;;
        -*) shift;;
        *) break;;
    esac
done
shift
PATH='{PATH}'
export PATH GIT_CONFIG_COUNT=2
export GIT_CONFIG_KEY_0=uploadpack.allowFilter GIT_CONFIG_VALUE_0=true
export GIT_CONFIG_KEY_1=uploadpack.allowAnySHA1InWant GIT_CONFIG_VALUE_1=true
exec /bin/sh -c "$*"
"""
    )
    script.chmod(0o755)
    return script
