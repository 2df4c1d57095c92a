"""Set the outputs of an earlier run aside while a command runs, and bring them back if it fails.

So a script sees what it would see in a fresh clone, and an output has nothing but what its last run
produced. Outputs are moved by renames, into `spacy/aside` in the Git folder, or into `.git-spacy`
in the project if the Git folder is on another file system. Before each step a journal says what the
next command has to do if this process is killed. Content that no run recorded is never deleted, but
moved to `spacy/kept`, like what an interrupted or killed run wrote: a person may have made it, e.g.
with an annotation tool. What a failed run wrote goes to `spacy/failed`, until a run succeeds.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from git_spacy import formats, sharing
from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.file_locks import FileLock, file_lock
from git_spacy.files import remove_tree, resolve_beneath, write_atomic
from git_spacy.git.state_dir import state_dir
from git_spacy.light_hashes import sha256
from git_spacy.light_typing import Literal, NamedTuple
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.patterns import compile_late
from git_spacy.real_paths import leads_outside
from git_spacy.state.hashing import fingerprint

_LOCAL_FOLDER = ".git-spacy"  # in the project
# a journal, and one that a killed process did not finish writing
_JOURNAL = compile_late(r"[0-9a-f]{16}\.json|\.[0-9a-f]{16}\.json\.\d+\.tmp")
_MAX_BYTES = 4 << 20  # of a journal
# of a mount point, another file system, or a folder that may not be changed
_IMMOVABLE = (errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTSUP)

Phase = Literal["moving", "running", "returning", "dropping"]
"""What a killed process was doing: moving outputs aside, running the command, bringing the outputs
back, or deleting them."""


class PreviousOutput(NamedTuple):
    """An output (`ProjectPath.normal`) to set aside.

    The paths in `stays`, relative to it, stay where they are, and so does a folder `x`, without its
    content, for `x/.`. `is_recorded` says whether a run
    produced the content, which is kept otherwise; `is_leftover`, whether a failed run left it.
    """

    path: str
    stays: tuple[str, ...] = ()
    is_recorded: bool = True
    is_leftover: bool = False


class Recovered(NamedTuple):
    """What was done about a run of `command` that did not succeed, or seemed not to: whether its
    earlier outputs are back, and the folders with what failed runs wrote, and with what is kept, if
    any."""

    command: str
    are_back: bool
    failed: Path | None = None
    kept: Path | None = None


class SetAside:
    """The outputs of an earlier run of one command, set aside for the present run."""

    def __init__(
        self, root: Path, folder: Path, id: str, command: str, outputs: Iterable[PreviousOutput],
        entry: str,
    ) -> None:  # fmt: skip
        self.command = command
        self.outputs = tuple(outputs)
        self._entry = entry  # a digest of the command's lock entry before the run
        self._root = root
        self._folder = folder  # for the content, on the file system of the outputs
        self._id = id
        self._journal = _journals(root) / f"{id}.json"
        self._aside = folder / "aside" / id
        self._phase: Phase = "moving"

    def holds(self, path: str) -> bool:
        """Return whether something was set aside at `path`, relative to the project."""

        return os.path.lexists(self._aside / path)

    def move(self) -> list[tuple[str, OSError]]:
        """Set the outputs aside; return those that cannot be moved, which stay, with the reason."""

        immovable = []
        self._enter("moving")
        for output in self.outputs:
            target = self._aside / output.path
            try:
                _move(self._path(output), target, output.stays)
            except OSError as error:
                if error.errno not in _IMMOVABLE:
                    raise
                immovable.append((output.path, error))
                _merge(target, self._path(output))
        refused = {path for path, _ in immovable}
        self.outputs = tuple(output for output in self.outputs if output.path not in refused)
        self._enter("running")
        return immovable

    def give_back(self, *, has_failed: bool = True) -> Recovered:
        """Bring the outputs back after a run that failed, or else was interrupted or killed.

        What a failed run left is only brought back if this one wrote nothing.
        """

        if self._phase == "dropping":
            return Recovered(self.command, False)
        are_back = False
        failed = self._failed / self._id
        written = failed if has_failed else self._folder / "kept" / f"{self._id}-interrupted"
        for output in self.outputs:
            place = self._place(output)
            if place is None:
                continue
            if output.is_leftover and _has_files(place):
                _move(self._aside / output.path, failed / output.path, ())
                continue
            are_back = True
            if self.holds(output.path):
                _move(place, written / output.path, output.stays)
        for folder in (failed, written):
            if not _has_files(folder):
                remove_tree(folder)
        self._enter("returning")
        kept = None if has_failed or not written.exists() else written
        if misplaced := self._finish_returning():
            are_back, kept = False, misplaced
        if not failed.exists():
            return Recovered(self.command, are_back, kept=kept)
        for other in self._failed.iterdir():
            if other.name != self._id:
                with suppress(OSError):
                    remove_tree(other)
        return Recovered(self.command, are_back, failed, kept)

    def _finish_returning(self) -> Path | None:
        """Bring the outputs back; return the folder with those whose place is taken, if any."""

        for output in self.outputs:
            with suppress(FileExistsError, NotADirectoryError):
                if place := self._place(output):
                    _merge(self._aside / output.path, place)
        kept = self._keep(self.outputs)
        return self._remove() or kept

    def drop(self, needed: Collection[str] = ()) -> Path | None:
        """Delete the outputs after a successful run, and what failed runs wrote.

        Content that no run recorded is kept, and so are outputs with a path of `needed` that the
        run did not produce again; the folder with them is returned.
        """

        self.outputs = tuple(
            output._replace(is_recorded=output.is_recorded and not self._lacks(output, needed))
            for output in self.outputs
        )
        with _exclusive(self._root):
            self._enter("dropping")
            return self._finish_dropping()

    def _finish_dropping(self) -> Path | None:
        kept = self._keep(output for output in self.outputs if not output.is_recorded)
        with suppress(OSError):
            remove_tree(self._failed)
        return self._remove() or kept

    def _lacks(self, output: PreviousOutput, needed: Collection[str]) -> bool:
        return any(
            path.startswith(output.path + "/")
            and self.holds(path)
            and not os.path.lexists(self._root / path)
            for path in needed
        )

    def _keep(self, outputs: Iterable[PreviousOutput]) -> Path | None:
        folder = self._folder / "kept" / self._id
        for output in outputs:
            if _has_files(self._aside / output.path):
                _move(self._aside / output.path, folder / output.path, ())
        return folder if folder.exists() else None

    @property
    def _failed(self) -> Path:
        return self._folder / "failed" / _folder_name(self.command)

    def _place(self, output: PreviousOutput) -> Path | None:
        """Return where an output belongs; None if that is behind a link that leads out now."""

        try:
            return self._path(output)
        except Refused:
            return None

    def _path(self, output: PreviousOutput) -> Path:
        folder, name = os.path.split(output.path)
        return resolve_beneath(self._root, folder) / name

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        document = {
            "phase": phase,
            "folder": "" if self._folder == self._journal.parent.parent else _LOCAL_FOLDER,
            "command": self.command,
            "entry": self._entry,
            "outputs": [list(output) for output in self.outputs],
        }
        _make_folder(self._root, self._journal.parent)
        write_atomic(self._journal, json.dumps(document).encode("utf-8", "surrogateescape"))

    def _remove(self) -> Path | None:
        """Delete what is left. What cannot be deleted, since e.g. a container wrote it as another
        user, is moved to the returned folder."""

        kept = None
        try:
            remove_tree(self._aside)
        except OSError:
            kept = self._folder / "kept" / self._id
            _merge(self._aside, kept)
        self._journal.unlink(missing_ok=True)
        for name in ("aside", "failed", "kept"):
            _remove_if_empty(self._folder / name)
        if self._folder.name == _LOCAL_FOLDER and os.listdir(self._folder) == [".gitignore"]:
            remove_tree(self._folder)
        return kept

    def recover(self, phase: Phase, *, has_failed: bool = False) -> Recovered:
        """Do what a process that was killed or interrupted was going to do; with `has_failed`, what
        has to be done after a failure of its own."""

        with _exclusive(self._root):
            return self._recover(phase, has_failed=has_failed)

    def _recover(self, phase: Phase, *, has_failed: bool = False) -> Recovered:
        self._phase = phase
        if phase == "running" and self._is_recorded():
            phase = "dropping"
        if phase == "dropping":
            return Recovered(self.command, False, kept=self._finish_dropping())
        if phase == "running":
            return self.give_back(has_failed=has_failed)
        kept = self._finish_returning()
        return Recovered(self.command, kept is None, kept=kept)

    def _is_recorded(self) -> bool:
        """Return whether the lock has a new entry for the present outputs: the run succeeded."""

        entry = _lock_entry(self._root, self.command)
        if entry is None or _digest(entry) == self._entry:
            return False
        try:
            for out in entry.outs:
                now = fingerprint(self._root, out.path.rstrip("/"))
                if now is None or now.digest != out.md5:
                    return False
        except GitSpacyError:
            return False
        return True


def _lock_entry(root: Path, command: str) -> LockEntry | None:
    try:
        return lock_format.read(root).get(command)
    except GitSpacyError:
        return None


def _digest(entry: LockEntry | None) -> str:
    return sha256(repr(entry).encode("utf-8", "surrogateescape")).hexdigest()


def set_aside(
    root: Path, command: str, outputs: Iterable[PreviousOutput]
) -> tuple[SetAside | None, list[tuple[str, OSError]]]:
    """Set the `outputs` of `command` aside; also return those that cannot be moved, and why.

    The caller has claimed them. Outputs outside the project, also behind a link, stay where
    they are. Returns None if nothing was set aside. Raises OSError, and Refused for a symlink that
    leads into Git's own folder.
    """

    present = [
        output
        for output in outputs
        if _is_inside(root, output.path) and os.path.lexists(os.path.join(root, output.path))
    ]
    if not present:
        return None, []
    with _exclusive(root):
        return _set_aside(root, command, present)


def _set_aside(
    root: Path, command: str, present: list[PreviousOutput]
) -> tuple[SetAside | None, list[tuple[str, OSError]]]:
    folder = state_dir(root)
    _make_folder(root, folder)
    parent = resolve_beneath(root, os.path.dirname(present[0].path))
    if os.stat(folder).st_dev != os.stat(parent).st_dev:
        folder = _local_folder(root)
        _make_folder(root, folder)
    entry = _digest(_lock_entry(root, command))
    record = SetAside(root, folder, os.urandom(8).hex(), command, present, entry)
    try:
        immovable = record.move()
    except BaseException:
        record._finish_returning()
        raise
    if not record.outputs:
        record._remove()
        return None, immovable
    return record, immovable


def _exclusive(root: Path) -> AbstractContextManager[FileLock]:
    """Keep other processes from moving outputs: they delete folders that are empty, and files of
    processes that were killed."""

    return file_lock(state_dir(root) / "aside.lock")


def _is_inside(root: Path, path: str) -> bool:
    try:
        return bool(formats.folder(path)) and not leads_outside(root, os.path.dirname(path))
    except InvalidInput:
        return False


def is_pending(root: Path) -> bool:
    """Return whether outputs are set aside: a command runs, or was killed."""

    return bool(_read_names(_journals(root)))


def recover(root: Path, running: Collection[str] = ()) -> Iterator[Recovered]:
    """Finish what killed processes began, and yield what was done. The caller keeps other commands
    from starting; those named in `running` may run now. Raises OSError, Refused."""

    with _exclusive(root):
        journals = _journals(root)
        for name in _read_names(journals):
            if name.startswith("."):
                (journals / name).unlink(missing_ok=True)
                _remove_if_empty(journals)
                continue
            found = _read_journal(root, journals / name)
            if found is not None and found[0].command not in running:
                record, phase = found
                yield record._recover(phase)


def _journals(root: Path) -> Path:
    return state_dir(root) / "aside"


def _read_names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if _JOURNAL.fullmatch(name))
    except FileNotFoundError:
        return []


def _read_journal(root: Path, file: Path) -> tuple[SetAside, Phase] | None:
    """Return what the journal says, None if it is not what `SetAside` writes."""

    try:
        status = os.lstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            return None
        document = formats.document(file.read_bytes())
        phase, where = document["phase"], document["folder"]
        outputs = [
            PreviousOutput(
                formats.folder(path),
                tuple(map(_parse_stay, stays)),
                is_recorded is True,
                is_leftover is True,
            )
            for path, stays, is_recorded, is_leftover in document["outputs"]
        ]
        command, entry = formats.text(document["command"]), formats.sha256(document["entry"])
    except (InvalidInput, ValueError, TypeError, LookupError):
        return None
    if phase not in ("moving", "running", "returning", "dropping"):
        return None
    folder = _local_folder(root) if where else file.parent.parent
    return SetAside(root, folder, file.stem, command, outputs, entry), phase


def _parse_stay(value: object) -> str:
    """Return a path that stays. One that ends in `.` is a folder that stays without its content."""

    text = formats.text(value)
    return text if text == "." else formats.folder(text.removesuffix("/.")) and text


def _local_folder(root: Path) -> Path:
    """Return the folder for content in the project. Raises OSError if a template has a link there:
    nothing is moved or deleted behind it."""

    local = Path(os.path.realpath(root)) / _LOCAL_FOLDER
    for folder in (local, *(local / name for name in ("aside", "failed", "kept"))):
        if folder.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "It is a link", str(folder))
    return local


def _make_folder(root: Path, folder: Path) -> None:
    """Create a folder for private files; one in the project is ignored by Git."""

    sharing.make_folders(folder)
    local = Path(os.path.realpath(root)) / _LOCAL_FOLDER
    if folder == local and not (ignore := local / ".gitignore").exists():
        write_atomic(ignore, b"*\n")


def _folder_name(command: str) -> str:
    """Return a name for a folder of this command, which is its name if that is possible."""

    plain = re.sub(r"[^\w-]+", "-", command)[:60]
    if plain == command:
        return plain
    return f"{plain}-{sha256(command.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _move(source: Path, target: Path, stays: Collection[str]) -> None:
    """Move a file or folder to `target`, except for the paths in `stays`, relative to it.

    Folders with paths that stay are not moved themselves. What is in `target` already stays there.
    """

    if not os.path.lexists(source):
        return
    if not stays and not os.path.lexists(target):
        sharing.make_folders(target.parent)
        os.rename(source, target)
        return
    if not _is_folder(source):
        sharing.make_folders(target.parent)
        os.replace(source, target)
        return
    for name in os.listdir(source):
        if name not in stays:
            inside = {path[len(name) + 1 :] for path in stays if path.startswith(name + "/")}
            _move(source / name, target / name, inside)
    if not stays:
        os.rmdir(source)


def _merge(source: Path, target: Path) -> None:
    """Move a file or folder back to `target`. What is in its place stays, and `source` too."""

    if not os.path.lexists(source):
        return
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)
    elif _is_folder(source) and _is_folder(target):
        for name in os.listdir(source):
            _merge(source / name, target / name)
        _remove_if_empty(source)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _has_files(path: Path) -> bool:
    """Return whether `path` is a file or a link, or a folder with one at any depth."""

    if not _is_folder(path):
        return os.path.lexists(path)
    return any(
        files or any(os.path.islink(os.path.join(folder, name)) for name in folders)
        for folder, folders, files in os.walk(path)
    )


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
