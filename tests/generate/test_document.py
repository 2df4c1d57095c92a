"""The block in README.md: its content, its safety, and how it replaces the blocks of other tools."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from git_spacy.errors import InvalidInput, Refused
from git_spacy.generate import document, writer
from git_spacy.generate.managed_block import find_block, with_markers
from git_spacy.project import loader
from git_spacy.project.graph import outside_uses
from git_spacy.project.model import Project
from tests.testing.examples import examples
from tests.testing.projects import CORPUS, Spacy, needs_corpus, process, project, two_steps
from tests.testing.repositories import write

EVERYTHING = """\
title: "A <b>title</b> | of ${vars.name}"
description: |
  First paragraph with `<code>` and <https://example.com>.

  Second <script>alert(1)</script> git-spacy: end of what is generated
vars: {name: it}
env: {KEY: API_KEY}
assets:
  - {dest: assets/a.json, url: "https://example.com/a b.json?token=1", description: "A | b"}
  - {dest: "assets/b|`c", git: {repo: "https://example.com/r", path: x, branch: main}}
  - {dest: assets/c, url: "https://${env.KEY}@example.com/c"}
  - {dest: assets/d, url: "https://user:secret@example.com/d", extra: true}
  - {dest: assets/e, url: ../shared/e}
  - {dest: assets/f}
commands:
  - {name: train, help: "Train\\nit | well"}
  - {name: "a|b", script: [echo]}
workflows:
  all: [train, "a|b"]
"""


def block(text: str, file: str = "README.md", *, emoji: bool = True) -> str:
    return document.readme_block(loader.parse(text.encode()).project, file, emoji=emoji).body


def test_everything_is_listed_and_escaped() -> None:
    assert block(EVERYTHING) == (
        r"""
# 🪐 A &lt;b>title&lt;/b> | of it

First paragraph with `<\u200bcode>` and <https://example.com>.

Second &lt;script>alert(1)&lt;/script> git-spacy&#58; end of what is generated

This project is defined in [`project.yml`](project.yml). `git spacy assets` fetches its data, and
`git spacy run NAME` runs a command or a workflow; commands that are up to date are
skipped.

## ⏯ Commands

| Command | Description |
| --- | --- |
| `train` | Train it \| well |
| `a\|b` |  |

## ⏭ Workflows

| Workflow | Steps |
| --- | --- |
| `all` | `train` → `a\|b` |

## 🗂 Assets

