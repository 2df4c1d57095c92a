"""The only gate for a repository that somebody names: what may be asked, before anything starts.

Looks at the text alone. Whether a stranger wrote it (`trusted=False`: a template, a project.yml)
decides about everything on this machine and about what nobody vouches for.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from git_spacy.errors import Malformed, Unsafe

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HELPER = re.compile(r"[^/\[]*::")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SCP = re.compile(r"(?:([^@/]*)@)?(\[[^\]/]*\]|[^:/\[]*):(.*)", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OPT_IN = "allow it with: git config spacy.allowLocalRepository true"
_NETWORK = ("https", "http", "ssh")


class Address(NamedTuple):
    """A repository that may be asked, and what is wanted of it: a branch, a tag, a full commit
    id, or None for the repository's own HEAD. `url` may hold credentials: never print it raw."""

    url: str
    ref: str | None

    @property
    def local(self) -> Path | None:
        """The folder on this machine that `url` is, if it is one."""

        if self.url.startswith("file://"):
            return Path(unquote(self.url.removeprefix("file://")))
        return Path(self.url) if self.url.startswith("/") else None

    @property
    def is_commit(self) -> bool:
        return self.ref is not None and _COMMIT.fullmatch(self.ref) is not None


def parse_address(url: str, ref: str | None, *, trusted: bool, base: Path | None = None) -> Address:
    """The address that `url` and `ref` name. A relative path is one below `base` (None: here).

    Raises Unsafe for what git could take for an option or a program, for anything local or
    unauthenticated that is not `trusted`, and for a `ref` that no branch could have; Malformed
    for what names nothing.
    """

    if not url:
        raise Malformed("the repository's URL is empty", mend="give the URL of a Git repository")
    for text, name in ((url, "repository"), (ref or "", "branch")):
        if _CONTROL.search(text) or not _encodable(text):
            raise Unsafe(f"{name} {text!r} contains a control character", mend="remove it")
        if text.startswith("-"):
            raise _option(name, text)
    if _HELPER.match(url):
        raise Unsafe(
            f"repository {url!r} would run a program: '{url.split('::')[0]}::'",
            mend="use an https:// or ssh:// URL",
        )
    if ref is not None:
        _check_ref(ref)
    found = _SCHEME.fullmatch(url)
    if found:
        return Address(_with_scheme(url, found[1].lower(), found[2], trusted), ref)
    scp = _SCP.fullmatch(url)
    if scp:
        user, host, path = scp[1] or "", scp[2], scp[3]
        _check_host(url, user, host)
        if path.startswith("-"):
            raise _option("repository", url)
        if not path:
            raise Malformed(f"'{url}' names a host, but no repository on it", mend="add its path")
        return Address(url, ref)
    if not trusted:
        raise Unsafe(f"repository {url!r} is a local path", mend=_OPT_IN)
    path = os.path.join(base or Path.cwd(), os.path.expanduser(url))
    return Address(os.path.abspath(path), ref)


def _with_scheme(url: str, scheme: str, rest: str, trusted: bool) -> str:
    authority, slash, path = rest.partition("/")
    decoded = unquote(rest)
    if _CONTROL.search(decoded):
        raise Unsafe(f"repository {url!r} hides a control character", mend="remove it")
    if scheme == "file":
        if not trusted:
            raise Unsafe(f"repository {url!r} is on this machine", mend=_OPT_IN)
        if authority not in ("", "localhost"):
            raise Malformed(f"'{url}' names another host", mend="use file:///PATH")
        return "file://" + slash + path
    if scheme == "git" and not trusted:
        raise Unsafe(
            f"repository {url!r} comes over git://, where anybody can stand in for the server",
            mend="use an https:// or ssh:// URL",
        )
    if scheme not in (*_NETWORK, "git"):
        raise Unsafe(
            f"repository {url!r} has the scheme '{scheme}:', which is not supported",
            mend="use an https:// or ssh:// URL",
        )
    user, _, host = authority.rpartition("@")
    name, colon, port = host, "", ""
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":") if ":" in host else (host, "", "")
    if not name:
        raise Malformed(f"'{url}' names no host", mend="use https://HOST/OWNER/REPOSITORY")
    _check_host(url, unquote(user), name)
    if colon and port and not (port.isascii() and port.isdecimal()):
        raise Malformed(f"'{url}' has the port '{port}', not a number", mend="correct the port")
    if not path.strip("/"):
        raise Malformed(f"'{url}' names a host, but no repository on it", mend="add its path")
    return url


def _check_host(url: str, user: str, host: str) -> None:
    if user.startswith("-") or host.startswith("-") or unquote(host).startswith("-"):
        raise _option("repository", url)
    if not host:
        raise Malformed(f"'{url}' names no host", mend="use https://HOST/OWNER/REPOSITORY")
    if not _HOST.fullmatch(host):
        raise Unsafe(f"repository {url!r} has a host that is no name: {host!r}", mend="correct it")


def _check_ref(ref: str) -> None:
    """Raise Unsafe where `git check-ref-format --branch` would refuse, and for an option."""

    parts = ref.split("/")
    if (
        not ref
        or ref == "@"
        or _REF_FORBIDDEN.search(ref)
        or ".." in ref
        or "@{" in ref
        or ref.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    ):
        raise Unsafe(
            f"{ref!r} cannot be the name of a branch, a tag or a commit",
            mend="use a name as `git branch` prints it, or a full commit id",
        )


def _option(name: str, text: str) -> Unsafe:
    return Unsafe(f"{name} {text!r} would be read as an option", mend="remove the dash")


def _encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def without_credentials(url: str) -> str:
    """`url` as it may be shown and recorded: no password, no token, no query.

    The user of an ssh address is no secret, and without it the address would not work.
    """

    found = _SCHEME.fullmatch(url)
    if found is None or found[1].lower() == "file":
        return url
    authority, slash, path = found[2].partition("/")
    user, _, host = authority.rpartition("@")
    if user and found[1].lower() == "ssh":
        host = f"{user.partition(':')[0]}@{host}"
    return f"{found[1]}://{host}{slash}{re.split('[?#]', path, maxsplit=1)[0]}"
