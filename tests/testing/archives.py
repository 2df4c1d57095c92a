"""Build archives of assets: well-formed ones, and hostile ones."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Mapping


def zip_of(files: Mapping[str, bytes], **attributes: object) -> bytes:
    """Return a zip with these files; `attributes` are set on every entry."""

    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zip_entry(name, **attributes), content)
    return raw.getvalue()


def zip_entry(name: str, mode: int = stat.S_IFREG | 0o644, **attributes: object) -> zipfile.ZipInfo:
    """Return an entry of a zip as Unix makes it."""

    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    return entry


def zip_with(entry: zipfile.ZipInfo, content: bytes = b"x") -> bytes:
    """Return a zip with a good file and this entry."""

    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr(zip_entry("good.txt"), b"good")
        archive.writestr(entry, content)
    return raw.getvalue()


def tar_of(files: Mapping[str, bytes], compression: str = "", **options: object) -> bytes:
    """Return a tar with these files, compressed by "gz", "bz2", "xz" or not at all."""

    raw = io.BytesIO()
    mode = f"w:{compression}"
    with tarfile.open(fileobj=raw, mode=mode, **options) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()
