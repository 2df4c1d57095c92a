"""Get one template: which repository, which folder of it, and a place to put it.

Everything is made beside the destination and moved there in one step; a failure leaves nothing.
Executes nothing that a template wrote.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from git_spacy import __version__, templates
from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, Problem, Refused
from git_spacy.git import first_commit
from git_spacy.git.address import Address, parse_address
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.remote_tree import CheckoutResult, RemoteTree
from git_spacy.git.repository import Repository, confine
from git_spacy.git.settings import Settings, boolean, fetch_limits
from git_spacy.git_names import is_git_name
from git_spacy.project.diagnostics import nearest
from git_spacy.project.paths import is_git_dir

DEFAULT_REPOSITORY = "https://github.com/explosion/projects"
EMBEDDED = f"embedded:git-spacy@{__version__}"
PROJECT_FILE = "project.yml"
_PAGE = re.compile(r"(https?://[^/]+/[^/]+/[^/]+)/(?:tree|blob)/([^/]+)/(.+)")


class CloneRequest(NamedTuple):
    """What the user asked for. `repo` None: as configured, embedded, or the default."""

    name: str
    dest: Path | None = None
    repo: str | None = None
    branch: str | None = None
    make_repository: bool = True


class TemplateSource(NamedTuple):
    """Where a template comes from: an address, or None for the embedded ones; and the name of a
    folder there, None for all of it."""

    address: Address | None
    name: str | None
    is_default: bool = False


class CloneResult(NamedTuple):
    """What was done. `commit` is "" for an embedded template."""

    dest: Path
    source: str
    commit: str
    path: str
    placed: CheckoutResult
    made_repository: bool
    is_project: bool


def resolve_source(wanted: CloneRequest, settings: Settings, cwd: Path) -> TemplateSource:
    """Where `wanted` is to come from. Raises Unsafe or Malformed for an address that is none."""

    page = _PAGE.fullmatch(wanted.name)
    if page:
        address = parse_address(page[1], wanted.branch or page[2], trusted=True)
        return TemplateSource(address, page[3])
    is_address = ":" in wanted.name.partition("/")[0]  # URL, scp-like, or what the gate refuses
    if is_address or wanted.name.startswith(("/", "./", "../", "~", "-")):
        url, path = _split_path(wanted.name)
        return TemplateSource(
            parse_address(url, wanted.branch, trusted=True, base=cwd), path or None
        )
    name = wanted.name.strip("/")
    repo = wanted.repo or settings.get("spacy.repo")
    if repo:
        address = parse_address(repo, wanted.branch, trusted=True, base=cwd)
        return TemplateSource(address, None if name in ("", ".") else name)
    if wanted.branch is None and _embedded(name):
        return TemplateSource(None, _embedded(name))
    return TemplateSource(
        parse_address(DEFAULT_REPOSITORY, wanted.branch, trusted=True), name, True
    )


def clone(
    wanted: CloneRequest,
    settings: Settings,
    cwd: Path,
    *,
    prompt: bool,
    warn: Callable[[str], None],
) -> CloneResult:
    """Put a template into its destination. Raises GitSpacyError, with nothing left behind."""

    source = resolve_source(wanted, settings, cwd)
    dest = _destination(wanted, source, cwd)
    ignore = _ignoring(settings, warn)
    if source.address is None:
        name = source.name or ""
        return _place(wanted, dest, EMBEDDED, "", name, lambda to: _copy(name, to), ignore)
    try:
        with open_remote_tree(
            source.address, prompt=prompt, warn=warn, limits=fetch_limits(settings)
        ) as tree:
            path = folder_in(tree, source.name, source.address.display_url)
            return _place(
                wanted, dest, source.address.display_url, tree.commit, path,
                lambda to: tree.checkout(path, to), ignore,
            )  # fmt: skip
    except ExternalError as error:
        raise _with_embedded(error, source) from None


def list_templates(
    wanted: CloneRequest,
    settings: Settings,
    cwd: Path,
    *,
    prompt: bool,
    warn: Callable[[str], None],
) -> tuple[str, ...]:
    """The names of the templates there are: of the repository, or the embedded ones."""

    repo = wanted.repo or settings.get("spacy.repo")
    if not repo:
        return templates.names()
    address = parse_address(repo, wanted.branch, trusted=True, base=cwd)
    with open_remote_tree(address, prompt=prompt, warn=warn, limits=fetch_limits(settings)) as tree:
        return projects_in(tree)


def projects_in(tree: RemoteTree) -> tuple[str, ...]:
    """The folders that have a project.yml; "." for the top."""

    found = [entry.name for entry in tree.listing if _last(entry.name) == PROJECT_FILE]
    return tuple(name.rpartition("/")[0] or "." for name in found)


def folder_in(tree: RemoteTree, name: str | None, shown: str) -> str:
    """The path of the folder that `name` means: the path itself, or the only folder with that
    last part. Raises Malformed, with the nearest names."""

    if name is None:
        return ""
    folders = tree.folders()
    if name in folders:
        return name
    projects = projects_in(tree)
    for candidates in (projects, folders):
        same = [folder for folder in candidates if _last(folder) == name]
        if len(same) == 1:
            return same[0]
        if same:
            raise InvalidInput(
                f"'{name}' is more than one folder of {shown}",
                hint=f"name one of them: {', '.join(same)}",
            )
    raise InvalidInput(f"{shown} has no folder '{name}'", hint=_suggestion(name, projects, folders))


def _suggestion(name: str, projects: tuple[str, ...], folders: tuple[str, ...]) -> str:
    by_last = {_last(path): path for path in (*folders, *projects)}
    close = nearest(name, [*projects, *folders]) or by_last.get(nearest(_last(name), by_last) or "")
    if close:
        return f"did you mean '{close}'?"
    some = ", ".join(projects[:6])
    return f"it has {some}; all of them: --list" if some else "see what it has with --list"


def _embedded(name: str) -> str | None:
    names = templates.names()
    if name in names:
        return name
    same = [full for full in names if _last(full) == name]
    return same[0] if len(same) == 1 else None


def _with_embedded(error: GitSpacyError, source: TemplateSource) -> GitSpacyError:
    """The default repository could not be reached: whoever mistyped an embedded name wants to
    hear of that."""

    close = nearest(source.name or "", templates.names()) if source.is_default else None
    if close is None:
        return error
    first = error.problems[0]
    hint = f"did you mean the embedded template '{close}'?"
    return ExternalError.from_problems([Problem(first.message, hint, first.location)])


def _split_path(name: str) -> tuple[str, str]:
    """`https://host/o/r//path` in its two parts."""

    start = name.find("://") + 3 if "://" in name else 1
    cut = name.find("//", start)
    return (name, "") if cut < 0 else (name[:cut], name[cut + 2 :].strip("/"))


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _destination(wanted: CloneRequest, source: TemplateSource, cwd: Path) -> Path:
    if wanted.dest is not None:
        dest = Path(os.path.abspath(cwd / wanted.dest))
    else:
        name = source.name or (source.address.url if source.address else "")
        last = _last(name.rstrip("/").replace(":", "/")).removesuffix(".git")
        if last in ("", ".", "..") or is_git_name(last):
            raise Refused(
                f"'{wanted.name}' does not end in the name of a folder to make",
                hint=f"name one: git spacy clone {shlex.quote(wanted.name)} DEST",
            )
        dest = cwd / last
    _refuse_git_folder(dest)
    confine(dest)
    occupied = dest.is_symlink() or (dest.exists() and not dest.is_dir())
    if occupied or (dest.is_dir() and any(dest.iterdir())):
        raise InvalidInput(
            f"'{dest.name}' is there already and not empty",
            hint="name another folder: git spacy clone NAME DEST",
        )
    return dest


def _refuse_git_folder(dest: Path) -> None:
    """Raise Unsafe if some system takes `dest` for `.git` or a path in it, as it is written or
    with its links resolved, or if it lies in the folder of a repository of any name."""

    real = Path(os.path.realpath(dest))
    if any(map(is_git_name, (*dest.parts, *real.parts))) or any(map(is_git_dir, real.parents)):
        raise Refused(
            f"the destination '{dest}' is Git's own folder, or lies in it",
            hint="name another folder: git spacy clone NAME DEST",
        )


def _place(
    wanted: CloneRequest, dest: Path, source: str, commit: str, path: str,
    write: Callable[[Path], CheckoutResult], ignore: Callable[[Path], None],
) -> CloneResult:  # fmt: skip
    with _parents_of(dest), _beside(dest) as folder:
        placed = write(folder)
        inside = _inside_repository(dest)
        make = wanted.make_repository and not inside
        if make:
            _first_commit(folder, source, commit, path, ignore)
        _move_in(folder, dest)
    if inside:
        ignore(dest)
    return CloneResult(dest, source, commit, path, placed, make, (dest / PROJECT_FILE).is_file())


def _ignoring(settings: Settings, warn: Callable[[str], None]) -> Callable[[Path], None]:
    """What keeps that out of Git which the project in a folder fetches and makes, unless the user
    has turned it off. That it cannot be done is no reason to have no project."""

    def ignore(folder: Path) -> None:
        if (folder / PROJECT_FILE).is_file():
            from git_spacy.generate.ignore import start

            try:
                start(folder)
            except GitSpacyError as error:
                warn(f".gitignore is not current: {error.problems[0].message}")

    return ignore if boolean(settings, "spacy.ignore") else lambda _: None


def _inside_repository(dest: Path) -> bool:
    # by where it lies: a hook's GIT_DIR says nothing about DEST
    return Repository.discover(dest.parent, {}) is not None


def _move_in(folder: Path, dest: Path) -> None:
    """Make `folder` be `dest`. An empty folder that is there stays the same one: it may be where
    the user's shell is."""

    if not dest.exists():
        os.rename(folder, dest)
        return
    moved: list[Path] = []
    try:
        for entry in sorted(folder.iterdir()):
            os.rename(entry, dest / entry.name)
            moved.append(dest / entry.name)
    except BaseException:
        for path in moved:
            os.rename(path, folder / path.name)
        raise


@contextmanager
def _parents_of(dest: Path) -> Iterator[None]:
    """Make the folders above `dest`; take away again those that a failure leaves empty."""

    missing = [folder for folder in dest.parents if not folder.exists()]
    dest.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _beside(dest: Path) -> Iterator[Path]:
    staging = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", dir=dest.parent))
    try:
        yield staging / "project"
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy(name: str, to: Path) -> CheckoutResult:
    templates.place(name, to)
    return CheckoutResult(sum(path.is_file() for path in to.rglob("*")), ())


def _first_commit(
    folder: Path, source: str, commit: str, path: str, ignore: Callable[[Path], None]
) -> None:
    trailers = [f"Template-URL: {source}"]
    trailers += [f"Template-Commit: {commit}"] if commit else []
    trailers += [f"Template-Path: {path}"] if path else []
    subject = f"Start from the template {_last(path) or _last(source)}"
    message = "\n".join([subject, "", *trailers, ""])
    first_commit.create_repository(folder, message, lambda: ignore(folder))
