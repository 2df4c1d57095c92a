"""A project that was run, pushed and set up, among neighbours that no command has any business with;
the files of ours that it has by then, each as a document; and what must hold after any command,
whatever these files say.

The neighbours are a folder beside the project, the dot files of its user, Git's hooks and settings,
and all that is tracked.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.storage.hostile import file, hard_link, link, zipped
from tests.testing.repositories import git, write
from tests.threats.forks import Ended
from tests.threats.hostile_values import (
    ALWAYS,
    HEAVY,
    NO_TEXTS,
    VALUES,
    Position,
    at,
    fits,
    kinds,
    positions,
    replaced,
)  # fmt: skip

MEGABYTES, SECONDS = 300.0, 10.0
CODES = frozenset((0, 1, 2, 3, 4, 5))
_SECRET = b"what-nobody-may-read"
_PROJECT = """\
vars: {word: hello}
remotes: {default: REMOTE}
commands:
  - name: prepare
    script: [mkdir -p corpus, cp words.in corpus/words.txt]
    deps: [words.in]
    outputs: [corpus/words.txt]
  - name: train
    script: [mkdir -p model/deep, cp corpus/words.txt model/a, cp corpus/words.txt model/deep/b, cp scores.in scores.json]
    deps: [corpus/words.txt, scores.in]
    outputs: [model]
    outputs_no_cache: [scores.json]
