"""The template integrations/streamlit: the app with a newly trained model in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.testing.browser import Browser, needs_chromium
from tests.testing.projects import Done
from tests.testing.servers import free_port
from tests.testing.serving import (
    copy,
    environment,
    serving,
    spacy,
    trained,
    until,
    until_all_ended,
)
from tests.testing.terminal import at_terminal, wait_for_exit

pytestmark = pytest.mark.slow
MARKS = "[...document.querySelectorAll('mark.entity')].map(mark => mark.innerText).join('|')"
# Streamlit shows this widget while the script runs, and exceptions in the page.
IS_DONE = "!document.querySelector('[data-testid=stStatusWidget]')"
FAILURES = (
    "[...document.querySelectorAll('[data-testid=stException]')].map(one => one.innerText).join()"
)
ELSEWHERE = (
    "performance.getEntriesByType('resource').map(one => one.name)"
    ".filter(name => !new URL(name).hostname.match(/^localhost$/)).join(' ')"
)


@pytest.fixture(scope="module")
def trained_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Clone the template and run it. Shared by the tests, which must not change it."""

    for module in ("spacy", "streamlit", "spacy_streamlit", "typer", "pytest_html"):
        # not imported, since Streamlit causes warnings
        if find_spec(module) is None:
            pytest.skip(f"'{module}' is not installed")
    return trained("integrations/streamlit", tmp_path_factory)


@pytest.fixture
def folder(trained_template: tuple[Path, dict[str, Done]], tmp_path: Path) -> Path:
    """A copy of the trained template, which a test may change."""

    return copy(trained_template[0], tmp_path)


def is_up(port: int) -> bool | None:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5) as answer:
            return answer.status == 200 or None
    except (urllib.error.URLError, OSError):
        return None


def test_the_template_runs_as_in_its_readme_and_is_then_up_to_date(
    trained_template: tuple[Path, dict[str, Done]], folder: Path
) -> None:
    assert trained_template[1]["run"].err.endswith("ran 5, skipped 0\n")
    assert spacy(folder, "check", "--strict") == (0, "", "")
    assert spacy(folder, "run", "all").err.endswith("ran 0, skipped 5\n")
    status = spacy(folder, "status")
    assert status.err == ""
    assert "visualize   always runs  sets no_skip" in status.out
    assert str(trained_template[0].parent) not in (folder / "project.lock").read_text()


@needs_chromium
def test_the_browser_shows_the_entities_of_the_trained_model(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    words = ("run", "visualize", "--vars.port", str(port))
    with serving(folder, sys.executable, "-m", "git_spacy", *words) as app:
        app.wait_until(lambda: is_up(port), "the app")
        with Browser(tmp_path / "browser") as browser:
            browser.open(f"http://localhost:{port}")
            seen = browser.wait_for(MARKS)
            text = browser.wait_for("document.querySelector('textarea')?.value")
            browser.wait_for(IS_DONE)
            failures = browser.ask(FAILURES)
            page = browser.ask("document.body.innerText")
            elsewhere = browser.ask(ELSEWHERE)
            browser.screenshot(tmp_path / "page.png")
        assert app.stop() == 0, app.said
        assert "==> visualize: done in " in app.said
    assert failures == ""
    assert seen == "Nike FASHION_BRAND|Adidas FASHION_BRAND"
    assert text == "Swapped my old Nike runners for Adidas and never looked back"
    assert "training/model-best" in page
    assert "Named Entities" in page
    assert elsewhere == "", "the page asks other servers"
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert "Traceback" not in app.said
    assert "Network URL" not in app.said, "others can connect"


APP = """\
import sys
from streamlit.testing.v1 import AppTest
sys.argv = ["visualize.py", sys.argv[1], "my Nike shoes"]
app = AppTest.from_file("scripts/visualize.py", default_timeout=120).run()
print([box.value for box in app.selectbox], [error.message for error in app.exception])
print("FASHION_BRAND", sum("<mark" in text.value for text in app.markdown))
print([text.value for text in app.subheader], [text.value for text in app.markdown][-1])
app.selectbox(key="model-1").set_value("blank").run()
print([error.message for error in app.exception])
print(app.table[0].value.to_dict("records"))
"""


def test_two_models_are_shown_side_by_side_with_what_only_one_of_them_finds(folder: Path) -> None:
    models = "training/model-best,training/model-last,blank"
    blank = (
        "import spacy; nlp = spacy.blank('en'); nlp.add_pipe('ner').add_label('X');"
        " nlp.initialize(); nlp.to_disk('blank')"
    )
    environ = environment(folder.parent)
    subprocess.run((sys.executable, "-c", blank), cwd=folder, env=environ, check=True)
    done = subprocess.run(
        (sys.executable, "-c", APP, models), cwd=folder, env=environ, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [
        "['training/model-best', 'training/model-last'] []",
        "FASHION_BRAND 2",
        "['Differences'] Both models find the same entities.",
        "[]",
        "[{'text': 'Nike', 'label': 'FASHION_BRAND', 'only': 'left'}]",
    ]


def test_a_wrong_path_is_reported_before_the_server_starts(folder: Path) -> None:
    for models, problem in {
        "training/model-best, training/model-bst": "'training/model-bst' does not exist",
        "training": "'training' has no meta.json and config.cfg",
        "nosuchpackage": "'nosuchpackage' does not exist",
    }.items():
        done = spacy(folder, "run", "visualize", "--vars.models", models)
        assert done.code == 1
        printed = done.out + done.err
        assert f"error: pipeline {problem}\n" in printed
        assert "hint: choose from: training/model-best, training/model-last\n" in printed
        assert "streamlit run" not in printed
    check = [sys.executable, "scripts/check_models.py", "training/model-best, spacy"]
    assert subprocess.run(check, cwd=folder, check=True, capture_output=True).stderr == b""


def test_ctrl_c_stops_the_app_successfully(folder: Path) -> None:
    port = free_port()
    words = ("run", "visualize", "--vars.port", str(port), "--vars.text", "a 'quoted' text")
    pid, terminal = at_terminal(folder, *words, environ=environment(folder.parent))
    until(lambda: is_up(port), "the app")
    os.write(terminal, b"\x03")
    code, seen = wait_for_exit(pid, terminal)
    assert code == 0, seen
    assert "==> visualize: running (sets no_skip)" in seen
    assert "==> visualize: done in " in seen
    assert not is_up(port)
    until_all_ended(folder.parent)
    assert list(lock_format.read(folder))[-1] == "visualize"


def test_it_sends_no_usage_statistics(folder: Path) -> None:
    shown = subprocess.run(
        (sys.executable, "-m", "streamlit", "config", "show"),
        cwd=folder, env=environment(folder.parent), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    settings = [line for line in shown.splitlines() if not line.startswith("#")]
    assert "gatherUsageStats = false" in settings
    assert "headless = true" in settings
    assert 'address = "localhost"' in settings
