"""Reads the files of offline runs of Weights & Biases, which contain protocol buffers.

After a header of seven bytes, a file has the format of a LevelDB log: blocks of 32 KiB that contain
chunks of records, each with a header of seven bytes (checksum, length, type of chunk).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = 32 * 1024
HEADER = struct.Struct("<IHB")
FULL, LAST = 1, 4


class Run(NamedTuple):
    """A run as it would be uploaded."""

    record: Any  # wandb's RunRecord: id, name, group, tags, …
    config: dict[str, Any]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    artifacts: list[Any]  # wandb's ArtifactRecords


def runs(folder: Path) -> list[Run]:
    """Return the offline runs in `folder`, ordered by their start."""

    found = [read(path) for path in folder.glob("wandb/offline-run-*/run-*.wandb")]
    return sorted(found, key=lambda run: run.record.start_time.ToNanoseconds())


def read(path: Path) -> Run:
    """Read the run in a file."""

    from wandb.proto.wandb_internal_pb2 import Record

    run, config, history, summary = None, {}, [], {}
    artifacts = []
    for content in frames(path.read_bytes()):
        record = Record.FromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            config |= values(run.config.update)
        elif kind == "config":
            config |= values(record.config.update)
        elif kind == "history":
            history.append(values(record.history.item))
        elif kind == "summary":
            summary |= values(record.summary.update)
        elif kind == "artifact":
            artifacts.append(record.artifact)
    assert run is not None
    return Run(run, config, history, summary, artifacts)


def values(items: Any) -> dict[str, Any]:
    return {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def frames(content: bytes) -> Iterator[bytes]:
    """Yield the records of a log, assembled from their chunks."""

    assert content.startswith(b":W&B")
    position, pieces = 7, b""
    while position + HEADER.size <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEADER.size:
            position += left
            continue
        _, length, kind = HEADER.unpack_from(content, position)
        position += HEADER.size
        pieces += content[position : position + length]
        position += length
        if kind in (FULL, LAST):
            yield pieces
            pieces = b""