workflows: {all: [prepare, train]}
"""
_FILES = {
    "words.in": "hello\n", "scores.in": '{"score": 0.5, "of": {"ner": 1}}', "pkg/__init__.py": "",
    ".gitignore": "corpus\nmodel\nscores.json\n",
}  # fmt: skip
_OUTPUTS = re.compile(r"p/(corpus|corpus/words\.txt|model|model/.*|scores\.json)")
_GIT_MAY = re.compile(r"p/\.git/(spacy|spacy/.*|(logs/)?refs/notes(-remote)?(/.*)?)")
_UNDONE = re.compile(
    r"p/\.gitattributes|p/\.git/(config|hooks/(git-spacy-chain|pre-(commit|merge-commit|applypatch)(\.before-git-spacy)?))"
)
_SENT = re.compile(r"remote/(corpus%2Fwords\.txt|model)(/[0-9a-f]{32}){0,2}")
_ESCAPE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


class Format(NamedTuple):
    """A file of ours: its name here; what it says; how it gets to its place, given as JSON; the
    commands that read it, those first that make paths of it (`sinks` of them), and of which values;
    whether it is only another way to a parser that has met all the others."""

    name: str
    document: Callable[[Sandbox], Any]
    write: Callable[[Sandbox, str], None]
    commands: tuple[str, ...]
    sinks: int = 1
    critical: str = "$."
    is_another: bool = False


class Case(NamedTuple):
    """A file of ours with some values replaced, and what reads it then."""

    format: Format
    changes: tuple[tuple[Position, str, str], ...]  # where, the name of the value, its JSON
    command: str

    def __str__(self) -> str:
        changes = ", ".join(f"{position.kind} = {name}" for position, name, _ in self.changes)
        return f"{self.format.name}: {changes}: {self.command}"


class _Entry(NamedTuple):
    mode: int
    signature: tuple[int, ...]
    digest: str


class Sandbox:
    """The project in `folder`/p and its neighbours, and the way to run commands there."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder, self.root, self.home = folder, folder / "p", folder / "home"
        for made in (self.root, self.home):
            made.mkdir()
        self.environ = {
            **environ, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_CONFIG_HOME": str(self.home / ".config"), "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1", "COLUMNS": "80",
        }  # fmt: skip
        self.watched = tuple(folder / name for name in ("docs", "home/.profile", "home/.ssh"))
        self.run: Callable[..., Ended] = lambda *_: Ended(0, "", 0, 0, [])
        self.worst = (0.0, 0.0)  # seconds, megabytes
        self.runs = 0

    def make(self) -> None:
        """Make all of it. `run` is set by then."""

        secret = _SECRET.decode()
        write(self.folder, {
            "home/.gitconfig": "[user]\n\tname = A\n\temail = a@example.com\n[init]\n\tdefaultBranch = main\n",
            "home/.profile": secret, "home/.ssh/authorized_keys": secret, "home/.ssh/id-1": secret,
            "docs/a-1": secret, "docs/deep/b-2": f'[["{secret}", "x", 1, true]]', "docs/-rf": secret, "x": secret,
            "b": secret,
        })  # fmt: skip
        write(
            self.root,
            {**_FILES, "project.yml": _PROJECT.replace("REMOTE", str(self.folder / "remote"))},
        )
        self.git("init", "-q", "--template=")
        self.git("add", "-A")
        self.git("commit", "-qm", "a project")
        (self.folder / "docs/empty").mkdir()
        write(
            self.root,
            {f".git/hooks/{name}*": "#!/bin/sh\n" for name in ("pre-commit", "post-merge")},
        )
        self.git("config", "spacy.restore", "true")
        for words in ("run all", "push", "init notes merge hooks --yes"):
            assert self.run("-C", str(self.root), *words.split()).code == 0, words
        self.plant()
        self.git("add", "-A")
        self.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", "was run")
        self.git("branch", "locked")
        git(
            self.folder,
            "clone",
            "-q",
            "--bare",
            "--template=",
            str(self.root),
            "shared.git",
            **self.environ,
        )
        self.git("remote", "add", "origin", str(self.folder / "shared.git"))
        self.git("rm", "-q", "--cached", "project.lock")
        self.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", "no lock")
        self.git("branch", "bare")
        self.git("reset", "-q", "--hard", "locked")
        assert self.run("-C", str(self.root), "run", "all").code == 0
        self.ids = {name: self.git("rev-parse", name) for name in ("locked", "bare")}
        self._locked = bytes.fromhex(self.git("rev-parse", "locked:project.lock"))
        asked = ("git", "cat-file", "tree", "locked^{tree}")
        self._tree = subprocess.run(
            asked, cwd=self.root, env=self.environ, check=True, capture_output=True
        ).stdout
        self.documents = {one.name: one.document(self) for one in FORMATS}
        self._baseline = self._scan({})
        self._content = {
            name: (self.folder / name).read_bytes()
            for name, entry in self._baseline.items()
            if stat.S_ISREG(entry.mode)
        }

    def plant(self) -> None:
        """A file of the store's form where a md5 like ../../../bait would find it."""

        id = hashlib.sha256(b"hello\n").hexdigest()
        files = [["a", id, 6, False]]
        files += [[f"{'../' * up}.git/hooks/post-checkout", id, 6, True] for up in (1, 2, 3)]
        files += [["loot", "../../../../docs/a-1", 6, False]]
        write(self.root, {"bait-1": json.dumps(files), "bait-": json.dumps(files)})

    def git(self, *arguments: str, input: str | None = None) -> str:
        return git(self.root, *arguments, input=input, **self.environ)

    # What git would do in a process, or three.

    def note(self, git_dir: Path, branch: str, text: str) -> None:
        """Let the note on the end of this branch be `text`, and the only one."""

        blob = bytes.fromhex(_object(git_dir, b"blob", text.encode()))
        tree = _object(git_dir, b"tree", b"100644 %s\0%s" % (self.ids[branch].encode(), blob))
        ref = git_dir / "refs/notes/spacy"
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(_object(git_dir, b"commit", _commit(tree)) + "\n")

    def commit_lock(self, data: bytes) -> None:
        """Commit this project.lock."""

        git_dir = self.root / ".git"
        tree = self._tree.replace(self._locked, bytes.fromhex(_object(git_dir, b"blob", data)))
        commit = _commit(_object(git_dir, b"tree", tree), self.ids["locked"])
        (git_dir / "refs/heads/main").write_text(_object(git_dir, b"commit", commit) + "\n")

    def spacy_file(self, pattern: str) -> Path:
        found = sorted((self.root / ".git/spacy").glob(pattern))
        return next((path for path in found if b'"model"' in path.read_bytes()), found[0])

    # What must hold.

    def violations(self, case: Case) -> list[str]:
        """What is wrong after the command; then everything is as it was before."""

        text = replaced(
            self.documents[case.format.name], *((where, value) for where, _, value in case.changes)
        )
        try:
            try:
                case.format.write(self, text)
            except (ValueError, OSError, TypeError, LookupError, AttributeError, RecursionError):
                return []  # no file can be or say that
            found = []
            for words in case.command.split(" && "):
                if words.split()[0] in ("restore", "run", "pull"):
                    self._without_outputs(keep="--force" in words)
                if "--staged" in words:
                    self.git("add", "project.lock")
                before = self._scan(self._baseline)
                ended = self.run("-C", str(self.root), *words.split())
                found += self._wrong(words, before, self._scan(before), ended)
            return [ascii(f"{case}: {what}")[1:-1] for what in found]
        finally:
            self._reset()

    def _without_outputs(self, *, keep: bool) -> None:
        if keep:
            write(self.root, {"model/a": "edited"})
            return
        for name in ("model", "corpus"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        (self.root / "scores.json").unlink(missing_ok=True)

    def _wrong(
        self, words: str, before: Mapping[str, _Entry], after: Mapping[str, _Entry], ended: Ended
    ) -> Iterator[str]:
        self.runs += 1
        self.worst = tuple(map(max, self.worst, ended[2:4]))  # type: ignore[assignment]
        verb = words.split()[0]
        if ended.code not in CODES or "Traceback" in ended.said:
            yield f"exit code {ended.code}: {ended.said.strip().splitlines()[-2:]}"
        if escape := _ESCAPE.search(ended.said):
            yield f"printed {escape[0]!r}"
        if ended.seconds > SECONDS:
            yield f"took {ended.seconds:.1f} s"
        if ended.megabytes > MEGABYTES:
            yield f"took {ended.megabytes:.0f} MB"
        for touched in ended.touched:
            yield f"touched {touched}"
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            if old and new and (old.mode, old.digest) == (new.mode, new.digest):
                continue
            what = "changed" if old and new else "made" if new else "deleted"
            if not self._may_change(verb, name):
                yield f"{what} {name}"
            elif new and stat.S_ISREG(new.mode) and _SECRET in (self.folder / name).read_bytes():
                yield f"copied what is outside to {name}"
            elif name == "p/.git/config" and not self._knows_settings():
                yield "set what init never set"

    def _may_change(self, verb: str, name: str) -> bool:
        return bool(
            _GIT_MAY.fullmatch(name)
            or name.startswith(("home/.cache", "tmp/"))
            or (verb in ("run", "restore", "pull", "lock") and _OUTPUTS.fullmatch(name))
            or (verb in ("run", "pull", "lock") and name == "p/project.lock")
            or (verb == "push" and _SENT.fullmatch(name))
            or (verb == "init" and _UNDONE.fullmatch(name))
        )

    def _knows_settings(self) -> bool:
        def names(text: bytes) -> set[bytes]:
            return {line.partition(b"=")[0].strip() for line in text.splitlines()}

        now = names((self.root / ".git/config").read_bytes())
        return now <= names(self._content["p/.git/config"])

    # How it is, and how it becomes what it was.

    def _scan(self, known: Mapping[str, _Entry]) -> dict[str, _Entry]:
        found = {}
        for folder, folders, files in os.walk(self.folder):
            if "objects" in folders and "HEAD" in files:
                folders.remove("objects")  # which any command of git may add to
            for name in (*folders, *files):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                key = path[len(str(self.folder)) + 1 :]
                if stat.S_ISDIR(status.st_mode):
                    found[key] = _Entry(status.st_mode, (), "")
                    continue
                signature = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                old = known.get(key)
                if old and old.signature == signature:
                    found[key] = old
                    continue
                digest = ""
                if stat.S_ISREG(status.st_mode):
                    with open(path, "rb") as stream:
                        digest = hashlib.sha256(stream.read()).hexdigest()
                elif stat.S_ISLNK(status.st_mode):
                    digest = os.readlink(path)
                found[key] = _Entry(status.st_mode, signature, digest)
        return found

    def _reset(self) -> None:
        now = self._scan(self._baseline)
        for name in sorted(now.keys() - self._baseline.keys(), reverse=True):
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()
        for name, entry in self._baseline.items():
            new = now.get(name)
            if new and (new.mode, new.digest) == (entry.mode, entry.digest):
                continue
            path = self.folder / name
            if stat.S_ISDIR(entry.mode):
                path.mkdir(exist_ok=True)
            else:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                path.unlink(missing_ok=True)
                path.write_bytes(self._content[name])
            path.chmod(stat.S_IMODE(entry.mode))
        self._baseline = self._scan(now)


def _object(git_dir: Path, kind: bytes, data: bytes) -> str:
    """Write a loose object, and return its id."""

    whole = b"%s %d\0%s" % (kind, len(data), data)
    id = hashlib.sha1(whole).hexdigest()
    path = git_dir / "objects" / id[:2] / id[2:]
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(whole, 1))
    return id


