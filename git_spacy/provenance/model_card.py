"""Write a model card in the format of Hugging Face: metadata in YAML, then Markdown.

The card is about the results in the work tree: the model with its meta.json, the data, commands and
versions that made it, and its scores. The metadata follow what spaCy's own models have there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy import formats
from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.files import open_beneath
from git_spacy.generate.document import (
    asset_source,
    author_blocks,
    author_line,
    inline_code,
    table,
)
from git_spacy.generate.managed_block import Comment, GeneratedFile, marker_command
from git_spacy.history.run_ids import short_run_id
from git_spacy.history.run_record import format_number
from git_spacy.project.matrix import to_cli
from git_spacy.provenance.document_text import clean
from git_spacy.provenance.facts import Facts, KnownFile, KnownRun
from git_spacy.state.stat_cache import StatCache

FILE = "MODEL_CARD.md"

_IN_METADATA = Comment("# ", "", 1)  # below the first `---`
_MAX_META_BYTES = 4 << 20
_MAX_METRICS = 24  # in the table; the others are in the run record
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_LANGUAGE_IN_CONFIG = re.compile(rb'^\s*lang\s*=\s*"([a-z]{2,3})"\s*$', re.MULTILINE)
_HUB_DATASET = re.compile(
    r"https://huggingface\.co/datasets/([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:[/?#]|$)"
)
_PLAIN = re.compile(r"[a-z][a-z-]*[a-z]")
_NOT_PLAIN = ("null", "true", "false", "yes", "no", "on", "off")  # of YAML 1.1
# the ids that Hugging Face knows, of those that spaCy's models and data have
_LICENSES = {
    "mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "gpl-2.0", "gpl-3.0", "lgpl-2.1",
    "lgpl-3.0", "agpl-3.0", "mpl-2.0", "unlicense", "cc0-1.0", "cc-by-3.0", "cc-by-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
    "cc-by-nc-nd-4.0", "odc-by", "odbl", "wtfpl", "isc", "eupl-1.1", "openrail",
}  # fmt: skip
_TOKENS, _TEXTS = "token-classification", "text-classification"


class _Score(NamedTuple):
    """How the metadata name a score: the task and its type, the kind of metric and its name."""

    task: str
    task_type: str
    kind: str
    name: str


# spaCy's scores → as in the metadata of spaCy's models on Hugging Face
_SCORES = {
    "ents_p": _Score("NER", _TOKENS, "precision", "NER Precision"),
    "ents_r": _Score("NER", _TOKENS, "recall", "NER Recall"),
    "ents_f": _Score("NER", _TOKENS, "f_score", "NER F Score"),
    "spans_sc_p": _Score("SPANS", _TOKENS, "precision", "Spans Precision"),
    "spans_sc_r": _Score("SPANS", _TOKENS, "recall", "Spans Recall"),
    "spans_sc_f": _Score("SPANS", _TOKENS, "f_score", "Spans F Score"),
    "tag_acc": _Score("TAG", _TOKENS, "accuracy", "TAG (XPOS) Accuracy"),
    "pos_acc": _Score("POS", _TOKENS, "accuracy", "POS (UPOS) Accuracy"),
    "morph_acc": _Score("MORPH", _TOKENS, "accuracy", "Morph (UFeats) Accuracy"),
    "lemma_acc": _Score("LEMMA", _TOKENS, "accuracy", "Lemma Accuracy"),
    "dep_uas": _Score(
        "UNLABELED_DEPENDENCIES", _TOKENS, "f_score", "Unlabeled Attachment Score (UAS)"
    ),
    "dep_las": _Score("LABELED_DEPENDENCIES", _TOKENS, "f_score", "Labeled Attachment Score (LAS)"),
    "sents_f": _Score("SENTS", _TOKENS, "f_score", "Sentences F-Score"),
    "cats_macro_f": _Score("TEXTCAT", _TEXTS, "f_score", "Categories F Score (macro)"),
    "cats_micro_f": _Score("TEXTCAT", _TEXTS, "f_score", "Categories F Score (micro)"),
    "cats_macro_auc": _Score("TEXTCAT", _TEXTS, "roc_auc", "Categories AUC (macro)"),
    "cats_score": _Score("TEXTCAT", _TEXTS, "f_score", "Categories Score"),
}


class ModelMeta(NamedTuple):
    """What spaCy's meta.json says about a model; "" and () where it does not."""

    name: str = ""
    language: str = ""
    version: str = ""
    license: str = ""
    description: str = ""
    spacy_version: str = ""
    pipeline: tuple[str, ...] = ()


