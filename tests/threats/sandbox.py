"""A project with hostile files, and the checks that must hold after any command in it.

The project was run, pushed and set up. Each file that git-spacy has written by then is available as
a document, in which values can be replaced. No command may touch the neighbours, whatever the files
contain: a folder beside the project, the user's dot files, Git's hooks and settings, tracked files.
"""

from __future__ import annotations

import hashlib
import io
import itertools
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
from tests.threats.forks import CommandResult
from tests.threats.hostile_values import (
    ALWAYS,
    HEAVY,
    NOT_FOR_KEYS,
    VALUES,
    Position,
    first_of_each_kind,
    is_allowed,
    iter_positions,
    replace_values,
    value_at,
)  # fmt: skip

MEGABYTES, SECONDS = 300.0, 10.0
CODES = frozenset((0, 1, 2, 3, 4, 5))
_SECRET = b"content-that-must-not-be-copied"
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
_MAY_CHANGE_IN_GIT = re.compile(r"p/\.git/(spacy|spacy/.*|(logs/)?refs/notes(-remote)?(/.*)?)")
_CHANGED_BY_UNDO = re.compile(
    r"p/\.gitattributes|p/\.git/(config|hooks/pre-(commit|merge-commit|applypatch)(\.before-git-spacy)?)"
)
_PUSHED = re.compile(r"remote/(corpus%2Fwords\.txt|model)(/[0-9a-f]{32}){0,2}")
_ESCAPE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


class Format(NamedTuple):
    """A kind of file that git-spacy writes.

    `document` returns its content, `write` writes other content as JSON. `commands` read it; the
    first `sinks` of them build paths from the values that match `critical`. `is_variant` means that
    another format has the same parser.
    """

    name: str
    document: Callable[[Sandbox], Any]
    write: Callable[[Sandbox, str], None]
    commands: tuple[str, ...]
    sinks: int = 1
    critical: str = "$."
    is_variant: bool = False


class Case(NamedTuple):
    """A file with some values replaced, and a command that reads it."""

    format: Format
    changes: tuple[tuple[Position, str, str], ...]  # position, name and JSON of the new value
    command: str

    def __str__(self) -> str:
        changes = ", ".join(f"{position.kind} = {name}" for position, name, _ in self.changes)
        return f"{self.format.name}: {changes}: {self.command}"


class _Entry(NamedTuple):
    mode: int
    signature: tuple[int, ...]
    digest: str


