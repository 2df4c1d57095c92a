"""The block in README.md that says what the project holds. Pure.

Titles, descriptions and help texts are their author's Markdown, and stay so; they just cannot end
the block, open HTML, break a table, or tell the terminal anything that shows the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from git_spacy.errors import masked, printable
from git_spacy.generate.again import Subject, given
from git_spacy.generate.marked import MARKDOWN, Block, Part, command
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.model import Asset, Project
from git_spacy.project.variables import environment_names

FILE = "README.md"
_TOOLS = ("WEASEL", "SPACY PROJECT")
# what the reference has around its own block, and in a file that it leaves alone
_REPLACED = tuple(
    Block(
        f"<!-- {tool}: AUTO-GENERATED DOCS START (do not remove) -->",
        f"<!-- {tool}: AUTO-GENERATED DOCS END (do not remove) -->",
    )
    for tool in _TOOLS
)
_IGNORED = tuple(f"<!-- {tool}: IGNORE -->" for tool in _TOOLS)
_HTML = re.compile(r"(`{1,3})[^`]+\1|<(?!https?://)")  # in code it is text already
_OURS = re.compile(r"git-spacy:")
_URL_SAFE = "%/:?#[]@!$&'*+,;=~"


def is_ignored(text: str) -> bool:
    """Whether somebody asked for a file to be left alone, as the reference has it."""

    return any(marker in text for marker in _IGNORED)


def part(project: Project, file: str = FILE, *, emoji: bool = True) -> Part:
    """The block for `file`, a path from the project."""

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
        _markdown(project.description).strip(),
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
    return Part(file, f"\n{body}\n", command(*words), MARKDOWN, shared=True, replaces=_REPLACED)


def again(words: Sequence[str], subject: Subject) -> Part:
    """The part that `git spacy document WORDS` makes now."""

    options = given(words).options
    emoji = "--no-emoji" not in options
    return part(subject.loaded.project, options.get("-o", FILE), emoji=emoji)


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
        or masked(bare) != bare
    ):
        return _code(masked(url))
    return _link(bare.partition("://")[2], quote(url, safe=_URL_SAFE))


def _link(text: str, target: str) -> str:
    return f"[{_code(text)}]({target})"


def _heading(level: str, symbol: str, text: str, emoji: bool) -> str:
    words = _one_line(_markdown(text))
    return f"{level} {symbol} {words}" if emoji else f"{level} {words}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _cell(text: str) -> str:
    return _one_line(_markdown(text)).replace("|", r"\|")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _code(text: str) -> str:
    """Literal text, in a table too."""

    text = printable(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if "`" in (text[:1], text[-1:]) else ""
    return _OURS.sub("git-spacy\u200b:", f"{fence}{space}{text}{space}{fence}").replace("|", r"\|")


def _markdown(text: str) -> str:
    """An author's Markdown without HTML, and without what would be taken for our own marker."""

    return _HTML.sub(
        lambda match: match[0] if match[1] else "&lt;", _OURS.sub("git-spacy&#58;", printable(text))
    )
