"""The exceptions of git-spacy, their exit codes, and the text of an error message.

The core raises these exceptions and neither prints nor exits; `cli.main` and `hook.main` print the
exception and exit with its code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from git_spacy.light_typing import Literal, NamedTuple
from git_spacy.patterns import compile_late

# Shown in the man pages. `run` exits with the code of the script that failed.
EXIT_CODES = {
    0: "Success.",
    1: "A check failed, or a declared output is missing.",
    2: "Invalid usage, or an invalid file.",
    3: "Refused as unsafe.",
    4: "A network, remote or Git error, or content that does not match its checksum.",
    5: "An error of the operating system: disk full, permission denied.",
    70: "An internal error of git-spacy.",
    75: "Another run is in progress, and --no-wait was given.",
    130: "Interrupted (Ctrl-C).",
    143: "Terminated (SIGTERM).",
}

# C0 and C1 control characters except tab and newline, and the Unicode line separators and
# direction overrides: with these, a project title or a server could rewrite the terminal.
_UNPRINTABLE = compile_late("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MAX_NAMES = 8  # in one message
_CREDENTIALS = compile_late(r"(?<=://)[^/\s'\"]*@")
_WORD = compile_late(r"[^\s'\"]+")
_QUERY_START = compile_late(r"\w\?")
# The start of a command in a hint: on a line of its own, or after "or: ", " && " or a quote.
_HINT_COMMAND = compile_late(
    r"(?P<before>^|: |&& |')git (?P<spacy>spacy )?(?:-C (?P<folder>'[^']*'|[^\s']+) )?"
    r"(?=(?P<verb>\S*))",
    re.MULTILINE,
)
_HINT_MOVE = compile_late(r"(?P<before>^|: |&& )mv (?P<paths>[^\n]+)$", re.MULTILINE)
# Commands of Git that take paths, which are relative to the current folder. The others, and those
# of git-spacy, do the same in all folders of a project.
_TAKE_PATHS = (
    "add",
    "checkout",
    "mv",
    "restore",
    "rm",
    "sparse-checkout",
    "submodule",
    "update-index",
)


def escape_controls(text: str, short_escape: str = "\\x{:02x}") -> str:
    """Escape the characters of `text` that a terminal would obey rather than show.

    Code points below 256 are written as `short_escape`, the others as \\uNNNN. (JSON knows only
    the latter.)
    """

    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        return (short_escape if code < 0x100 else "\\u{:04x}").format(code)

    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # lone surrogates
    return _UNPRINTABLE.sub(escape, text)


def redact(text: str) -> str:
    """Mask the user name, password and query string of every URL in `text`."""

    text = _CREDENTIALS.sub("***@", text)
    if "://" in text:
        text = _WORD.sub(lambda match: _without_query(match[0]), text)
    return text


def _without_query(word: str) -> str:
    """Mask what follows the first `?` after a letter or digit, if a `=` comes anywhere later.

    Each word is searched once. A single regular expression for the whole text would start again
    at every `?` and take quadratic time.
    """

    start = _QUERY_START.search(word)
    if start is None or word.rfind("=") < start.end():
        return word
    return word[: start.end()] + "***"


def sanitize(text: str) -> str:
    """Return `text` with control characters escaped and credentials redacted."""

    return escape_controls(redact(text))


def retarget(hint: str, relative: Callable[[str], str], *, keep_folders: bool = False) -> str:
    """Return `hint` with its commands as they are typed in another folder.

    `relative` maps a path relative to where `hint` applies to one relative to that other folder.
    With `keep_folders`, a command with `-C` does not change, since the user typed that.
    """

    import shlex

    def command(match: re.Match[str]) -> str:
        if keep_folders and match["folder"]:
            return match[0]
        folder = relative(shlex.split(match["folder"])[0] if match["folder"] else ".")
        takes_paths = not match["spacy"] and match["verb"] in _TAKE_PATHS
        if not takes_paths and not folder.replace("..", "").strip("./"):
            folder = "."  # a parent folder, which the command finds by itself
        option = "" if folder == "." else f"-C {shlex.quote(folder)} "
        return f"{match['before']}git {match['spacy'] or ''}{option}"

    def move(match: re.Match[str]) -> str:
        words = shlex.split(match["paths"])
        paths = (word if word.startswith(("-", "/")) else relative(word) for word in words)
        return f"{match['before']}mv {shlex.join(paths)}"

    return _HINT_MOVE.sub(move, _HINT_COMMAND.sub(command, hint))


Severity = Literal["error", "warning"]


class Diagnostic(NamedTuple):
    """An error or a warning, how to fix it, and where it is.

    `file` is a path, or a name for another place: an option, a setting, a script line. Lines and
    columns count from 1; 0 stands for none. `check` is the check that found it, if one did;
    `subject` is what it is about, such as a command or an asset, and `files` are the paths in the
    project that a commit without this finding may have to include.
    """

    message: str
    hint: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    severity: Severity = "error"
    check: str = ""
    subject: str = ""
    files: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """The file, and the line and column if there are any: `project.yml:12:11`."""

        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)

    def below(self, folder: str) -> Diagnostic:
        """Return the finding as seen from outside `folder`, which is "" or ends in a slash."""

        return self.seen_from(lambda path: os.path.normpath(folder + path)) if folder else self

    def seen_from(self, relative: Callable[[str], str]) -> Diagnostic:
        """Return it with `relative` applied to its file, and to folders that its hint names."""

        return self._replace(file=relative(self.file), hint=retarget(self.hint, relative))

    def __str__(self) -> str:
        return self.format()

    def format(self, label: str = "") -> str:
        """Return the text that is shown: `LOCATION: SEVERITY: MESSAGE`, then `hint:` lines.

        `label` stands in place of `SEVERITY:`, e.g. because it has a colour.
        """

        prefix = f"{self.location}: " if self.location else ""
        text = "\nhint: ".join((self.message, *self.hint.splitlines()))
        return f"{sanitize(prefix)}{label or f'{self.severity}:'} {sanitize(text)}"


Warn = Callable[[Diagnostic], None]
"""Reports a warning to the user."""


def warning(message: str, hint: str = "") -> Diagnostic:
    """Return a warning that is not about a file."""

    return Diagnostic(message, hint, severity="warning")


class GitSpacyError(Exception):
    """An error to show to the user. `problems` is never empty."""

    exit_code = 1

    def __init__(
        self, message: str, *, hint: str = "", file: str = "", line: int = 0, column: int = 0
    ) -> None:
        self.problems: tuple[Diagnostic, ...] = (Diagnostic(message, hint, file, line, column),)
        super().__init__(message)

    @classmethod
    def from_problems(cls, problems: Iterable[Diagnostic]) -> GitSpacyError:
        """Return one error that reports all of `problems`, which must not be empty."""

        all_problems = tuple(problems)
        error = cls(all_problems[0].message)
        error.problems = all_problems
        return error

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class CheckFailed(GitSpacyError):
    """A check failed, or a declared output is missing."""

    exit_code = 1


class InvalidInput(GitSpacyError):
    """A file or a command line is invalid."""

    exit_code = 2


class UnknownRevision(InvalidInput):
    """What the user typed as a commit, or as several, is none."""

    def __init__(self, revisions: Iterable[str], hint: str) -> None:
        self.revisions = tuple(revisions)
        super().__init__(f"unknown revision '{' '.join(self.revisions)}'", hint=hint)


class Refused(GitSpacyError):
    """The request is valid, but carrying it out would be unsafe."""

    exit_code = 3


class ExternalError(GitSpacyError):
    """The network, a remote or Git failed, or content does not match its checksum."""

    exit_code = 4


class LocalFailure(GitSpacyError):
    """The operating system reported an error: disk full, permission denied, unreadable file."""

    exit_code = 5


class Busy(GitSpacyError):
    """Another process holds the lock, and the user asked not to wait."""

    exit_code = 75


class ScriptFailed(GitSpacyError):
    """A script line failed; its exit code becomes ours."""

    def __init__(
        self, message: str, code: int, *,
        hint: str = "", file: str = "", line: int = 0, column: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint, file=file, line=line, column=column)
        self.exit_code = code


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived. The exit code is 128 plus the signal number.

    Only the command line may handle it, so it is neither a GitSpacyError nor an Exception.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.exit_code = 128 + number
        self.running: tuple[str, ...] = ()  # the project's commands that it ended
        self.not_started: tuple[str, ...] = ()  # those that it kept from starting
        self.hint = ""

    @property
    def problems(self) -> tuple[Diagnostic]:
        """What is reported."""

        message = "interrupted" if self.number == 2 else "terminated"
        if self.running:
            names = ", ".join(f"'{name}'" for name in self.running)
            verb, them = ("was", "it") if len(self.running) == 1 else ("were", "them")
            message += f" while {names} {verb} running; the next run repeats {them}"
        if self.not_started:
            more = len(self.not_started) - _MAX_NAMES
            message += "; not started: " + ", ".join(self.not_started[:_MAX_NAMES])
            message += f" and {more} more" if more > 0 else ""
        return (Diagnostic(message, self.hint),)

    def __str__(self) -> str:
        return str(self.problems[0])


class InternalError(GitSpacyError):
    """A bug in git-spacy. The exit code is EX_SOFTWARE of sysexits.h."""

    exit_code = 70

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"internal error: {type(error).__name__}: {error}",
            hint="set GIT_SPACY_DEBUG=1 to see the traceback, and include it in a bug report",
        )


def local_failure(error: OSError, action: str = "") -> LocalFailure:
    """Return `error` as a LocalFailure, in the operating system's words.

    `action` says what was being attempted, e.g. "cannot write the cache".
    """

    path = error.filename if isinstance(error.filename, str) else ""
    reason = error.strerror or str(error)
    return LocalFailure(f"{action}: {reason}" if action else reason, file=path)


def as_warning(error: GitSpacyError | OSError, consequence: str) -> Diagnostic:
    """Return the first problem of `error` as a warning: `CONSEQUENCE: MESSAGE`."""

    problem = (local_failure(error) if isinstance(error, OSError) else error).problems[0]
    message = f"{consequence}: {problem.message}"
    return problem._replace(message=message, severity="warning")
