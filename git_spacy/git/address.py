"""The only gate for a repository's address and a ref that a file or a stranger gave us.

Looks at the text alone and starts nothing. What passes can be handed to git behind `--`. Whether
a stranger wrote it (`trusted=False`: a project.yml) decides about everything on this machine, and
about what nobody vouches for.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, Refused

ALLOW_LOCAL = "spacy.allowLocalRepository"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HELPER = re.compile(r"[^/\[]*::")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SCP = re.compile(r"(?:([^@/]*)@)?(\[[^\]/]*\]|[^:/\[]*):(.*)", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]")
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NETWORK = ("https", "http", "ssh", "git")


class Address(NamedTuple):
    """Where a repository is, and what of it: a branch, a tag, a full commit id, or None for what
    its own HEAD is. `protocol` is the one that it is spoken to with (`file` for a path). `url`
    may hold credentials: `shown` is what to print."""

    url: str
    ref: str | None
    protocol: str

    @property
    def is_commit(self) -> bool:
        return self.ref is not None and _COMMIT.fullmatch(self.ref) is not None

    @property
    def local(self) -> Path | None:
        """The folder, if it is one of this machine."""

        if self.protocol != "file":
            return None
        if self.url.startswith("file://"):
            return Path(unquote(self.url.removeprefix("file://")))
        return Path(self.url)

    @property
    def refs(self) -> tuple[str, ...]:
        """The full names that `ref` can have, in the order in which they count: `git fetch NAME`
        would rather have a tag than a branch."""

        if self.ref is None or self.ref == "HEAD":
            return ("HEAD",)
        if self.is_commit or self.ref.startswith("refs/"):
            return (self.ref,)
        return (f"refs/heads/{self.ref}", f"refs/tags/{self.ref}")

    @property
    def shown(self) -> str:
        """The URL without credentials: what may be printed and recorded."""

        return public(self.url)


def public(url: str) -> str:
    """`url` without password, token and query. The user of an ssh address is no secret, and
    without it the address would not work."""

    found = _SCHEME.fullmatch(url)
    if found is None or found[1].lower() == "file":
        return url
    authority, slash, path = found[2].partition("/")
    user, _, host = authority.rpartition("@")
    if user and found[1].lower() == "ssh":
        host = f"{user.partition(':')[0]}@{host}"
    return f"{found[1]}://{host}{slash}{re.split('[?#]', path, maxsplit=1)[0]}"


def no_such_ref(address: Address) -> GitSpacyError:
    """Something answers, and does not have what was asked of it."""

    if address.ref is None:
        return ExternalError(
            f"{address.shown} has no commit, or is no Git repository",
            hint="check the address, or name a branch",
        )
    kind = "commit" if address.is_commit else "branch or tag"
    hint = f"git ls-remote {address.shown} lists what it has"
    if re.fullmatch(r"[0-9a-f]{4,39}", address.ref):
        hint = "a commit can be fetched by its full id only"
    return InvalidInput(f"{address.shown} has no {kind} '{address.ref}'", hint=hint)


def parse_address(url: str, ref: str | None, *, trusted: bool, base: Path | None = None) -> Address:
    """The address that `url` and `ref` make.

    `trusted` means that the user typed or allowed it: only then may it be a path (relative to
    `base`), a file: URL or the unauthenticated git: protocol. Raises Unsafe for what could run a
    program or lead elsewhere, Malformed for what names no repository.
    """

    shown = public(url)
    if not url:
        raise Refused("the repository's address is empty", hint="give a URL or a path")
    if _CONTROL.search(url) or not _encodable(url):
        raise Refused(f"repository {shown!r} contains a control character", hint="remove it")
    if url.startswith("-"):
        raise _dash(shown)
    if _HELPER.match(url):
        raise Refused(
            f"repository {shown!r} asks Git to start a helper program",
            hint="use https://, ssh:// or a path",
        )
    if ref is not None:
        _check_ref(ref)
    found = _SCHEME.fullmatch(url)
    if not trusted and " " in url:
        raise Refused(f"repository {shown!r} contains a blank", hint="correct the address")
    if found:
        return _with_scheme(url, found[1].lower(), found[2], ref, trusted)
    scp = _SCP.fullmatch(url)
    if scp:
        _check_host(scp[1] or "", scp[2], shown)
        if scp[3].startswith("-"):
            raise _dash(shown)
        if not scp[3]:
            raise InvalidInput(
                f"'{shown}' names a host, but no repository there", hint="add its path"
            )
        return Address(url, ref, "ssh")
    _check_trusted(trusted, shown)
    path = os.path.expanduser(url)
    return Address(os.path.abspath(path if base is None else base / path), ref, "file")


def _with_scheme(url: str, scheme: str, rest: str, ref: str | None, trusted: bool) -> Address:
    shown = public(url)
    if _CONTROL.search(unquote(rest)):
        raise Refused(f"repository {shown!r} hides a control character", hint="remove it")
    authority, _, path = rest.partition("/")
    if scheme == "file":
        _check_trusted(trusted, shown)
        if authority or not path:
            raise InvalidInput(f"'{shown}' is not an absolute file: URL", hint="write file:///PATH")
        return Address(f"file:///{path}", ref, "file")
    if scheme == "git" and not trusted:
        raise Refused(
            f"repository '{shown}' uses git://, which proves nothing about who answers",
            hint="use https:// or ssh://",
        )
    if scheme not in _NETWORK:
        raise Refused(
            f"repository '{shown}' uses '{scheme}:', which is not allowed",
            hint="use https://, ssh:// or a path",
        )
    user, _, host = authority.rpartition("@")
    colon, port = "", ""
    if not host.endswith("]") and ":" in host:
        host, colon, port = host.rpartition(":")
    _check_host(unquote(user), host, shown)
    if colon and port and not (port.isascii() and port.isdecimal()):
        raise InvalidInput(f"'{shown}' has a port that is no number", hint="correct the port")
    if not path.strip("/"):
        raise InvalidInput(f"'{shown}' names a host, but no repository there", hint="add its path")
    return Address(url, ref, scheme)


def _check_host(user: str, host: str, shown: str) -> None:
    if user.startswith("-") or unquote(host).startswith("-"):
        raise _dash(shown)
    if not host:
        raise InvalidInput(f"'{shown}' names no host", hint="write https://HOST/OWNER/REPOSITORY")
    if not _HOST.fullmatch(host):
        raise Refused(
            f"repository {shown!r} has a host that is no name", hint="correct the address"
        )


def _check_trusted(trusted: bool, shown: str) -> None:
    if not trusted:
        raise Refused(
            f"repository '{shown}' is on this machine",
            hint=f"if that is meant: git config {ALLOW_LOCAL} true",
        )


def _check_ref(ref: str) -> None:
    """The rules of git-check-ref-format(1), and no leading dash or '+'."""

    if (
        ref in ("", "@")
        or ref.startswith(("-", "+"))
        or ref.endswith(".")
        or _BAD_IN_REF.search(ref)
        or not _encodable(ref)
        or _CONTROL.search(ref)
        or any(
            not part or part.startswith(".") or part.endswith(".lock") for part in ref.split("/")
        )
    ):
        raise Refused(
            f"{ref!r} cannot be the name of a branch, tag or commit", hint="correct the branch"
        )


def _dash(shown: str) -> Refused:
    return Refused(
        f"repository {shown!r} has a dash where it would be read as an option",
        hint="correct the address",
    )


def _encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True
