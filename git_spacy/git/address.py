"""The only gate for a repository's address and a ref that a file or a stranger gave us.

Looks at the text alone and starts nothing. What passes can be handed to git behind `--`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import GitSpacyError, Malformed, Unavailable, Unsafe, masked

ALLOW_LOCAL = "spacy.allowLocalRepository"
_NETWORK = ("https", "http", "ssh", "git+ssh", "ssh+git")
_SCP = re.compile(r"(?P<host>[^/:\s]+):(?P<path>(?!/?/).+)")
_CONTROL = re.compile("[\x00-\x20\x7f]")
_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Address(NamedTuple):
    """Where a repository is, and what of it: a branch, a tag, a full commit id, or None for what
    its own HEAD is. `protocol` is the one that Git may speak to it."""

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
        return Path(self.url.removeprefix("file://"))

    @property
    def shown(self) -> str:
        """The URL without credentials: what may be printed and recorded."""

        return public(self.url)


def public(url: str) -> str:
    """A URL without password and query, and without the user name where that may be a token."""

    url = re.sub(r"^(https?://)[^/@]*@", r"\1", url, flags=re.IGNORECASE)
    url = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", url)
    return url.split("?")[0] if "://" in url else url


def no_such_ref(address: Address) -> GitSpacyError:
    """Something answers, and does not have what was asked of it."""

    if address.ref is None:
        return Unavailable(
            f"{address.shown} has no commit, or is no Git repository", mend="check the address"
        )
    kind = "commit" if address.is_commit else "branch or tag"
    return Malformed(
        f"{address.shown} has no {kind} '{address.ref}'",
        mend=f"git ls-remote {address.shown} lists what it has",
    )


def parse_address(url: str, ref: str | None, *, trusted: bool, base: Path | None = None) -> Address:
    """The address that `url` and `ref` make.

    `trusted` means that the user typed or allowed it: only then may it be a path (relative to
    `base`), a file: URL or the unauthenticated git: protocol. Raises Unsafe for what could run a
    program or lead elsewhere, Malformed for what is no address.
    """

    if ref is not None:
        _check_ref(ref)
    shown = masked(url)
    if not url or _CONTROL.search(url.replace(" ", "") if trusted else url):
        raise Unsafe(
            f"repository {shown!r} contains a blank or a control character"
            if url
            else "the repository's address is empty",
            mend="correct the address",
        )
    if url.startswith("-"):
        raise Unsafe(f"repository {shown!r} begins with a dash", mend="correct the address")
    if "::" in url.split("/")[0]:
        raise Unsafe(
            f"repository {shown!r} asks Git to start a helper program",
            mend="use https://, ssh:// or a path",
        )
    scheme, has_scheme, rest = url.partition("://")
    if has_scheme:
        return _with_scheme(url, scheme.lower(), rest, ref, trusted)
    scp = _SCP.fullmatch(url)
    if scp and not os.path.exists(url if base is None else base / url):
        _check_host(scp["host"].rpartition("@")[2], shown)
        _check_host(scp["host"], shown)
        if scp["path"].startswith("-"):
            raise Unsafe(f"the path of repository {shown!r} begins with a dash", mend="correct it")
        return Address(url, ref, "ssh")
    _check_trusted(trusted, shown)
    path = os.path.expanduser(url)
    return Address(os.path.abspath(path if base is None else base / path), ref, "file")


def _with_scheme(url: str, scheme: str, rest: str, ref: str | None, trusted: bool) -> Address:
    shown = masked(url)
    if scheme == "file":
        _check_trusted(trusted, shown)
        if not rest.startswith("/"):
            raise Malformed(f"'{shown}' is not an absolute file: URL", mend="write file:///PATH")
        return Address(url, ref, "file")
    if scheme == "git":
        if not trusted:
            raise Unsafe(
                f"repository '{shown}' uses git://, which proves nothing about who answers",
                mend="use https:// or ssh://",
            )
    elif scheme not in _NETWORK:
        raise Unsafe(
            f"repository '{shown}' uses '{scheme}:', which is not allowed",
            mend="use https://, ssh:// or a path",
        )
    authority = rest.split("/")[0]
    user, _, host = authority.rpartition("@")
    for part in (user, host):
        _check_host(part or "x", shown)
    if not host:
        raise Malformed(f"'{shown}' names no host", mend="write https://HOST/OWNER/REPOSITORY")
    protocol = "ssh" if scheme.endswith("ssh") or scheme == "ssh+git" else scheme
    return Address(url, ref, protocol)


def _check_host(host: str, shown: str) -> None:
    if host.startswith("-"):
        raise Unsafe(
            f"repository '{shown}' has a host or user that begins with a dash",
            mend="correct the address",
        )


def _check_trusted(trusted: bool, shown: str) -> None:
    if not trusted:
        raise Unsafe(
            f"repository '{shown}' is on this machine",
            mend=f"if that is meant: git config {ALLOW_LOCAL} true",
        )


def _check_ref(ref: str) -> None:
    """The rules of git-check-ref-format(1), and no leading dash or '+'."""

    bad = (
        not ref
        or ref.startswith(("-", "/", ".", "+"))
        or ref.endswith(("/", ".", ".lock"))
        or _BAD_IN_REF.search(ref)
        or "/." in ref
        or ".lock/" in ref
        or ref == "@"
    )
    if bad:
        raise Unsafe(
            f"{ref!r} cannot be the name of a branch, tag or commit", mend="correct the branch"
        )
