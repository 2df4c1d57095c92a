"""What a job on a cluster is asked to do, and what it delivers: JSON documents, and their names in
the remote that both machines use. Pure.

The order travels with the job, through the cluster's own API. What the job delivers is in the
remote, so that it outlives the cluster. Others may write there, too, so the job signs it with a key
that only its order and the machine which submitted it have (HMAC, RFC 2104).
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from git_spacy import formats
from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput
from git_spacy.history.run_record import RunRecord, parse_lines
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry

ORDER_FILE = "order.json"
MAX_RESULT_BYTES = 64 << 20
_VERSION = 1
_FOLDER = "git-spacy-jobs"  # in the remote
_ID = re.compile(r"[0-9a-f]{12}")
_KEY = re.compile(r"[0-9a-f]{64}")


class JobOrder(NamedTuple):
    """A run to do: the arguments of `git spacy run`, the names of its commands, and the overridden
    variables. `remote` and `remote_settings` say where the project's archive is, whose SHA-256 is
    `archive`, and `environ` has the environment variables that project.yml names. `key` signs what
    the job delivers."""

    id: str
    arguments: tuple[str, ...]
    commands: tuple[str, ...]
    variables: Mapping[str, Any]
    remote: str
    remote_settings: Mapping[str, str]
    archive: str
    environ: Mapping[str, str]
    key: str


class JobDelivery(NamedTuple):
    """What a job has delivered so far: entries of project.lock and run records. `exit` is the exit
    status of its run, None while it goes on."""

    exit: int | None
    entries: Mapping[str, LockEntry]
    records: tuple[RunRecord, ...]


def job_id(value: object) -> str:
    """Validate the id of a job."""

    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidInput("not the id of a job, 12 hexadecimal digits")
    return value


def new_key() -> str:
    """Return a key for one job, 64 hexadecimal digits."""

    return secrets.token_hex(32)


def job_key(value: object) -> str:
    """Validate the key of a job."""

    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise InvalidInput("not the key of a job, 64 hexadecimal digits")
    return value


def archive_name(id: str) -> str:
    """Return the name of a job's project archive in the remote."""

    return f"{_FOLDER}/{job_id(id)}/project.tar"


def delivery_name(id: str) -> str:
    """Return the name of what a job delivers in the remote."""

    return f"{_FOLDER}/{job_id(id)}/result"


def order_text(order: JobOrder) -> str:
    """Return the order as a JSON document."""

    return json.dumps(order._asdict())


def parse_order(text: str) -> JobOrder:
    """Return the order in a document that `order_text` has written."""

    document = json.loads(text)
    for name in ("arguments", "commands"):
        document[name] = tuple(document[name])
    return JobOrder(**document)


def delivery_text(order: JobOrder, exit: int | None, lock: str, records: list[str]) -> str:
    """Return what a job delivers: a line with the signature, and a JSON document with the text of
    its project.lock and its run records, one line each."""

    document = {"v": _VERSION, "id": order.id, "exit": exit, "lock": lock, "records": records}
    return signed(json.dumps(document), order.key)


def signed(text: str, key: str) -> str:
    """Return `text` below a line with its signature."""

    return f"{_signature(text.encode(), key)}\n{text}"


def _signature(data: bytes, key: str) -> str:
    return hmac.new(bytes.fromhex(key), data, "sha256").hexdigest()


def parse_delivery(data: bytes, id: str, key: str) -> JobDelivery:
    """Return what job `id` has delivered. Raises ExternalError for anything else."""

    try:
        if len(data) > MAX_RESULT_BYTES:
            raise InvalidInput(f"larger than {MAX_RESULT_BYTES:,} bytes")
        signature, _, content = data.partition(b"\n")
        if not hmac.compare_digest(signature, _signature(content, key).encode()):
            raise InvalidInput("not signed by the job")
        document = formats.document(content)
        if document["v"] != _VERSION or job_id(document["id"]) != id:
            raise InvalidInput("of another job")
        exit = document["exit"]
        text = _text(document["lock"])
        records = [line for line in document["records"] if isinstance(line, str)]
        return JobDelivery(
            None if exit is None else formats.integer(exit, -255, 255),
            lock_format.parse(text.encode()) if text else {},
            parse_lines(records),
        )
    except (GitSpacyError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ExternalError(
            f"the result of job {id} in the remote is damaged: {error}",
            hint=f"run it again, or see what it printed: git spacy jobs follow {id}",
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput("not text")
    return value
