"""Text that a project or a run record can set is shown in a report as it is, and never runs."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from git_spacy.history.run_record import RecordedFile, RunRecord
from tests.testing.browser import Browser, needs_chromium
from tests.testing.projects import Spacy, project
from tests.testing.recorded import commit_results, md5, record_on_head
from tests.testing.repositories import git

OWN = "document.documentElement.dataset.owned=1"
HOSTILE = (
    f"</script></title></style></svg>--><script>{OWN}</script>"
    f'<img src=x onerror=\'{OWN}\'>" onfocus="{OWN}" autofocus x="\'`|\u202e\u2066\u200f{{{{7*7}}}}'
)
LINE = f"{HOSTILE}\n```\n</details><script>{OWN}</script>"
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _Elements(HTMLParser):
    """Collects the elements of a page, each with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def hostile_project() -> str:
    name = HOSTILE.replace("\u202e", "").replace("{{7*7}}", "")
    document = {
        "title": LINE,
        "description": LINE,
        "vars": {"a": 1},
        "assets": [
            {
                "dest": "data/<script>",
                "url": f"https://example.com/{HOSTILE}",
                "description": LINE,
            }
        ],
        "commands": [
            {
                "name": name,
                "help": LINE,
                "script": [f"x ${{vars.a}} {shlex.quote(HOSTILE)}"],
                "deps": ["data/<script>", "<img src=x onerror=alert(1)>"],
                "outputs": [HOSTILE.replace("/", "")],
            }
        ],
    }
    return yaml.safe_dump(document, allow_unicode=True)


def hostile_record(minute: int, **changes: object) -> RunRecord:
    name = HOSTILE.replace("\u202e", "").replace("{{7*7}}", "")
    number = minute / 7
    metrics = {
        "ents_f": number, HOSTILE: number, f"ents_per_type.{HOSTILE}.f": number,
        f"ents_per_type.{HOSTILE}.p": 0.5,
    }  # fmt: skip
    record = RunRecord(
        f"2026-11-20T10:{minute:02d}:00Z", "", name, (f"x {minute} {shlex.quote(HOSTILE)}",),
        (RecordedFile("data/<script>", md5("a"), 1),
         RecordedFile("<img src=x onerror=alert(1)>", md5("b"), 1)),
        (RecordedFile(HOSTILE.replace("/", ""), md5(f"c{minute}"), 1),),
        vars={f"vars.{HOSTILE}": f"{LINE}{minute}"}, versions={HOSTILE: HOSTILE},
        metrics={HOSTILE: metrics},
    )  # fmt: skip
    return record._replace(**changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, commits and records whose every text is hostile."""

    root = project(tmp_path_factory.mktemp("hostile") / "r", hostile_project())
    git(root, "init", "-q")
    for minute in (1, 2, 3):
        (root / "note").write_text(f"{minute}")
        commit_results(root, [hostile_record(minute)], HOSTILE)
    record_on_head(
        root, [*(hostile_record(minute) for minute in (4, 5)), hostile_record(6, exit=1)]
    )
    return root


@pytest.fixture(scope="module")
def page(made: Path) -> Path:
    from git_spacy.cli.main import main

    assert main(["-C", str(made), "report"]) == 0
    return made / "report.html"


@pytest.mark.threat("injected-text", commands="report")
def test_a_page_has_no_element_and_no_attribute_but_its_own(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.count("dataset.owned") > 20  # the texts are there
    assert not HIDDEN.search(text)
    elements = _Elements()
    elements.feed(text)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 1
    assert tags.count("style") == 1
    assert not {"img", "iframe", "object", "embed", "base", "link", "foreignobject"} & set(tags)
    names = {name for _, attributes in elements.found for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "style")]
    links = [attributes["href"] or "" for tag, attributes in elements.found if tag == "a"]
    assert all(link.startswith("#") for link in links)
    policy = next(
        attributes["content"] or ""
        for tag, attributes in elements.found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


@pytest.mark.threat("injected-text", commands="report")
def test_a_comment_has_no_html_but_its_own_and_no_link(made: Path, spacy: Spacy) -> None:
    text = spacy("-C", made, "report", "--format", "md", "--compare", "HEAD~1").out
    assert text.count("dataset.owned") > 10
    assert not HIDDEN.search(text)
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    elements = _Elements()
    elements.feed(rendered.replace("<!-- git-spacy report -->", "", 1))
    assert {tag for tag, _ in elements.found} <= {
        "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "strong", "pre",
        "details", "summary",
    }  # fmt: skip
    names = {name for _, attributes in elements.found for name in attributes}
    assert names <= {"class", "style"}  # of code blocks and columns
    assert rendered.count("<details>") == rendered.count("</details>")


@needs_chromium
@pytest.mark.threat("injected-text", commands="report")
def test_nothing_runs_in_a_browser(page: Path, tmp_path: Path) -> None:
    owned = "document.documentElement.dataset.owned"
    with Browser(tmp_path / "browser") as browser:
        browser.go_offline()
        browser.open(page.as_uri())
        rows = browser.wait_for("document.querySelectorAll('#runs tbody tr').length")
        browser.point("#metrics circle:last-of-type")
        shown = browser.wait_for("document.querySelector('#tip.shown')?.textContent")
        browser.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert browser.ask(owned) is None
        assert browser.ask("document.querySelectorAll('script').length") == 1
        # even if a text became an element: the policy of the page forbids its script
        browser.ask(
            "{ const one = document.createElement('script'); one.textContent ="
            f" {OWN!r}; document.body.append(one);"
            " const two = document.createElement('div'); two.innerHTML ="
            f' `<b id="b" onclick="{OWN}">x</b>`; document.body.append(two); b.click(); }}'
        )
        assert browser.ask(owned) is None
        assert browser.ask("performance.getEntriesByType('resource').length") == 0
    assert rows == 6
    assert "<script>" in shown
    assert "\\u202e" in shown
