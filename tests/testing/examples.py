"""How many examples Hypothesis tries: fewer in scripts/test than in scripts/stress."""

from __future__ import annotations

import os

IS_LONG = "GIT_SPACY_STRESS" in os.environ


def examples(count: int) -> int:
    """Return `count` in scripts/stress, and otherwise a third of it, at least 20."""

    return count if IS_LONG else max(20, count // 3)
