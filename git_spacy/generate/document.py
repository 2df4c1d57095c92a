"""The block in README.md that says what the project holds. Pure.

Titles, descriptions and help texts are their author's Markdown, and stay so; they just cannot end
the block, open HTML, link to anything but the web and the repository, break a table, swallow what
comes after them, or tell the terminal anything that shows the file.

Markdown has many dialects, and they do not agree on what is code. So nothing here relies on that:
what could begin a tag or a link is changed in code, too, where a character without width shows it
as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from git_spacy.errors import InvalidInput, escape_controls, redact
from git_spacy.generate.managed_block import MARKDOWN, ForeignBlock, GeneratedFile, marker_command
from git_spacy.generate.registry import GeneratorInput, parse_words
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.model import Asset, Project
from git_spacy.project.variables import environment_names

FILE = "README.md"
_TOOLS = ("WEASEL", "SPACY PROJECT")
# what the reference has around its own block, and in a file that it leaves alone
_REPLACED = tuple(
    ForeignBlock(
        f"<!-- {tool}: AUTO-GENERATED DOCS START (do not remove) -->",
        f"<!-- {tool}: AUTO-GENERATED DOCS END (do not remove) -->",
    )
    for tool in _TOOLS
)
_IGNORED = tuple(f"<!-- {tool}: IGNORE -->" for tool in _TOOLS)
_NOTHING = "\u200b"  # a space of no width: it is seen nowhere, and no syntax reaches across it
_CODE = re.compile(r"(`{1,3})[^`]+\1")  # as far as one can tell: it is about looks alone
# what no dialect takes for the start of a tag, a comment or an address stays: `a < b`, <https://…>
_TAG = re.compile(r"<(?!https?://|[ \t])")
# what an inline link or the definition of one goes on with, unless that is a link to the web, to a
# mail address, or (no colon before the first of these signs) to a place in the repository
_LINK = re.compile(r"\](?=:|\((?![ \t]*(?:https?://|mailto:|#|[\w./-]+[)#?/ \t])))")
# what begins a block of code, after any lists and quotations that it is in
_FENCE_START = re.compile(r"((?:[ \t>*+-]|\d+[.)])*)(?=```|~~~)")
_FENCE = re.compile(r"(`{3,}|~{3,})[\w+-]*")  # the one kind that is left: we see where it ends
_OURS = re.compile(r"git-spacy:")
_ENTITY = re.compile(r"&(?=#|\w+;)")
_URL_SAFE = "%/:?#[]@!$&'*+,;=~"


def is_ignored(text: str) -> bool:
    """Whether somebody asked for a file to be left alone, as the reference has it."""

    return any(marker in text for marker in _IGNORED)


def readme_block(project: Project, file: str = FILE, *, emoji: bool = True) -> GeneratedFile:
    """The block for `file`, a path from the project. Raises Malformed for a name that cannot be in
    its marker."""

    words = [
        "document",
        *(["-o", file] if file != FILE else []),
        *([] if emoji else ["--no-emoji"]),
    ]
    up = "../" * file.count("/")
    # (who knows what a project's folder is called)
    here = _code(PROJECT_FILE) if file.startswith("../") else _link(PROJECT_FILE, up + PROJECT_FILE)
    paragraphs = [
        _heading("#", "🪐", project.title or "A spaCy project", emoji),
        _blocks(project.description),
        f"{here} says what there is. `git spacy assets` fetches the data, `git spacy run NAME`\n"
        "runs a command or a workflow; what is current is skipped.",
    ]
    for symbol, title, head, rows in (
        ("⏯", "Commands", ("Command", "What it does"), _commands(project)),
        ("⏭", "Workflows", ("Workflow", "Commands, in order"), _workflows(project)),
        ("🗂", "Assets", ("File", "Source", "Description"), _assets(project)),
    ):
        if rows:
            paragraphs += [_heading("##", symbol, title, emoji), _table(head, rows)]
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"
    typed = marker_command(*words)
    if "-->" in typed:
        raise InvalidInput(
            f"'{typed}' cannot be written into a comment of Markdown: it would end there",
            hint="give the file another name",
        )
    return GeneratedFile(file, f"\n{body}\n", typed, MARKDOWN, shared=True, replaces=_REPLACED)


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile:
    """The part that `git spacy document WORDS` makes now."""

    options = parse_words(words).options
    emoji = "--no-emoji" not in options
    return readme_block(subject.loaded.project, options.get("-o", FILE), emoji=emoji)


def _commands(project: Project) -> list[tuple[str, ...]]:
    return [(_code(one.name), _cell(one.help)) for one in project.commands]


def _workflows(project: Project) -> list[tuple[str, ...]]:
    return [
        (_code(one.name), " → ".join(_code(step) for step in one.steps))
        for one in project.workflows
    ]


def _assets(project: Project) -> list[tuple[str, ...]]:
    return [(_code(one.dest.normal), _source(one), _described(one)) for one in project.assets]


def _described(asset: Asset) -> str:
    extra = "only with `--extra`" if asset.extra else ""
    return "; ".join(text for text in (_cell(asset.description), extra) if text)


def _source(asset: Asset) -> str:
    if asset.git:
        branch = f" ({_code(asset.git.branch)})" if asset.git.branch else ""
        path = f" {_code(asset.git.path)}" if asset.git.path else ""
        return f"Git: {_address(asset.git.repo)}{path}{branch}"
    return _address(asset.url) if asset.url else "not public: ask for it"


def _address(url: str) -> str:
    """A link where everybody may follow it, else what it is without its secrets."""

    bare = url.partition("?")[0]
    if (
        not url.startswith(("http://", "https://"))
        or environment_names(url)
        or redact(bare) != bare
    ):
        return _code(redact(url))
    target = _ENTITY.sub("&amp;", quote(url, safe=_URL_SAFE))
    return _link(bare.partition("://")[2], _OURS.sub("git-spacy%3A", target))


def _link(text: str, target: str) -> str:
    return f"[{_code(text)}]({target})"


def _heading(level: str, symbol: str, text: str, emoji: bool) -> str:
    return f"{level} {symbol} {_line(text)}" if emoji else f"{level} {_line(text)}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _cell(text: str) -> str:
    return _without_columns(_line(text))


def _without_columns(text: str) -> str:
    # (whether a backslash can escape the one before a pipe, the dialects do not agree)
    return text.replace("\\|", f"\\{_NOTHING}|").replace("|", r"\|")


def _code(text: str) -> str:
    """Literal text in one line, in a table too."""

    text = escape_controls(text).replace("\n", r"\n").replace("\t", r"\t") or " "
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if "`" in (text[:1], text[-1:]) else ""
    return _without_columns(f"{fence}{space}{_literal(text)}{space}{fence}")


def _line(text: str) -> str:
    """An author's Markdown in one line, without HTML."""

    return _inline(" ".join(escape_controls(text).split()))


