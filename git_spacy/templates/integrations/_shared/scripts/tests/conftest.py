"""Provides the pipeline under test, which is loaded once."""

from __future__ import annotations

import pytest
import spacy
from spacy.language import Language


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--model", default="training/model-best", help="The pipeline to test.")


@pytest.fixture(scope="session")
def nlp(request: pytest.FixtureRequest) -> Language:
    return spacy.load(request.config.getoption("--model"))
