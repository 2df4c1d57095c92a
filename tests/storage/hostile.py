"""Build malicious archives and put them into a remote."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

MODEL = "model"
Member = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x", **facts: object) -> Member:
    return member(name, tarfile.REGTYPE, content=content, **facts)


def member(name: str, kind: bytes, *, content: bytes = b"", **facts: object) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, content


def link(name: str, target: str) -> Member:
    return member(name, tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Member:
    return member(name, tarfile.LNKTYPE, linkname=target)


def uncompressed(members: Iterable[Member], **options: object) -> bytes:
    """Return an uncompressed archive of `members`."""

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", **options) as tar:  # type: ignore[call-overload]
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def zipped(*members: Member, **options: object) -> bytes:
    return gzip.compress(uncompressed(members, **options), 1)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def replace_object(remote: Path, name: str, data: bytes, content: str) -> Path:
    """Replace the object of the output `name` by `data`, with `content` as the md5 in its name."""

    (old,) = (remote / name).glob("*/*")
    new = old.with_name(content)
    old.unlink()
    new.write_bytes(data)
    return new
