"""What is to be changed in a repository, part by part: reads, decides, and writes nothing.

What holds already, wherever it was set, is not changed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.generate import ignore as ignoring
from git_spacy.generate import writer
from git_spacy.git import gitconfig
from git_spacy.git.gitconfig import ConfigValue
from git_spacy.git.index import Index
from git_spacy.git.repository import Repository
from git_spacy.git.settings import boolean
from git_spacy.project import loader
from git_spacy.setup import hooks
from git_spacy.setup.changes import Change, FileChange, SetConfig, SkippedChange
from git_spacy.setup.write_location import Location, locate, read_content

NOTES = "refs/notes/spacy"
DRIVER = "spacy-lock"
_ATTRIBUTES = ".gitattributes"
_ATTRIBUTE = f"project.lock merge={DRIVER}"
_LOCK = "project.lock"
_RUN = "git spacy lock merge-driver %O %A %B"

Decided = Change | SkippedChange
Values = dict[str, tuple[ConfigValue, ...]]


class RepoContext:
    """A repository with a work tree, and what it says of itself."""

    def __init__(self, repository: Repository, top: Path, projects: tuple[Path, ...]) -> None:
        self.repository = repository
        self.top = top
        self.projects = projects
        self.config = gitconfig.read_config(repository)

    def locate(self, path: Path, *, follow: bool = True) -> Location:
        """Where `path` lies here. Raises Unsafe for what must not be written."""

        return locate(self.repository, self.top, path, follow=follow)


def open_context(start: Path) -> RepoContext:
    """The repository that `start` lies in, and the projects in it: those that Git knows, and the
    one around `start`. Raises Malformed where there is none; Unavailable, Unsafe where git
    refuses."""

    repository = Repository.discover(start)
    if repository is None:
        raise InvalidInput(
            f"'{start}' is in no Git repository", hint="git init, and run this again"
        )
    index = Index.open(repository)
    if index is None:
        raise InvalidInput(
            "this repository is bare: there is no work tree to set up",
            hint="run this in a clone of it",
        )
    top = index.top.resolve()
    found = {(top / entry.name).parent for entry in index.named(loader.PROJECT_FILE)}
    try:
        found.add(loader.find(start).resolve())
    except InvalidInput:
        if not found:
            raise InvalidInput(
                "no project.yml in this repository",
                hint="start one: git spacy init --new DIR; or get one: git spacy clone ner_fashion",
            ) from None
    there = (root for root in found if (root / loader.PROJECT_FILE).is_file())
    return RepoContext(repository, top, tuple(sorted(there)))


def decide(here: RepoContext, parts: Collection[str]) -> tuple[Decided, ...]:
    """What is to be changed for these `parts` (keys of `change.PARTS`), and what is left alone
    though it is not as it should be. Raises Unsafe, Malformed, Unavailable, OSError."""

    return tuple(one for part, of in _PARTS.items() if part in parts for one in of(here))


def _notes(here: RepoContext) -> Iterator[Decided]:
    if not _is_on(here, "spacy.notes"):
        return
    if not _covers(here.config.get("notes.rewriteref", ()), NOTES):
        yield SetConfig("notes", "notes.rewriteRef", NOTES, append=True)
    yield from _single(here, "notes", "notes.rewriteMode", "cat_sort_uniq")


def _display(here: RepoContext) -> Iterator[Decided]:
    if not _covers(here.config.get("notes.displayref", ()), NOTES):
        yield SetConfig("display", "notes.displayRef", NOTES, append=True)


def _covers(values: tuple[ConfigValue, ...], ref: str) -> bool:
    return any(fnmatch.fnmatchcase(ref, value.text) for value in values)


def _single(here: RepoContext, part: str, name: str, wanted: str) -> Iterator[SetConfig]:
    """`name` is to have this one value; the last one is what holds."""

    section, _, key = name.rpartition(".")
    there = here.config.get(f"{section}.{key.lower()}", ())
    if not there or there[-1].text != wanted:
        own = tuple(value.text for value in there if value.scope == "local")
        now = f"{there[-1].text}, {there[-1].scope}" if there else ""
        yield SetConfig(part, name, wanted, own_values=own, current=now)


def _merge(here: RepoContext) -> Iterator[Decided]:
    yield from _single(here, "merge", f"merge.{DRIVER}.name", "project.lock by entry")
    yield from _single(here, "merge", f"merge.{DRIVER}.driver", _RUN)
    locks = [f"{_above(root, here.top)}{_LOCK}" for root in here.projects]
    asked = "".join(f"{name}\0" for name in locks).encode("utf-8", "surrogateescape")
    done = here.repository.run_git(("check-attr", "-z", "--stdin", "merge"), input=asked)
    told = done.stdout.decode("utf-8", "surrogateescape").split("\0")[2::3]
    file = here.locate(here.top / _ATTRIBUTES)
    before = read_content(file)
    rows = (before or b"").splitlines()
    if any(driver != DRIVER for driver in told) and _ATTRIBUTE.encode() not in rows:
        end = b"\r\n" if b"\r\n" in (before or b"") else b"\n"
        gap = end if before and not before.endswith(b"\n") else b""
        after = (before or b"") + gap + _ATTRIBUTE.encode() + end
        yield FileChange("merge", file.path, file.name, before, after)


def _ignore(here: RepoContext) -> Iterator[Decided]:
    if not _is_on(here, "spacy.ignore"):
        return
    for root in here.projects:
        above = _above(root, here.top)
        file = here.locate(root / ignoring.FILE)
        try:
            part = ignoring.ignore_block(root, loader.load(root))
            if part is None:
                continue
            plan = writer.plan(writer.read(root, part.file), part)
        except GitSpacyError as error:
            what = error.problems[0]
            yield SkippedChange(
                "ignore", above + (what.location or loader.PROJECT_FILE), what.message, what.hint
            )
            continue
        if plan.action == "refuse":
            hint = f"to overwrite it: {part.command} --force"
            yield SkippedChange("ignore", above + part.file, plan.why, hint)
        elif plan.action == "write":
            before, after = _bytes(plan.before), _bytes(plan.text)
            yield FileChange("ignore", file.path, file.name, before, after)


def _hooks(here: RepoContext) -> Iterator[Decided]:
    folder = gitconfig.hooks_dir(here.repository)
    path = here.config.get("core.hookspath", ())
    return hooks.plan_hooks(here.repository, here.top, here.locate, folder, path)


def _is_on(here: RepoContext, name: str) -> bool:
    """Whether the user leaves a thing on, as it is unless he says otherwise."""

    there = here.config.get(name.lower(), ())
    return boolean({name: there[-1].text} if there else {}, name)


def _above(root: Path, top: Path) -> str:
    """The folder `root` from the top: "", or with a slash at its end."""

    return "" if root == top else f"{root.relative_to(top).as_posix()}/"


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


_PARTS: dict[str, Callable[[RepoContext], Iterator[Decided]]] = {
    "notes": _notes,
    "display": _display,
    "merge": _merge,
    "ignore": _ignore,
    "hooks": _hooks,
}
