"""The one family of exceptions, and how a failure reads.

The core raises these and never prints or exits; `cli.main` and `hook.main` print one of them and
exit with its code. Knows nothing of any other module. The exit codes are threats.md's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# what they mean, for the man pages; `run` passes on the code of the script that failed
EXIT_CODES = {
    0: "Done.",
    1: "Something promised is not there: a check failed, a declared output is missing.",
    2: "Malformed input, or usage.",
    3: "Understood, and refused as unsafe.",
    4: "The network failed, or what it brought is not what was promised.",
    5: "This machine failed: a full disk, no permission.",
    70: "A defect of git-spacy.",
    75: "Another run is going on here, and --no-wait was given.",
    130: "Interrupted (Ctrl-C).",
    143: "Terminated (SIGTERM).",
}

# C0 and C1 control characters but tab and newline, and the Unicode line separators and
# direction overrides with which a title or a server could rewrite what the terminal shows.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]*@")
_WORD = re.compile(r"[^\s'\"]+")
_QUERY_START = re.compile(r"\w\?")


def escape_controls(text: str, short: str = "\\x{:02x}") -> str:
    """`text` with what a terminal would obey instead of show escaped as \\xNN or \\uNNNN; `short`
    is the form of the former (JSON has but the latter)."""

    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        return (short if code < 0x100 else "\\u{:04x}").format(code)

    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # lone surrogates
    return _UNPRINTABLE.sub(escape, text)


def redact(text: str) -> str:
    """`text` with the user name, password and query values of every URL in it masked."""

    text = _CREDENTIALS.sub("***@", text)
    if "://" in text:
        text = _WORD.sub(lambda match: _without_query(match[0]), text)
    return text


def _without_query(word: str) -> str:
    """`word` up to its first `?` after a letter or digit, if a `=` follows somewhere.

    Each word is searched once: one expression for all of it would start again at every `?` and
    take quadratic time.
    """

    start = _QUERY_START.search(word)
    if start is None or word.rfind("=") < start.end():
        return word
    return word[: start.end()] + "***"


class Problem(NamedTuple):
    """One thing that is wrong: what, how to fix it, and where (`project.yml:12:11`, or a path)."""

    message: str
    hint: str = ""
    location: str = ""

    def __str__(self) -> str:
        head = (
            f"{self.location}: error: {self.message}" if self.location else f"error: {self.message}"
        )
        return escape_controls(redact(f"{head}\nhint: {self.hint}" if self.hint else head))


class GitSpacyError(Exception):
    """A failure that a user can understand. `problems` is never empty."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", location: str = "") -> None:
        self.problems: tuple[Problem, ...] = (Problem(message, hint, location),)
        super().__init__(message)

    @classmethod
    def from_problems(cls, problems: Iterable[Problem]) -> GitSpacyError:
        """One error that carries all of `problems` (at least one)."""

        every = tuple(problems)
        error = cls(every[0].message)
        error.problems = every
        return error

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


class CheckFailed(GitSpacyError):
    """Something that was promised does not hold: a declared output is missing, a check failed."""

    exit_code = 1


class InvalidInput(GitSpacyError):
    """A file or a command line that cannot be understood."""

    exit_code = 2


class Refused(GitSpacyError):
    """Understood, and refused."""

    exit_code = 3


class ExternalError(GitSpacyError):
    """The network failed, or what it brought is not what was promised."""

    exit_code = 4


class LocalFailure(GitSpacyError):
    """This machine failed: disk full, no permission, a file that cannot be read."""

    exit_code = 5


class Busy(GitSpacyError):
    """Another run holds the lock and the user asked not to wait."""

    exit_code = 75


class ScriptFailed(GitSpacyError):
    """A script line ended with a code of its own, which becomes ours."""

    def __init__(self, message: str, code: int, *, hint: str = "", location: str = "") -> None:
        super().__init__(message, hint=hint, location=location)
        self.exit_code = code


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived: the exit code is 128 plus the signal's number. It is not a failure
    that anything below the command line may handle, so no GitSpacyError and no Exception."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.exit_code = 128 + number

    def __str__(self) -> str:
        return str(Problem("interrupted" if self.number == 2 else "terminated"))


class InternalError(GitSpacyError):
    """A failure that is our own fault: EX_SOFTWARE of sysexits.h."""

    exit_code = 70

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"this is a defect of git-spacy: {type(error).__name__}: {error}",
            hint="run it again with GIT_SPACY_DEBUG=1 and report what it prints",
        )


def local_failure(error: OSError, doing: str) -> LocalFailure:
    """`error` as the system gave it, told with what was being done."""

    where = error.filename if isinstance(error.filename, str) else ""
    return LocalFailure(f"{doing}: {error.strerror or error}", location=where)
