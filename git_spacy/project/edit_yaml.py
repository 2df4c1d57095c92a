"""Change the checksum of an asset in the text of project.yml, and nothing else in it.

Comments, order, quotes and line breaks stay as they are. The result is parsed again and compared,
so that an unusual notation is refused and never damaged.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.project import documents, yaml
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.model import Checksum

LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_QUOTED = ("'", '"')
_BLOCK_STYLES = ("|", ">")


class TextValue(NamedTuple):
    """A value in the text: its event, where it ends, and the entries of a mapping or the items of a
    list. `anchors` are those of the value and of what contains it."""

    event: Any
    end: int
    anchors: frozenset[str]
    entries: dict[str, tuple[Any, TextValue]]
    items: tuple[TextValue, ...]

    @property
    def start(self) -> int:
        return int(self.event.start_mark.index)

    @property
    def kind(self) -> str:
        return type(self.event).__name__.removesuffix("Event").removesuffix("Start")


def with_checksum(data: bytes, number: int, checksum: Checksum) -> bytes:
    """Return the text of a valid project.yml with the checksum of asset `number`, from 0.

    Raises InvalidInput, with the line, where the checksum comes from a variable or an anchor, and
    where the change would affect another asset.
    """

    has_bom = data.startswith(codecs.BOM_UTF8)
    text = data.decode("utf-8-sig")
    document, aliases = read_positions(text)
    asset = _asset(document, number, aliases)
    if "checksum" in asset.entries:
        edited = _replace(text, asset.entries["checksum"], checksum, aliases)
    else:
        edited = _insert(text, asset, _write(checksum, _usual_quote(document)))
    result = (codecs.BOM_UTF8 if has_bom else b"") + edited.encode("utf-8")
    if not _differs_only_in_checksum(data, result, number, checksum):
        raise _refusal(asset.event, "this notation cannot be changed safely")
    return result


def read_positions(text: str) -> tuple[TextValue, frozenset[str]]:
    """Return the top of the document, and the anchors that aliases refer to."""

    import yaml as pyyaml

    loader: Any = getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader)
    events = list(pyyaml.parse(text, Loader=loader))
    aliases = frozenset(str(e.anchor) for e in events if isinstance(e, pyyaml.AliasEvent))
    return _value(iter(events[2:]), frozenset()), aliases


def _value(events: Iterator[Any], anchors: frozenset[str]) -> TextValue:
    """Read the next value. `yaml.MAX_DEPTH` has limited the recursion."""

    event = next(events)
    name = type(event).__name__
    if getattr(event, "anchor", None) and name != "AliasEvent":
        anchors |= {event.anchor}
    if name not in ("MappingStartEvent", "SequenceStartEvent"):
        return TextValue(event, event.end_mark.index, anchors, {}, ())
    parts: list[TextValue] = []
    end_name = name.replace("Start", "End")
    while True:
        part = _value(events, anchors)
        if type(part.event).__name__ == end_name:
            break
        parts.append(part)
    end = part.end if event.flow_style else parts[-1].end if parts else event.end_mark.index
    if name == "SequenceStartEvent":
        return TextValue(event, end, anchors, {}, tuple(parts))
    pairs = zip(parts[::2], parts[1::2], strict=True)
    entries = {key.event.value: (key.event, value) for key, value in pairs if key.kind == "Scalar"}
    return TextValue(event, end, anchors, entries, ())


def _asset(document: TextValue, number: int, aliases: frozenset[str]) -> TextValue:
    """Return the mapping of an asset. Raises InvalidInput if others share it."""

    _, assets = document.entries["assets"]
    for value in (assets, assets.items[number] if number < len(assets.items) else assets):
        if value.kind == "Alias" or value.anchors & aliases:
            raise _refusal(value.event, "the asset is used elsewhere by an alias or merge key")
    if number >= len(assets.items) or assets.items[number].kind != "Mapping":
        raise _refusal(assets.event, "the asset comes from a variable")
    return assets.items[number]


def _replace(
    text: str, entry: tuple[Any, TextValue], checksum: Checksum, aliases: frozenset[str]
) -> str:
    _, value = entry
    event = value.event
    if value.kind == "Alias" or value.anchors & aliases:
        raise _refusal(event, "the checksum is shared by an alias")
    if value.kind != "Scalar" or event.anchor or event.tag or event.style in _BLOCK_STYLES:
        raise _refusal(event, "this notation cannot be changed safely")
    if "{" in event.value:
        raise _refusal(event, f"the checksum comes from a variable: {event.value}")
    prefix = "md5:" if event.value.strip().startswith("md5:") else ""
    quote = text[value.start] if text[value.start : value.start + 1] in _QUOTED else ""
    new = _write(checksum, quote, prefix)
    space = "" if value.end > value.start else " "
    return f"{text[: value.start]}{space}{new}{text[value.end :]}"


def _insert(text: str, asset: TextValue, checksum: str) -> str:
    """Insert the checksum behind the source of an asset."""

    name = next((name for name in ("url", "git", "dest") if name in asset.entries), "<<")
    key, value = asset.entries[name]
    if asset.event.flow_style:
        return f"{text[: value.end]}, checksum: {checksum}{text[value.end :]}"
    is_block = value.kind == "Scalar" and value.event.style in _BLOCK_STYLES
    # a block scalar includes its last line break
    at = len(text[: value.end].rstrip("\r\n")) if is_block else value.end
    line_break = LINE_BREAK.search(text, at)
    end = line_break.start() if line_break else len(text)
    usual = line_break or LINE_BREAK.search(text)
    line = f"{' ' * key.start_mark.column}checksum: {checksum}"
    return f"{text[:end]}{usual[0] if usual else chr(10)}{line}{text[end:]}"


def _usual_quote(document: TextValue) -> str:
    """Return the quote that other checksums of the document have, "" for none."""

    _, assets = document.entries["assets"]
    for asset in assets.items:
        _, value = asset.entries.get("checksum", (None, None))
        if value and value.kind == "Scalar" and value.event.value:
            return value.event.style if value.event.style in _QUOTED else ""
    return ""


def _write(checksum: Checksum, quote: str, prefix: str = "") -> str:
    """Return a checksum as a YAML string, quoted where weasel would read a number, as in 12e34…"""

    text = f"{prefix}{checksum}"
    if not quote and yaml.implicit_type(text):
        quote = '"'
    return f"{quote}{text}{quote}"


def _differs_only_in_checksum(old: bytes, new: bytes, number: int, checksum: Checksum) -> bool:
    before, _ = yaml.parse_document(old, PROJECT_FILE)
    after, problems = yaml.parse_document(new, PROJECT_FILE)
    if before is None or after is None or problems:
        return False
    expected, found = documents.to_plain(before), documents.to_plain(after)
    written = found["assets"][number].get("checksum")
    expected["assets"][number]["checksum"] = written
    is_right = isinstance(written, str) and written.removeprefix("md5:") == str(checksum)
    return is_right and bool(expected == found)


def _refusal(event: Any, reason: str) -> InvalidInput:
    mark = event.start_mark
    return InvalidInput(
        f"the checksum cannot be changed: {reason}", hint="change it by hand", file=PROJECT_FILE,
        line=mark.line + 1, column=mark.column + 1,
    )  # fmt: skip