def _commit(tree: str, *parents: str) -> bytes:
    person = "A <a@example.com> 1700000000 +0000"
    above = "".join(f"parent {parent}\n" for parent in parents)
    return f"tree {tree}\n{above}author {person}\ncommitter {person}\n\nx\n".encode()


# The formats.


def _lock(sandbox: Sandbox) -> Any:
    from git_spacy.project import yaml

    node, _ = yaml.parse_document((sandbox.root / "project.lock").read_bytes(), "project.lock")
    assert node
    return yaml.to_plain(node)


def _write_lock(sandbox: Sandbox, text: str) -> None:
    (sandbox.root / "project.lock").write_text(text)
    sandbox.commit_lock(text.encode())


def _record(sandbox: Sandbox) -> Any:
    """The record of `train`, with all that one may have."""

    for commit in sandbox.git("log", "--format=%H").split():
        try:
            lines = sandbox.git("notes", "--ref", "spacy", "show", commit).splitlines()
        except Exception:
            continue
        found = next(one for line in lines if (one := json.loads(line))["command"] == "train")
        return {**found, "source": "the local store", "vars": {"word": "hello"}, "how": "restore"}
    raise LookupError("no record")


def _write_note(sandbox: Sandbox, text: str) -> None:
    (sandbox.root / ".git/HEAD").write_text("ref: refs/heads/bare\n")
    sandbox.note(sandbox.root / ".git", "bare", text)


