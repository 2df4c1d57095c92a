"""The template integrations/fastapi, with a real server, a real model and invalid requests."""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import json
import os
import re
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import yaml

from git_spacy import templates
from git_spacy.lock import lock_format
from tests.testing.projects import Done
from tests.testing.servers import free_port
from tests.testing.serving import (
    PATIENCE,
    copy,
    environment,
    serving,
    spacy,
    trained,
    until,
    until_all_ended,
)
from tests.testing.terminal import at_terminal, wait_for_exit

TEMPLATE = Path(templates.__file__).parent / "integrations/fastapi"
ADIDAS = {"text": "Adidas", "label": "FASHION_BRAND", "start": 10, "end": 16}


def batching() -> ModuleType:
    """Import the template's scripts/batching.py, which only depends on the standard library."""

    spec = importlib.util.spec_from_file_location("batching", TEMPLATE / "scripts/batching.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Work:
    """A model that processes its first batch until `may_go` is set."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_go = threading.Event()

    def __call__(self, texts: list[str]) -> list[str]:
        self.batches.append(texts)
        assert self.may_go.wait(PATIENCE)
        if "bad" in texts:
            raise ValueError("a bad text")
        return [text.upper() for text in texts]


def process_while_busy(
    size: int, *requests: list[str], max_waiting: int = 100
) -> tuple[Work, list[Any]]:
    """Send requests while the first one is processed; return their results."""

    async def ask() -> list[Any]:
        async with batching().Batches(work, size) as results:
            first = asyncio.create_task(results(["first"], max_waiting=max_waiting))
            while not work.batches:
                await asyncio.sleep(0.01)
            others = [
                asyncio.create_task(results(item, max_waiting=max_waiting)) for item in requests
            ]
            await asyncio.sleep(0.05)
            work.may_go.set()
            return await asyncio.gather(first, *others, return_exceptions=True)

    work = Work()
    return work, asyncio.run(ask())


def test_requests_that_arrive_during_a_batch_form_the_next_batch() -> None:
    work, results = process_while_busy(10, ["a", "b"], ["c"], [])
    assert work.batches == [["first"], ["a", "b", "c"]]
    assert results == [["FIRST"], ["A", "B"], ["C"], []]


def test_batches_have_a_maximum_size_and_a_request_may_span_several() -> None:
    work, results = process_while_busy(2, ["a", "b", "c"], ["d", "e"])
    assert work.batches == [["first"], ["a", "b"], ["c", "d"], ["e"]]
    assert results == [["FIRST"], ["A", "B", "C"], ["D", "E"]]


def test_a_request_is_refused_if_too_many_texts_would_wait() -> None:
    work, results = process_while_busy(10, ["a", "b"], ["c", "d"], ["e"], max_waiting=3)
    assert [type(item).__name__ for item in results] == ["list", "list", "Busy", "list"]
    assert work.batches == [["first"], ["a", "b", "e"]]


def test_an_exception_only_affects_its_batch() -> None:
    _, results = process_while_busy(2, ["a", "bad"], ["c"])
    assert [type(item).__name__ for item in results] == ["list", "ValueError", "list"]


@pytest.fixture(scope="module")
def trained_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Clone the template and run it. Shared by the tests, which must not change it."""

    for module in (
        "spacy", "fastapi", "fastapi_offline", "prometheus_client", "uvicorn", "typer",
        "pytest_html", "httpx",
    ):  # fmt: skip
        # not imported, since some cause warnings, which are errors in the tests
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"'{module}' is not installed")
    return trained("integrations/fastapi", tmp_path_factory)


class Server(NamedTuple):
    """A client for the server on a port."""

    port: int

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the parsed answer; `body` is JSON to be, or bytes as they are."""

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            content = body if isinstance(body, bytes | type(None)) else json.dumps(body)
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def read(self, path: str) -> str:
        """Return the text at a path."""

        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return str(answer.read(), "utf-8")

    def entities(self, *texts: str) -> Any:
        status, answer = self.ask("POST", "/entities", {"texts": texts})
        assert status == 200, answer
        return [result["entities"] for result in answer["results"]]

    def is_healthy(self) -> bool | None:
        try:
            return self.ask("GET", "/health")[0] == 200 or None
        except ConnectionRefusedError:
            return None


def serve(port: int, *options: str) -> tuple[str, ...]:
    """Return the script line of the command `serve`."""

    script = (sys.executable, "scripts/serve.py", "training/model-best")
    return (*script, "--port", str(port), *options)


@pytest.fixture(scope="module")
def server(
    trained_template: tuple[Path, dict[str, Done]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running server, shared by most tests."""

    server = Server(free_port())
    folder = copy(trained_template[0], tmp_path_factory.mktemp("server"))
    with serving(folder, *serve(server.port)) as process:
        process.wait_until(server.is_healthy, "a healthy server")
        yield server


