"""Start a project from a template, which is embedded or a folder of a Git repository.

The project is built beside its destination and moved there in one step, so a failure leaves
nothing. Nothing that a template contains is executed.
"""

from __future__ import annotations

import filecmp
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

from git_spacy import templates
from git_spacy.containment import is_git_name
from git_spacy.errors import (
    Diagnostic,
    ExternalError,
    GitSpacyError,
    InvalidInput,
    Refused,
    Warn,
    as_warning,
)
from git_spacy.git import first_commit, folder_commits, process, version_merge
from git_spacy.git.address import Address, parse_address
from git_spacy.git.commits import head_commit
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.remote_tree import CheckoutResult, RemoteTree
from git_spacy.git.repository import Repository, confine, prefix
from git_spacy.git.settings import Settings, boolean, fetch_limits
from git_spacy.project import loader
from git_spacy.project.diagnostics import closest_name
from git_spacy.project.paths import is_git_dir
from git_spacy.setup.embedded import embedded_origin
from git_spacy.setup.origin import Origin, branch_to_follow, first_message

DEFAULT_REPOSITORY = "https://github.com/explosion/projects"
PROJECT_FILE = "project.yml"
_GITHUB_PAGE = re.compile(r"(https?://[^/]+/[^/]+/[^/]+)/(?:tree|blob)/([^/]+)/(.+)")


class CloneRequest(NamedTuple):
    """The options of `git spacy clone`.

    With `repo` None, the template is looked up in the configured repository, among the embedded
    templates, or in the default repository. `into` allows a destination with files, of which none
    is replaced.
    """

    name: str
    dest: Path | None = None
    repo: str | None = None
    branch: str | None = None
    create_repository: bool = True
    into: bool = False


class TemplateSource(NamedTuple):
    """Where a template comes from.

    `address` is None for an embedded template. `name` is a folder, or None for the whole
    repository.
    """

    address: Address | None
    name: str | None
    is_default: bool = False


