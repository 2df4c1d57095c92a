"""Hostile project.yml files, with the threat and the exit code of each; and every command.

The inputs are harmless: a program that they make git-spacy run creates a file OWNED, and paths
outside the project are inside the folder of the test.
"""

from __future__ import annotations

from typing import NamedTuple

ESCAPES = (
    "\x1b]0;owned\x07\x9b2J\u202e"  # set the title, clear the screen, reverse the text direction
)
IN_YAML = '"x\\e]0;owned\\a\\x9b2J\\u202e"'


class Text(NamedTuple):
    """A project.yml in which `{outside}` stands for a folder beside the project.

    `code` is the exit code of every command that reads it; `shown` is a part of the message.
    """

    threat: str
    name: str
    data: bytes
    code: int
    shown: str = ""


def _command(**keys: str) -> bytes:
    rest = "".join(f", {key}: {value}" for key, value in keys.items())
    return f"commands: [{{name: all{rest}}}]\n".encode()


def _asset(**keys: str) -> bytes:
    return f"assets: [{{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}]\n".encode()


REFUSED = (
    *(
        Text("reserved-paths", f"dest {dest}", _asset(dest=f"'{dest}'", url="source"), 3)
        for dest in (".git/config", ".GIT/x", ".git./x", "git~1/x", "a/../.git/x", "project.yml",
                     "./project.lock", ".g\u200cit/x")
    ),
    *(
        Text("reserved-paths", f"output {dest}", _command(outputs=f"['{dest}']"), 3)
        for dest in (".git/hooks/pre-commit", "PROJECT.LOCK", "a/.git")
    ),
    Text("overwritten-work", "dest .", _asset(dest="'.'", url="source"), 3),
    Text("checksum-format", "no checksum", _asset(dest="a", url="source", checksum="xyz"), 2, "checksum"),
    Text("project-file-type", "nothing", b"", 2, "empty"),
    Text("project-file-type", "a list", b"- x\n", 2, "mapping"),
    Text("yaml-bombs", "an alias bomb", b"vars:\n  a0: &a0 [x, x]\n" + b"".join(
        b"  a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n" % (n, n, n - 1, n - 1, n - 1, n - 1) for n in range(1, 16)
    ), 2),
    Text("yaml-bombs", "an alias of itself", b"vars: &a {b: *a}\n", 2, "contains itself"),
    Text("yaml-bombs", "10,000 levels", b"vars: {a: " + b"[" * 10_000 + b"]" * 10_000 + b"}\n", 2),
    Text("huge-project-file", "10 MB", b"title: '" + b"x" * (10 << 20) + b"'\n", 2, "larger than 4,194,304 bytes"),
    Text("yaml-syntax", "a key twice", b"title: a\ntitle: b\n", 2, "2:1"),
    Text("yaml-syntax", "a tab", b"vars:\n\ta: 1\n", 2, "2:1"),
    Text("yaml-syntax", "Latin-1", b"title: caf\xe9\n", 2, "1:11"),
    Text("yaml-syntax", "NUL", b"title: a\x00b\n", 2, "1:9"),
    Text("yaml-syntax", "a Python tag", b"title: !!python/object/apply:os.system ['touch OWNED']\n", 2, "tag"),
    Text("wrong-types-and-keys", "null for a list", b"commands:\n", 2, "1:1"),
    Text("wrong-types-and-keys", "a text for a list", _command(deps="x"), 2),
    Text("wrong-types-and-keys", "a misspelt key", _command(scirpt="[x]"), 2, "script"),
    Text("split-commands", "a dash too many", b"commands:\n  - name: all\n  - script: [x]\n", 2, "remove the dash"),
    Text("variable-cycles", "a cycle", b"vars: {a: '${vars.b}', b: '${vars.a}'}\ntitle: '${vars.a}'\n", 2, "→"),
    Text("variable-cycles", "an unknown variable", b"vars: {word: a}\ntitle: '${vars.wrod}'\n", 2, "word"),
)  # fmt: skip

# Paths outside of the project: these projects are loaded, but nothing is written there.
OUTSIDE = (
    Text("paths-outside", "parent", b"../outside/x", 3, "is outside the project"),
    Text("paths-outside", "absolute", b"{outside}/x", 3, "is outside the project"),
    Text("paths-outside", "home", b"~/x", 3, "is outside the project"),
    Text("paths-outside", "by a variable", b"${vars.up}/outside/x", 3, "is outside the project"),
    Text("links-outside", "behind a link", b"link/x", 3, "leads out of the project"),
)

# Command lines that read project.yml, and others that work in a project without reading it.
READS = (
    "assets", "assets --force", "run all", "run all --dry", "run all --force", "run all -j 2",
    "run all --upstream", "run all --matrix vars.x=1", "run all --executor ray", "run all --restore",
    "status", "status --json", "status --no-data", "check", "check --staged", "check generated --fix",
    "lock record all", "lock rebuild", "ignore", "dvc", "document", "graph", "graph -o graph.svg",
    "push", "pull", "restore", "resolved", "resolved --json", "add streamlit",
)  # fmt: skip
OTHERS = (
    "log", "log --json", "log --table", "show", "diff", "diff HEAD~1 HEAD", "notes status",
    "document --model-card --stdout",
    "provenance -f rocrate", "provenance -f cyclonedx",
    "schema -o project.schema.json", "cache status", "cache verify", "cache gc",
)  # fmt: skip
