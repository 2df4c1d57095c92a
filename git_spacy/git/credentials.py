"""Find the user's Git credentials without git: from credential helpers and ~/.netrc.

Never prompts. The file of the helper `store` is read directly; other helpers are run if they are
a command, a path, or a `git-credential-NAME` on the PATH.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from dulwich.config import StackedConfig

_HELPER_TIMEOUT = 30.0  # seconds for a helper to answer


def credentials(url: str, config: StackedConfig) -> Iterator[tuple[str, str]]:
    """Yield each (user, password) that the user has stored for an http(s) `url`, best first."""

    parts = urlsplit(url)
    for helper in _helpers(url, config):
        name, _, options = helper.partition(" ")
        if name == "store":
            yield from _from_store(url, shlex.split(options))
        elif name != "cache":
            yield from _from_helper(helper, url)
    if parts.scheme == "https":  # never send a password from ~/.netrc unencrypted
        yield from _from_netrc(parts.hostname or "")


def from_git(url: str) -> Iterator[tuple[str, str]]:
    """Yield the (user, password) that Git would send to `url`, from helpers or GIT_ASKPASS."""

    from git_spacy.git import process

    if not process.available():
        from dulwich.config import StackedConfig

        yield from credentials(url, StackedConfig.default())
        return
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    question = f"protocol={parts.scheme}\nhost={host}\npath={parts.path.lstrip('/')}\n\n"
    done = process.run_git(
        ("credential", "fill"), cwd=Path(os.path.expanduser("~")), input=question.encode(),
        environ=process.git_environment(configured=True), check=False,
    )  # fmt: skip
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    answer = dict(line.split("=", 1) for line in lines if "=" in line)
    if done.returncode == 0 and "username" in answer and "password" in answer:
        yield answer["username"], answer["password"]


def _helpers(url: str, config: StackedConfig) -> list[str]:
    from dulwich.credentials import urlmatch_credential_sections

    helpers: list[str] = []
    for file in reversed(config.backends):  # the system's first, the user's last
        for section in urlmatch_credential_sections(file, url):
            for value in _helper_values(file, section):
                helpers = [*helpers, value] if value else []  # an empty value resets the list
    return helpers


def _helper_values(file: object, section: object) -> list[str]:
    from dulwich.config import ConfigFile

    assert isinstance(file, ConfigFile)
    assert isinstance(section, tuple)
    try:
        return [os.fsdecode(value) for value in file.get_multivar(section, b"helper")]
    except KeyError:
        return []


def _from_store(url: str, options: list[str]) -> Iterator[tuple[str, str]]:
    """Yield credentials from the file of `credential.helper store`, which has one URL per line."""

    files = [word.removeprefix("--file=") for word in options if word.startswith("--file=")]
    if not files:
        folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        files = ["~/.git-credentials", f"{folder}/git/credentials"]
    wanted = urlsplit(url)
    for file in files:
        try:
            with open(os.path.expanduser(file), encoding="utf-8") as stream:
                lines = stream.read().split()
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            stored = urlsplit(line)
            same_host = (stored.scheme, stored.hostname, stored.port) == (
                wanted.scheme,
                wanted.hostname,
                wanted.port,
            )
            user = unquote(stored.username or "")
            if same_host and user and wanted.username in (None, user):
                yield user, unquote(stored.password or "")


def _from_helper(helper: str, url: str) -> Iterator[tuple[str, str]]:
    """Yield the credentials that a helper program returns, using Git's credential protocol."""

    import shutil

    from git_spacy.git.process import credential_helper

    parts = urlsplit(url)
    if helper.startswith("!"):
        command = ["/bin/sh", "-c", f'{helper[1:]} "$@"', helper[1:], "get"]
    else:
        words = shlex.split(os.path.expanduser(helper))
        program = words[0] if words[0].startswith("/") else f"git-credential-{words[0]}"
        if shutil.which(program) is None:
            return
        command = [program, *words[1:], "get"]
    question = f"protocol={parts.scheme}\nhost={parts.netloc.rpartition('@')[2]}\n\n"
    lines = credential_helper(command, question, _HELPER_TIMEOUT).splitlines()
    answer = dict(line.split("=", 1) for line in lines if "=" in line)
    if "username" in answer and "password" in answer:
        yield answer["username"], answer["password"]


def _from_netrc(host: str) -> Iterator[tuple[str, str]]:
    from netrc import NetrcParseError, netrc

    try:
        entry = netrc().authenticators(host)
    except (OSError, NetrcParseError):
        return
    if entry is not None:
        yield entry[0], entry[2] or ""
