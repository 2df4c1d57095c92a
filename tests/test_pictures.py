"""The pictures of the README show what git-spacy prints now."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing import console
from tests.testing.projects import on_path

REPOSITORY = Path(__file__).parents[1]
SCRIPT = REPOSITORY / "scripts/pictures.py"
IMAGES = REPOSITORY / "docs/images"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw the pictures anew, with this checkout."""

    folder = tmp_path_factory.mktemp("pictures")
    with pytest.MonkeyPatch.context() as monkeypatch:
        on_path(folder / "bin", monkeypatch)
        subprocess.run((sys.executable, str(SCRIPT), str(folder)), check=True, capture_output=True)
    return folder


def test_the_session_is_up_to_date_except_for_ids_dates_and_durations(drawn: Path) -> None:
    text_of = runpy.run_path(str(SCRIPT))["text_of"]
    committed, now = (
        [console.normalized(line) for line in text_of(path.read_text()).splitlines()]
        for path in (IMAGES / "session.svg", drawn / "session.svg")
    )
    assert any("error: 'report'" in line for line in committed)
    assert committed == now, "run scripts/picture and commit docs/images"


def test_the_graph_is_up_to_date(drawn: Path) -> None:
    assert (IMAGES / "graph.svg").read_text() == (drawn / "graph.svg").read_text(), (
        "run scripts/picture and commit docs/images"
    )


def test_pictures_load_nothing_from_the_web() -> None:
    for path in IMAGES.iterdir():
        assert "url(" not in path.read_text().replace("url(#", "")
