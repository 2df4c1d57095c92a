"""Split a script line into words and operators as a POSIX shell does, without executing anything.

Only the outer level is split: the content of `$(…)`, of quotes and of here-documents is skipped.
"""

from __future__ import annotations

import re

from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late

QUOTED = "\0"
"""Stands in `Word.bare` for a character that is quoted."""

_OPERATORS = (
    "<<<", "&>>", "&&", "||", "|&", "&>", ">>", "<<", "<>", ">|", ">&", "<&", ";;", "<(", ">(",
    "&", "|", ";", "<", ">", "(", ")", "\n",
)  # fmt: skip
_VARIABLE = compile_late(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)[^}]*\})")
_PATTERN = compile_late(r"[*?]|\[[^\]]+\]")
_COMMENT = compile_late(r"#(?:[ \t!#][^\n]*|(?=\n|$))")
_TAG = compile_late(r"#\S*")  # rather an argument, such as a colour: `#fff`
_URL = compile_late(r"[A-Za-z][\w+.-]*://[^\s'\"`$\\]*[^\s'\"`$\\;|&()]")
_REQUIREMENT = compile_late(
    r"[A-Za-z.][\w./-]*(?:\[[\w,.-]+\])?(?:(?:===?|[<>~!]=|[<>])[\w.*]+,?)*(?=\s|$)"
)
_INSTALL = compile_late(r"\b(?:install|pip|pip3)\s")


class Word(NamedTuple):
    """A word as it is written, and with its quoted characters replaced by QUOTED.

    `variables` are the names that it expands outside of single quotes. `is_literal`: it is a URL, a
    requirement of a package or a tag, whose special characters nobody means as a shell's.
    """

    raw: str
    bare: str
    variables: tuple[str, ...] = ()
    has_substitution: bool = False
    has_dollar_quote: bool = False
    is_literal: bool = False

    @property
    def has_pattern(self) -> bool:
        """Whether it is a pattern for names of files."""

        is_option = bool(re.match(r"--?\w[\w-]*=", self.bare))  # no file has such a name
        return not self.is_literal and not is_option and bool(_PATTERN.search(self.bare))

    @property
    def has_braces(self) -> bool:
        """Whether bash would expand its braces."""

        return bool(re.search(r"(?<!\$)\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}", self.bare))

    @property
    def is_assignment(self) -> bool:
        """Whether it is `NAME=value`."""

        return bool(re.match(r"[A-Za-z_]\w*=", self.bare))


class Operator(NamedTuple):
    """An operator, and whether a space stands on at least one side of it."""

    text: str
    is_separate: bool


class ShellComment(NamedTuple):
    """A comment, up to the end of its line."""

    text: str


Token = Word | Operator | ShellComment


def join_continuations(text: str) -> str:
    r"""Return `text` with its continuation lines joined.

    They follow a `\` at the end of a line, or start with a dash: nobody calls a program so, and
    without a shell it has always been an option of the command above.
    """

    joined, position, quote = [], 0, ""
    for match in re.finditer(r"\\(?:.|\n)|['\"]|\n[ \t]*(?=-[^\s])", text):
        found = match[0]
        joined.append(text[position : match.start()])
        position = match.end()
        if quote == "'" and found[0] == "\\":
            position = match.start() + 1  # an ordinary character, as is what follows it
            joined.append("\\")
            if found[1] == "'":
                quote, position = "", match.end()
                joined.append("'")
        elif found == "\\\n":
            pass
        elif found[0] == "\n" and not quote:
            joined.append(" ")
        else:
            joined.append(found)
            if found in ("'", '"') and quote in ("", found):
                quote = "" if quote else found
    joined.append(text[position:])
    return "".join(joined).strip()


def split_tokens(text: str) -> list[Token]:
    """Return the tokens of `text`, whose quotes are balanced."""

    installs = bool(_INSTALL.search(text))
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character in " \t":
            position += 1
            continue
        if comment := _COMMENT.match(text, position):
            tokens.append(ShellComment(comment[0]))
            position = comment.end()
            continue
        if operator := next((o for o in _OPERATORS if text.startswith(o, position)), ""):
            end = position + len(operator)
            around = text[position - 1 : position] or " ", text[end : end + 1] or " "
            tokens.append(Operator(operator, any(map(str.isspace, around))))
            if operator == "<<":
                break  # a here-document follows
            position = end
            continue
        literal = _URL.match(text, position) or _TAG.match(text, position)
        if literal := literal or (_REQUIREMENT.match(text, position) if installs else None):
            tokens.append(Word(literal[0], literal[0], is_literal=True))
            position = literal.end()
            continue
        word, position = _read_word(text, position)
        tokens.append(word)
    return tokens


def _read_word(text: str, start: int) -> tuple[Word, int]:
    bare: list[str] = []
    variables: list[str] = []
    has_substitution = has_dollar_quote = False
    in_double = False
    position = start
    while position < len(text):
        character = text[position]
        if not in_double and (character.isspace() or character in "&|;<>()"):
            break
        end = position + 1
        if character == "\\":
            end += 1
            bare.append(QUOTED * 2)
        elif character == '"':
            in_double = not in_double
            bare.append(QUOTED)
        elif character == "'" and not in_double:
            end = text.find("'", position + 1) + 1 or len(text)
            bare.append(QUOTED * (end - position))
        elif character == "`" or text.startswith("$(", position):
            has_substitution = True
            end = _end_of_substitution(text, position)
            bare.append(QUOTED * (end - position))
        elif variable := _VARIABLE.match(text, position):
            variables.append(variable[1] or variable[2])
            end = variable.end()
            bare.append(QUOTED * (end - position))
        else:
            if character == "$" and not in_double and text[end : end + 1] in ("'", '"'):
                has_dollar_quote = True
            bare.append(QUOTED if in_double else character)
        position = end
    raw = text[start:position]
    return Word(raw, "".join(bare), tuple(variables), has_substitution, has_dollar_quote), position


def _end_of_substitution(text: str, start: int) -> int:
    if text[start] == "`":
        return text.find("`", start + 1) + 1 or len(text)
    depth, position = 0, start + 1
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "'":
            position = text.find("'", position + 1)
            if position < 0:
                return len(text)
        depth += (character == "(") - (character == ")")
        position += 1
        if not depth:
            return position
    return len(text)