def _write_note_and_lock(sandbox: Sandbox, text: str) -> None:
    sandbox.note(sandbox.root / ".git", "locked", text)


def _write_shared_note(sandbox: Sandbox, text: str) -> None:
    (sandbox.root / ".git/refs/notes/spacy").unlink()
    sandbox.note(sandbox.folder / "shared.git", "locked", text)


def _write_pending(sandbox: Sandbox, text: str) -> None:
    write(sandbox.root, {".git/spacy/pending": f"{sandbox.ids['locked']} {text}\n"})


def _write_pending_commit(sandbox: Sandbox, text: str) -> None:
    record = json.dumps(sandbox.documents["record"], separators=(",", ":"))
    value = json.loads(text)["commit"]
    line = f"{value} {record}\n".encode("utf-8", "surrogatepass")
    write(sandbox.root, {".git/spacy/pending": line})


def _json(pattern: str) -> tuple[Callable[[Sandbox], Any], Callable[[Sandbox, str], None]]:
    """A file below .git/spacy that is JSON."""

    return (
        lambda sandbox: json.loads(sandbox.spacy_file(pattern).read_bytes()),
        lambda sandbox, text: (sandbox.spacy_file(pattern).write_text(text), None)[1],
    )


def _write_object(sandbox: Sandbox, text: str) -> None:
    """An archive under another name, in a remote; nothing is kept here."""

    key = json.loads(text)["key"]
    remote = sandbox.folder / "remote"
    (old,) = (remote / "model").glob("*/*")
    target = os.path.normpath(remote / os.path.join(*key))
    if not target.startswith(f"{remote}/"):
        raise ValueError(key)
    shutil.rmtree(sandbox.root / ".git/spacy/store")
    data = old.read_bytes()
    old.unlink()
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_bytes(data)


def _write_members(sandbox: Sandbox, text: str) -> None:
    makers: dict[str, Callable[..., Any]] = {
        "file": lambda one: file(one["name"], b"hello\n"),
        "link": lambda one: link(one["name"], one["target"]),
        "hard": lambda one: hard_link(one["name"], one["target"]),
    }
    members = json.loads(text)["members"]
    (old,) = (sandbox.folder / "remote/model").glob("*/*")
    old.write_bytes(zipped(*(makers[one["kind"]](one) for one in members)))
    shutil.rmtree(sandbox.root / ".git/spacy/store")


def _key(sandbox: Sandbox) -> Any:
    (found,) = (sandbox.folder / "remote/model").glob("*/*")
    return {"key": list(found.relative_to(sandbox.folder / "remote").parts)}


