"""The page of a report in a real browser: sorting, filtering, pointing, keyboard, accessibility."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands.test_report import made  # noqa: F401
from tests.testing.browser import Browser, needs_chromium

# scripts/test installs it in CI
AXE = Path(os.environ.get("GIT_SPACY_TEST_AXE", "/no/such/file"))
SCORES = "[...document.querySelectorAll('#runs tbody tr:not([hidden])')].map(row => row.cells[5].textContent).join()"
ROWS = "document.querySelectorAll('#runs tbody tr:not([hidden])').length"
OVERFLOW = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
SHIFT = (
    "new PerformanceObserver(list => list.getEntries().forEach("
    "one => { window.shift = (window.shift ?? 0) + one.value; }))"
    ".observe({type: 'layout-shift', buffered: true})"
)

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:  # noqa: F811
    """A browser without a network that shows the report; shared, since it starts slowly."""

    from git_spacy.cli.main import main

    folder = tmp_path_factory.mktemp("browser")
    assert main(["-C", str(made), "report", "-o", str(folder / "page.html")]) == 0
    with Browser(folder / "profile", patience=300) as browser:
        browser.go_offline()
        browser.resize(1600)
        browser.open((folder / "page.html").as_uri())
        browser.wait_for("document.querySelector('#count')?.textContent.includes('of')")
        browser.ask(SHIFT)
        browser.ask(
            "new Promise(done => setTimeout(done, 100)).then(() => { window.first = window.shift; })"
        )
        yield browser


def press_title(browser: Browser, title: str) -> str:
    """Press the title of a column; return the direction that it is sorted in then."""

    head = f"[...document.querySelectorAll('#runs th')].find(one => one.textContent === '{title}')"
    browser.ask(f"{head}.querySelector('button').focus()")
    browser.press("Enter", "\r")
    direction: str = browser.ask(f"{head}.getAttribute('aria-sort')")
    assert (
        browser.ask("document.querySelectorAll('#runs thead th:not([aria-sort=none])').length") <= 1
    )
    return direction


def test_titles_sort_by_number_with_empty_cells_last(browser: Browser) -> None:
    assert press_title(browser, "ents_f") == "descending"
    assert browser.ask(SCORES) == "0.83,0.82,0.81,0.75,0.5,0.25" + "," * 7
    assert press_title(browser, "ents_f") == "ascending"
    assert browser.ask(SCORES) == "0.25,0.5,0.75,0.81,0.82,0.83" + "," * 7
    assert press_title(browser, "Command") == "ascending"


def test_filters_hide_rows_and_fade_their_marks(browser: Browser) -> None:
    faded = "document.querySelectorAll('#metrics .off').length"
    fields = ("search", "command", "state")
    for values, rows, count in (
        (("SEED=2", "", ""), 1, 10), (("", "2", ""), 3, 12), (("", "", "x"), 3, 6),
        (("", "", "f"), 1, 12), (("no such run", "", ""), 0, 12), (("", "", ""), 13, 0),
    ):  # fmt: skip
        for field, value in zip(fields, values, strict=True):
            one = f"document.querySelector('#{field}')"
            browser.ask(f"{one}.value = {value!r}; {one}.dispatchEvent(new Event('input'))")
        assert browser.ask(ROWS) == rows
        assert browser.ask("document.querySelector('#count').textContent") == f"{rows} of 13 runs"
        assert browser.ask(faded) == count


def test_a_curve_shows_the_run_of_its_training(browser: Browser) -> None:
    tip = "document.querySelector('#tip.shown')?.textContent ?? ''"
    # a page that still scrolls smoothly, after an earlier test, would hide the tip
    browser.ask(
        "(async () => { scrollTo({top: 0, behavior: 'instant'});"
        " for (const _ of [1, 2]) await new Promise(requestAnimationFrame); })()"
    )
    browser.ask("document.querySelector('#training svg').focus({preventScroll: true})")
    for best in ("0.6", "0.7"):
        browser.press("ArrowRight")
        shown = browser.wait_for(tip)
        assert shown.startswith(f"best {best} at step 400 of 600\n")
        assert "Command: train" in shown
    browser.press("Escape")


def test_a_mark_shows_its_run_to_the_pointer_and_to_the_keyboard(browser: Browser) -> None:
    tip = "document.querySelector('#tip.shown')?.textContent ?? ''"
    browser.point("#metrics circle.ring")
    pointed = browser.wait_for(tip)
    assert pointed.startswith("0.81\n")
    assert "Parameters: seed=1, size=4" in pointed
    browser.ask("document.querySelector('#variants svg').focus({preventScroll: true})")
    browser.press("ArrowRight")
    assert "Parameters: seed=0, size=4" in browser.wait_for(tip)
    browser.press("Enter", "\r")
    row = browser.wait_for("document.activeElement.closest('tr')?.id")
    assert browser.ask("location.hash") == f"#{row}"
    assert browser.ask(tip) == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1600])
def test_it_fits_and_axe_finds_nothing(browser: Browser, width: int, scheme: str) -> None:
    browser.resize(width)
    browser.prefer(scheme)
    assert browser.ask("document.body.offsetWidth") <= width
    assert browser.ask(OVERFLOW) is False
    background = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(15, 19, 25)")
    if not AXE.exists():
        pytest.skip("axe-core is not installed")
    browser.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    browser.ask(AXE.read_text("utf-8"))
    browser.ask("axe.run().then(found => { window.found = JSON.stringify(found.violations); })")
    violations = json.loads(browser.wait_for("window.found"))
    browser.ask("delete window.found")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []


def test_it_loads_nothing_and_nothing_moves(browser: Browser) -> None:
    assert browser.ask("performance.getEntriesByType('resource').length") == 0
    assert (browser.ask("window.first") or 0) < 0.01
