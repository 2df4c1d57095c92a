"""What public projects really look like: resolved as the reference resolves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_spacy.errors import Refused
from git_spacy.project import loader
from git_spacy.project.model import Project
from tests.testing.projects import CORPUS, needs_corpus

pytestmark = needs_corpus
FOLDERS = sorted(path.parent for path in CORPUS.glob("*/project.yml"))

# Joined lists. The configuration library of weasel 1.x (confection 1.3) takes the `", "` between two
# list items that are nothing but a reference for a JSON text and strips its quotes, so that two
# items become one, 'a, b'. weasel 0.4 with confection 0.1 resolves these six as we do (measured).
JOINED = {
    "Tanmay98__CorefSpacy",
    "ZPP-Jutro-2023__jutro-ner",
    "explosion__projects__tutorials__rel_component",
    "igormorgado__spacy-coref",
    "jakob-ra__relation_extraction_firm_alliances",
    "pmbaumgartner__spacy-setfit-textcat",
}
# Paths that leave the project: the reference takes them, we refuse them (Threat model: paths-outside).
LEAVING = {
    "Tanmay98__CorefSpacy": 5,
    "explosion__projects__pipelines__floret_wiki_oscar_vectors": 10,
}


def split_like_ours(value: Any) -> Any:
    """The reference's document with the joined items of its lists of texts apart again."""

    if isinstance(value, dict):
        return {key: split_like_ours(inner) for key, inner in value.items()}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [part for item in value for part in item.split(", ")]
    if isinstance(value, list):
        return [split_like_ours(item) for item in value]
    return value


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_public_project_resolves_as_the_reference_resolves_it(folder: Path) -> None:
    ours = loader.resolve_document((folder / "project.yml").read_bytes())
    theirs = json.loads((folder / "resolved.json").read_text())
    if folder.name in JOINED:
        assert ours != theirs, "no longer joined: take it off the list"
        ours, theirs = split_like_ours(ours), split_like_ours(theirs)
    assert ours == theirs


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_the_model_loses_nothing_of_what_the_document_says(folder: Path) -> None:
    if folder.name in LEAVING:
        with pytest.raises(Refused) as caught:
            loader.load(folder)
        assert len(caught.value.problems) == LEAVING[folder.name]
        assert all("leaves the project" in problem.message for problem in caught.value.problems)
        return
    project, document, _ = loader.load_with_document(folder)
    assert told(project) == expected(document)


def told(project: Project) -> dict[str, Any]:
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


def expected(document: dict[str, Any]) -> dict[str, Any]:
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