class CloneResult(NamedTuple):
    """The project that was created in `dest`, and where its template came from.

    `repository` is the one that `dest` is in, unless it was created for it. `is_new` says whether
    `dest` had no files before; `kept` are those with other contents, relative to `dest`.
    """

    dest: Path
    origin: Origin
    checkout: CheckoutResult
    created_repository: bool
    is_project: bool
    repository: Repository | None = None
    is_new: bool = True
    kept: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The message of a commit of the project, with the trailers that name its template."""

        top = self.repository.top if self.repository else None
        folder = prefix(self.dest, top) if top else ""
        return first_message(self.origin, folder)


def resolve_source(request: CloneRequest, settings: Settings, cwd: Path) -> TemplateSource:
    """Return where the template of `request` comes from.

    Raises Refused or InvalidInput for an invalid address.
    """

    page = _GITHUB_PAGE.fullmatch(request.name)
    if page:
        address = parse_address(page[1], request.branch or page[2], trusted=True)
        return TemplateSource(address, page[3])
    # a URL, HOST:PATH, or an address that parse_address refuses
    is_address = ":" in request.name.partition("/")[0]
    if is_address or request.name.startswith(("/", "./", "../", "~", "-")):
        url, path = _split_path(request.name)
        return TemplateSource(
            parse_address(url, request.branch, trusted=True, base=cwd), path or None
        )
    name = request.name.strip("/")
    repo = request.repo or settings.get("spacy.repo")
    if repo:
        address = parse_address(repo, request.branch, trusted=True, base=cwd)
        return TemplateSource(address, None if name in ("", ".") else name)
    if request.branch is None and _embedded(name):
        return TemplateSource(None, _embedded(name))
    return TemplateSource(
        parse_address(DEFAULT_REPOSITORY, request.branch, trusted=True), name, True
    )


def clone(
    request: CloneRequest,
    settings: Settings,
    cwd: Path,
    *,
    prompt: bool,
    warn: Warn,
) -> CloneResult:
    """Create a project from a template. Raises GitSpacyError, and then leaves nothing behind."""

    source = resolve_source(request, settings, cwd)
    dest = _destination(request, source, cwd)
    write_gitignore = _gitignore_writer(settings, warn)
    if source.address is None:
        name = source.name or ""
        origin = embedded_origin(name)
        return _create(request, dest, origin, lambda to: _copy(name, to), write_gitignore)
    try:
        with open_remote_tree(
            source.address, prompt=prompt, warn=warn, limits=fetch_limits(settings)
        ) as tree:
            path = find_folder(tree, source.name, source.address.display_url)
            origin = Origin(
                source.address.display_url, tree.commit, path, branch_to_follow(source.address)
            )
            return _create(
                request, dest, origin, lambda to: tree.checkout(path, to), write_gitignore
            )
    except (ExternalError, InvalidInput) as error:
        if source.is_default and request.branch is None:
            raise _unknown_template(error, source.name or "") from None
        raise


def list_templates(
    request: CloneRequest,
    settings: Settings,
    cwd: Path,
    *,
    prompt: bool,
    warn: Warn,
) -> tuple[tuple[str, str], ...]:
    """Return the names and titles of the embedded templates, or the names of those in the
    repository, whose titles would have to be downloaded."""

    repo = request.repo or settings.get("spacy.repo")
    if not repo:
        return tuple(
            (name, loader.load(templates.template_folder(name)).title)
            for name in templates.template_names()
        )
    address = parse_address(repo, request.branch, trusted=True, base=cwd)
    with open_remote_tree(address, prompt=prompt, warn=warn, limits=fetch_limits(settings)) as tree:
        return tuple((name, "") for name in projects_in(tree))


def projects_in(tree: RemoteTree) -> tuple[str, ...]:
    """Return the paths of all folders with a project.yml; "." is the top folder."""

    files = [entry.name for entry in tree.listing if _last(entry.name) == PROJECT_FILE]
    return tuple(name.rpartition("/")[0] or "." for name in files)


def find_folder(tree: RemoteTree, name: str | None, shown: str) -> str:
    """Return the path of the folder `name`, which is its path, or the last part of it if unique.

    Returns "", the top folder, if `name` is None. Raises InvalidInput if the folder is missing,
    with a hint that has similar names, or ambiguous. `shown` is the address to show in messages.
    """

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
                f"'{name}' is ambiguous in {shown}",
                hint=f"use one of: {', '.join(same)}",
            )
    raise InvalidInput(
        f"{shown} has no folder '{name}'", hint=_suggestion(name, projects, folders, shown)
    )


def _suggestion(name: str, projects: tuple[str, ...], folders: tuple[str, ...], shown: str) -> str:
    by_last = {_last(path): path for path in (*folders, *projects)}
    close = closest_name(name, [*projects, *folders]) or by_last.get(
        closest_name(_last(name), by_last) or ""
    )
    if close:
        return f"did you mean '{close}'?"
    examples = ", ".join(projects[:6])
    list_all = f"git spacy clone --list --repo {shlex.quote(shown)}"
    return f"it has {examples}; to list all: {list_all}" if examples else list_all


def _embedded(name: str) -> str | None:
    names = templates.template_names()
    if name in names:
        return name
    same = [full for full in names if _last(full) == name]
    return same[0] if len(same) == 1 else None


def _unknown_template(error: GitSpacyError, name: str) -> GitSpacyError:
    """Return the error for a name that no embedded template has; `error` is that of the default
    repository.

    Its network error is only shown for a path in it: any other name may be a mistyped one.
    """

    names = templates.template_names()
    by_last = {_last(full): full for full in names}
    close = closest_name(name, names) or by_last.get(closest_name(_last(name), by_last) or "")
    hint = f"did you mean the embedded template '{close}'?" if close else ""
    hint = hint or f"embedded templates: {', '.join(names)}"
    message = f"no embedded template named '{name}'"
    if isinstance(error, InvalidInput):
        return InvalidInput.from_problems([Diagnostic(message, hint), *error.problems])
    if "/" in name and not close:
        return ExternalError.from_problems([Diagnostic(message, hint), *error.problems])
    message += f", and {DEFAULT_REPOSITORY} cannot be searched for it"
    hint += f"\nto see why: git spacy clone --repo {DEFAULT_REPOSITORY} {shlex.quote(name)}"
    return ExternalError(message, hint=hint)


def _split_path(name: str) -> tuple[str, str]:
    """Split `https://host/o/r//path` into the address and the path."""

    start = name.find("://") + 3 if "://" in name else 1
    cut = name.find("//", start)
    return (name, "") if cut < 0 else (name[:cut], name[cut + 2 :].strip("/"))


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _destination(request: CloneRequest, source: TemplateSource, cwd: Path) -> Path:
    if request.dest is not None:
        dest = Path(os.path.abspath(cwd / request.dest))
    else:
        name = source.name or (source.address.url if source.address else "")
        last = _last(name.rstrip("/").replace(":", "/")).removesuffix(".git")
        if last in ("", ".", "..") or is_git_name(last):
            raise Refused(
                f"cannot derive a folder name from '{request.name}'",
                hint=f"name the folder: git spacy clone {shlex.quote(request.name)} DEST",
            )
        dest = cwd / last
    _refuse_git_folder(dest)
    confine(dest)
    is_file = dest.is_symlink() or (dest.exists() and not dest.is_dir())
    if is_file or (not request.into and dest.is_dir() and any(dest.iterdir())):
        raise InvalidInput(
            f"destination '{dest.name}' already exists and is not an empty folder",
            hint=_other_destination(request, dest, cwd),
        )
    return dest


def _other_destination(request: CloneRequest, dest: Path, cwd: Path) -> str:
    """Return the hint for a destination that exists: use it, or a name that is free."""

    names = (f"{dest.name}-{number}" for number in count(2))
    free = next(name for name in names if not os.path.lexists(dest.parent / name))
    words = ["git", "spacy", "clone", request.name, os.path.relpath(dest.parent / free, cwd)]
    words += ["--repo", request.repo] if request.repo else []
    words += ["--branch", request.branch] if request.branch else []
    words += [] if request.create_repository else ["--no-git"]
    hint = f"choose another folder: {shlex.join(words)}"
    if dest.is_dir():
        words[4] = os.path.relpath(dest, cwd)
        hint += f"\nor add what does not exist there yet: {shlex.join([*words, '--into'])}"
    if (dest / PROJECT_FILE).is_file():
        where = os.path.relpath(dest, cwd)
        step = "git spacy" if where == "." else f"cd {shlex.quote(where)} && git spacy"
        hint = f"it contains a project; to see its state: {step}\n{hint}"
    return hint


def _refuse_git_folder(dest: Path) -> None:
    """Raise Refused if `dest` is Git's own folder or inside it.

    That is so if some operating system takes it for `.git` or a path below, as it is written or
    with symlinks resolved, or if it is inside a bare repository of any name.
    """

    real = Path(os.path.realpath(dest))
    if any(map(is_git_name, (*dest.parts, *real.parts))) or any(map(is_git_dir, real.parents)):
        raise Refused(
            f"destination '{dest}' is inside Git's own folder",
            hint="choose another folder: git spacy clone NAME DEST",
        )


def _create(
    request: CloneRequest,
    dest: Path,
    origin: Origin,
    write: Callable[[Path], CheckoutResult],
    write_gitignore: Callable[[Path], None],
) -> CloneResult:
    with _parents_of(dest), _temporary_folder_beside(dest) as folder:
        checkout = write(folder)
        # without the environment: the GIT_DIR of a hook says nothing about DEST
        repository = Repository.discover(dest.parent, {})
        is_filled = dest.is_dir() and any(dest.iterdir())
        if is_filled:
            repository = Repository.discover(dest, {})
        create_repository = request.create_repository and not repository and not is_filled
        if create_repository:
            _first_commit(folder, origin, write_gitignore)
        has_gitignore = os.path.lexists(dest / ".gitignore")
        kept = _add_missing(folder, dest) if is_filled else ()
        if not is_filled:
            _move(folder, dest)
    if repository and not has_gitignore:
        write_gitignore(dest)
    is_project = (dest / PROJECT_FILE).is_file()
    return CloneResult(
        dest, origin, checkout, create_repository, is_project, repository, not is_filled, kept
    )


def commit_clone(done: CloneResult) -> str:
    """Commit a project that was cloned into a repository, with trailers; return the commit.

    Nothing else is committed. Raises ExternalError if git fails.
    """

    assert done.repository is not None
    assert done.repository.top is not None
    folder = prefix(done.dest, done.repository.top)
    return folder_commits.add_folder(done.repository, folder, done.dest, done.message)


def can_commit(done: CloneResult) -> bool:
    """Return whether `commit_clone` can commit the project, and nothing else."""

    repository = done.repository
    if repository is None or repository.top is None or not process.available():
        return False
    if not done.is_new or prefix(done.dest, repository.top).startswith(("../", "/")):
        return False
    return not version_merge.operation_in_progress(repository) and bool(head_commit(repository))


def _gitignore_writer(settings: Settings, warn: Warn) -> Callable[[Path], None]:
    """Return a function that lists the assets and outputs of a project in its .gitignore.

    It does nothing if the user has turned it off. If it fails, it only warns, since a project
    without .gitignore is better than no project.
    """

    def write_gitignore(folder: Path) -> None:
        if (folder / PROJECT_FILE).is_file():
            from git_spacy.generate.ignore import write_initial

            try:
                write_initial(folder)
            except GitSpacyError as error:
                warn(as_warning(error, "cannot write .gitignore"))

    return write_gitignore if boolean(settings, "spacy.ignore") else lambda _: None


def _move(folder: Path, dest: Path) -> None:
    """Move `folder` to `dest`.

    If `dest` is an empty folder, it is filled and not replaced: it may be the working directory of
    the user's shell.
    """

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


def _add_missing(folder: Path, dest: Path) -> tuple[str, ...]:
    """Move what does not exist in `dest` there from `folder`, and never through a link.

    Returns the files that exist with other contents. Removes what it has added if it fails.
    """

    kept: list[str] = []
    added: list[Path] = []
    try:
        for parent, folders, files in os.walk(folder):
            links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
            inner = Path(os.path.relpath(parent, folder))
            target = dest / inner
            if not os.path.lexists(target):
                target.mkdir()
                added.append(target)
            elif target.is_symlink() or not target.is_dir():
                kept.append(inner.as_posix())
                folders.clear()
                continue
            for name in sorted((*files, *links)):
                source = Path(parent, name)
                try:
                    os.link(source, target / name, follow_symlinks=False)
                    added.append(target / name)
                except FileExistsError:
                    if not _is_same(source, target / name):
                        kept.append((inner / name).as_posix())
    except BaseException:
        for path in reversed(added):
            with suppress(OSError):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        raise
    return tuple(kept)


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two files have the same content, or two links the same target."""

    if one.is_symlink() or other.is_symlink():
        both = one.is_symlink() and other.is_symlink()
        return both and os.readlink(one) == os.readlink(other)
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


@contextmanager
def _parents_of(dest: Path) -> Iterator[None]:
    """Create the missing parents of `dest`; remove them again if the block fails."""

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
def _temporary_folder_beside(dest: Path) -> Iterator[Path]:
    staging = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", dir=dest.parent))
    try:
        yield staging / "project"
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy(name: str, to: Path) -> CheckoutResult:
    templates.copy_template(name, to)
    return CheckoutResult(sum(path.is_file() for path in to.rglob("*")), ())


def _first_commit(folder: Path, origin: Origin, write_gitignore: Callable[[Path], None]) -> None:
    message = first_message(origin)
    first_commit.create_repository(folder, message, lambda: write_gitignore(folder))