def model_card(root: Path, facts: Facts, file: str) -> GeneratedFile:
    """Return the card of the project's model, for `file`, a path relative to the project.

    Raises InvalidInput if no result is a model, or the file name cannot be part of the marker.
    """

    model = _main_model(facts)
    meta = _read_meta(root, model)
    license = meta.license or facts.project.license
    document = _metadata(root, facts, model, meta, license)
    parts = [
        f"# {author_line(meta.name or facts.title)}",
        author_line(meta.description),
        author_blocks(facts.project.description) if facts.project.description else "",
        _model_table(model, meta, license),
        "## Evaluation",
        _scores_table(facts, model),
        "## Data",
        _data_table(facts, model),
        "## How it was made",
        _commands_table(facts),
        "## Versions",
        _versions_table(facts),
        "This card was made from the run records; `git spacy show` has them in full.",
    ]
    body = "\n\n".join(part for part in _with_content(parts))
    command = marker_command("document", "--model-card", *(["-o", file] if file != FILE else []))
    text = f"---\n{_yaml(document)}---\n\n{body}\n"
    return GeneratedFile(file, text, command, _IN_METADATA, source="")


def _with_content(parts: Sequence[str]) -> Iterator[str]:
    """Yield the parts that are not empty, without the headings of those that are."""

    for part, following in zip(parts, (*parts[1:], "end"), strict=True):
        if part and (following or not part.startswith("## ")):
            yield part


def _main_model(facts: Facts) -> KnownFile:
    """Return the model to describe: one that was evaluated, and not that of a variant."""

    read = {file for run in facts.runs for file in run.inputs if run.record and run.record.metrics}
    variants = {run.name for run in facts.runs if run.command.variant_of}
    found = sorted(
        (file for file in facts.models if file.is_current and file.producer),
        key=lambda file: (file.producer in variants, file not in read),
    )
    if not found:
        raise InvalidInput(
            "no result of the project is a model",
            hint="run the command that trains it; a model is an output that 'spacy train' writes "
            "or 'spacy evaluate' reads, or that is called 'model'",
        )
    return found[0]


def _read_meta(root: Path, model: KnownFile) -> ModelMeta:
    """Return what meta.json says, if the model is the recorded one and is present."""

    found = StatCache.open(root).fingerprint(model.path.normal)
    if found is None or found.digest != model.md5:
        return ModelMeta()
    try:
        with open_beneath(root, f"{model.path.normal}/meta.json", anywhere=True) as stream:
            document = formats.document(stream.read(_MAX_META_BYTES))
    except (OSError, GitSpacyError):
        return ModelMeta()
    values = document if isinstance(document, dict) else {}
    pipeline = values.get("pipeline")
    keys = ("name", "version", "license", "description", "spacy_version")
    texts = {key: value for key in keys if isinstance(value := values.get(key), str)}
    language = values.get("lang")
    is_language = isinstance(language, str) and _LANGUAGE.fullmatch(language)
    name = texts.pop("name", "")
    return ModelMeta(
        name=f"{language}_{name}" if is_language and name else name,
        language=language if is_language and isinstance(language, str) else "",
        pipeline=tuple(map(str, pipeline)) if isinstance(pipeline, list) else (),
        **texts,
    )


# Metadata


def _metadata(
    root: Path, facts: Facts, model: KnownFile, meta: ModelMeta, license: str
) -> dict[str, Any]:
    results = _results(facts, model)
    tasks = dict.fromkeys(result["task"]["type"] for result in results)
    language = meta.language or _language_of_config(root, facts, model)
    datasets = dict.fromkeys(
        match[1]
        for file in facts.sources_of(model)
        if file.asset and (match := _HUB_DATASET.match(file.asset.url or ""))
    )
    name = _one_line(meta.name or facts.title)
    return {
        **({"language": ["multilingual" if language == "xx" else language]} if language else {}),
        "library_name": "spacy",
        "tags": ["spacy", *tasks],
        **_license(license),
        **({"datasets": list(datasets)} if datasets else {}),
        **({"model-index": [{"name": name, "results": results}]} if results else {}),
    }


def _language_of_config(root: Path, facts: Facts, model: KnownFile) -> str:
    for run in facts.runs:
        for file in run.inputs if run.name == model.producer else ():
            if file.path.normal.endswith(".cfg"):
                try:
                    with open_beneath(root, file.path.normal) as stream:
                        match = _LANGUAGE_IN_CONFIG.search(stream.read(_MAX_META_BYTES))
                except (OSError, GitSpacyError):
                    continue
                if match:
                    return match[1].decode()
    return ""


