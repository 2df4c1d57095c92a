"""The block in README.md that documents the project's commands, workflows and assets.

Titles, descriptions and help texts remain their author's Markdown, but they cannot end the block,
contain HTML, link to anything but the web and the repository, break a table, swallow the text
after them, or send control characters to a terminal.

Markdown dialects do not agree on what is code. Therefore anything that could start a tag or a link
is also changed inside code, by a zero-width character that leaves its appearance unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from git_spacy.errors import InvalidInput, escape_controls, redact
from git_spacy.generate.managed_block import MARKDOWN, ForeignBlock, GeneratedFile, marker_command
from git_spacy.generate.registry import GeneratorInput, parse_words
from git_spacy.patterns import compile_late
from git_spacy.project.graph import outside_uses
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.model import Asset, Project
from git_spacy.project.variables import environment_names

FILE = "README.md"
_TOOLS = ("WEASEL", "SPACY PROJECT")
# weasel's markers around its own block, and the marker of a file that it must not change
_REPLACED = tuple(
    ForeignBlock(
        f"<!-- {tool}: AUTO-GENERATED DOCS START (do not remove) -->",
        f"<!-- {tool}: AUTO-GENERATED DOCS END (do not remove) -->",
    )
    for tool in _TOOLS
)
EMPTY = GeneratedFile(
    FILE, "", marker_command("document"), MARKDOWN, shared=True, replaces=_REPLACED
)
_IGNORED = tuple(f"<!-- {tool}: IGNORE -->" for tool in _TOOLS)
_ZERO_WIDTH = "\u200b"  # a zero-width space: invisible, but it interrupts Markdown syntax
_CODE = compile_late(r"(`{1,3})[^`]+\1")  # an approximation, which only affects the appearance
# `<` stays where no dialect sees the start of a tag or comment: `a < b`, <https://…>
_TAG = compile_late(r"<(?!https?://|[ \t])")
# the `]` of an inline link or a link definition, unless the link leads to the web, a mail address
# or, without a colon in its first component, a path in the repository
_LINK = compile_late(r"\](?=:|\((?![ \t]*(?:https?://|mailto:|#|[\w./-]+[)#?/ \t])))")
# the start of a code block, after the markers of any lists and quotations around it
_FENCE_START = compile_late(r"((?:[ \t>*+-]|\d+[.)])*)(?=```|~~~)")
_FENCE = compile_late(r"(`{3,}|~{3,})[\w+-]*")  # the only kind that is kept: its end is certain
_MARKER = compile_late(r"git-spacy:")
_ENTITY = compile_late(r"&(?=#|\w+;)")
_URL_SAFE = "%/:?#[]@!$&'*+,;=~"


def is_ignored(text: str) -> bool:
    """Return whether a file contains weasel's marker for files that must not be changed."""

    return any(marker in text for marker in _IGNORED)


def readme_block(project: Project, file: str = FILE, *, emoji: bool = True) -> GeneratedFile:
    """Return the block for `file`, a path relative to the project.

    Raises InvalidInput if the file name cannot be part of the block's marker.
    """

    words = [
        "document",
        *(["-o", file] if file != FILE else []),
        *([] if emoji else ["--no-emoji"]),
    ]
    up = "../" * file.count("/")
    # a link from a parent folder would contain the name of the project's folder, which can vary
    project_file = (
        inline_code(PROJECT_FILE)
        if file.startswith("../")
        else _link(PROJECT_FILE, up + PROJECT_FILE)
    )
    paragraphs = [
        _heading("#", "🪐", project.title or "A spaCy project", emoji),
        author_blocks(project.description),
        f"This project is defined in {project_file}. `git spacy assets` fetches its data, and\n"
        "`git spacy run NAME` runs a command or a workflow; commands that are up to date are\n"
        "skipped.",
    ]
    for symbol, title, head, rows in (
        ("⏯", "Commands", ("Command", "Description"), _commands(project)),
        ("⏭", "Workflows", ("Workflow", "Steps"), _workflows(project)),
        ("🗂", "Assets", ("File", "Source", "Description"), _assets(project)),
        ("📦", "Outside the project", ("Path", "Use"), _outside(project)),
    ):
        if rows:
            paragraphs += [_heading("##", symbol, title, emoji), table(head, rows)]
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"
    command = marker_command(*words)
    if "-->" in command:
        raise InvalidInput(
            f"'{command}' contains '-->', which would end the block's marker",
            hint="use another file name",
        )
    return GeneratedFile(file, f"\n{body}\n", command, MARKDOWN, shared=True, replaces=_REPLACED)


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile | None:
    """Return the current output of `git spacy document WORDS`; None for a model card, which depends
    on results and not on project.yml."""

    options = parse_words(words).options
    if "--model-card" in options:
        return None
    emoji = "--no-emoji" not in options
    return readme_block(subject.loaded.project, options.get("-o", FILE), emoji=emoji)