_MEMBERS = {"members": [
    {"kind": "file", "name": "model/a", "target": ""}, {"kind": "file", "name": "model/deep/b", "target": ""},
    {"kind": "link", "name": "model/l", "target": "a"}, {"kind": "hard", "name": "model/h", "target": "model/a"},
]}  # fmt: skip
_HISTORY = (
    "log",
    "log --json",
    "log --table",
    "show",
    "diff HEAD~1 HEAD",
    "check lock --notes",
    "notes status",
)
_STORE = ("cache gc --days 0", "cache verify", "cache status", "cache gc")
FORMATS = (
    Format("lock", _lock, _write_lock, (
        "restore", "restore --force", "run all", "run all --dry", "run all -j 2", "pull", "pull --force", "push",
        "status", "status --json", "status --no-data", "check", "check lock", "check lock --staged", "lock rebuild",
        "lock record all", "cache gc --days 0", "graph", "log", "show", "diff", "document --stdout",
    ), 1, r"\*/outs/\*/(md5|path)$"),
    Format("record", _record, _write_note, (
        "restore", "run all", *_HISTORY, "lock rebuild", "status", "restore --force", "cache gc --days 0",
    ), 2, r"outs/\*/(md5|path|names)$"),
    Format("record beside a lock", _record, _write_note_and_lock, (
        "restore", "run all", "lock rebuild", "check lock --notes",
    ), 1, r"outs/\*/names$", True),
    Format("record on a server", _record, _write_shared_note, (
        "notes pull && run all", "notes pull && log", "notes pull && restore", "notes status",
    ), 1, r"outs/\*/md5$", True),
    Format("pending", _record, _write_pending, ("log", "run all", "restore"), 1, "outs/.*/md5$", True),
    Format("pending commit", lambda sandbox: {"commit": "x"}, _write_pending_commit, ("log", "run all"), 1, "^commit$"),
    Format("journal", *_json("init.json"), (
        "init --undo --yes", "init --undo --dry", "init --dry", "init --yes",
    ), 1, r"done/(text|move)/(where|value)$"),
    Format("journal of a work tree", *_json("init-tree.json"), (
        "init --undo --yes", "init --undo --dry", "init --yes",
    ), 1, r"done/text/(where|made)$", True),
    Format("tree", *_json("store/trees/*/*-????*"), ("restore", "run all", *_STORE), 2, r"\*/[01]$"),
    Format("result", *_json("store/results/*/*"), ("run all", *_STORE, "restore"), 1, r"\*/\*/\*/[012]$"),
    Format("index", *_json("index"), (
        "status", "run all", "status --json", "run all --dry", "check", "pull", "push", "lock record all",
    ), 1),
    Format("object", _key, _write_object, ("pull", "restore", "pull --force", "push", "run all"), 2, "key"),
    Format("archive", lambda _: _MEMBERS, _write_members, ("pull", "restore", "pull --force", "run all"), 2, "(file|link|hard)/(name|target)$"),
)  # fmt: skip


# The cases.


def cases(sandbox: Sandbox, format: Format, *, all_of_them: bool) -> Iterator[Case]:
    """One value replaced by each that is hostile, before each command that reads it. Or, not all
    of them, a part that has each place, each group of values and each command."""

    document = sandbox.documents[format.name]
    turn = 0
    for number, (kind, position) in enumerate(kinds(document).items()):
        is_critical = re.search(format.critical, kind) is not None
        if format.is_another and not is_critical:
            continue
        for group, name, make in _chosen(
            number, position.is_key, is_critical, all_of_them=all_of_them
        ):
            value = make(at(document, position), str(sandbox.folder))
            if not fits(position, value):
                continue
            turn += 1
            sinks = format.commands[: format.sinks] if is_critical else ()
            ways = 1 + len(sinks)
            commands = [*sinks, format.commands[turn // ways % len(format.commands)]]
            for command in commands if all_of_them else [commands[turn % ways]]:
                yield Case(format, ((position, f"{group} ({name})", value),), command)


def _chosen(
    number: int, is_key: bool, is_critical: bool, *, all_of_them: bool
) -> Iterator[tuple[str, str, Any]]:
    """The values for the place of this number, with their groups and names. In the short form: one
    value of one group, or where it is critical an eighth of each group, and those that did harm."""

    groups = [group for group in VALUES if all_of_them or not is_key or group not in NO_TEXTS]
    for index, group in enumerate(groups):
        values = VALUES[group]
        for turn, (name, make) in enumerate(values.items()):
            if all_of_them:
                is_due = True
            elif is_critical and group not in HEAVY:
                is_due = (number + turn) % min(len(values), 8) == 0 or name in ALWAYS
            elif is_critical:
                is_due = (number + index) % len(values) == turn
            else:
                is_due = (number + index) % len(groups) == 0
                is_due &= (number // len(groups) + index) % len(values) == turn
            if is_due:
                yield group, name, make


def combination(sandbox: Sandbox, data: bytes) -> Case:
    """The case that these bytes choose: a format, a command and up to four values."""

    stream = io.BytesIO(data)

    def one_of(choices: Sequence[Any]) -> Any:
        return choices[int.from_bytes(stream.read(2), "big") % len(choices)]

    format = one_of(FORMATS)
    command = one_of(format.commands)
    document = sandbox.documents[format.name]
    changes = []
    for _ in range(1 + one_of(range(4))):
        position = one_of(list(positions(document)))
        group = one_of([group for group in VALUES if group not in HEAVY])
        name, make = one_of(list(VALUES[group].items()))
        value = make(at(document, position), str(sandbox.folder))
        if fits(position, value):
            changes.append((position, f"{group} ({name})", value))
    return Case(format, tuple(changes), command)
