"""Benchmarks that depend on latency: templates and assets from servers 50 and 100 ms away."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from benchmarks.contest import (
    OURS,
    Budget,
    Contestant,
    Figures,
    Row,
    contest,
    is_installed,
    timed,
)
from tests.testing.git_server import GitServer
from tests.testing.http_server import LocalServer
from tests.testing.projects import project
from tests.testing.repositories import commit, git, noise, repository, serve

TEMPLATES, EACH = 60, 950_000
LATENCY, RATE = 0.05, 50e6 / 8  # seconds per request, bytes per second
ASSETS, ASSET_LATENCY = 40, 0.1
LARGE_SIZE = 1_000_000_000


def clone(folder: Path) -> list[Row]:
    """Clone one of 60 templates, 57 MB in total, with 50 ms per request and 50 Mbit/s."""

    files: dict[str, str | bytes] = {}
    for number in range(TEMPLATES):
        files[f"templates/t{number}/project.yml"] = f"title: {number}\n"
        files[f"templates/t{number}/data.bin"] = noise(EACH, number)
    files["templates/wanted/project.yml"] = "title: wanted\n"
    files["templates/wanted/data.bin"] = noise(50_000)
    made = repository(folder / "source", files)
    commit(made, {"README.md": "templates\n"})
    git(made, "branch", "-M", "main")
    (folder / "served").mkdir()
    with GitServer(folder / "served") as server:
        server.latency, server.rate = LATENCY, RATE
        url = server.url + serve(made, folder / "served")
        dest = folder / "dest"

        def counted(*command: str) -> Contestant:
            contestant = timed(*command, cwd=folder, before=lambda: shutil.rmtree(dest, True))

            def measure() -> Figures:
                requests, sent = len(server.requests), server.sent
                figures = contestant.measure()
                return {
                    "s": figures["s"],
                    "bytes": server.sent - sent,
                    "requests": len(server.requests) - requests,
                }

            return Contestant(measure)

        sparse_clone = (
            f"git clone -q --depth 1 --filter=blob:none --sparse {url} {dest}"
            f" && git -C {dest} sparse-checkout set templates/wanted"
        )
        contestants = {
            "clone": counted(OURS, "clone", "wanted", str(dest), "--repo", url, "--no-git"),
            "git clone --sparse": counted("sh", "-c", sparse_clone),
        }
        if is_installed("weasel"):
            words = ("clone", "templates/wanted", str(dest), "--repo", url, "--branch", "main")
            contestants["weasel clone"] = counted("weasel", *words)
        budgets = [
            Budget("clone", 1 / 15, "weasel clone"),
            Budget("clone", 1 / 800, "weasel clone", unit="bytes"),
            Budget("clone", 0.8, "git clone --sparse"),
        ]
        return contest("one of 60 templates, 57 MB", contestants, budgets, rounds=3)


def assets(folder: Path) -> list[Row]:
    """Fetch 40 assets of 100 kB with 100 ms per request."""

    contents = {f"/{number}": noise(100_000, number) for number in range(ASSETS)}
    with _served(contents, ASSET_LATENCY) as url:
        text = "assets:\n" + "".join(
            f"- {{dest: assets{name}, url: '{url}{name}',"
            f" checksum: {hashlib.md5(content).hexdigest()}}}\n"
            for name, content in contents.items()
        )
        made = project(folder / "project", text)
        remove = _removing(made)
        contestants = {"assets": timed(OURS, "assets", cwd=made, before=remove)}
        if is_installed("weasel"):
            contestants["weasel assets"] = timed("weasel", "assets", cwd=made, before=remove)
        budgets = [Budget("assets", 1 / 12, "weasel assets")]
        return contest("40 assets of 100 kB, 100 ms away", contestants, budgets, rounds=3)


def large_asset(folder: Path) -> list[Row]:
    """Fetch one asset of 1 GB over loopback."""

    source = folder / "large"
    block = noise(1_000_000)
    digest = hashlib.md5()
    with source.open("wb") as stream:
        for _ in range(LARGE_SIZE // len(block)):
            stream.write(block)
            digest.update(block)
    with _served({"/large": source}, 0.0) as url:
        entry = f"dest: assets/large, url: '{url}/large', checksum: {digest.hexdigest()}"
        made = project(folder / "project", f"assets: [{{{entry}}}]\n")
        remove = _removing(made)
        contestants = {"assets": timed(OURS, "assets", cwd=made, before=remove)}
        if is_installed("curl"):
            command = f"mkdir -p assets && curl -sfo assets/large {url}/large"
            contestants["curl"] = timed("sh", "-c", command, cwd=made, before=remove)
            command += " && md5sum assets/large"
            contestants["curl, md5sum"] = timed("sh", "-c", command, cwd=made, before=remove)
        budgets = [Budget("assets", 0.7, "curl, md5sum")]
        return contest("one asset of 1 GB, loopback", contestants, budgets, rounds=5)


def _removing(made: Path) -> Callable[[], None]:
    def remove() -> None:
        shutil.rmtree(made / "assets", ignore_errors=True)
        shutil.rmtree(os.path.expanduser("~/.cache/git-spacy"), ignore_errors=True)
        subprocess.run(("sync",), check=False)

    return remove


@contextmanager
def _served(contents: dict[str, bytes] | dict[str, Path], latency: float) -> Iterator[str]:
    """Serve these files over HTTP, and yield the URL of the server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            time.sleep(latency)
            content = contents[self.path]
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            if isinstance(content, bytes):
                self.wfile.write(content)
            else:
                self.wfile.flush()
                with content.open("rb") as stream:
                    self.connection.sendfile(stream)

    with LocalServer(Handler) as server:
        yield server.url
