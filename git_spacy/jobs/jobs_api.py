"""Speak to the Jobs API of a Ray cluster, which its dashboard serves (Ray: "Ray Jobs REST API").

Plain HTTP, so that a machine which only submits and collects needs neither Ray nor the version of
Python that the cluster has.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from git_spacy.errors import ExternalError, InvalidInput, redact
from git_spacy.run.ray_probe import find_token

PORT = 8265  # of the dashboard
_DEFAULT = f"http://127.0.0.1:{PORT}"
_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")  # in the order in which Ray reads them
_TIMEOUT = (5, 60)  # seconds to connect, and between two parts of an answer
_MAX_BYTES = 256 << 20
_SHARE = 20  # of the time, one part is spent with fetching the log
_MIN_PAUSE, _MAX_PAUSE = 1.0, 60.0  # seconds between two looks at the log
_ENDED = ("STOPPED", "SUCCEEDED", "FAILED")


class ClusterJob(NamedTuple):
    """What the cluster knows about a job: its status, and a message about it."""

    status: str
    message: str

    @property
    def has_ended(self) -> bool:
        """Return whether nothing can change any more."""

        return self.status in _ENDED


class UnknownJob(ExternalError):
    """The cluster does not know a job: it was restarted, or is another one."""


def jobs_address(address: str | None, environ: Mapping[str, str]) -> str:
    """Return the address of the Jobs API: `address`, or that in Ray's variables, or this machine.

    Raises InvalidInput for an address of Ray itself, which does not serve it.
    """

    source = "--address"
    if not address:
        source = next((name for name in _VARIABLES if environ.get(name)), "")
        address = environ[source] if source else _DEFAULT
    url = urlsplit(address)
    if url.scheme in ("http", "https") and url.hostname:
        return address.rstrip("/")
    host = url.hostname if "://" in address else address.rpartition(":")[0] or address
    host = "127.0.0.1" if host in ("auto", "local", None) else host
    correct = f"http://{host}:{PORT}"
    hint = (
        f"use that of its dashboard: --address {correct}"
        if source == "--address"
        else f"use that of its dashboard: export RAY_API_SERVER_ADDRESS={correct}"
    )
    raise InvalidInput(
        f"'{redact(address)}' is not the address of a cluster's Jobs API", file=source, hint=hint
    )


class JobsClient:
    """The Jobs API at an address. Every method raises ExternalError."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._token = ""

    def check(self) -> None:
        """Raise ExternalError if no Ray dashboard answers, or if it wants a token that we do not
        have."""

        answer = self._call("GET", "/api/version")
        if not isinstance(answer, dict) or "ray_version" not in answer:
            raise self._unexpected("it does not say which version of Ray it has")

    def upload(self, name: str, data: bytes) -> str:
        """Upload a zip with the files of a job; return its URI for the job's environment."""

        path = f"/api/packages/gcs/{name}"
        # first ask for it, as Ray's own client does: so the cluster keeps it until the job starts
        self._call("GET", path, is_optional=True, is_json=False)
        self._call("PUT", path, data=data, is_json=False)
        return f"gcs://{name}"

    def submit(self, id: str, entrypoint: str, env: Mapping[str, Any], about: str) -> None:
        """Submit a job that runs the shell command `entrypoint` in the environment `env`."""

        document = {
            "submission_id": id, "entrypoint": entrypoint, "runtime_env": env,
            "metadata": {"job_name": about},
        }  # fmt: skip
        self._call("POST", "/api/jobs/", document=document)

    def job(self, id: str) -> ClusterJob:
        """Return what the cluster knows about a job. Raises UnknownJob."""

        answer = self._call("GET", f"/api/jobs/{id}", job=id)
        return ClusterJob(_text(answer, "status").upper() or "UNKNOWN", _text(answer, "message"))

    def log(self, id: str) -> str:
        """Return what a job has printed so far. Raises UnknownJob."""

        return _text(self._call("GET", f"/api/jobs/{id}/logs", job=id), "logs")

    def stop(self, id: str) -> None:
        """Ask the cluster to stop a job. Raises UnknownJob."""

        self._call("POST", f"/api/jobs/{id}/stop", job=id)

    def follow(self, id: str, sleep: Callable[[float], None]) -> Iterator[str]:
        """Yield what a job prints, from its start to its end. Raises UnknownJob."""

        shown = 0
        while True:
            state = self.job(id)  # before its log, which is then complete
            started = time.monotonic()
            text = self.log(id)
            if len(text) > shown:
                yield text[shown:]
                shown = len(text)
            if state.has_ended:
                return
            pause = _SHARE * (time.monotonic() - started)  # the API always sends the whole log
            sleep(min(max(pause, _MIN_PAUSE), _MAX_PAUSE))

    def _call(
        self, method: str, path: str, *, document: Any = None, data: bytes | None = None,
        job: str = "", is_optional: bool = False, is_json: bool = True,
    ) -> Any:  # fmt: skip
        code, content = self._request(method, path, document, data)
        if code in (401, 403) and not self._token and (token := find_token()):
            self._token = token
            code, content = self._request(method, path, document, data)
        if code in (401, 403):
            problem = "another token than ours" if self._token else "a token"
            raise ExternalError(
                f"the Ray cluster at '{self._address}' requires {problem}",
                hint="set RAY_AUTH_TOKEN to what 'ray get-auth-token' prints on the cluster's head",
            )
        if code == 404 and is_optional:
            return None
        if code == 404 and job:
            raise UnknownJob(
                f"the cluster at '{self._address}' does not know this job any more",
                hint="if it was restarted, collect what the job had delivered: "
                f"git spacy jobs collect {job}",
            )
        if not 200 <= code < 300:
            lines = content.decode("utf-8", "replace").strip().splitlines()
            raise self._unexpected(f"HTTP {code}" + (f": {lines[-1][:300]}" if lines else ""))
        if not is_json:
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._unexpected("it is not JSON") from None

    def _request(
        self, method: str, path: str, document: Any, data: bytes | None
    ) -> tuple[int, bytes]:
        import requests

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            with requests.request(
                method, self._address + path, json=document, data=data, headers=headers,
                timeout=_TIMEOUT, allow_redirects=False, stream=True,
                auth=lambda request: request,  # none from ~/.netrc
            ) as answer:  # fmt: skip
                content = bytearray()
                for chunk in answer.iter_content(1 << 20):
                    content += chunk
                    if len(content) > _MAX_BYTES:
                        raise self._unexpected(f"it is larger than {_MAX_BYTES:,} bytes")
                return answer.status_code, bytes(content)
        except requests.RequestException as error:
            raise ExternalError(
                f"cannot reach the Jobs API at '{redact(self._address)}': {_reason(error)}",
                hint="is it the address of the dashboard, and does a tunnel to it exist? e.g. "
                f"ssh -N -L {PORT}:localhost:{PORT} HOST",
            ) from None

    def _unexpected(self, reason: str) -> ExternalError:
        return ExternalError(
            f"unexpected answer from '{redact(self._address)}': {reason}",
            hint="use the address of the cluster's Ray dashboard",
        )


def _reason(error: Exception) -> str:
    """Return the innermost cause, such as `Connection refused`."""

    cause: Any = error
    while inner := getattr(cause, "reason", None) or next(
        (part for part in getattr(cause, "args", ()) if isinstance(part, Exception)), None
    ):
        cause = inner
    number = getattr(cause, "errno", None)
    if isinstance(number, int):
        return os.strerror(number)
    if "timed out" in str(cause).lower():
        return "no answer"
    return str(cause).rpartition(": ")[2] or type(cause).__name__


def _text(document: Any, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else ""