class Sandbox:
    """The project in `folder`/p and its neighbours, with methods to run and check commands."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder, self.root, self.home = folder, folder / "p", folder / "home"
        for path in (self.root, self.home):
            path.mkdir()
        self.environ = {
            **environ, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_CONFIG_HOME": str(self.home / ".config"), "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1", "COLUMNS": "80",
        }  # fmt: skip
        self.watched = tuple(folder / name for name in ("docs", "home/.profile", "home/.ssh"))
        self.run: Callable[..., CommandResult] = lambda *_: CommandResult(0, "", 0, 0, [])
        self.worst = (0.0, 0.0)  # seconds, megabytes
        self.runs = 0

    def make(self) -> None:
        """Create the project and its neighbours. `run` must be set before."""

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
        for command in ("run all", "push", "init notes merge hooks --yes"):
            assert self.run("-C", str(self.root), *command.split()).code == 0, command
        self.plant_bait()
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
        arguments = ("git", "cat-file", "tree", "locked^{tree}")
        self._tree = subprocess.run(
            arguments, cwd=self.root, env=self.environ, check=True, capture_output=True
        ).stdout
        self.documents = {format.name: format.document(self) for format in FORMATS}
        self._baseline = self._scan({})
        self._content = {
            name: (self.folder / name).read_bytes()
            for name, entry in self._baseline.items()
            if stat.S_ISREG(entry.mode)
        }

    def plant_bait(self) -> None:
        """Write files in the format of the run cache where an md5 like ../../../bait leads."""

        id = hashlib.sha256(b"hello\n").hexdigest()
        files = [["a", id, 6, False]]
        files += [[f"{'../' * up}.git/hooks/post-checkout", id, 6, True] for up in (1, 2, 3)]
        files += [["loot", "../../../../docs/a-1", 6, False]]
        write(self.root, {"bait-1": json.dumps(files), "bait-": json.dumps(files)})

    def git(self, *arguments: str, input: str | None = None) -> str:
        return git(self.root, *arguments, input=input, **self.environ)

    # Faster than starting git.

    def note(self, git_dir: Path, branch: str, text: str) -> None:
        """Replace all notes by one on the last commit of `branch`."""

        blob = bytes.fromhex(_object(git_dir, b"blob", text.encode()))
        tree = _object(git_dir, b"tree", b"100644 %s\0%s" % (self.ids[branch].encode(), blob))
        ref = git_dir / "refs/notes/spacy"
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(_object(git_dir, b"commit", _commit(tree)) + "\n")

    def commit_lock(self, data: bytes) -> None:
        """Commit `data` as project.lock."""

        git_dir = self.root / ".git"
        tree = self._tree.replace(self._locked, bytes.fromhex(_object(git_dir, b"blob", data)))
        commit = _commit(_object(git_dir, b"tree", tree), self.ids["locked"])
        (git_dir / "refs/heads/main").write_text(_object(git_dir, b"commit", commit) + "\n")

    def spacy_file(self, pattern: str) -> Path:
        found = sorted((self.root / ".git/spacy").glob(pattern))
        return next((path for path in found if b'"model"' in path.read_bytes()), found[0])

    # What must hold.

    def violations(self, case: Case) -> list[str]:
        """Run the case, restore all files, and return what the command did wrong."""

        text = replace_values(
            self.documents[case.format.name],
            *((position, value) for position, _, value in case.changes),
        )
        try:
            try:
                case.format.write(self, text)
            except (ValueError, OSError, TypeError, LookupError, AttributeError, RecursionError):
                return []  # such a file cannot exist
            found = []
            for words in case.command.split(" && "):
                if words.split()[0] in ("restore", "run", "pull"):
                    self._remove_outputs(keep="--force" in words)
                if "--staged" in words:
                    self.git("add", "project.lock")
                before = self._scan(self._baseline)
                result = self.run("-C", str(self.root), *words.split())
                found += self._find_violations(words, before, self._scan(before), result)
            return [ascii(f"{case}: {violation}")[1:-1] for violation in found]
        finally:
            self._reset()

    def _remove_outputs(self, *, keep: bool) -> None:
        if keep:
            write(self.root, {"model/a": "edited"})
            return
        for name in ("model", "corpus"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        (self.root / "scores.json").unlink(missing_ok=True)

    def _find_violations(
        self,
        words: str,
        before: Mapping[str, _Entry],
        after: Mapping[str, _Entry],
        result: CommandResult,
    ) -> Iterator[str]:
        self.runs += 1
        self.worst = tuple(map(max, self.worst, result[2:4]))  # type: ignore[assignment]
        command = words.split()[0]
        if result.code not in CODES or "Traceback" in result.output:
            yield f"exit code {result.code}: {result.output.strip().splitlines()[-2:]}"
        if escape := _ESCAPE.search(result.output):
            yield f"printed {escape[0]!r}"
        if result.seconds > SECONDS:
            yield f"took {result.seconds:.1f} s"
        if result.megabytes > MEGABYTES:
            yield f"took {result.megabytes:.0f} MB"
        for touched in result.touched:
            yield f"touched {touched}"
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            if old and new and (old.mode, old.digest) == (new.mode, new.digest):
                continue
            action = "changed" if old and new else "created" if new else "deleted"
            if not self._may_change(command, name):
                yield f"{action} {name}"
            elif new and stat.S_ISREG(new.mode) and _SECRET in (self.folder / name).read_bytes():
                yield f"copied a file from outside to {name}"
            elif name == "p/.git/config" and not self._has_only_known_settings():
                yield "set an unexpected Git setting"

    def _may_change(self, command: str, name: str) -> bool:
        return bool(
            _MAY_CHANGE_IN_GIT.fullmatch(name)
            or name.startswith(("home/.cache", "tmp/"))
            or (command in ("run", "restore", "pull", "lock") and _OUTPUTS.fullmatch(name))
            or (command in ("run", "pull", "lock") and name == "p/project.lock")
            or (command == "push" and _PUSHED.fullmatch(name))
            or (command == "init" and _CHANGED_BY_UNDO.fullmatch(name))
        )

    def _has_only_known_settings(self) -> bool:
        def names(text: bytes) -> set[bytes]:
            return {line.partition(b"=")[0].strip() for line in text.splitlines()}

        now = names((self.root / ".git/config").read_bytes())
        return now <= names(self._content["p/.git/config"])

    # Scanning and restoring the files.

    def _scan(self, known: Mapping[str, _Entry]) -> dict[str, _Entry]:
        found = {}
        for folder, folders, files in os.walk(self.folder):
            if "objects" in folders and "HEAD" in files:
                folders.remove("objects")  # any git process may add objects
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


def _read_lock(sandbox: Sandbox) -> Any:
    from git_spacy.project import documents

    node, _ = documents.parse((sandbox.root / "project.lock").read_bytes(), "project.lock")
    assert node
    return documents.to_plain(node)


def _write_lock(sandbox: Sandbox, text: str) -> None:
    (sandbox.root / "project.lock").write_text(text)
    sandbox.commit_lock(text.encode())


def _read_record(sandbox: Sandbox) -> Any:
    """Return the run record of `train`, with every optional field."""

    for commit in sandbox.git("log", "--format=%H").split():
        try:
            lines = sandbox.git("notes", "--ref", "spacy", "show", commit).splitlines()
        except Exception:
            continue
        records = map(json.loads, lines)
        record = next(record for record in records if record["command"] == "train")
        return {**record, "source": "the local store", "vars": {"word": "hello"}, "how": "restore"}
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
    """Return functions that read and write a JSON file below .git/spacy."""

    return (
        lambda sandbox: json.loads(sandbox.spacy_file(pattern).read_bytes()),
        lambda sandbox, text: (sandbox.spacy_file(pattern).write_text(text), None)[1],
    )


def _read_index(sandbox: Sandbox) -> Any:
    document = json.loads((sandbox.root / ".git/spacy/index").read_bytes())
    del document["checksum"]
    return document


def _write_index(sandbox: Sandbox, text: str) -> None:
    """Write the stat cache with its right checksum: with a wrong one, nothing in it is looked at."""

    content = text.encode("utf-8", "surrogatepass")
    checksum = hashlib.blake2b(content, digest_size=16).hexdigest()
    path = sandbox.root / ".git/spacy/index"
    path.write_bytes(b'{"checksum": "%s", %s' % (checksum.encode(), content[1:]))


def _write_object(sandbox: Sandbox, text: str) -> None:
    """Rename an archive in the remote, and remove the local run cache."""

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
        "file": lambda member: file(member["name"], b"hello\n"),
        "link": lambda member: link(member["name"], member["target"]),
        "hard": lambda member: hard_link(member["name"], member["target"]),
    }
    members = json.loads(text)["members"]
    (old,) = (sandbox.folder / "remote/model").glob("*/*")
    old.write_bytes(zipped(*(makers[member["kind"]](member) for member in members)))
    shutil.rmtree(sandbox.root / ".git/spacy/store")


def _archive_key(sandbox: Sandbox) -> Any:
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
    Format("lock", _read_lock, _write_lock, (
        "restore", "restore --force", "run all", "run all --dry", "run all -j 2", "pull", "pull --force", "push",
        "status", "status --json", "status --no-data", "check", "check lock", "check lock --staged", "lock rebuild",
        "lock record all", "cache gc --days 0", "graph", "log", "show", "diff", "document --stdout",
    ), 1, r"\*/outs/\*/(md5|path)$"),
    Format("record", _read_record, _write_note, (
        "restore", "run all", *_HISTORY, "lock rebuild", "status", "restore --force", "cache gc --days 0",
    ), 2, r"outs/\*/(md5|path|names)$"),
    Format("record beside a lock", _read_record, _write_note_and_lock, (
        "restore", "run all", "lock rebuild", "check lock --notes",
    ), 1, r"outs/\*/names$", True),
    Format("record on a server", _read_record, _write_shared_note, (
        "notes pull && run all", "notes pull && log", "notes pull && restore", "notes status",
    ), 1, r"outs/\*/md5$", True),
    Format("pending", _read_record, _write_pending, ("log", "run all", "restore"), 1, "outs/.*/md5$", True),
    Format("pending commit", lambda sandbox: {"commit": "x"}, _write_pending_commit, ("log", "run all"), 1, "^commit$"),
    Format("journal", *_json("init.json"), (
        "init --undo --yes", "init --undo --dry", "init --dry", "init --yes",
    ), 1, r"done/(text|move)/(where|value)$"),
    Format("journal of a work tree", *_json("init-tree.json"), (
        "init --undo --yes", "init --undo --dry", "init --yes",
    ), 1, r"done/text/(where|made)$", True),
    Format("tree", *_json("store/trees/*/*-????*"), ("restore", "run all", *_STORE), 2, r"\*/[01]$"),
    Format("result", *_json("store/results/*/*"), ("run all", *_STORE, "restore"), 1, r"\*/\*/\*/[012]$"),
    Format("index", _read_index, _write_index, (
        "status", "run all", "status --json", "run all --dry", "check", "pull", "push", "lock record all",
    ), 1),
    Format("object", _archive_key, _write_object, ("pull", "restore", "pull --force", "push", "run all"), 2, "key"),
    Format("archive", lambda _: _MEMBERS, _write_members, ("pull", "restore", "pull --force", "run all"), 2, "(file|link|hard)/(name|target)$"),
)  # fmt: skip


# The iter_cases.


def iter_cases(sandbox: Sandbox, format: Format, *, exhaustive: bool) -> Iterator[Case]:
    """Yield cases in which one value is replaced by a hostile one.

    With `exhaustive`, every value is replaced by every hostile one, for each command that reads
    it; otherwise, the cases are a sample that covers each position, group of values and command.
    """

    document = sandbox.documents[format.name]
    turn = 0
    # Keys and values are numbered separately, so that each group comes up in turn among those that can
    # take its values.
    numbers = {True: itertools.count(), False: itertools.count()}
    for kind, position in first_of_each_kind(document).items():
        number = next(numbers[position.is_key])
        is_critical = re.search(format.critical, kind) is not None
        if format.is_variant and not is_critical:
            continue
        for group, name, make in _choose_values(
            number, position.is_key, is_critical, exhaustive=exhaustive
        ):
            value = make(value_at(document, position), str(sandbox.folder))
            if not is_allowed(position, value):
                continue
            turn += 1
            sinks = format.commands[: format.sinks] if is_critical else ()
            rotations = 1 + len(sinks)
            commands = [*sinks, format.commands[turn // rotations % len(format.commands)]]
            for command in commands if exhaustive else [commands[turn % rotations]]:
                yield Case(format, ((position, f"{group} ({name})", value),), command)


def _choose_values(
    number: int, is_key: bool, is_critical: bool, *, exhaustive: bool
) -> Iterator[tuple[str, str, Any]]:
    """Yield (group, name, function) of the values for the position with this number.

    Without `exhaustive`, that is one value of one group, or at a critical position one of each
    group, and the values that were harmful in the past.
    """

    groups = [group for group in VALUES if exhaustive or not is_key or group not in NOT_FOR_KEYS]
    for index, group in enumerate(groups):
        values = VALUES[group]
        for turn, (name, make) in enumerate(values.items()):
            if exhaustive:
                is_due = True
            elif is_critical and group not in HEAVY:
                is_due = (number + turn) % len(values) == 0 or name in ALWAYS
            elif is_critical:
                is_due = (number + index) % len(values) == turn
            else:
                is_due = (number + index) % len(groups) == 0
                is_due &= (number // len(groups) + index) % len(values) == turn
            if is_due:
                yield group, name, make


def combination(sandbox: Sandbox, data: bytes) -> Case:
    """Derive a case from random bytes: a format, a command and up to four values."""

    stream = io.BytesIO(data)

    def choose(choices: Sequence[Any]) -> Any:
        return choices[int.from_bytes(stream.read(2), "big") % len(choices)]

    format = choose(FORMATS)
    command = choose(format.commands)
    document = sandbox.documents[format.name]
    changes = []
    for _ in range(1 + choose(range(4))):
        position = choose(list(iter_positions(document)))
        group = choose([group for group in VALUES if group not in HEAVY])
        name, make = choose(list(VALUES[group].items()))
        value = make(value_at(document, position), str(sandbox.folder))
        if is_allowed(position, value):
            changes.append((position, f"{group} ({name})", value))
    return Case(format, tuple(changes), command)
