"""Compare git-spacy with weasel on hostile inputs, and print the results as a table.

    python -m tests.threats.beside          run all inputs, and print the table
    python -m tests.threats.beside --write  run all inputs, and write the table to docs/explanation/security.md

test_beside_weasel.py asserts our results; those of weasel are only reported. The inputs are
harmless: a program that they start creates a file OWNED in the folder of the test, and paths outside
the project are inside that folder.
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
_WEASEL_TIMEOUT = 15.0  # seconds; weasel waits for some servers forever
_SECRET = "value-of-the-environment"


class World(NamedTuple):
    """The environment of one tool for one input.

    `top`/p is the project, `top`/outside must not be changed, and `web` is a server.
    """

    top: Path
    web: Scripted
    spacy: bool  # git-spacy; else weasel

    @property
    def root(self) -> Path:
        return self.top / "p"

    def run(self, *arguments: str, **environ: str) -> tuple[int | None, str]:
        """Run the tool, and return its exit code (None if it was killed) and its output."""

        module = "git_spacy" if self.spacy else "weasel"
        process = subprocess.Popen(
            (sys.executable, "-m", module, *arguments), cwd=self.root, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ}, start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=PATIENCE if self.spacy else _WEASEL_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        return process.returncode, output


class Input(NamedTuple):
    """A hostile input: its threat, a description and the exit code of git-spacy.

    `make` prepares the world, `words` are the commands to run, and `harm` describes the damage after
    them, or returns "".
    """

    threat: str
    name: str
    code: int
    make: Callable[[World], object]
    words: str | tuple[str, ...] = "assets"
    harm: Callable[[World, str], str] = lambda world, output: ""
    environ: Callable[[World], dict[str, str]] = lambda world: {}


class ToolResult(NamedTuple):
    """The exit code (None if the tool hung) and the harm; `text` is both as shown in the table."""

    code: int | None
    harm: str
    text: str


def run_input(hostile: Input, top: Path, web: Scripted, *, ours: bool) -> ToolResult:
    """Run git-spacy (`ours`) or weasel on this input in the folder `top`."""

    write(top, {"outside/kept": "mine", "p/source": "data"})
    world = World(top, web, ours)
    hostile.make(world)
    words = (hostile.words,) if isinstance(hostile.words, str) else hostile.words
    code, output = 0, ""
    for line in words:
        arguments = [word.format(top=top) for word in line.split()]
        code, more = world.run(*arguments, **hostile.environ(world))
        output += more
        if code != 0:
            break
    harm = "ran the program" if (top / "OWNED").exists() else hostile.harm(world, output)
    if "Traceback (most recent call last)" in output or "╭─" in output:
        harm = ", ".join(filter(None, (harm, "traceback")))
    ended = "hung" if code is None else f"exit {code}"
    return ToolResult(code, harm, f"{harm} ({ended})" if harm else ended)


def project_text(content: str) -> Callable[[World], object]:
    """Write a project.yml with values for {outside}, {top} and {url}."""

    def make(world: World) -> None:
        values = {"outside": world.top / "outside", "top": world.top, "url": world.web.url}
        filled = content
        for name, value in values.items():
            filled = filled.replace(f"{{{name}}}", str(value))
        project(world.root, filled)

    return make


def asset(
    keys: str, *answers: Answer, files: dict[str, str] | None = None
) -> Callable[[World], object]:
    """Write a project with one asset of these keys, and let the server give these answers."""

    def make(world: World) -> None:
        if answers:
            world.web.on("/x", *answers)
        project_text(f"assets: [{{{keys}}}]\n")(world)
        write(world.root, dict(files or {}))
        if world.spacy:
            git(world.root, "init", "-q")
            git(world.root, "config", "spacy.timeout", "1")

    return make


def path_exists(name: str, harm: str) -> Callable[[World, str], str]:
    """Report harm if `name` (relative to the parent of the project) exists."""

    return lambda world, output: harm if os.path.lexists(world.top / name) else ""


def file_has(name: str, content: bytes, harm: str) -> Callable[[World, str], str]:
    """Report harm if the file has this content."""

    def look(world: World, output: str) -> str:
        path = world.top / name
        return (
            harm
            if path.is_file() and not path.is_symlink() and path.read_bytes() == content
            else ""
        )

    return look


def file_changed(name: str, content: str, harm: str) -> Callable[[World, str], str]:
    """Report harm if the file no longer has this content."""

    def look(world: World, output: str) -> str:
        path = world.top / name
        return "" if path.is_file() and path.read_text() == content else harm

    return look


def was_accepted(harm: str) -> Callable[[World, str], str]:
    """Report harm if the asset `x` exists, whatever its content."""

    return lambda world, output: harm if (world.root / "x").exists() else ""


STEP = """\
remotes: {{default: {remote}}}
commands: [{{name: all, script: ["{python} make.py"], deps: [make.py], outputs: [model]}}]
"""
MAKE = "import os\nos.makedirs('model', exist_ok=True)\nopen('model/a', 'w').write('x')\n"


def pushed_archive(data: bytes | None, content: str = md5(b"x")) -> Callable[[World], object]:
    """Run and push a project, and replace the archive in its remote by `data`."""

    def make(world: World) -> None:
        remote = world.top / "remote"
        remote.mkdir()
        project(world.root, STEP.format(remote=remote, python="python"), {"make.py": MAKE})
        for words in (("run", "all"), ("push", "default")):
            code, output = world.run(*words)
            assert code == 0, output
        if data is not None:
            replace_object(remote, "model", data, content)
        (world.root / "model/a").unlink()
        (world.root / "model").rmdir()
        (world.root / "project.lock").unlink()

    return make


def template(files: dict[str, str | bytes], links: dict[str, str]) -> Callable[[World], object]:
    """Create a repository with a template of these files and links."""

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


def git_asset(repo: str, dest: str = "x") -> Callable[[World], object]:
    """Write a project with an asset from this Git repository."""

    def make(world: World) -> None:
        repository(world.top / "source", {"f": "theirs"})
        project_text(
            f"assets: [{{dest: {dest}, git: {{repo: \"{repo}\", path: '', branch: main}}}}]\n"
        )(world)

    return make


def with_lock(data: str) -> Callable[[World], object]:
    return lambda world: project(
        world.root,
        STEP.format(remote="remote", python="python"),
        {"make.py": MAKE, "project.lock": data},
    )


def with_script(body: str) -> Callable[[World], object]:
    """Write a project with a command that runs this Python code."""

    return lambda world: project(
        world.root, STEP.format(remote="remote", python="python"), {"make.py": body}
    )


def in_a_hook(world: World) -> None:
    template({}, {})(world)
    repository(world.top / "theirs", {"a": "b"})
    (world.top / "index").write_bytes((world.top / "theirs/.git/index").read_bytes())


def index_changed(world: World, output: str) -> str:
    same = (world.top / "theirs/.git/index").read_bytes() == (world.top / "index").read_bytes()
    return "" if same else "changed the index of the hook's repository"


DATA = b"d" * 50_000
NO_MD5 = "a" * 32
CLONE = "clone t made --repo {top}/source --branch main"
OUT = "wrote outside the project"
INPUTS = (
    Input("paths-outside", "an asset's `dest: ../outside/x`", 3, project_text("assets: [{dest: ../outside/x, url: source}]\n"), harm=path_exists("outside/x", OUT)),
    Input("paths-outside", "an absolute `dest`", 3, project_text("assets: [{dest: '{outside}/x', url: source}]\n"), harm=path_exists("outside/x", OUT)),
    Input("paths-outside", "`directories: [../outside/x]`", 3, project_text("directories: [../outside/x]\ncommands: [{name: all, script: ['python -V']}]\n"), "run all", path_exists("outside/x", OUT)),
    Input("links-outside", "a parent folder that is a link to the outside", 3, lambda w: (project_text("assets: [{dest: link/x, url: source}]\n")(w), (w.root / "link").symlink_to(w.top / "outside")), harm=path_exists("outside/x", OUT)),
    Input("reserved-paths", "`dest: .git/hooks/pre-commit`", 3, lambda w: (project_text("assets: [{dest: .git/hooks/pre-commit, url: source}]\n")(w), git(w.root, "init", "-q")), harm=path_exists("p/.git/hooks/pre-commit", "wrote a Git hook")),
    Input("reserved-paths", "`dest: project.yml` from Git", 3, git_asset("{top}/source", "project.yml"), harm=lambda w, output: "" if (w.root / "project.yml").is_file() else "removed project.yml"),
    Input("overwritten-work", "a Git asset over a folder with the user's work", 3, lambda w: (git_asset("file://{top}/source")(w), write(w.root, {"x/mine": "work"})), harm=file_changed("p/x/mine", "work", "deleted the user's work")),
    Input("option-injection", "an option in a repository's name", 3, git_asset("--upload-pack='touch {top}/OWNED' file://{top}/source")),
    Input("hostile-repositories", "`ext::` as a repository", 3, git_asset("ext::touch% {top}/OWNED")),
    Input("hostile-repositories", "a repository on this machine", 3, git_asset("{top}/source"), harm=path_exists("p/x/f", "copied it")),
    Input("template-links", "a template with a link to a file on this machine", 3, template({}, {"l": "{top}/outside/kept"}), CLONE, lambda w, output: next((f"copied it {how}" for how, is_so in (("as a link", (w.root / "made/l").is_symlink()), ("into the project", (w.root / "made/l").exists())) if is_so), "")),
    Input("embedded-repositories", "a template with a bare repository whose config names a program", 0, template({"b/HEAD": "ref: refs/heads/main\n", "b/config": "[core]\n\tbare = true\n\tfsmonitor = touch OWNED\n", "b/objects/.keep": "", "b/refs/.keep": ""}, {}), CLONE),
    Input("url-schemes", "`url: file:///…`", 3, project_text("assets: [{dest: x, url: 'file://{outside}/kept'}]\n"), harm=file_has("p/x", b"mine", "copied a file of this machine")),
    Input("url-schemes", "`url: ../outside/kept`", 3, lambda w: (project_text("assets: [{dest: x, url: ../outside/kept}]\n")(w)), harm=file_has("p/x", b"mine", "copied a file of this machine")),
    Input("environment-values", "`${env.X}` in a URL", 3, lambda w: (w.web.on("/x", Answer(DATA)), project_text("env: {x: THE_KEY}\nassets: [{dest: x, url: '{url}/x?${env.x}'}]\n")(w)), harm=lambda w, output: "sent it" if any(_SECRET in r.path for r in w.web.requests) else "", environ=lambda w: {"THE_KEY": _SECRET}),
    Input("terminal-escapes", "terminal escapes in a title and help", 0, project_text(f"title: {IN_YAML}\ncommands: [{{name: all, help: {IN_YAML}}}]\n"), "run", lambda w, output: "printed them" if any(c in output for c in ESCAPES if not c.isprintable()) else ""),
    Input("truncated-bodies", "a body cut short, twice", 0, asset("dest: x, url: '{url}/x'", Answer(DATA, cut=20_000), Answer(DATA, cut=20_000), Answer(DATA)), harm=lambda w, output: "" if (w.root / "x").is_file() and (w.root / "x").stat().st_size == len(DATA) else "incomplete file"),
    Input("truncated-bodies", "a body that is always cut short", 4, asset("dest: x, url: '{url}/x'", Answer(DATA, cut=20_000)), harm=was_accepted("left the partial file")),
    Input("stalled-servers", "a server that stalls", 4, asset("dest: x, url: '{url}/x'", Answer(DATA, stall=10)), harm=was_accepted("left the partial file")),
    Input("transient-errors", "500, 500, 200", 0, asset("dest: x, url: '{url}/x'", Answer(b"oh", 500), Answer(b"oh", 500), Answer(DATA)), harm=lambda w, output: "" if file_has("p/x", DATA, "!")(w, output) else "no file"),
    Input("wrong-checksums", "a wrong checksum", 4, asset(f"dest: x, url: '{{url}}/x', checksum: {NO_MD5}", Answer(DATA)), harm=was_accepted("kept it")),
    Input("wrong-checksums", "an existing file with the wrong checksum", 0, asset(f"dest: x, url: '{{url}}/x', checksum: {md5(DATA)}", Answer(DATA), files={"x": "old"}), harm=lambda w, output: "" if file_has("p/x", DATA, "!")(w, output) else "kept it"),
    Input("empty-or-html-bodies", "an HTML page where data was expected", 4, asset("dest: x, url: '{url}/x'", Answer(b"<!doctype html><p>Sign in", headers=(("Content-Type", "text/html"),))), harm=was_accepted("accepted it as data")),
    Input("empty-or-html-bodies", "an empty body", 4, asset("dest: x, url: '{url}/x'", Answer(b"")), harm=was_accepted("accepted it as data")),
    Input("checksum-format", "an invalid checksum: `xyz`", 2, asset("dest: x, url: '{url}/x', checksum: xyz", Answer(DATA)), harm=was_accepted("kept it")),
    Input("partial-failure", "the first of two assets fails", 4, lambda w: (w.web.on("/x", Answer(b"", 404)), w.web.on("/y", Answer(DATA)), project_text("assets: [{dest: x, url: '{url}/x'}, {dest: y, url: '{url}/y'}]\n")(w)), harm=lambda w, output: "" if (w.root / "y").exists() else "did not fetch the other"),
    Input("archive-members-outside", "a tar member `../outside/x`", 3, pushed_archive(zipped(file("model/a"), file("../outside/x"))), "pull default", path_exists("outside/x", OUT)),
    Input("special-archive-members", "a tar member that is a link to the outside, and one below it", 3, pushed_archive(zipped(link("model", "../outside"), file("model/x"))), "pull default", path_exists("outside/x", OUT)),
    Input("special-archive-members", "a tar member that is a hard link to a file of the project", 3, pushed_archive(zipped(file("model/a"), hard_link("model/h", "project.yml"))), "pull default", path_exists("p/model/h", "created it")),
    Input("special-archive-members", "a tar member that is setuid", 3, pushed_archive(zipped(file("model/a", mode=0o4755))), "pull default", lambda w, output: "created it" if (w.root / "model/a").exists() and (w.root / "model/a").stat().st_mode & 0o4000 else ""),
    Input("unrequested-archive-members", "a tar member that was not requested: `make.py`", 3, pushed_archive(zipped(file("model/a"), file("make.py", b"evil"))), "pull default", file_changed("p/make.py", MAKE, "overwrote a script")),
    Input("corrupt-archives", "content that does not match its digest", 4, pushed_archive(zipped(file("model/a", b"y"))), "pull default", path_exists("p/model/a", "accepted it")),
    Input("corrupt-archives", "an archive cut short", 4, pushed_archive(zipped(file("model/a", os.urandom(9000)), file("model/b"))[:6000]), "pull default", path_exists("p/model", "left the partial file")),
    Input("interrupted-uploads", "an unknown remote", 2, pushed_archive(None), ("run all", "push nowhere"), path_exists("p/nowhere", "created a folder with that name")),
    Input("project-file-type", "project.yml is empty", 2, project_text(""), "run all"),
    Input("project-file-type", "project.yml is a FIFO", 2, lambda w: os.mkfifo(w.root / "project.yml"), "run all"),
    Input("yaml-bombs", "an alias bomb", 2, project_text("vars:\n  a0: &a0 [x, x]\n" + "".join(f"  a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 15)) + "commands: [{name: all, script: []}]\n"), "run all"),
    Input("yaml-bombs", "10,000 levels", 2, project_text("vars: {a: " + "[" * 10_000 + "]" * 10_000 + "}\n"), "run all"),
    Input("yaml-syntax", "a duplicate key", 2, project_text("title: a\ntitle: b\ncommands: [{name: all, script: ['python -V']}]\n"), "run all"),
    Input("yaml-syntax", "a `!!python` tag", 2, project_text("title: !!python/object/apply:os.system ['touch {top}/OWNED']\n"), "run all"),
    Input("wrong-types-and-keys", "`commands: null`", 2, project_text("commands: null\n"), "run all"),
    Input("wrong-types-and-keys", "a string instead of a list", 2, project_text("commands: [{name: all, script: python -V}]\n"), "run all"),
    Input("split-commands", "a command in two list items", 2, project_text("commands:\n  - name: all\n  - script: ['python -V']\n"), "run all"),
    Input("variable-cycles", "an undefined variable", 2, project_text("vars: {a: 1}\ncommands: [{name: all, script: ['python -V ${vars.b}']}]\n"), "run all"),
    Input("variable-cycles", "variables in a cycle", 2, project_text("vars: {a: '${vars.b}', b: '${vars.a}'}\ncommands: [{name: all, script: ['python -V ${vars.a}']}]\n"), "run all"),
    Input("broken-lock", "an empty project.lock", 2, with_lock(""), "run all"),
    Input("broken-lock", "conflict markers in project.lock", 2, with_lock("<<<<<<< HEAD\na: {}\n=======\n>>>>>>> b\n"), "run all", lambda w, output: "" if (w.root / "project.lock").read_text().startswith("<<<") else "overwrote it"),
    Input("missing-outputs", "an output that is not produced", 1, with_script("pass\n"), "run all", lambda w, output: "recorded it" if (w.root / "project.lock").exists() else ""),
    Input("missing-outputs", "a dependency edited while its command ran", 0, with_script(MAKE + "import time\nopen('make.py', 'a').write('#')\n"), ("run all", "run all"), lambda w, output: "reported it as up to date" if "nothing changed" in output or "up to date" in output else ""),
    Input("git-environment", "a clone while Git's variables name another repository", 0, in_a_hook, CLONE, index_changed, lambda w: {"GIT_DIR": str(w.top / "theirs/.git"), "GIT_INDEX_FILE": str(w.top / "theirs/.git/index"), "GIT_WORK_TREE": str(w.top / "theirs")}),
)  # fmt: skip


def table(rows: list[tuple[Input, ToolResult, ToolResult]]) -> str:
    """Format the results as a Markdown table."""

    lines = ["| Case | Input | git-spacy | weasel |", "|---|---|---|---|"]
    lines += [
        f"| {hostile.threat} | {hostile.name} | {ours.text} | {theirs.text} |"
        for hostile, ours, theirs in rows
    ]
    return "\n".join(lines) + "\n"


def run_both(hostile: Input, folder: Path) -> tuple[ToolResult, ToolResult]:
    """Return the results of git-spacy and of weasel for the input."""

    results = []
    for name in ("ours", "theirs"):
        with Scripted() as web:
            results.append(run_input(hostile, folder / name, web, ours=name == "ours"))
    return results[0], results[1]


def main() -> None:
    from importlib.metadata import version

    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HOME=folder, XDG_CACHE_HOME=f"{folder}/cache", GIT_CONFIG_NOSYSTEM="1")
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        for role in ("AUTHOR", "COMMITTER"):
            os.environ.update({f"GIT_{role}_NAME": "A", f"GIT_{role}_EMAIL": "a@example.com"})
        git(Path(folder), "config", "--global", "init.defaultBranch", "main")
        rows = [
            (hostile, *run_both(hostile, Path(folder) / str(number)))
            for number, hostile in enumerate(INPUTS)
        ]
    made = f"{len(rows)} inputs, weasel {version('weasel')}:\n\n{table(rows)}"
    print(made)
    print(f"in {time.monotonic() - start:.0f} s", file=sys.stderr)
    if "--write" in sys.argv:
        before, rest = DOCUMENT.read_text().split(_BEGIN)
        DOCUMENT.write_text(f"{before}{_BEGIN}\n{made}\n{_END}{rest.partition(_END)[2]}")


def documented_rows() -> list[tuple[str, str]]:
    """Return the threat and the input of each row in docs/explanation/security.md."""

    block = DOCUMENT.read_text().partition(_BEGIN)[2].partition(_END)[0]
    return re.findall(r"^\| ([a-z-]+) \| (.*?) \|", block, re.MULTILINE)


if __name__ == "__main__":
    main()
