"""Find the repositories of the submodules of a commit, from its .gitmodules file."""

from __future__ import annotations

import re


def parse_submodules(text: str) -> dict[str, str]:
    """Return the URL of each submodule in the text of .gitmodules, by path. Includes nothing."""

    urls: dict[str, str] = {}
    for section in re.split(r"^\s*\[", text, flags=re.MULTILINE):
        if section.startswith("submodule "):
            found = re.findall(r"^\s*(path|url)\s*=\s*(.*?)\s*$", section, re.MULTILINE)
            values = {key: value.strip('"') for key, value in found}
            if "path" in values and "url" in values:
                urls[values["path"].rstrip("/")] = values["url"]
    return urls


def resolve_url(url: str, base: str) -> str:
    """Return the URL of a submodule, which may be relative to `base`, the URL of its parent."""

    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            if "/" not in base:  # HOST:PATH
                return f"{base.rpartition(':')[0]}:{url.removeprefix('../')}"
            base = base.rpartition("/")[0]
        url = url.partition("/")[2]
    return f"{base}/{url}"
