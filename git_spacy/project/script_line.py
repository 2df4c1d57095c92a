"""Decide how a script line runs: as plain words, with `sh`, or not at all.

Weasel splits every line into words and starts no shell: there, `rm -rf training/*` deletes nothing,
and `a && b` passes `&&` to `a`. Whether a line needs a shell is decided by what its author wrote:
the values of variables are data, which never add syntax to it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import pairwise

from git_spacy.errors import Diagnostic
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project.model import Command
from git_spacy.project.shell_syntax import (
    Operator,
    ShellComment,
    Token,
    Word,
    join_continuations,
    split_tokens,
)
from git_spacy.project.variables import ENVIRONMENT, VARIABLE

_REFERENCE = "\ue000"
_TEMPLATE = compile_late(r"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")
_SHELLS = frozenset(("sh", "bash", "dash", "ksh", "zsh"))
_COMPOUND = frozenset(("if", "for", "while", "until", "case", "{", "!", "function", "[["))
# what a shell does itself: without one there is no such program, or it has no effect
_BUILTINS = frozenset((":", "eval", "exec", "trap", "type", "wait", "read"))
# these change the process that runs them, which ends with its script line
_STATE = frozenset(
    (
        "cd", "pushd", "popd", "export", "unset", "set", "readonly", "source", ".", "alias",
        "umask", "ulimit", "shopt", "hash", "deactivate",
    )
)  # fmt: skip
_BASH_WORDS = frozenset(("source", "[[", "function", "shopt", "pushd", "popd", "declare", "let"))
_BASH_OPERATORS = frozenset(("&>", "&>>", "|&", "<<<", "<(", ">("))
_TAKES_PATTERN = compile_late(r"-(?:i?name|i?path|i?wholename|-include|-exclude|-glob|g)")
_SPECIAL = compile_late(r"[&|;<>()*?\[]|^#")
_SEPARATORS = frozenset(("&&", "||", "|", "|&", ";", ";;", "&", "\n", "(", ")"))


class Problem(NamedTuple):
    """Why a line does not run, and what to do."""

    message: str
    hint: str


class Syntax(NamedTuple):
    """Something in a line that only a shell understands: its kind, and how to show it."""

    kind: str
    shown: str


class ScriptLine(NamedTuple):
    """How a script line runs.

    `text` is the line with continuations joined, `written` the same without the values of
    variables. `shell_syntax` is the first thing in it that needs a shell, or "". `patterns` are
    what must match files, `variables` the environment variables that a shell expands, without those
    that the line sets.
    """

    text: str
    written: str
    shell_syntax: str = ""
    problem: Problem | None = None
    patterns: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


def read_lines(command: Command) -> list[ScriptLine]:
    """Return how each script line of `command` runs."""

    written = [source.written for source in command.script_sources] or list(command.script)
    return [
        read_line(text, source, written[index + 1 :])
        for index, (text, source) in enumerate(zip(command.script, written, strict=True))
    ]


def read_line(text: str, written: str, following: Sequence[str] = ()) -> ScriptLine:
    """Return how a line runs.

    `text` is the line with the values of its variables, `written` the line in project.yml, and
    `following` are the lines after it.
    """

    text, written = join_continuations(text), join_continuations(written)
    tokens = split_tokens(ENVIRONMENT.sub(_REFERENCE, text))
    written_tokens = split_tokens(VARIABLE.sub(_REFERENCE, written))
    starts_shell = _starts_shell(written_tokens)
    syntax = [] if starts_shell else _syntax(written_tokens)
    problem = _word_problem(tokens)
    if not problem and not starts_shell:
        problem = (
            _shell_problem(written, tokens, syntax, following) if syntax else _value_problem(tokens)
        ) or None
    if not syntax:
        return ScriptLine(text, written, problem=problem)
    problem = problem or _single_quoted_reference(text)
    shown = syntax[0].shown.replace(_REFERENCE, "${…}")
    return ScriptLine(text, written, shown, problem, _patterns(tokens), _free_variables(tokens))


def script_warnings(command: Command, *, mixed_tools: bool) -> list[Diagnostic]:
    """Return a warning for each line that does not run; with `mixed_tools`, also for each that runs
    in a shell here and without one in weasel."""

    lines = read_lines(command)
    found = line_problems(command, lines)
    for index, line in enumerate(lines):
        if mixed_tools and line.shell_syntax and not line.problem:
            message = f"{line.shell_syntax} needs a shell, which weasel does not start"
            hint = "to run it alike with both, write " + _item(_in_shell("sh", line.written))
            found.append(at_line(command, index, message, hint))
    return [problem._replace(severity="warning") for problem in found]


def line_problems(command: Command, lines: list[ScriptLine]) -> list[Diagnostic]:
    """Return the problems of the lines of `command`, with their positions."""

    return [
        at_line(command, index, *line.problem) for index, line in enumerate(lines) if line.problem
    ]


def at_line(command: Command, index: int, message: str, hint: str) -> Diagnostic:
    """Return a problem of the script line `index` of `command`."""

    message = f"script line of '{command.name}': {message}"
    return Diagnostic(message, hint, "project.yml", *line_position(command, index))


def line_position(command: Command, index: int) -> tuple[int, int]:
    """Return line and column of a script line in project.yml; of the command if it is unknown."""

    if index >= len(command.script_sources):
        return command.line, 0
    source = command.script_sources[index]
    return source.line, source.column


def _starts_shell(tokens: Sequence[Token]) -> bool:
    """Return whether the line is `sh -c '…'`: its author knows that there is no shell."""

    words = [token for token in tokens if isinstance(token, Word)]
    return (
        len(words) == len(tokens) > 2
        and os.path.basename(words[0].raw) in _SHELLS
        and any(re.fullmatch(r"-\w*c", word.raw) for word in words[1:-1])
    )


def _syntax(tokens: Sequence[Token]) -> list[Syntax]:
    """Return everything in the line that only a shell understands, in order."""

    found: list[Syntax] = []
    first_words = {id(words[0]) for words in _simple_commands(tokens) if words}
    for token in tokens:
        if isinstance(token, Operator):
            shown = "a line break" if token.text == "\n" else f"'{token.text}'"
            found.append(Syntax(token.text, shown))
        elif isinstance(token, ShellComment):
            found.append(Syntax("#", "a comment"))
        else:
            if id(token) in first_words and _is_shell_word(token):
                found.append(Syntax("word", f"'{token.raw}'"))
            found += _expansions(token)
    return found


def _is_shell_word(word: Word) -> bool:
    return word.raw in _COMPOUND | _BUILTINS | _STATE | _BASH_WORDS or word.is_assignment


def _expansions(word: Word) -> list[Syntax]:
    """Return what a shell would expand in the word."""

    found = [Syntax(f"${name}", f"'${name}'") for name in word.variables]
    if word.has_substitution:
        found.append(Syntax("$(", f"'{word.raw}'"))
    if word.has_dollar_quote:
        found.append(Syntax("$'", f"'{word.raw}'"))
    if word.has_pattern or word.has_braces:
        marks = "".join(re.findall(r"[*?\[\]{},]", word.bare))
        found.append(Syntax(marks, f"'{word.raw}'"))
    if re.match(r"~[\w-]*(?:/|$)", word.bare):
        found.append(Syntax("~", f"'{word.raw}'"))
    return found


def _simple_commands(tokens: Iterable[Token]) -> list[list[Word]]:
    """Return the words of each simple command, without those that redirect."""

    commands: list[list[Word]] = [[]]
    redirects = False
    for token in tokens:
        if isinstance(token, Operator):
            redirects = token.text not in _SEPARATORS
            if not redirects:
                commands.append([])
        elif isinstance(token, Word):
            if not redirects:
                commands[-1].append(token)
            redirects = False
    return commands


def _word_problem(tokens: Sequence[Token]) -> Problem | None:
    """Return what is wrong with a word in any line."""

    words = [token for token in tokens if isinstance(token, Word)]
    if template := _TEMPLATE.search(" ".join(word.bare for word in words)):
        name = template[1] if "." in template[1] else f"vars.{template[1]}"
        message = f"'{template[0]}' is not a variable here, and would be passed on as it is"
        return Problem(message, f"write ${{{name}}}")
    for word in words:
        if re.match(r"[\w.=-]*\[\0", word.bare) and '["' in word.raw:
            return Problem(
                f"a list that starts with '{word.raw}' is not in quotes, so its own are removed",
                "put the list in single quotes; variables are filled in there, too: '${vars.…}'",
            )
    return None


def _value_problem(tokens: Sequence[Token]) -> Problem | None:
    """Return what is wrong if the value of a variable looks like syntax in a line without any."""

    for token in tokens:
        is_operator = isinstance(token, Operator) and token.is_separate
        if is_operator or (isinstance(token, Word) and token.has_pattern and "*" in token.bare):
            text = token.raw if isinstance(token, Word) else token.text
            return Problem(
                f"the value of a variable brings '{_shown(text)}' into the line, outside of quotes",
                "put quotes around the variable: '${vars.…}'\n"
                "or, if a shell shall read it, write it in the line itself",
            )
    return None


def _shown(text: str) -> str:
    return text.replace(_REFERENCE, "${…}").replace("\n", "\\n")


def _shell_problem(
    written: str, tokens: Sequence[Token], syntax: Sequence[Syntax], following: Sequence[str]
) -> Problem | None:
    """Return why a line that needs a shell would not do what its author means."""

    if [found.kind for found in _syntax(tokens)] != [found.kind for found in syntax]:
        return Problem(
            "a shell would read the value of a variable in this line as more than a value",
            "put the variable in quotes: '${vars.…}'; if it is in quotes, use the other kind",
        )
    commands = [words for words in _simple_commands(tokens) if words]
    names = [words[0].raw for words in commands]
    if len(commands) == 1 and not _has_effect(commands[0], tokens):
        affected = "the lines after it" if following else "anything"
        message = f"'{written}' has no effect on {affected}: each line runs in a process of its own"
        joined = " && ".join((written, *map(join_continuations, following)))
        hint = f"join them: {_item(_with_dot(joined))}" if following else "remove it"
        return Problem(message, hint)
    if bash := _bash_syntax(tokens, names):
        is_source = bash == "'source'"
        hint = _item(_with_dot(written) if is_source else _in_shell("bash", written))
        return Problem(f"{bash} is bash's, and 'sh' may not know it", hint)
    if pattern := _search_pattern(tokens):
        message = f"a shell would replace '{pattern}' by the files that match it here"
        return Problem(message, f"put it in quotes: '{pattern}'")
    if any(_is(token, "&") for token in tokens) and "wait" not in names:
        hint = "remove it, or put the word in quotes if it is part of one"
        return Problem("'&' would leave a process behind", hint)
    if word := _misread_word(tokens):
        message = f"a shell would not read '{_shown(word)}' as one word"
        space = "" if "://" in word or word[0] == "#" else "; or a space before the operator"
        return Problem(message, f"put it in quotes: '{_shown(word)}'{space}")
    if (line := _indented_line(written)) and not _COMPOUND & set(names):
        message = f"it is unclear whether '{line}' belongs to the line above it"
        return Problem(message, "end the line above with '\\', or indent both alike")
    return None


def _with_dot(text: str) -> str:
    """Return a line with sh's `.` in place of bash's `source`."""

    return re.sub(r"(^|[;&|]\s*)source(?=\s)", r"\1.", text)


def _search_pattern(tokens: Sequence[Token]) -> str:
    """Return a pattern that is meant for the program: `find -name *.txt`."""

    for before, token in pairwise(tokens):
        takes_pattern = isinstance(before, Word) and _TAKES_PATTERN.fullmatch(before.raw)
        if takes_pattern and isinstance(token, Word) and token.has_pattern:
            return token.raw
    return ""


def _misread_word(tokens: Sequence[Token]) -> str:
    """Return an argument that a shell would take apart, though its author cannot mean that."""

    before: Token | None = None
    for token, after in zip(tokens, (*tokens[1:], None), strict=True):
        if isinstance(token, Word) and token.is_literal and _SPECIAL.search(token.raw):
            return token.raw
        glued = token.text if isinstance(token, Operator) and not token.is_separate else ""
        if glued in ("<", ">") and isinstance(before, Word) and not before.raw.isdigit():
            return f"{before.raw}{glued}{getattr(after, 'raw', '')}"
        before = token
    return ""


def _has_effect(words: Sequence[Word], tokens: Sequence[Token]) -> bool:
    if any(_is(token, mark) for token in tokens for mark in ("(", "|")):
        return True
    return words[0].raw not in _STATE and not all(word.is_assignment for word in words)


def _bash_syntax(tokens: Iterable[Token], names: Iterable[str]) -> str:
    for name in names:
        if name in _BASH_WORDS:
            return f"'{name}'"
    for token in tokens:
        if isinstance(token, Operator) and token.text in _BASH_OPERATORS:
            return f"'{token.text}'"
        if isinstance(token, Word) and (token.has_dollar_quote or token.has_braces):
            return f"'{token.raw}'"
    return ""


def _is(token: Token, operator: str) -> bool:
    return isinstance(token, Operator) and token.text == operator


def _indented_line(text: str) -> str:
    """Return the first line of a block that is indented more than the first one."""

    lines = text.split("\n")[1:]
    return next((line.strip() for line in lines if line.strip() and line[0].isspace()), "")


def _single_quoted_reference(text: str) -> Problem | None:
    for match in ENVIRONMENT.finditer(text):
        before = text[: match.start()]
        if _is_in_single_quotes(before):
            return Problem(
                f"a shell does not fill in '{match[0]}' in single quotes",
                f'put it in double quotes: "{match[0]}"',
            )
    return None


def _is_in_single_quotes(text: str) -> bool:
    """Return whether the end of `text` is in single quotes."""

    quote = ""
    for match in re.finditer(r"\\.|['\"]", text, re.DOTALL):
        mark = match[0]
        if mark[0] == "\\":
            if quote == "'" and mark[1] == "'":
                quote = ""
        elif quote in ("", mark):
            quote = "" if quote else mark
    return quote == "'"


def _patterns(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Return the patterns of the first command, before which nothing can have created a file.

    `rm -f` is content if nothing matches.
    """

    words = next(iter(_simple_commands(tokens)), [])
    names = [word.raw for word in words if not word.is_assignment]
    is_forced = names[:1] == ["rm"] and any(re.fullmatch(r"-\w*f\w*", name) for name in names)
    if is_forced or names[:1] in (["case"], ["find"], ["eval"], ["["], ["test"]):
        return ()
    return tuple(
        word.raw
        for word in words
        if word.has_pattern
        and not word.has_substitution
        and not word.is_assignment
        and _REFERENCE not in word.raw
    )


def _free_variables(tokens: Sequence[Token]) -> tuple[str, ...]:
    words = [token for token in tokens if isinstance(token, Word)]
    bound = {word.raw.partition("=")[0] for word in words if word.is_assignment}
    for before, word in pairwise(words):
        if before.raw in ("for", "read", "-r"):
            bound.add(word.raw)
    names = dict.fromkeys(name for word in words for name in word.variables)
    return tuple(name for name in names if name not in bound)


def _in_shell(shell: str, text: str) -> str:
    return f"{shell} -c {shlex.quote(text)}"


def _item(text: str) -> str:
    """Return a line as an item of the list 'script'."""

    import json

    is_plain = re.match(r"[A-Za-z./]", text) and not re.search(r": |:$| #|\n", text)
    return f"- {text if is_plain else json.dumps(text, ensure_ascii=False)}"