@pytest.fixture
def folder(trained_template: tuple[Path, dict[str, Done]], tmp_path: Path) -> Path:
    """A copy of the trained template, which a test may change."""

    return copy(trained_template[0], tmp_path)


@pytest.mark.slow
def test_the_template_runs_as_in_its_readme_and_is_then_up_to_date(
    trained_template: tuple[Path, dict[str, Done]], folder: Path
) -> None:
    assert trained_template[1]["run"].err.endswith("ran 5, skipped 0\n")
    assert " passed" in trained_template[1]["run"].out
    assert spacy(folder, "check", "--strict") == (0, "", "")
    assert spacy(folder, "run", "all").err.endswith("ran 0, skipped 5\n")
    status = spacy(folder, "status")
    assert status.err == ""
    assert "serve       always runs  sets no_skip" in status.out
    locked = (folder / "project.lock").read_text()
    assert str(trained_template[0].parent) not in locked
    assert list(lock_format.read(folder)) == ["preprocess", "train", "evaluate", "test", "score"]
    assert json.loads((folder / "metrics/score.json").read_text())["ents_f"] > 0.75
    assert "test_api.py" in (folder / "metrics/test-report.html").read_text()


@pytest.mark.slow
def test_results_are_in_the_order_of_the_texts(server: Server) -> None:
    assert server.entities("I love my Adidas sneakers", "", "the weather", "🙂 Nike") == [
        [ADIDAS], [], [], [{"text": "Nike", "label": "FASHION_BRAND", "start": 2, "end": 6}],
    ]  # fmt: skip
    assert server.ask("GET", "/health") == (200, {"status": "ok", "model": "en_pipeline 0.0.0"})


@pytest.mark.slow
def test_annotations_documentation_and_metrics_come_from_the_server_itself(server: Server) -> None:
    status, answer = server.ask("POST", "/annotations", texts("I love my Adidas sneakers", ""))
    assert status == 200
    first, second = answer["results"]
    assert first["ents"] == [{"start": 10, "end": 16, "label": "FASHION_BRAND"}]
    assert [token["start"] for token in first["tokens"]] == [0, 2, 7, 10, 17]
    assert second["tokens"] == []
    page = server.read("/docs")
    sources = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(sources) >= 3
    assert all(source.startswith("/") for source in sources), sources
    assert "SwaggerUIBundle" in server.read(next(x for x in sources if x.endswith(".js")))
    operation = server.ask("GET", "/openapi.json")[1]["paths"]["/entities"]["post"]
    assert set(operation["responses"]) == {"200", "413", "422", "503"}
    assert re.search(
        r'^requests_total\{path="/annotations",status="200"\} 1.0$',
        server.read("/metrics"), re.MULTILINE,
    )  # fmt: skip


