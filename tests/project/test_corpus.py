"""Real project.yml files of public repositories, resolved as weasel resolves them.

The files are not part of this repository. They are expected in the folder `shared/corpus` beside
the checkout, one folder per project with its `project.yml` and `resolved.json`, the document as
weasel resolved it. Without that folder these tests are skipped, and the skip reason says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_spacy.project import loader
from git_spacy.project.model import Project
from tests.testing.projects import CORPUS, needs_corpus

pytestmark = needs_corpus
FOLDERS = sorted(path.parent for path in CORPUS.glob("*/project.yml"))

# weasel 1.x joins list items of these projects: if two adjacent items are both single references,
# its configuration library (confection 1.3) mistakes the `", "` between them for a JSON string and
# strips its quotes, so that they become one item, 'a, b'. weasel 0.4 with confection 0.1 resolves
# these six projects as we do (measured).
JOINED_BY_WEASEL = {
    "Tanmay98__CorefSpacy",
    "ZPP-Jutro-2023__jutro-ner",
    "explosion__projects__tutorials__rel_component",
    "igormorgado__spacy-coref",
    "jakob-ra__relation_extraction_firm_alliances",
    "pmbaumgartner__spacy-setfit-textcat",
}


def split_joined_items(value: Any) -> Any:
    """Return weasel's document with the joined items of its lists of strings separated again."""

    if isinstance(value, dict):
        return {key: split_joined_items(inner) for key, inner in value.items()}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [part for item in value for part in item.split(", ")]
    if isinstance(value, list):
        return [split_joined_items(item) for item in value]
    return value


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_public_project_resolves_as_in_weasel(folder: Path) -> None:
    ours = loader.resolve_document((folder / "project.yml").read_bytes())
    theirs = json.loads((folder / "resolved.json").read_text())
    if folder.name in JOINED_BY_WEASEL:
        assert ours != theirs, (
            "weasel no longer joins these items: remove the project from JOINED_BY_WEASEL"
        )
        ours, theirs = split_joined_items(ours), split_joined_items(theirs)
    assert ours == theirs


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_the_project_model_contains_everything_in_the_document(folder: Path) -> None:
    loaded = loader.load_with_document(folder)
    assert summarize_project(loaded.project) == summarize_document(loaded.document)


def summarize_project(project: Project) -> dict[str, Any]:
    return {
        "title": project.title,
        "directories": [str(path) for path in project.directories],
        "commands": [
            (
                command.name,
                command.help,
                command.script,
                *(tuple(map(str, paths)) for paths in (command.deps, command.outputs)),
                tuple(map(str, command.outputs_no_cache)),
                command.no_skip,
            )
            for command in project.commands
        ],
        "assets": [
            (
                str(asset.dest),
                asset.url,
                asset.git and (asset.git.repo, asset.git.path, asset.git.branch),
                asset.checksum and asset.checksum.digest,
                asset.extra,
            )
            for asset in project.assets
        ],
        "workflows": {workflow.name: list(workflow.steps) for workflow in project.workflows},
        "remotes": {remote.name: remote.url for remote in project.remotes},
    }


def summarize_document(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": document.get("title") or "",
        "directories": document.get("directories", []),
        "commands": [
            (
                entry["name"],
                entry.get("help") or "",
                tuple(entry.get("script", [])),
                *(tuple(entry.get(key, [])) for key in ("deps", "outputs", "outputs_no_cache")),
                entry.get("no_skip", False),
            )
            for entry in document.get("commands", [])
        ],
        "assets": [
            (
                entry["dest"],
                None if entry.get("git") else entry.get("url") or None,
                git and (git["repo"], git["path"] or "", git.get("branch") or None),
                (entry.get("checksum") or "").lower() or None,
                entry.get("extra", False),
            )
            for entry in document.get("assets", [])
            for git in [entry.get("git")]
        ],
        "workflows": document.get("workflows", {}),
        "remotes": document.get("remotes", {}),
    }