| File | Source | Description |
| --- | --- | --- |
| `assets/a.json` | [`example.com/a b.json`](https://example.com/a%20b.json?token=1) | A \| b |
| ``assets/b\|`c`` | Git: [`example.com/r`](https://example.com/r) `x` (`main`) |  |
| `assets/c` | `https://***@example.com/c` |  |
| `assets/d` | `https://***@example.com/d` | fetched only with `--extra` |
| `assets/e` | `../shared/e` |  |
| `assets/f` | in this repository, or added by hand |  |

""".replace("\\u200b", "\u200b")
    )


def test_paths_outside_the_project_are_listed_with_their_use() -> None:
    text = block("""\
assets: [{dest: /scratch/v, url: "https://x.org/v"}]
commands:
- {name: a, script: [x], deps: [/data/x, in], outputs: [o]}
- {name: b, script: [x], deps: [/data/x], outputs: ["../o|p"]}
""")
    assert "## 📦 Outside the project\n\n| Path | Use |\n| --- | --- |\n" in text
    assert text.rstrip().endswith(
        "| `/data/x` | read by `a`, `b` |\n"
        "| `../o\\|p` | written by `b` |\n"
        "| `/scratch/v` | written by `git spacy assets` |"
    )
    assert "Outside" not in block("commands: [{name: a, script: [x], deps: [in], outputs: [o]}]")


def test_emoji_can_be_disabled() -> None:
    assert not re.search("[🪐⏯⏭🗂]", block(EVERYTHING, emoji=False))


def test_the_link_to_project_yml_is_relative_to_the_file() -> None:
    assert "[`project.yml`](project.yml)" in block("title: x")
    assert "[`project.yml`](../../project.yml)" in block("title: x", "docs/en/index.md")
    assert "defined in `project.yml`." in block("title: x", "../README.md")


def test_a_project_without_a_title_gets_a_default_title() -> None:
    assert "# 🪐 A spaCy project\n" in block("commands: []")
    assert "##" not in block("commands: []")


@given(st.text(max_size=40))
def test_no_text_of_a_project_ends_the_block_or_opens_html(text: str) -> None:
    try:
        generated = block(
            json.dumps(
                {"title": f"t{text}", "commands": [{"name": f"n{text}", "help": f"h{text}"}]},
                ensure_ascii=True,
            )
        )
    except (InvalidInput, Refused):
        return
    assert "git-spacy:" not in generated
    assert generated.count("\n| ") == 3  # the table has its rows
    for line in generated.splitlines():
        assert "<script" not in re.sub(r"(`{1,3})[^`]+\1", "", line)


@pytest.mark.parametrize("tool", ["WEASEL", "SPACY PROJECT"])
def test_the_block_of_weasel_or_spacy_is_replaced_between_its_markers(
    tmp_path: Path, spacy: Spacy, tool: str
) -> None:
    root = two_steps(tmp_path / "p")
    start = f"<!-- {tool}: AUTO-GENERATED DOCS START (do not remove) -->"
    end = f"<!-- {tool}: AUTO-GENERATED DOCS END (do not remove) -->"
    write(root, {"README.md": f"above\n\n{start}\n\n# 🪐 Weasel Project: x\n\n{end}\n\nbelow\n"})
    assert spacy("document", cwd=root).code == 0
    text = (root / "README.md").read_text()
    assert text.startswith(f"above\n\n{start}\n<!-- git-spacy: generated by 'git spacy document'")
    assert text.endswith(f"<!-- git-spacy: end of what is generated -->\n{end}\n\nbelow\n")
    assert "Weasel Project" not in text
    assert "| `prepare` | Prepare the corpus |" in text
    assert spacy("document", "--check", cwd=root).code == 0


def test_the_next_document_of_weasel_replaces_only_the_block(tmp_path: Path, spacy: Spacy) -> None:
    """D7: without its markers, weasel replaces the whole file."""

    pytest.importorskip("weasel")
    from weasel.cli.document import project_document

    root = two_steps(tmp_path / "p")
    readme = root / "README.md"
    project_document(root, readme)
    theirs = readme.read_text()
    above, below = "# Mine\n\nby hand\n\n", "\n\n## Licence\n\nnone\n"
    readme.write_text(above + theirs + below)
    for _ in range(2):
        assert spacy("document", cwd=root).code == 0
        ours = readme.read_text()
        assert ours.startswith(above)
        assert ours.endswith(below)
        assert "git spacy run" in ours
        assert spacy("document", cwd=root).code == 0
        assert readme.read_text() == ours
        project_document(root, readme)
        assert readme.read_text() == above + theirs + below
    readme.write_bytes((above + theirs + below).replace("\n", "\r\n").encode())
    assert spacy("document", cwd=root).code == 0
    written = readme.read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n")


def test_the_actual_output_of_weasel_is_replaced(tmp_path: Path, spacy: Spacy) -> None:
    pytest.importorskip("weasel")
    from weasel.cli.document import project_document

    root = two_steps(tmp_path / "p")
    project_document(root, root / "README.md")
    theirs = (root / "README.md").read_text()
    assert spacy("document", cwd=root).code == 0
    ours = (root / "README.md").read_text()
    assert "AUTO-GENERATED" in theirs
    assert with_markers(document.readme_block(loader.load(root))) in ours
    assert ours.count("AUTO-GENERATED") == 2
    # every cell of weasel's tables is also in ours
    rows = [re.findall("`[^`]+`", line) for line in theirs.splitlines() if line.startswith("| `")]
    assert [cell for row in rows for cell in row if cell not in ours] == []


@pytest.mark.parametrize("tool", ["WEASEL", "SPACY PROJECT"])
def test_a_file_with_an_ignore_marker_is_not_changed(
    tmp_path: Path, spacy: Spacy, tool: str
) -> None:
    root = two_steps(tmp_path / "p")
    write(root, {"README.md": f"<!-- {tool}: IGNORE -->\nmine\n"})
    done = spacy("document", cwd=root)
    assert (done.code, done.err) == (0, "left 'README.md' unchanged: it opts out of this block\n")
    assert (root / "README.md").read_text() == f"<!-- {tool}: IGNORE -->\nmine\n"
    assert spacy("document", "--check", cwd=root).code == 0
    assert "# 🪐 Two steps" in spacy("document", "--stdout", cwd=root).out


def test_an_output_file_is_relative_to_the_current_folder(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path / "p")
    done = spacy("document", "-o", "../docs.md", "--no-emoji", cwd=root / "scripts")
    assert (done.code, done.err) == (0, "wrote docs.md\n")
    first = (root / "docs.md").read_text().splitlines()[0]
    assert "'git spacy document -o docs.md --no-emoji'" in first
    assert spacy("document", "-o", "docs.md", "-NE", "--check", cwd=root).code == 0
    assert spacy("document", "-o", "docs.md", "--check", cwd=root).code == 1
    assert not (root / "README.md").exists()
    printed = spacy("document", "-o", "-", cwd=root)
    assert (printed.out, printed.err) == (
        with_markers(document.readme_block(loader.load(root))),
        "",
    )


def test_check_shows_what_would_change_and_changes_nothing(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path / "p")
    assert spacy("document", cwd=root).code == 0
    text = (root / "README.md").read_text()
    path = root / "project.yml"
    path.write_text(path.read_text().replace("Train on it", "Train on them"))
    done = spacy("document", "--check", cwd=root)
    assert done.code == 1
    assert "-| `train` | Train on it |\n+| `train` | Train on them |\n" in done.out
    assert done.err == "'README.md' is out of date; to write it: git spacy document\n"
    assert (root / "README.md").read_text() == text


def test_an_edited_block_is_not_overwritten(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path / "p")
    assert spacy("document", cwd=root).code == 0
    path = root / "README.md"
    edited = path.read_text().replace("Prepare the corpus", "Prepare it")
    path.write_text(edited)
    done = spacy("document", cwd=root)
    assert done.code == 3
    assert "the generated text in 'README.md' was edited by hand" in done.err
    assert path.read_text() == edited
    assert spacy("document", "--force", cwd=root).code == 0
    assert "Prepare the corpus" in path.read_text()


def test_the_block_is_appended_to_an_existing_file(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path / "p")
    write(root, {"README.md": "# Mine\r\n\r\nwindows\r\n"})
    assert spacy("document", cwd=root).code == 0
    data = (root / "README.md").read_bytes()
    assert data.startswith(b"# Mine\r\n\r\nwindows\r\n\r\n<!-- git-spacy")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert spacy("document", cwd=root).err == "README.md is up to date\n"


def test_the_output_does_not_depend_on_the_locale(tmp_path: Path) -> None:
    root = project(tmp_path / "p", "title: 日本語\n")
    done = process("document", "--stdout", cwd=root, LC_ALL="C", PYTHONUTF8="0")
    assert (done.code, done.err) == (0, "")
    assert process("document", cwd=root, LC_ALL="C", PYTHONUTF8="0").code == 0
    assert "# 🪐 日本語" in (root / "README.md").read_text("utf-8")


@needs_corpus
def test_every_project_of_the_corpus_is_documented_completely() -> None:
    seen = 0
    for path in sorted(CORPUS.glob("*/project.yml")):
        try:
            found = loader.parse(path.read_bytes()).project
        except (InvalidInput, Refused):
            continue
        part = document.readme_block(
            found._replace(description="")
        )  # descriptions can contain tables
        rows = [line for line in part.body.splitlines() if line.startswith("| ")]
        tables = [found.commands, found.workflows, found.assets, outside_uses(found)]
        assert len(rows) == sum(len(table) + 2 for table in tables if table), path
        assert writer.plan(with_markers(part), part).action == "nothing"
        seen += 1
    assert seen > 40


# Malicious texts for every part of the block. Each must be inert: no tag, no link except to the web,
# no additional row and no additional heading.
_HOSTILE = (
    "`a\n\n<script>alert(1)</script>\n\nb`",
    "``a` <img src=x onerror=alert(1)> `b``",
    "```` <b> ``` x <b>",
    "`` <b> ` <b>",
    r"\`<b>` <b>",
    "`a](x`y) <b> `",
    "[a](x`y) <b> z`",
    "https://x`<b>`",
    "a\n| b | c |\n\n<b>",
    "a | b | c",
    r"a \| b \\| c \\",
    "a\n===\n\nb\n---\n\n# c",
    "x #",
    "[a](javascript:alert(1))",
    "[a](\njavascript:alert(1))",
    "[a](  JaVaScRiPt:alert(1))",
    "[a](java&#115;cript:alert(1))",
    "[a](&#x6a;avascript:alert(1))",
    r"[a](java\script\:alert(1))",
    "[a](<javascript:alert(1)>)",
    "![a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a]\n\n[a]: javascript:alert(1)",
    "[a]\n\n[a]:\njavascript:alert(1)",
    "[a][b]\n\n[b]: <vbscript:x>",
    "> [a](\n> javascript:alert(1))",
    "[a [b](https://e.org) c](javascript:x)",
    "<javascript:alert(1)>",
    "<a@b.c>",
    "<https://e.org><b>",
    "<!-- WEASEL: IGNORE -->",
    "--> <b>",
    "<!--> <b> -->",
    "<?php ?> <!DOCTYPE x> <![CDATA[ <b> ]]> </div>",
    "&lt;script&gt; &#60;b&#62;",
    "<b\nonclick=x>",
    "git-spacy: end of what is generated -->",
    "a\tb\rc\x0bd\x85e\u2028f",
    "]",
    "`",
    "\\",
    "<",
)
_EMPTY = loader.parse(b"title: x").project
_SAFE_LINK = re.compile(r"(https?|mailto):|[^:]*$|[^:/?#]*[/?#]", re.IGNORECASE)


class Rendered(NamedTuple):
    """The headings of a rendered README, and the number of rows of each of its tables."""

    headings: list[str]
    rows: list[int]


def rendered(text: str) -> Rendered:
    """Render a README as CommonMark with tables.

    Check that it has no tags or comments except our own markers, and no link that runs anything.
    """

    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    renderer.validateLink = lambda url: True  # type: ignore[method-assign]  # not every renderer validates links
    tokens = renderer.parse(text)
    blocks = [token.content for token in tokens if token.type == "html_block"]
    assert [block.startswith("<!-- git-spacy: ") for block in blocks] == [True] * 2, blocks
    assert all(block.count("-->") == 1 and block.endswith("-->\n") for block in blocks), blocks
    for token in tokens:
        for child in token.children or ():
            assert child.type != "html_inline", child.content
            target = child.attrGet("href") or child.attrGet("src") or ""
            assert _SAFE_LINK.match(str(target)), target
    kinds = [token.type for token in tokens]
    headings = [
        f"{token.tag} {inner.content}"
        for token, inner in itertools.pairwise(tokens)
        if token.type == "heading_open"
    ]
    tables = "".join({"table_open": "t", "tr_open": "r"}.get(kind, "") for kind in kinds)
    return Rendered(headings, [len(table) for table in tables.split("t")[1:]])


def project_with(**texts: str) -> Project:
    """Return a project with these texts as title, help and so on."""

    text = {**dict.fromkeys(("title", "description", "help", "about"), "x"), **texts}
    name, workflow = text.get("name", "x"), text.get("workflow", "all")
    document_ = {
        "title": text["title"],
        "description": text["description"],
        "commands": [{"name": name, "help": text["help"]}, {"name": "other"}],
        "workflows": {workflow: [name, "other"]},
        "assets": [
            {"dest": text.get("dest", "a"), "url": text.get("url", "u"), "description": "x"},
            {"dest": "b", "git": {"repo": "r", "path": text.get("path", "p"),
                                  "branch": text.get("branch", "b")}},
            {"dest": "c", "description": text["about"], "extra": True},
        ],
    }  # fmt: skip
    return loader.parse(json.dumps(document_).encode()).project


def check_inert(**texts: str) -> None:
    """Check that these texts add no headings or rows, except by Markdown in the description."""

    try:
        found = project_with(**texts)
        text = with_markers(document.readme_block(found))
    except (InvalidInput, Refused):
        return
    assert not document.is_ignored(text)
    assert find_block(text, document.readme_block(_EMPTY)) is not None
    seen = rendered(text)
    own = ["h2 ⏯ Commands", "h2 ⏭ Workflows", "h2 🗂 Assets"]
    assets = 3 if texts.get("dest", "a") else 2  # one without a destination is not listed
    rows = [3, 2, 1 + assets]
    if any(asset.dest.outside for asset in found.assets):
        own.append("h2 📦 Outside the project")
        rows.append(2)
    assert seen.headings[0].startswith("h1 🪐")
    assert seen.headings[-len(own) :] == own
    assert seen.rows[-len(rows) :] == rows
    if texts.get("description", "x") == "x":
        assert len(seen.headings) == 1 + len(own)
        assert len(seen.rows) == len(rows)


_PARTS = (
    "title",
    "description",
    "help",
    "about",
    "name",
    "workflow",
    "dest",
    "url",
    "path",
    "branch",
)


@pytest.mark.threat("injected-text", commands="document")
@pytest.mark.parametrize("part", _PARTS)
def test_a_malicious_text_is_inert_in_every_part_of_the_block(part: str) -> None:
    for text in _HOSTILE:
        check_inert(**{part: text})
        check_inert(**{part: f"https://e.org/{text}" if part == "url" else f"a`{text}"})
    check_inert(**{part: ""})


_PIECES = st.lists(
    st.sampled_from([*"`<>!-[]()|\\\n&#:\"' ax~=./", "```", "~~~\n", "](", "]:", "<b>", "<!--"]),
    max_size=24,
).map("".join)


@pytest.mark.threat("injected-text", commands="document")
@settings(max_examples=examples(200), deadline=None)
@given(st.sampled_from(_PARTS), _PIECES)
def test_any_mix_of_special_characters_is_inert(part: str, text: str) -> None:
    check_inert(**{part: text})


@pytest.mark.threat("injected-text", commands="document")
@pytest.mark.parametrize(
    "description",
    ["```\nopen", "~~~ \n<b>", "- ```\n  a", "> ```", "````\n```\n<b>", "```\n ```\n```x\n```\n~~~",
     "1. 2) ~~~~", "a\n```b\n# c"],
)  # fmt: skip
def test_an_unclosed_code_block_in_a_description_does_not_swallow_the_rest(
    description: str,
) -> None:
    check_inert(description=description)


def test_an_authors_markdown_is_preserved() -> None:
    description = (
        "**Bold** [`a`](https://e.org/x_(y)?z#w) [b](docs/b.md) [c](#c) [d](mailto:a@e.org)\n"
        "![e](https://e.org/e.png) <https://e.org>\n\n"
        "### More\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```sh\ncat <in >out\n# no heading\n```"
    )
    text = block(json.dumps({"title": "x", "description": description}))
    assert description.replace("<in", "<\u200bin") in text
    seen = rendered(with_markers(document.readme_block(project_with(description=description))))
    assert seen.headings[1] == "h3 More"
    assert seen.rows[0] == 2


def test_a_multi_line_name_is_shown_on_one_line() -> None:
    text = block(json.dumps({"commands": [{"name": "a\nb\tc", "help": "d"}]}))
    assert "| `a\\nb\\tc` | d |" in text


def test_a_file_whose_name_ends_the_marker_is_refused() -> None:
    with pytest.raises(InvalidInput, match="contains '-->'"):
        block("title: x", "a-->b.md")
