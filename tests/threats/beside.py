"""The peer beside us: the same hostile inputs given to git-spacy and to weasel, each in a folder of its
own, and what came of it, as a table.

    python -m tests.threats.beside          measure, and print the table
    python -m tests.threats.beside --write  measure, and put it into docs/explanation/security.md

Ours is asserted by test_beside_weasel.py, weasel's is only told. Nothing in here could do harm: what
is to be run leaves the file OWNED in the folder of the test, what is to be written out of the project
is written beside it there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.storage.hostile import file, hard_link, link, md5, replace_object, zipped
from tests.testing.projects import project
from tests.testing.repositories import git, repository, write
from tests.testing.scripted import Answer, Scripted
from tests.testing.waiting import PATIENCE
from tests.threats.inputs import ESCAPES, IN_YAML

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs/explanation/security.md"
_BEGIN, _END = "<!-- what python -m tests.threats.beside measured -->\n", "<!-- end of it -->\n"
_PATIENCE = 15.0  # seconds for weasel, which waits for some servers for ever
_SECRET = "value-of-the-environment"


class World(NamedTuple):
    """Where one tool meets one input: the project in `top`/p, what it must not touch in
    `top`/outside, a server."""

    top: Path
    web: Scripted
    spacy: bool  # ours; else weasel

    @property
    def root(self) -> Path:
        return self.top / "p"

    def run(self, *words: str, **environ: str) -> tuple[int | None, str]:
        """The exit code (None: it had to be killed) and all it said."""

        module = "git_spacy" if self.spacy else "weasel"
        process = subprocess.Popen(
            (sys.executable, "-m", module, *words), cwd=self.root, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ}, start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = process.communicate(timeout=PATIENCE if self.spacy else _PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        return process.returncode, said


class Input(NamedTuple):
    """One input: the case of threats.md, what it is, our exit code; `make` prepares the world, `words`
    are typed, `harm` says what came of it that should not have, or ""."""

    threat: str
    name: str
    code: int
    make: Callable[[World], object]
    words: str | tuple[str, ...] = "assets"
    harm: Callable[[World, str], str] = lambda world, said: ""
    environ: Callable[[World], dict[str, str]] = lambda world: {}


class Outcome(NamedTuple):
    """The exit code, None if it hung, and the harm; `text` is both in words."""

    code: int | None
    harm: str
    text: str


def outcome(one: Input, top: Path, web: Scripted, *, ours: bool) -> Outcome:
    """What comes of this input, in the folder `top`."""

    write(top, {"outside/kept": "mine", "p/source": "data"})
    world = World(top, web, ours)
    one.make(world)
    words = (one.words,) if isinstance(one.words, str) else one.words
    code, said = 0, ""
    for line in words:
        code, more = world.run(*line.format(top=top).split(), **one.environ(world))
        said += more
        if code != 0:
            break
    harm = "ran what it was told to" if (top / "OWNED").exists() else one.harm(world, said)
    if "Traceback (most recent call last)" in said or "╭─" in said:
        harm = ", ".join(filter(None, (harm, "traceback")))
    ended = "hung" if code is None else f"exit {code}"
    return Outcome(code, harm, f"{harm} ({ended})" if harm else ended)


def text(content: str) -> Callable[[World], object]:
    """A project.yml; {outside}, {top}, {url} are filled in."""

    def make(world: World) -> None:
        places = {"outside": world.top / "outside", "top": world.top, "url": world.web.url}
        filled = content
        for name, value in places.items():
            filled = filled.replace(f"{{{name}}}", str(value))
        project(world.root, filled)

    return make


def asset(
    keys: str, *answers: Answer, files: dict[str, str] | None = None
) -> Callable[[World], object]:
    """One asset with these keys, from a server that answers so."""

    def make(world: World) -> None:
        if answers:
            world.web.on("/x", *answers)
        text(f"assets: [{{{keys}}}]\n")(world)
        write(world.root, dict(files or {}))
        if world.spacy:
            git(world.root, "init", "-q")
            git(world.root, "config", "spacy.timeout", "1")

    return make


def there(name: str, harm: str) -> Callable[[World, str], str]:
    """Harm: this is there now (`name` from the folder above the project)."""

    return lambda world, said: harm if os.path.lexists(world.top / name) else ""


def holds(name: str, content: bytes, harm: str) -> Callable[[World, str], str]:
    """Harm: a file has this content."""

    def look(world: World, said: str) -> str:
        path = world.top / name
        return (
            harm
            if path.is_file() and not path.is_symlink() and path.read_bytes() == content
            else ""
        )

    return look


def lost(name: str, content: str, harm: str) -> Callable[[World, str], str]:
    """Harm: a file has no longer what it had."""

    def look(world: World, said: str) -> str:
        path = world.top / name
        return "" if path.is_file() and path.read_text() == content else harm

    return look


def success(harm: str) -> Callable[[World, str], str]:
    """Harm: whatever is there, it was taken for good."""

    return lambda world, said: harm if (world.root / "x").exists() else ""


STEP = """\
remotes: {{default: {remote}}}
commands: [{{name: all, script: ["{python} make.py"], deps: [make.py], outputs: [model]}}]
"""
MAKE = "import os\nos.makedirs('model', exist_ok=True)\nopen('model/a', 'w').write('x')\n"


def shared(data: bytes | None, content: str = md5(b"x")) -> Callable[[World], object]:
    """A project that was run and pushed, whose remote was given `data` instead."""

    def make(world: World) -> None:
        remote = world.top / "remote"
        remote.mkdir()
        project(world.root, STEP.format(remote=remote, python="python"), {"make.py": MAKE})
        for words in (("run", "all"), ("push", "default")):
            code, said = world.run(*words)
            assert code == 0, said
        if data is not None:
            replace_object(remote, "model", data, content)
        (world.root / "model/a").unlink()
        (world.root / "model").rmdir()
        (world.root / "project.lock").unlink()

    return make


def template(files: dict[str, str | bytes], links: dict[str, str]) -> Callable[[World], object]:
    """A repository of templates, one of which holds this."""

    def make(world: World) -> None:
        source = world.top / "source"
        for name, target in links.items():
            path = source / "t" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target.replace("{top}", str(world.top)))
        repository(
            source, {"t/project.yml": "title: t\n", **{f"t/{k}": v for k, v in files.items()}}
        )

    return make


def hostile_git(repo: str, dest: str = "x") -> Callable[[World], object]:
    """An asset from this repository."""

    def make(world: World) -> None:
        repository(world.top / "source", {"f": "theirs"})
        text(f"assets: [{{dest: {dest}, git: {{repo: \"{repo}\", path: '', branch: main}}}}]\n")(
            world
        )

    return make


def locked(data: str) -> Callable[[World], object]:
    return lambda world: project(
        world.root,
        STEP.format(remote="remote", python="python"),
        {"make.py": MAKE, "project.lock": data},
    )


def script(body: str) -> Callable[[World], object]:
    """A command that runs this."""

    return lambda world: project(
        world.root, STEP.format(remote="remote", python="python"), {"make.py": body}
    )


def in_a_hook(world: World) -> None:
    template({}, {})(world)
    repository(world.top / "theirs", {"a": "b"})
    (world.top / "index").write_bytes((world.top / "theirs/.git/index").read_bytes())


def index_changed(world: World, said: str) -> str:
    same = (world.top / "theirs/.git/index").read_bytes() == (world.top / "index").read_bytes()
    return "" if same else "changed the index of the hook's repository"


DATA = b"d" * 50_000
NO_MD5 = "a" * 32
CLONE = "clone t made --repo {top}/source --branch main"
OUT = "wrote out of the project"
INPUTS = (
    Input("paths-outside", "an asset's `dest: ../outside/x`", 3, text("assets: [{dest: ../outside/x, url: source}]\n"), harm=there("outside/x", OUT)),
    Input("paths-outside", "an absolute `dest`", 3, text("assets: [{dest: '{outside}/x', url: source}]\n"), harm=there("outside/x", OUT)),
    Input("paths-outside", "`directories: [../outside/x]`", 3, text("directories: [../outside/x]\ncommands: [{name: all, script: ['python -V']}]\n"), "run all", there("outside/x", OUT)),
    Input("links-outside", "a folder on the way that is a link out", 3, lambda w: (text("assets: [{dest: link/x, url: source}]\n")(w), (w.root / "link").symlink_to(w.top / "outside")), harm=there("outside/x", OUT)),
    Input("reserved-paths", "`dest: .git/hooks/pre-commit`", 3, lambda w: (text("assets: [{dest: .git/hooks/pre-commit, url: source}]\n")(w), git(w.root, "init", "-q")), harm=there("p/.git/hooks/pre-commit", "wrote a Git hook")),
    Input("reserved-paths", "`dest: project.yml` from Git", 3, hostile_git("{top}/source", "project.yml"), harm=lambda w, said: "" if (w.root / "project.yml").is_file() else "removed project.yml"),
    Input("overwritten-work", "a Git asset onto a folder with the user's work", 3, lambda w: (hostile_git("file://{top}/source")(w), write(w.root, {"x/mine": "work"})), harm=lost("p/x/mine", "work", "deleted the user's work")),
    Input("option-injection", "an option in a repository's name", 3, hostile_git("--upload-pack='touch {top}/OWNED' file://{top}/source")),
    Input("hostile-repositories", "`ext::` as a repository", 3, hostile_git("ext::touch% {top}/OWNED")),
    Input("hostile-repositories", "a repository of this machine", 3, hostile_git("{top}/source"), harm=there("p/x/f", "copied it")),
    Input("template-links", "a template with a link to a file of this machine", 3, template({}, {"l": "{top}/outside/kept"}), CLONE, lambda w, said: next((f"copied it {how}" for how, is_so in (("as a link", (w.root / "made/l").is_symlink()), ("into the project", (w.root / "made/l").exists())) if is_so), "")),
    Input("embedded-repositories", "a template that holds a bare repository, with a command for Git in it", 0, template({"b/HEAD": "ref: refs/heads/main\n", "b/config": "[core]\n\tbare = true\n\tfsmonitor = touch OWNED\n", "b/objects/.keep": "", "b/refs/.keep": ""}, {}), CLONE),
    Input("url-schemes", "`url: file:///…`", 3, text("assets: [{dest: x, url: 'file://{outside}/kept'}]\n"), harm=holds("p/x", b"mine", "copied a file of this machine")),
    Input("url-schemes", "`url: ../outside/kept`", 3, lambda w: (text("assets: [{dest: x, url: ../outside/kept}]\n")(w)), harm=holds("p/x", b"mine", "copied a file of this machine")),
    Input("environment-values", "`${env.X}` in a URL", 3, lambda w: (w.web.on("/x", Answer(DATA)), text("env: {x: THE_KEY}\nassets: [{dest: x, url: '{url}/x?${env.x}'}]\n")(w)), harm=lambda w, said: "sent it" if any(_SECRET in r.path for r in w.web.requests) else "", environ=lambda w: {"THE_KEY": _SECRET}),
    Input("terminal-escapes", "terminal escapes in a title and help", 0, text(f"title: {IN_YAML}\ncommands: [{{name: all, help: {IN_YAML}}}]\n"), "run", lambda w, said: "printed them" if any(c in said for c in ESCAPES if not c.isprintable()) else ""),
    Input("truncated-bodies", "a body cut short, twice", 0, asset("dest: x, url: '{url}/x'", Answer(DATA, cut=20_000), Answer(DATA, cut=20_000), Answer(DATA)), harm=lambda w, said: "" if (w.root / "x").is_file() and (w.root / "x").stat().st_size == len(DATA) else "no whole file"),
    Input("truncated-bodies", "a body cut short for good", 4, asset("dest: x, url: '{url}/x'", Answer(DATA, cut=20_000)), harm=success("left the part")),
    Input("stalled-servers", "a server that falls silent", 4, asset("dest: x, url: '{url}/x'", Answer(DATA, stall=10)), harm=success("left the part")),
    Input("transient-errors", "500, 500, 200", 0, asset("dest: x, url: '{url}/x'", Answer(b"oh", 500), Answer(b"oh", 500), Answer(DATA)), harm=lambda w, said: "" if holds("p/x", DATA, "!")(w, said) else "no file"),
    Input("wrong-checksums", "a wrong checksum", 4, asset(f"dest: x, url: '{{url}}/x', checksum: {NO_MD5}", Answer(DATA)), harm=success("kept it")),
    Input("wrong-checksums", "a wrong file that is there", 0, asset(f"dest: x, url: '{{url}}/x', checksum: {md5(DATA)}", Answer(DATA), files={"x": "old"}), harm=lambda w, said: "" if holds("p/x", DATA, "!")(w, said) else "kept it"),
    Input("empty-or-html-bodies", "an HTML page where data was expected", 4, asset("dest: x, url: '{url}/x'", Answer(b"<!doctype html><p>Sign in", headers=(("Content-Type", "text/html"),))), harm=success("took it for the data")),
    Input("empty-or-html-bodies", "an empty body", 4, asset("dest: x, url: '{url}/x'", Answer(b"")), harm=success("took it for the data")),
    Input("checksum-format", "no checksum at all: `xyz`", 2, asset("dest: x, url: '{url}/x', checksum: xyz", Answer(DATA)), harm=success("kept it")),
    Input("partial-failure", "the first of two assets fails", 4, lambda w: (w.web.on("/x", Answer(b"", 404)), w.web.on("/y", Answer(DATA)), text("assets: [{dest: x, url: '{url}/x'}, {dest: y, url: '{url}/y'}]\n")(w)), harm=lambda w, said: "" if (w.root / "y").exists() else "gave up the other"),
    Input("archive-members-outside", "a tar member `../outside/x`", 3, shared(zipped(file("model/a"), file("../outside/x"))), "pull default", there("outside/x", OUT)),
    Input("special-archive-members", "a tar member that is a link out, and one through it", 3, shared(zipped(link("model", "../outside"), file("model/x"))), "pull default", there("outside/x", OUT)),
    Input("special-archive-members", "a tar member that is a hard link to a file of the project", 3, shared(zipped(file("model/a"), hard_link("model/h", "project.yml"))), "pull default", there("p/model/h", "made it")),
    Input("special-archive-members", "a tar member that is setuid", 3, shared(zipped(file("model/a", mode=0o4755))), "pull default", lambda w, said: "made it" if (w.root / "model/a").exists() and (w.root / "model/a").stat().st_mode & 0o4000 else ""),
    Input("unrequested-archive-members", "a tar member of something else: `make.py`", 3, shared(zipped(file("model/a"), file("make.py", b"evil"))), "pull default", lost("p/make.py", MAKE, "overwrote a script")),
    Input("corrupt-archives", "other content than its key says", 4, shared(zipped(file("model/a", b"y"))), "pull default", there("p/model/a", "took it for good")),
    Input("corrupt-archives", "an archive cut short", 4, shared(zipped(file("model/a", os.urandom(9000)), file("model/b"))[:6000]), "pull default", there("p/model", "left the part")),
    Input("interrupted-uploads", "an unknown remote", 2, shared(None), ("run all", "push nowhere"), there("p/nowhere", "made a folder of that name")),
    Input("project-file-type", "project.yml is empty", 2, text(""), "run all"),
    Input("project-file-type", "project.yml is a FIFO", 2, lambda w: os.mkfifo(w.root / "project.yml"), "run all"),
    Input("yaml-bombs", "an alias bomb", 2, text("vars:\n  a0: &a0 [x, x]\n" + "".join(f"  a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 15)) + "commands: [{name: all, script: []}]\n"), "run all"),
    Input("yaml-bombs", "10,000 levels", 2, text("vars: {a: " + "[" * 10_000 + "]" * 10_000 + "}\n"), "run all"),
    Input("yaml-syntax", "a key twice", 2, text("title: a\ntitle: b\ncommands: [{name: all, script: ['python -V']}]\n"), "run all"),
    Input("yaml-syntax", "a `!!python` tag", 2, text("title: !!python/object/apply:os.system ['touch {top}/OWNED']\n"), "run all"),
    Input("wrong-types-and-keys", "`commands: null`", 2, text("commands: null\n"), "run all"),
    Input("wrong-types-and-keys", "a text for a list", 2, text("commands: [{name: all, script: python -V}]\n"), "run all"),
    Input("split-commands", "a command in two list items", 2, text("commands:\n  - name: all\n  - script: ['python -V']\n"), "run all"),
    Input("variable-cycles", "a variable that is not there", 2, text("vars: {a: 1}\ncommands: [{name: all, script: ['python -V ${vars.b}']}]\n"), "run all"),
    Input("variable-cycles", "variables in a circle", 2, text("vars: {a: '${vars.b}', b: '${vars.a}'}\ncommands: [{name: all, script: ['python -V ${vars.a}']}]\n"), "run all"),
    Input("broken-lock", "an empty project.lock", 2, locked(""), "run all"),
    Input("broken-lock", "conflict markers in project.lock", 2, locked("<<<<<<< HEAD\na: {}\n=======\n>>>>>>> b\n"), "run all", lambda w, said: "" if (w.root / "project.lock").read_text().startswith("<<<") else "overwrote it"),
    Input("missing-outputs", "an output that is not made", 1, script("pass\n"), "run all", lambda w, said: "recorded it" if (w.root / "project.lock").exists() else ""),
    Input("missing-outputs", "a dependency edited while its command ran", 0, script(MAKE + "import time\nopen('make.py', 'a').write('#')\n"), ("run all", "run all"), lambda w, said: "called it current" if "nothing changed" in said or "up to date" in said else ""),
    Input("git-environment", "a clone while Git's own variables name another repository", 0, in_a_hook, CLONE, index_changed, lambda w: {"GIT_DIR": str(w.top / "theirs/.git"), "GIT_INDEX_FILE": str(w.top / "theirs/.git/index"), "GIT_WORK_TREE": str(w.top / "theirs")}),
)  # fmt: skip


def table(rows: list[tuple[Input, Outcome, Outcome]]) -> str:
    """The table, as Markdown."""

    lines = ["| Case | Input | git-spacy | weasel |", "|---|---|---|---|"]
    lines += [
        f"| {one.threat} | {one.name} | {ours.text} | {theirs.text} |" for one, ours, theirs in rows
    ]
    return "\n".join(lines) + "\n"


def both(one: Input, folder: Path) -> tuple[Outcome, Outcome]:
    """What comes of the input with git-spacy and with weasel, in `folder`."""

    found = []
    for name in ("ours", "theirs"):
        with Scripted() as web:
            found.append(outcome(one, folder / name, web, ours=name == "ours"))
    return found[0], found[1]


def main() -> None:
    from importlib.metadata import version

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HOME=folder, XDG_CACHE_HOME=f"{folder}/cache", GIT_CONFIG_NOSYSTEM="1")
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        for role in ("AUTHOR", "COMMITTER"):
            os.environ.update({f"GIT_{role}_NAME": "A", f"GIT_{role}_EMAIL": "a@example.com"})
        git(Path(folder), "config", "--global", "init.defaultBranch", "main")
        rows = [(one, *both(one, Path(folder) / str(number))) for number, one in enumerate(INPUTS)]
    made = f"{len(rows)} inputs, weasel {version('weasel')}:\n\n{table(rows)}"
    print(made)
    print(f"in {time.monotonic() - began:.0f} s", file=sys.stderr)
    if "--write" in sys.argv:
        before, rest = DOCUMENT.read_text().split(_BEGIN)
        DOCUMENT.write_text(f"{before}{_BEGIN}\n{made}\n{_END}{rest.partition(_END)[2]}")


def written() -> list[tuple[str, str]]:
    """The case and input of each row that docs/explanation/security.md has."""

    block = DOCUMENT.read_text().partition(_BEGIN)[2].partition(_END)[0]
    return re.findall(r"^\| ([a-z-]+) \| (.*?) \|", block, re.MULTILINE)


if __name__ == "__main__":
    main()
