"""Validate repository addresses and refs before they reach git.

Checks the text only and starts no process. A validated address can be passed to git after `--`.
Addresses from an untrusted source (`trusted=False`: a project.yml) may not name anything on this
machine, nor use an unauthenticated protocol.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, Refused
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late

ALLOW_LOCAL = "spacy.allowLocalRepository"
_CONTROL = compile_late("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_REMOTE_HELPER = compile_late(r"[^/\[]*::")
_SCHEME = compile_late(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SCP = compile_late(r"(?:([^@/]*)@)?(\[[^\]/]*\]|[^:/\[]*):(.*)", re.DOTALL)
_HOST = compile_late(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]")
_INVALID_IN_REF = compile_late(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_COMMIT_ID = compile_late(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NETWORK_SCHEMES = ("https", "http", "ssh", "git")


class Address(NamedTuple):
    """The location of a repository, and the ref to use.

    `ref` is a branch, a tag, a full commit id, or None for the repository's HEAD. `protocol` is
    `file` for a path. `url` may contain credentials: print `display_url` instead.
    """

    url: str
    ref: str | None
    protocol: str

    @property
    def is_commit(self) -> bool:
        return self.ref is not None and _COMMIT_ID.fullmatch(self.ref) is not None

    @property
    def local_path(self) -> Path | None:
        """Return the path of a repository on this machine, or None for a remote one."""

        if self.protocol != "file":
            return None
        if self.url.startswith("file://"):
            return Path(unquote(self.url.removeprefix("file://")))
        return Path(self.url)

    @property
    def refs(self) -> tuple[str, ...]:
        """Return the full names that `ref` may stand for, in order of preference.

        Branches come first, unlike in `git fetch NAME`, which prefers tags.
        """

        if self.ref is None or self.ref == "HEAD":
            return ("HEAD",)
        if self.is_commit or self.ref.startswith("refs/"):
            return (self.ref,)
        return (f"refs/heads/{self.ref}", f"refs/tags/{self.ref}")

    @property
    def display_url(self) -> str:
        """The URL without credentials, for messages and records."""

        return without_credentials(self.url)


def without_credentials(url: str) -> str:
    """Return `url` without password, token and query.

    The user name of an ssh address is kept: it is not secret, and the address needs it.
    """

    match = _SCHEME.fullmatch(url)
    if match is None or match[1].lower() == "file":
        return url
    authority, slash, path = match[2].partition("/")
    user, _, host = authority.rpartition("@")
    if user and match[1].lower() == "ssh":
        host = f"{user.partition(':')[0]}@{host}"
    return f"{match[1]}://{host}{slash}{re.split('[?#]', path, maxsplit=1)[0]}"


def no_such_ref(address: Address) -> GitSpacyError:
    """Return the error for a repository that does not have the requested ref."""

    if address.ref is None:
        return ExternalError(
            f"{address.display_url} has no commits, or is not a Git repository",
            hint="check the address, or name a branch",
        )
    kind = "commit" if address.is_commit else "branch or tag"
    hint = f"list its branches and tags: git ls-remote {address.display_url}"
    if re.fullmatch(r"[0-9a-f]{4,39}", address.ref):
        hint = "use the full commit id; an abbreviated one cannot be fetched"
    return InvalidInput(f"{address.display_url} has no {kind} '{address.ref}'", hint=hint)


def parse_address(url: str, ref: str | None, *, trusted: bool, base: Path | None = None) -> Address:
    """Validate `url` and `ref`, and return them as an address.

    `trusted` means that the user typed or allowed the address: only then may it be a path
    (relative to `base`), a file: URL, or use the unauthenticated git: protocol. Raises Refused for
    an address that could run a program or lead elsewhere, InvalidInput for one that does not name
    a repository.
    """

    shown = without_credentials(url)
    if not url:
        raise Refused("the repository's address is empty", hint="use a URL or a path")
    if _CONTROL.search(url) or not _is_encodable(url):
        raise Refused(f"repository {shown!r} contains a control character", hint="remove it")
    if url.startswith("-"):
        raise _option_like(shown)
    if _REMOTE_HELPER.match(url):
        raise Refused(
            f"repository {shown!r} would make Git start a remote helper program",
            hint="use https://, ssh:// or a path",
        )
    if ref is not None:
        _check_ref(ref)
    match = _SCHEME.fullmatch(url)
    if not trusted and " " in url:
        raise Refused(f"repository {shown!r} contains a space", hint="write it as %20")
    if match:
        return _parse_url(url, match[1].lower(), match[2], ref, trusted)
    scp = _SCP.fullmatch(url)
    if scp:
        _check_host(scp[1] or "", scp[2], shown)
        if scp[3].startswith("-"):
            raise _option_like(shown)
        if not scp[3]:
            raise InvalidInput(f"'{shown}' has no path", hint="add the path of the repository")
        return Address(url, ref, "ssh")
    _require_trust(trusted, shown)
    path = os.path.expanduser(url)
    return Address(os.path.abspath(path if base is None else base / path), ref, "file")


def _parse_url(url: str, scheme: str, rest: str, ref: str | None, trusted: bool) -> Address:
    shown = without_credentials(url)
    if _CONTROL.search(unquote(rest)):
        raise Refused(
            f"repository {shown!r} contains an encoded control character", hint="remove it"
        )
    authority, _, path = rest.partition("/")
    if scheme == "file":
        _require_trust(trusted, shown)
        if authority or not path:
            raise InvalidInput(f"'{shown}' is not an absolute file: URL", hint="write file:///PATH")
        return Address(f"file:///{path}", ref, "file")
    if scheme == "git" and not trusted:
        raise Refused(
            f"repository '{shown}' uses git://, which does not authenticate the server",
            hint="use https:// or ssh://",
        )
    if scheme not in _NETWORK_SCHEMES:
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
        raise InvalidInput(f"'{shown}' has an invalid port", hint="use a number")
    if not path.strip("/"):
        raise InvalidInput(f"'{shown}' has no path", hint="add the path of the repository")
    return Address(url, ref, scheme)


def _check_host(user: str, host: str, shown: str) -> None:
    if user.startswith("-") or unquote(host).startswith("-"):
        raise _option_like(shown)
    if not host:
        raise InvalidInput(f"'{shown}' has no host", hint="write https://HOST/OWNER/REPOSITORY")
    if not _HOST.fullmatch(host):
        raise Refused(f"repository {shown!r} has an invalid host name", hint="correct the address")


def _require_trust(trusted: bool, shown: str) -> None:
    if not trusted:
        raise Refused(
            f"repository '{shown}' is on this machine",
            hint=f"to allow that: git config {ALLOW_LOCAL} true",
        )


def _check_ref(ref: str) -> None:
    """Apply the rules of git-check-ref-format(1); also refuse a leading dash or '+'."""

    if (
        ref in ("", "@")
        or ref.startswith(("-", "+"))
        or ref.endswith(".")
        or _INVALID_IN_REF.search(ref)
        or not _is_encodable(ref)
        or _CONTROL.search(ref)
        or any(
            not part or part.startswith(".") or part.endswith(".lock") for part in ref.split("/")
        )
    ):
        raise Refused(
            f"{ref!r} is not a valid branch, tag or commit", hint="correct the name of the branch"
        )


def _option_like(shown: str) -> Refused:
    return Refused(
        f"repository {shown!r} has a leading dash, which git would read as an option",
        hint="correct the address",
    )


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True