def test_the_dockerfile_copies_what_the_server_needs_and_starts_it() -> None:
    """There is no Docker here. Each line is a known instruction, and each file is in the context."""

    text = (TEMPLATE / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    known = {"FROM", "WORKDIR", "RUN", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert {instruction for instruction, _ in lines} == known
    assert lines[0][0] == "FROM"
    ignored = (TEMPLATE / ".dockerignore").read_text().splitlines()
    copied = [words.split() for instruction, words in lines if instruction == "COPY"]
    for *sources, _ in copied:
        assert all(f"!{source}" in ignored for source in sources)
    project = yaml.safe_load((TEMPLATE / "project.yml").read_text())
    (serve,) = (command for command in project["commands"] if command["name"] == "serve")
    needed = [*serve["deps"], "requirements.txt"]
    patterns = [source for *sources, _ in copied for source in sources]
    assert [path for path in needed if not any(fnmatch(path, one) for one in patterns)] == []
    start = json.loads(next(words for instruction, words in lines if instruction == "CMD"))
    assert start[:3] == serve["script"][0].split()[:3]
    assert "--host 0.0.0.0" in " ".join(start)


@pytest.mark.slow
def test_concurrent_requests_get_the_same_results_as_single_ones(server: Server) -> None:
    path = TEMPLATE.parent.parent / "ner_fashion/data/comments_dev.jsonl"
    texts = [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
    alone = [server.entities(text)[0] for text in texts]
    assert sum(map(len, alone)) > 50
    with ThreadPoolExecutor(16) as pool:
        crowd = pool.map(lambda text: server.entities(text)[0], texts * 3)
        assert list(crowd) == alone * 3


@pytest.mark.slow
def test_health_answers_while_the_model_works(server: Server) -> None:
    much = ["my old Nike shoes are not what they were " * 50] * 64
    with ThreadPoolExecutor(2) as pool:
        working = [pool.submit(server.entities, *much) for _ in range(2)]
        heard = 0
        while not all(item.done() for item in working):
            assert server.ask("GET", "/health")[0] == 200
            heard += 1
        assert all(len(item.result()) == 64 for item in working)
    assert heard > 3


def texts(*values: Any) -> dict[str, Any]:
    return {"texts": values}


BAD: dict[str, tuple[Any, int, str]] = {
    "not JSON": (b"{", 422, "json_invalid"),
    "nothing": (b"", 422, "missing"),
    "not UTF-8": (b'{"texts": ["\xff"]}', 400, ""),
    "too deep": (b"[" * 500_000, 400, ""),
    "half a character": (b'{"texts": ["\\ud800"]}', 422, "string_unicode"),
    "a list": (["Nike"], 422, ""),
    "no texts": (texts(), 422, "too_short"),
    "a number": (texts(1), 422, "string_type"),
    "null": (texts(None), 422, "string_type"),
    "another key": ({**texts("Nike"), "lang": "en"}, 422, "extra_forbidden"),
    "a text too long": (texts("x" * 5_001), 422, "string_too_long"),
    "too many texts": (texts(*["x"] * 65), 422, "too_long"),
    "a body too large": (texts("x" * (1 << 20)), 413, ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_invalid_and_too_large_requests_get_a_short_error(server: Server, case: str) -> None:
    body, code, kind = BAD[case]
    status, answer = server.ask("POST", "/entities", body)
    assert status == code, answer
    assert len(json.dumps(answer)) < 400, "the error contains the request"
    if kind:
        assert [item["type"] for item in answer["detail"]] == [kind]
    assert server.entities("I love my Adidas sneakers") == [[ADIDAS]]


@pytest.mark.slow
def test_texts_of_the_maximum_length_are_accepted(server: Server) -> None:
    assert len(server.entities(*["x" * 5_000] * 64)) == 64


@pytest.mark.slow
def test_a_chunked_body_is_limited(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    chunks = iter([b"x" * 1000] * 1100)
    connection.request("POST", "/entities", chunks, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (
        413, {"detail": "the body has more than 1048576 bytes"},
    )  # fmt: skip
    connection.close()


class InFlight:
    """A request of which the server has received the headers, but not the body."""

    def __init__(self, port: int) -> None:
        self._body = json.dumps(texts("I love my Adidas sneakers")).encode()
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._file = self._socket.makefile("rb")
        self._socket.sendall(
            b"POST /entities HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(self._body)
        )
        assert self._file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert self._file.readline() in (b"\r\n", b"")

    def end(self) -> Any:
        """Send the body and return the response."""

        self._socket.sendall(self._body)
        status = self._file.readline()
        assert status.startswith(b"HTTP/1.1 200 "), status
        answer = self._file.read().partition(b"\r\n\r\n")[2]
        self._file.close()
        self._socket.close()
        return json.loads(answer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "workers", "to_all"),
    [
        (signal.SIGINT, "1", False),
        (signal.SIGTERM, "1", False),
        (signal.SIGINT, "2", True),  # as a terminal does
        (signal.SIGTERM, "2", False),
    ],
)
def test_shutdown_completes_requests_in_progress_and_refuses_new_ones(
    folder: Path, number: int, workers: str, to_all: bool
) -> None:
    server = Server(free_port())
    with serving(folder, *serve(server.port, "--workers", workers)) as process:
        assert server.is_healthy() is None  # the connection is refused until the model is loaded
        process.wait_until(
            lambda: process.said.count("startup complete") == int(workers) or None, "all workers"
        )
        for _ in range(4):
            server.entities("Nike")
        counted = 'requests_total{path="/entities",status="200"} 4.0'  # of all workers
        assert counted in server.read("/metrics")
        requests = [InFlight(server.port) for _ in range(8)]
        send: Callable[[int, int], None] = os.killpg if to_all else os.kill
        send(process.process.pid, number)
        process.wait_until(lambda: "Shutting down" in process.said or None, "a shut down")
        for request in requests:
            (result,) = request.end()["results"]
            assert result["entities"] == [ADIDAS]
        assert process.process.wait(PATIENCE) == 0, process.said
        assert server.is_healthy() is None
        assert "Traceback" not in process.said
        until_all_ended(folder.parent)


@pytest.mark.slow
def test_run_serve_stops_gracefully_after_a_signal_and_runs_again(folder: Path) -> None:
    server = Server(free_port())
    words = ("run", "serve", "--vars.port", str(server.port))
    with serving(folder, sys.executable, "-m", "git_spacy", *words) as process:
        process.wait_until(server.is_healthy, "a healthy server")
        assert server.entities("I love my Adidas sneakers") == [[ADIDAS]]
        assert process.stop() == 0, process.said
        assert "==> serve: done in " in process.said
        until_all_ended(folder.parent)
    environ = environment(folder.parent)
    pid, terminal = at_terminal(folder, *words, environ=environ)
    until(server.is_healthy, "a server at the terminal")
    os.write(terminal, b"\x03")
    code, seen = wait_for_exit(pid, terminal)
    assert code == 0, seen
    assert "==> serve: running (sets no_skip)" in seen
    assert "==> serve: done in " in seen
    assert "Traceback" not in seen
    until_all_ended(folder.parent)
    assert str(folder.parent) not in (folder / "project.lock").read_text()
