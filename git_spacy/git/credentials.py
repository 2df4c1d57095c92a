"""The user's own Git credentials, found without git: where helpers are set, and in ~/.netrc.

Asks nobody anything. Of git's helpers, `store` is read here and others are run if they can be:
those given as a command or a path, and a `git-credential-NAME` on the PATH.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from dulwich.config import StackedConfig

_PATIENCE = 30.0  # seconds for a helper to answer


def credentials(url: str, config: StackedConfig) -> Iterator[tuple[str, str]]:
    """Each (user, password) that the user keeps for the http(s) address `url`, best first."""

    parts = urlsplit(url)
    for helper in _helpers(url, config):
        name, _, options = helper.partition(" ")
        if name == "store":
            yield from _stored(url, shlex.split(options))
        elif name != "cache":
            yield from _answered(helper, url)
    if parts.scheme == "https":  # what is kept there was not meant to be readable on the way
        yield from _netrc(parts.hostname or "")


def _helpers(url: str, config: StackedConfig) -> list[str]:
    from dulwich.credentials import urlmatch_credential_sections

    found: list[str] = []
    for file in reversed(config.backends):  # the system's first, the user's last
        for section in urlmatch_credential_sections(file, url):
            for value in _values(file, section):
                found = [*found, value] if value else []  # an empty one forgets those before
    return found


def _values(file: object, section: object) -> list[str]:
    from dulwich.config import ConfigFile

    assert isinstance(file, ConfigFile)
    assert isinstance(section, tuple)
    try:
        return [os.fsdecode(value) for value in file.get_multivar(section, b"helper")]
    except KeyError:
        return []


def _stored(url: str, options: list[str]) -> Iterator[tuple[str, str]]:
    """From the file of `credential.helper store`, one URL a line."""

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
            kept = urlsplit(line)
            same = (kept.scheme, kept.hostname, kept.port) == (
                wanted.scheme,
                wanted.hostname,
                wanted.port,
            )
            user = unquote(kept.username or "")
            if same and user and wanted.username in (None, user):
                yield user, unquote(kept.password or "")


def _answered(helper: str, url: str) -> Iterator[tuple[str, str]]:
    """From a helper that is a program of its own, asked as git asks it."""

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
    lines = credential_helper(command, question, _PATIENCE).splitlines()
    answer = dict(line.split("=", 1) for line in lines if "=" in line)
    if "username" in answer and "password" in answer:
        yield answer["username"], answer["password"]


def _netrc(host: str) -> Iterator[tuple[str, str]]:
    from netrc import NetrcParseError, netrc

    try:
        kept = netrc().authenticators(host)
    except (OSError, NetrcParseError):
        return
    if kept is not None:
        yield kept[0], kept[2] or ""
