"""What was run is found at each commit, whatever people and Git did to the history since."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.history.walk import HistoryWalk

LONG = bool(os.environ.get("GIT_SPACY_STRESS"))


@pytest.mark.slow
def test_a_random_walk_over_history_loses_no_run_and_lists_no_other() -> None:
    run_state_machine_as_test(
        HistoryWalk,
        settings=settings(
            max_examples=300 if LONG else 12,
            stateful_step_count=20 if LONG else 6,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