def _blocks(text: str) -> str:
    """An author's Markdown in any number of paragraphs, tables and blocks of code, each of which
    ends in it."""

    lines = escape_controls(text).strip().split("\n")
    last = {line: at for at, line in enumerate(lines)}
    fence, found = "", []
    for at, line in enumerate(lines):
        opens = _FENCE.fullmatch(line)
        if fence:
            found.append(line if line == fence else _literal(_without_fence(line)))
            fence = "" if line == fence else fence
        elif opens and last.get(opens[1], -1) > at:
            fence = opens[1]
            found.append(line)
        else:
            found.append(_inline(_without_fence(line)))
    return "\n".join(found)


def _without_fence(line: str) -> str:
    match = _FENCE_START.match(line)
    return f"{match[0]}{_NOTHING}{line[match.end() :]}" if match else line


def _inline(line: str) -> str:
    """A line of Markdown without HTML, and without what would be taken for our own marker."""

    found, end = [], 0
    for code in _CODE.finditer(line):
        found += [_text(line[end : code.start()]), _literal(code[0])]
        end = code.end()
    return _LINK.sub(f"]{_NOTHING}", "".join((*found, _text(line[end:]))))


def _text(text: str) -> str:
    return _TAG.sub("&lt;", _OURS.sub("git-spacy&#58;", text))


def _literal(text: str) -> str:
    """The same of what is code, where an entity would be shown as it is written."""

    return _TAG.sub(f"<{_NOTHING}", _OURS.sub(f"git-spacy{_NOTHING}:", text))