def _license(name: str) -> dict[str, str]:
    if not name:
        return {}
    known = name.strip().lower().removesuffix("-only").removesuffix("-or-later")
    if known in _LICENSES:
        return {"license": known}
    return {"license": "other", "license_name": _one_line(name)}


def _results(facts: Facts, model: KnownFile) -> list[dict[str, Any]]:
    results: dict[tuple[str, str], dict[str, Any]] = {}
    for run, metrics in facts.metrics_of(model):
        dataset = _one_line(_evaluated_data(run, model))
        for name, value in metrics.items():
            score = _SCORES.get(name.rpartition(":")[2])
            if score is None or not math.isfinite(value):
                continue
            result = results.setdefault(
                (run.name, score.task),
                {
                    "task": {"name": score.task, "type": score.task_type},
                    "dataset": {"name": dataset, "type": dataset},
                    "metrics": [],
                },
            )
            metric = {"name": score.name, "type": score.kind, "value": value}
            result["metrics"].append(metric)
    return list(results.values())


def _evaluated_data(run: KnownRun, model: KnownFile) -> str:
    data = [
        file.path.text
        for file in run.inputs
        if file.kind == "data" and not file.path.touches(model.path)
    ]
    return ", ".join(data) or "unknown"


def _one_line(text: str) -> str:
    return " ".join(clean(text).split()) or "unknown"


def _yaml(document: Mapping[str, Any], indent: str = "") -> str:
    """Return nested mappings and lists as YAML that means the same in YAML 1.1, 1.2 and JSON.

    All texts are on one line, and in quotes unless they are plain words; keys are ours.
    """

    lines = []
    for key, value in document.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:\n{_yaml(value, indent + '  ')}")
        elif isinstance(value, list):
            lines.append(f"{indent}{key}:\n{''.join(_yaml_items(value, indent))}")
        else:
            lines.append(f"{indent}{key}: {_scalar(value)}\n")
    return "".join(lines)


def _yaml_items(items: Iterable[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict):
            inner = _yaml(item, indent + "  ")
            yield f"{indent}- {inner[len(indent) + 2 :]}"
        else:
            yield f"{indent}- {_scalar(item)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _NOT_PLAIN:
        return value
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and "e" in text and "." not in text:
        return text.replace("e", ".0e")  # YAML 1.1 wants the point
    return text


# Text


def _model_table(model: KnownFile, meta: ModelMeta, license: str) -> str:
    rows = [
        ("Model", _code(model.path.text)),
        ("md5", _code(model.md5 or "")),
        ("Version", _code(meta.version)),
        ("Language", _code(meta.language)),
        ("Pipeline", ", ".join(map(_code, meta.pipeline))),
        ("spaCy", _code(meta.spacy_version)),
        ("License", _code(license)),
    ]
    return table(("Property", "Value"), [row for row in rows if row[1]])


def _scores_table(facts: Facts, model: KnownFile) -> str:
    rows = [
        (_code(name), _code(format_number(value)), _code(_evaluated_data(run, model)), _run(run))
        for run, metrics in facts.metrics_of(model)
        for name, value in list(metrics.items())[:_MAX_METRICS]
    ]
    return table(("Metric", "Value", "Data", "Run"), rows) if rows else ""


def _data_table(facts: Facts, model: KnownFile) -> str:
    rows = [
        (
            _code(file.path.text),
            _code(file.md5 or ""),
            asset_source(file.asset) if file.asset else "in this repository, or added by hand",
            _code(facts.license_of(file)),
        )
        for file in facts.sources_of(model)
        if file.kind == "data"
    ]
    return table(("File", "md5", "Source", "License"), rows) if rows else ""


def _commands_table(facts: Facts) -> str:
    rows = []
    for run in facts.runs:
        rows.append((_code(run.name), _run(run), _code("; ".join(_details(run)))))
        rows += [("", "", _code(line)) for line in run.script]
    return table(("Command", "Run", "Details and script"), rows)


def _details(run: KnownRun) -> Iterator[str]:
    if run.record and run.record.vars:
        values = (f"{name}={to_cli(value)}" for name, value in run.record.vars.items())
        yield f"with {', '.join(values)}"
    if run.record and run.record.how == "run":
        yield f"took {format_number(round(run.record.seconds, 1))} s"
    yield from run.notes


def _versions_table(facts: Facts) -> str:
    rows = [
        (_code(name), ", ".join(map(_code, versions)))
        for name, versions in facts.versions().items()
    ]
    return table(("Software", "Version"), rows) if rows else ""


def _run(run: KnownRun) -> str:
    return _code(short_run_id(run.record)) if run.record else ""


def _code(text: str) -> str:
    return inline_code(_one_line(text)) if text else ""