def _commands(project: Project) -> list[tuple[str, ...]]:
    return [(inline_code(command.name), _cell(command.help)) for command in project.commands]


def _workflows(project: Project) -> list[tuple[str, ...]]:
    return [
        (inline_code(workflow.name), " → ".join(inline_code(step) for step in workflow.steps))
        for workflow in project.workflows
    ]


def _assets(project: Project) -> list[tuple[str, ...]]:
    return [
        (inline_code(asset.dest.normal), asset_source(asset), _description(asset))
        for asset in project.assets
    ]


def _outside(project: Project) -> list[tuple[str, ...]]:
    return [
        (
            inline_code(use.path.text),
            f"{'written' if use.is_written else 'read'} by "
            + (", ".join(map(inline_code, use.commands)) or "`git spacy assets`"),
        )
        for use in outside_uses(project)
    ]


def _description(asset: Asset) -> str:
    extra = "fetched only with `--extra`" if asset.extra else ""
    extract = "extracted from an archive" if asset.extract else ""
    return "; ".join(text for text in (_cell(asset.description), extract, extra) if text)


def asset_source(asset: Asset) -> str:
    """Return where an asset comes from, as Markdown for a cell."""

    if asset.git:
        branch = f" ({inline_code(asset.git.branch)})" if asset.git.branch else ""
        path = f" {inline_code(asset.git.path)}" if asset.git.path else ""
        return f"Git: {_linked_url(asset.git.repo)}{path}{branch}"
    return _linked_url(asset.url) if asset.url else "in this repository, or added by hand"


def _linked_url(url: str) -> str:
    """Return a link to a public URL; for any other URL, its text with secrets removed."""

    bare = url.partition("?")[0]
    if (
        not url.startswith(("http://", "https://"))
        or environment_names(url)
        or redact(bare) != bare
    ):
        return inline_code(redact(url))
    target = _ENTITY.sub("&amp;", quote(url, safe=_URL_SAFE))
    return _link(bare.partition("://")[2], _MARKER.sub("git-spacy%3A", target))


def _link(text: str, target: str) -> str:
    return f"[{inline_code(text)}]({target})"


def _heading(level: str, symbol: str, text: str, emoji: bool) -> str:
    return f"{level} {symbol} {author_line(text)}" if emoji else f"{level} {author_line(text)}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table of cells that are Markdown."""

    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _cell(text: str) -> str:
    return _without_columns(author_line(text))


def _without_columns(text: str) -> str:
    # dialects do not agree on whether a backslash escapes the backslash before a pipe
    return text.replace("\\|", f"\\{_ZERO_WIDTH}|").replace("|", r"\|")


def inline_code(text: str) -> str:
    """Return literal text as inline code, also inside a table."""

    text = escape_controls(text).replace("\n", r"\n").replace("\t", r"\t") or " "
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if "`" in (text[:1], text[-1:]) else ""
    return _without_columns(f"{fence}{space}{_literal(text)}{space}{fence}")


def author_line(text: str) -> str:
    """Return an author's Markdown in one line, without HTML."""

    return _inline(" ".join(escape_controls(text).split()))


def author_blocks(text: str) -> str:
    """Return an author's Markdown of several paragraphs, with every code block closed."""

    lines = escape_controls(text).strip().split("\n")
    last_index = {line: index for index, line in enumerate(lines)}
    fence, result = "", []
    for index, line in enumerate(lines):
        opening = _FENCE.fullmatch(line)
        if fence:
            result.append(line if line == fence else _literal(_without_fence(line)))
            fence = "" if line == fence else fence
        elif opening and last_index.get(opening[1], -1) > index:
            fence = opening[1]
            result.append(line)
        else:
            result.append(_inline(_without_fence(line)))
    return "\n".join(result)


def _without_fence(line: str) -> str:
    match = _FENCE_START.match(line)
    return f"{match[0]}{_ZERO_WIDTH}{line[match.end() :]}" if match else line


def _inline(line: str) -> str:
    """Return a line of Markdown without HTML and without anything that looks like our marker."""

    parts, end = [], 0
    for code in _CODE.finditer(line):
        parts += [_text(line[end : code.start()]), _literal(code[0])]
        end = code.end()
    return _LINK.sub(f"]{_ZERO_WIDTH}", "".join((*parts, _text(line[end:]))))


def _text(text: str) -> str:
    return _TAG.sub("&lt;", _MARKER.sub("git-spacy&#58;", text))


def _literal(text: str) -> str:
    """Escape code, inside which entities would be shown literally."""

    return _TAG.sub(f"<{_ZERO_WIDTH}", _MARKER.sub(f"git-spacy{_ZERO_WIDTH}:", text))
