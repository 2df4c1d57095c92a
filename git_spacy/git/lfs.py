"""Find the Git LFS server of a repository, and run `git lfs` where that server needs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from git_spacy.abandoned import temporary_folder
from git_spacy.git import process
from git_spacy.git.address import Address, parse_address
from git_spacy.git.partial_clone_git import add_remote

_REMOTE = "origin"  # the remote that git-lfs uses by default


def available() -> bool:
    """Return whether git-lfs is installed."""

    import shutil

    return process.available() and shutil.which("git-lfs") is not None


def endpoint(address: Address) -> str:
    """Return the URL of the batch API for a remote repository, as git-lfs derives it; "" if its
    server is not known to speak HTTP.

    For SSH, which this machine may be able to use where git-lfs is installed, "" as well.
    """

    address = _apply_instead_of(address)
    if address.protocol in ("http", "https"):
        base = address.url.partition("?")[0].rstrip("/")
    elif address.protocol == "ssh" and not available():
        if "://" in address.url:
            parts = urlsplit(address.url)
            host, path = parts.hostname or "", parts.path
        else:
            host, _, path = address.url.rpartition("@")[2].partition(":")
        base = f"https://{host}/{path.strip('/')}"
    else:
        return ""
    return f"{base if base.endswith('.git') else base + '.git'}/info/lfs/objects/batch"


def _apply_instead_of(address: Address) -> Address:
    """Rewrite `address` by the user's `url.….insteadOf`, as `git fetch` does."""

    if not process.available():
        return address
    done = process.run_git(
        ("config", "--null", "--get-regexp", r"^url\..*\.insteadof$"), cwd=Path(os.sep),
        environ=process.git_environment(configured=True), check=False,
    )  # fmt: skip
    prefixes = {}
    for record in done.stdout.decode("utf-8", "surrogateescape").split("\0"):
        name, _, prefix = record.partition("\n")
        if prefix and address.url.startswith(prefix):
            prefixes[prefix] = name[len("url.") : -len(".insteadof")]
    if not prefixes:
        return address
    longest = max(prefixes, key=len)
    url = prefixes[longest] + address.url.removeprefix(longest)
    return parse_address(url, address.ref, trusted=True)


@contextmanager
def smudge(address: Address, pointer: bytes) -> Iterator[BinaryIO]:
    """Provide the content of a pointer, from `git lfs smudge`. Raises ExternalError.

    It runs in an empty repository, where only the user's configuration applies.
    """

    environ = process.git_environment(protocols=None, configured=True)
    environ.pop("GIT_LFS_SKIP_SMUDGE", None)
    with temporary_folder() as folder:
        git_dir = folder / "repository.git"
        git_dir.mkdir()
        process.run_git(("init", "-q", "--bare", "--template=", "."), cwd=git_dir)
        add_remote(git_dir, _REMOTE, address.url)
        with process.stream_git(
            (f"--git-dir={git_dir}", "lfs", "smudge"), cwd=git_dir, environ=environ, input=pointer
        ) as stream:
            yield stream
