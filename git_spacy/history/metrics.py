"""Which files have metrics, which numbers in them matter most, and in which direction.

The numbers of an output are metrics if it is a small JSON file that is listed in outputs_no_cache
(it is kept in Git, to be read), or that `spacy evaluate` writes. The setting spacy.metrics names
other files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from git_spacy.files import open_beneath
from git_spacy.history.run_record import read_metrics
from git_spacy.light_typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from git_spacy.project.model import Command
    from git_spacy.project.paths import ProjectPath

HANDFUL = 8
"""How many metrics a table or a comparison shows, unless more are asked for."""

_MAX_BYTES = 64 << 10  # a larger JSON file contains data, not metrics
_EVALUATE = r"\bspacy(?:\.exe)?\s+(?:benchmark\s+accuracy|evaluate)\b"
_OUTPUT = r"(?:--output|-o)[=\s]+(?P<quote>[\"']?)(?P<path>[^\s\"']+)(?P=quote)"

# What `spacy train` and `spacy evaluate` write, the scores that people look at first.
_SPACY_SCORES = (
    "score", "cats_score", "cats_macro_f", "cats_micro_f", "cats_macro_auc",
    "ents_f", "ents_p", "ents_r", "spans_sc_f", "spans_sc_p", "spans_sc_r",
    "dep_las", "dep_uas", "tag_acc", "pos_acc", "morph_acc", "lemma_acc", "nel_micro_f",
    "sents_f", "sents_p", "sents_r", "token_acc", "token_f", "token_p", "token_r", "speed",
)  # fmt: skip
_RANKS = {name: rank for rank, name in enumerate(_SPACY_SCORES)}
_LOWER_IS_BETTER = {
    *("loss", "losses", "error", "errors", "err", "cost", "perplexity", "ppl", "wer", "cer"),
    *("mae", "mse", "rmse", "time", "seconds", "duration", "latency"),
}
_HIGHER_IS_BETTER = {
    *("score", "acc", "accuracy", "f", "f1", "p", "r", "precision", "recall", "auc", "uas", "las"),
    *("bleu", "rouge", "map", "ndcg", "mrr", "speed", "throughput", "kappa", "correct"),
}


def metric_files(command: Command, patterns: Iterable[str] = ()) -> list[ProjectPath]:
    """Return the outputs of a command that have metrics: those that match `patterns` if there are
    any, or else as this module describes."""

    globs = tuple(patterns)
    if globs:
        is_chosen = [
            any(fnmatchcase(path.normal, glob) for glob in globs) for path in command.produced
        ]
    else:
        evaluated = set(_evaluation_outputs(command.script))
        kept = {path.normal for path in command.outputs_no_cache}
        is_chosen = [path.normal in kept or path.text in evaluated for path in command.produced]
    return [
        path
        for path, chosen in zip(command.produced, is_chosen, strict=True)
        if chosen and path.normal.endswith(".json")
    ]


def _evaluation_outputs(script: Iterable[str]) -> Iterator[str]:
    for line in script:
        if re.search(_EVALUATE, line):
            yield from (match["path"] for match in re.finditer(_OUTPUT, line))


def metrics_in(root: Path, name: str) -> dict[str, float]:
    """Return the numbers in a file of the project; none if it is not a small JSON file.

    Raises OSError, Refused.
    """

    if not name.endswith(".json"):
        return {}
    with open_beneath(root, name, anywhere=True) as stream:
        data = stream.read(_MAX_BYTES + 1)
    return read_metrics(data) if len(data) <= _MAX_BYTES else {}


def by_importance(names: Iterable[str]) -> list[str]:
    """Sort names of metrics: spaCy's own scores first, then those at the top level."""

    def rank(name: str) -> tuple[int, int]:
        plain = name.rpartition(":")[2]
        return _RANKS.get(plain, len(_RANKS)), plain.count(".")

    return sorted(names, key=rank)


def main_score(names: Collection[str]) -> str:
    """Return the first of spaCy's own scores among metrics, or the only metric.

    Returns "" if that is ambiguous, also if several files have the score.
    """

    if len(names) == 1:
        return next(iter(names))
    first, *_ = (*by_importance(names), "")
    return first if is_score(first) and ":" not in first else ""


def is_score(metric: str) -> bool:
    """Return whether a metric is one of spaCy's own scores, which are higher for a better model."""

    return metric.rpartition(":")[2] in _RANKS and not metric.endswith("speed")


def is_lower_better(metric: str) -> bool:
    """Guess from a name like `loss.ner` or `mean_squared_error` whether lower is better."""

    return not _LOWER_IS_BETTER.isdisjoint(_words(metric))


def judge(metric: str, change: float) -> Literal["better", "worse", ""]:
    """Return whether a change of the metric is for the better; "" if its name does not tell."""

    words = _words(metric)
    lower = is_lower_better(metric)
    if not change or (not lower and _HIGHER_IS_BETTER.isdisjoint(words)):
        return ""
    return "better" if (change < 0) == lower else "worse"


def _words(metric: str) -> list[str]:
    return re.split(r"[^a-z0-9]+|(?<=[a-z])(?=[0-9]{2})", metric.lower())
