"""Read random and mutated input of every kind without crashing.

Threat model: terminal-escapes to broken-lock. Hypothesis generates documents and mutates valid ones;
fuzz.py checks the results, also for atheris. GIT_SPACY_STRESS sets more examples.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.storage.hostile import file, hard_link, link, member, uncompressed
from tests.threats import fuzz
from tests.threats.fuzz import KINDS, Arena

EXAMPLES = 400 if "GIT_SPACY_STRESS" in os.environ else 12
fuzzed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),  # an example runs a dozen commands
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes too long
)


@pytest.fixture
def arena(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arena:
    from git_spacy.assets.cancellation import Cancellation

    monkeypatch.setattr(Cancellation, "sleep", lambda self, seconds: self.check())
    (tmp_path / "arena").mkdir()
    return Arena(tmp_path / "arena")


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Valid bytes, some of them removed, doubled or replaced by significant ones."""

    result = bytearray(data)
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(result)))
        end = draw(st.integers(start, min(len(result), start + 20)))
        part = draw(
            st.sampled_from((b"", b"\0", b"\n", b"  ", b"- ", b": ", b"{", b"}", b"[", b'"', b"'", b"../", b"*a", b"&a ",
                             b"!!", b"${vars.x}", b"{x}", b"%", b"#", b"\xff", b"\xc2\x9b", b"~", b"null", b"0", b"-1", b"1e999"))
            | st.binary(max_size=4)
            | st.just(bytes(result[start:end] * 2))
        )  # fmt: skip
        result[start:end] = part
    return bytes(result)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ("../x", "/x", ".git/x", "${vars.x}", "${env.x}", "{x}", "\x1b]0;x\x07", "0" * 32, "x", "all", "\udcff")
)  # fmt: skip
KEYS = (
    "title", "description", "vars", "env", "variables", "directories", "assets", "dest", "url", "git", "repo",
    "path", "branch", "checksum", "extra", "commands", "name", "help", "script", "deps", "outputs",
    "outputs_no_cache", "no_skip", "resources", "workflows", "all", "remotes", "default", "spacy_version",
    "prepare", "train", "cmd", "outs", "md5", "paths", "runs", "fetched", "v", "time", "command", "project",
    "metrics", "versions", "exit", "seconds", "tree", "how", "source", "size", "dirty", "corpus/words.txt",
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)  # fmt: skip
documents = st.dictionaries(st.sampled_from(KEYS), values, max_size=8).map(
    lambda value: json.dumps(value).encode()  # JSON is YAML, too
)
archives = st.lists(
    st.builds(
        lambda kind, name, target, size: {
            "file": lambda: file(name, b"x" * size),
            "link": lambda: link(name, target),
            "hard link": lambda: hard_link(name, target),
            "other": lambda: member(name, bytes([size])),
        }[kind](),
        st.sampled_from(("file", "link", "hard link", "other")),
        *(st.sampled_from(("out", "out/a", "out/a/b", "out/l", "out/../x", "../x", "/x", "out/.git/x", "a", "out/l/x", ".", "")),) * 2,
        st.integers(0, 255),
    ),
    max_size=8,
).map(uncompressed)  # fmt: skip
HEADERS = (
    b"Content-Length: 4", b"Content-Length: -1", b"Content-Length: 1e3", b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Range: bytes 1-2/3",
    b"ETag: \"x\"", b"Location: /x", b"Location: http://[", b"Location: file:///etc/passwd", b"Retry-After: 1e9",
    b"Content-Type: text/html", b"x" * 70_000, b": ", b"\x1b]0;x\x07: 1", b"Set-Cookie: \xff=\0",
)  # fmt: skip
responses = st.builds(
    lambda status, headers, body: b"\r\n".join((status, *headers, b"", body)),
    st.sampled_from((b"HTTP/1.1 200 OK", b"HTTP/1.1 206 x", b"HTTP/1.1 302 x", b"HTTP/1.1 404 \x1b[2J", b"HTTP/1.1 500 x",
                     b"HTTP/1.1 429 x", b"HTTP/9.9 200", b"HTTP/1.1 -1 x", b"HTTP/1.1 99999 x", b"nonsense", b"")),
    st.lists(st.sampled_from(HEADERS), max_size=4),
    st.binary(max_size=20) | st.sampled_from((b"4\r\ndata\r\n0\r\n\r\n", b"zz\r\n", b"-4\r\n", b"\x1f\x8b\x08\0")),
)  # fmt: skip
packets = st.lists(
    st.sampled_from(
        (b"0000", b"0001", b"0002", b"0003", b"ffff", b"zzzz", b"\xff" * 9, *map(fuzz.packet, (
            b"# service=git-upload-pack\n", b"version 2\n", b"ls-refs\n", b"fetch=shallow filter\n", b"object-format=sha256\n",
            b"1" * 40 + b" HEAD\0symref=HEAD:refs/heads/main\n", b"1" * 40 + b" refs/heads/main\n", b"ERR \x1b[2J\n",
            b"packfile\n", b"\1PACK\0\0\0\2\0\0\0\1", b"\2\x1b[2J", b"\3gone", b"acknowledgments\n", b"NAK\n", b"\0", b"")))
    )
    | st.binary(max_size=12),
    max_size=9,
).map(b"".join)  # fmt: skip
STRATEGIES = {
    "project": documents, "lock": documents, "note": documents, "index": documents, "members": archives,
    "generated": st.binary(max_size=200), "response": responses, "repository": packets,
}  # fmt: skip


@pytest.mark.threat("yaml-bombs")
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_are_read_without_a_crash(arena: Arena, kind: str) -> None:
    valid = st.sampled_from(fuzz.valid_inputs(arena, kind)).flatmap(mutated)

    @fuzzed
    @given(STRATEGIES[kind] | valid | st.binary(max_size=50))
    def check(data: bytes) -> None:
        KINDS[kind](arena, data)

    for data in fuzz.valid_inputs(arena, kind):
        KINDS[kind](arena, data)
    check()


def test_every_kind_has_a_strategy() -> None:
    assert set(STRATEGIES) == set(KINDS)
    assert fuzz.SECONDS <= 1
    assert fuzz.MEGABYTES <= 150
