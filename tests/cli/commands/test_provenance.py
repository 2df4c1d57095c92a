"""`git spacy provenance` writes a Workflow Run RO-Crate and a CycloneDX ML-BOM of a commit."""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from rocrate.rocrate import ROCrate

from git_spacy.history.run_record import RecordedFile, RunRecord, parse_line, to_line
from git_spacy.lock import lock_format
from tests.testing.projects import Spacy, process
from tests.testing.repositories import commit, git, write
from tests.testing.results import TRAINED, trained
from tests.threats.inputs import ESCAPES

FORMATS = ("rocrate", "cyclonedx")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the results of a trained model."""

    return trained(tmp_path_factory.mktemp("provenance") / "p")


def document(spacy: Spacy, root: Path, style: str, *words: str) -> dict[str, Any]:
    done = spacy("provenance", "--format", style, *words, cwd=root)
    assert done.code == 0, done.err
    parsed: dict[str, Any] = json.loads(done.out)
    return parsed


def crate_of(spacy: Spacy, root: Path, *words: str) -> ROCrate:
    """Return the crate as the library reads it; it warns of files that are not parts of it."""

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ROCrate(document(spacy, root, "rocrate", *words))


def assert_valid(bom: dict[str, Any]) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bom))
    assert error is None, error


def every(document: Any, key: str) -> Iterator[Any]:
    """Yield all values of a key, at any depth."""

    if isinstance(document, dict):
        for name, value in document.items():
            if name == key:
                yield value
            yield from every(value, key)
    elif isinstance(document, list):
        for value in document:
            yield from every(value, key)


def locked_files(root: Path) -> set[tuple[str, str | None]]:
    entries = lock_format.read(root).values()
    return {(file.path, file.md5) for entry in entries for file in (*entry.deps, *entry.outs)}


def test_every_md5_and_every_version_is_that_of_the_lock_and_its_records(
    root: Path, spacy: Spacy
) -> None:
    crate, bom = (document(spacy, root, style) for style in FORMATS)
    in_crate = {(item["name"], item["md5"]) for item in crate["@graph"] if "md5" in item}
    assert in_crate == locked_files(root)
    in_bom = {
        (item["name"], hash["content"])
        for item in bom["components"]
        for hash in item.get("hashes", ())
        if hash["alg"] == "MD5"
    }
    assert in_bom == locked_files(root)
    sha256 = {hash["content"] for hash in every(bom["components"], "hashes") for hash in hash}
    assert {text for text in sha256 if len(text) == 64} == {"5" * 64}
    (run,) = json.loads(spacy("log", "--command", "train", "--json", cwd=root).out)[0]["runs"]
    versions = run["versions"]
    assert {"python", "git-spacy"} <= versions.keys()
    assert {
        item["name"]: item["softwareVersion"]
        for item in crate["@graph"]
        if item["@id"].startswith("#software/")
    } == versions
    components = bom["components"]
    assert {
        item["name"]: item["version"]
        for item in components
        if item["type"] in ("library", "platform")
    } == versions
    commit_id = git(root, "rev-parse", "HEAD")
    assert bom["metadata"]["component"]["version"] == commit_id
    assert crate["@graph"][0]["version"] == commit_id


def test_a_version_that_spacy_wrote_into_the_lock_is_the_version(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    git(tmp_path, "clone", "-q", str(root), "p")
    root = tmp_path / "p"
    text = (root / "project.lock").read_text().replace("outs:\n", "spacy_version: 3.4.5\n  outs:\n")
    commit(root, {"project.lock": text})
    crate, bom = (document(spacy, root, style) for style in FORMATS)
    in_crate = [item["softwareVersion"] for item in crate["@graph"] if item.get("name") == "spacy"]
    in_bom = [item["version"] for item in bom["components"] if item["name"] == "spacy"]
    assert in_crate == in_bom == ["3.4.5"]
    assert next(item for item in bom["components"] if item["name"] == "spacy")["purl"] == (
        "pkg:pypi/spacy@3.4.5"
    )


def test_the_crate_has_what_the_workflow_run_profile_requires(root: Path, spacy: Spacy) -> None:
    crate = crate_of(spacy, root)
    profiles = {item.id for item in crate.root_dataset["conformsTo"]}
    assert {f"https://w3id.org/ro/wfrun/{name}/0.5" for name in ("process", "workflow")} < profiles
    for name in ("name", "description", "datePublished", "license"):
        assert crate.root_dataset[name], name
    workflow = crate.mainEntity
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} <= set(workflow.type)
    assert workflow["programmingLanguage"].type == "ComputerLanguage"
    actions = {item["name"]: item for item in crate.root_dataset["mentions"]}
    assert actions["Run of project.yml"]["instrument"] is workflow
    for name in ("prepare", "train", "evaluate"):
        action = actions[f"git spacy run {name}"]
        assert action["instrument"] in workflow["hasPart"]
        assert action["startTime"] <= action["endTime"]
    train = actions["git spacy run train"]
    assert [item.id for item in train["object"]] == ["corpus/train.spacy", "train.py", "config.cfg"]
    assert train["result"].id == "training/model-best/"
    assert "python train.py spacy train config.cfg" in train["description"]
    assert train["description"].splitlines()[1].startswith("# began on commit ")
    parts = {item.id: item for item in crate.root_dataset["hasPart"]}
    assert parts["assets/raw.txt"]["license"]["name"] == "CC-BY-4.0"
    assert parts["assets/raw.txt"]["license"].id == "https://spdx.org/licenses/CC-BY-4.0"
    assert parts["assets/raw.txt"]["contentUrl"] == "https://***@example.com/raw.txt?***"
    assert "https://example.com/unused.jsonl" in parts
    assert {item.id for item in parts["corpus/"]["hasPart"]} == {
        "corpus/train.spacy", "corpus/dev.spacy",
    }  # fmt: skip
    metrics = {item["name"]: item["value"] for item in parts["metrics.json"]["variableMeasured"]}
    assert metrics["ents_f"] == 0.85


def test_the_bill_of_materials_is_valid_and_says_what_the_model_was_made_from(
    root: Path, spacy: Spacy
) -> None:
    bom = document(spacy, root, "cyclonedx")
    assert_valid(bom)
    components = {item["name"]: item for item in bom["components"]}
    model = components["training/model-best"]
    assert model["type"] == "machine-learning-model"
    (raw,) = model["modelCard"]["modelParameters"]["datasets"]
    assert raw["ref"] == components["assets/raw.txt"]["bom-ref"]
    measured = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {"type": "ents_f", "value": "0.85", "slice": "evaluate"} in measured
    assert model["licenses"] == [{"license": {"id": "MIT"}}]
    assert components["assets/raw.txt"]["licenses"] == [{"license": {"id": "CC-BY-4.0"}}]
    depends = {item["ref"]: item.get("dependsOn", []) for item in bom["dependencies"]}
    assert components["config.cfg"]["bom-ref"] in depends[model["bom-ref"]]
    (workflow,) = bom["formulation"][0]["workflows"]
    tasks = {task["name"]: task for task in workflow["tasks"]}
    (step,) = tasks["train"]["steps"]
    assert step["commands"][0]["executed"].startswith("python train.py spacy train")
    assert {"ref": "run:train", "dependsOn": ["run:prepare"]} in workflow["taskDependencies"]
    assert tasks["train"]["outputs"] == [
        {"type": "artifact", "resource": {"ref": model["bom-ref"]}}
    ]


def test_a_commit_gives_the_same_bytes_in_another_clone_with_the_same_records(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    clone = tmp_path / "another name"
    git(tmp_path, "clone", "-q", str(root), str(clone))
    git(clone, "fetch", "-q", "origin", "refs/notes/spacy:refs/notes/spacy")
    git(clone, "commit", "-q", "--allow-empty", "-m", "later")
    crate, bom = (("provenance", "-f", style) for style in FORMATS)
    assert spacy(*crate, cwd=root).out == spacy(*crate, "HEAD~1", cwd=clone).out
    there = process(*bom, "HEAD~1", cwd=clone, PYTHONHASHSEED="7")
    assert spacy(*bom, cwd=root).out == there.out
    assert there.out.isascii()


def test_results_without_a_record_are_described_by_the_lock_alone(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    git(tmp_path, "clone", "-q", str(root), "c")
    bom = document(spacy, tmp_path / "c", "cyclonedx")
    assert_valid(bom)
    tasks = bom["formulation"][0]["workflows"][0]["tasks"]
    assert [task["name"] for task in tasks] == ["prepare", "train", "evaluate"]
    assert not any("timeStart" in task for task in tasks)
    crate = crate_of(spacy, tmp_path / "c")
    assert crate.get("corpus/")["md5"] in dict(map(reversed, locked_files(root)))  # type: ignore[call-overload]


def test_an_experiment_has_its_variables_and_what_it_made_stale_is_marked(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = trained(tmp_path / "p")
    assert spacy("run", "train", "--vars.seed", "3", cwd=root).code == 0
    commit(root, {"project.yml": TRAINED.replace("seed: 0", "seed: 3")})
    crate = crate_of(spacy, root)
    (value,) = (item for item in crate.get_entities() if item.id == "#value/train/seed")
    assert (value["name"], value["value"]) == ("seed", "3")
    assert value["exampleOfWork"].type == "FormalParameter"
    actions = {item["name"]: item for item in crate.root_dataset["mentions"]}
    assert value in actions["git spacy run train"]["object"]
    # the corpus is made anew, but not the model: two contents of one path
    write(root, {"assets/raw.txt": "other\n"})
    assert spacy("run", "prepare", cwd=root).code == 0
    commit(root, {})
    done = spacy("provenance", "-f", "rocrate", cwd=root)
    assert "warning: the results of 'train' are of an earlier state of its files" in done.err
    assert "hint: git spacy run train" in done.err
    assert "# the script or its inputs have changed since" in done.out
    crate = crate_of(spacy, root)
    assert {(item["name"], item["md5"]) for item in crate.get_entities() if "md5" in item} == (
        locked_files(root)
    )
    earlier = [item for item in crate.get_entities() if "an earlier" in item.get("description", "")]
    assert {item.type for item in earlier} == {"CreativeWork"}
    assert sorted(item["name"] for item in earlier) == [
        "corpus/dev.spacy", "corpus/train.spacy", "training/model-best",
    ]  # fmt: skip
    bom = document(spacy, root, "cyclonedx")
    assert_valid(bom)
    tasks = {item["name"]: item for item in bom["formulation"][0]["workflows"][0]["tasks"]}
    assert {"parameters": [{"name": "seed", "value": "3"}]} in tasks["train"]["inputs"]


def test_the_document_is_written_to_a_file_but_not_over_one_of_another_origin(
    root: Path, spacy: Spacy
) -> None:
    command, file = ("provenance", "-f", "rocrate", "-o", "crate.json"), root / "crate.json"
    bom = ("provenance", "-f", "cyclonedx", "-o", "crate.json")
    try:
        assert spacy(*command, cwd=root).err == "wrote crate.json\n"
        assert file.read_text() == spacy("provenance", "-f", "rocrate", cwd=root).out
        assert spacy(*command, cwd=root).err == "crate.json is up to date\n"
        file.write_text(file.read_text().replace("Fashion", "Old"))
        assert spacy(*command, cwd=root).err == "wrote crate.json\n"
        done = spacy(*bom, cwd=root)
        assert done.code == 3
        assert "error: 'crate.json' was not written by 'git spacy provenance" in done.err
        assert "@graph" in file.read_text()
        assert spacy(*bom, "--force", cwd=root).code == 0
        assert "@graph" not in file.read_text()
    finally:
        file.unlink(missing_ok=True)
    assert spacy("provenance", "-f", "rocrate", "-o", "project.yml", cwd=root).code == 3


@pytest.mark.threat("link-destinations", "links-outside", commands="provenance")
def test_the_document_is_not_written_through_a_link_that_leads_out(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    (root / "link").symlink_to(tmp_path)
    try:
        done = spacy("provenance", "-f", "rocrate", "-o", "link/x.json", cwd=root)
    finally:
        (root / "link").unlink()
    assert done.code == 3
    assert list(tmp_path.iterdir()) == []


def test_errors_say_what_to_do(
    root: Path, tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spacy("provenance", "-f", "spdx", cwd=root).code == 2
    git(tmp_path, "clone", "-q", str(root), "without-records")
    done = spacy("provenance", "-f", "rocrate", "HEAD~1", cwd=tmp_path / "without-records")
    assert done.code == 2
    assert done.err.startswith("error: no results are recorded for commit ")
    assert "hint: or, for records of others: git spacy notes pull\n" in done.err
    assert spacy("provenance", "-f", "rocrate", "nowhere", cwd=root).code == 2
    assert spacy("provenance", "-f", "rocrate", cwd=tmp_path).code == 2  # no repository
    for style, module, package in zip(
        FORMATS, ("rocrate", "cyclonedx"), ("rocrate>=0.15", "cyclonedx-python-lib>=9"), strict=True
    ):
        with monkeypatch.context() as without:
            for name in [name for name in sys.modules if name.split(".")[0] == module]:
                without.delitem(sys.modules, name)
            without.setitem(sys.modules, module, None)
            done = spacy("provenance", "-f", style, cwd=root)
        assert done.code == 2
        assert "needs a package that is not installed" in done.err
        assert f"hint: pip install '{package}'\n" in done.err


HOSTILE = f"</script><script>alert(1)</script>\"'{{}},\n---\n{ESCAPES}"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project and a record that are hostile in every field."""

    quoted = json.dumps(HOSTILE)
    text = re.sub(r"(title|description|help|license): .*", lambda m: f"{m[1]}: {quoted}", TRAINED)
    text = text.replace("name: train", "name: 'train\"}<b>'")
    text = text.replace("prepare, train,", "prepare, 'train\"}<b>',")
    text = text.replace("https://example.com/unused.jsonl", 'https://x/\\"><script>?a=b')
    root = trained(tmp_path_factory.mktemp("hostile") / "p", text)
    entry = lock_format.read(root)["prepare"]
    files = [
        tuple(RecordedFile(item.path, item.md5, 1) for item in items)
        for items in (entry.deps, entry.outs)
    ]
    record = RunRecord(
        "2026-01-01T00:00:00.123456789Z", "", "prepare", entry.script, *files, seconds=1e12,
        vars={HOSTILE: HOSTILE, "@id": {"@id": "./", "@type": "x"}},
        versions={"<b>spacy": "1\"><script>", "a?b#c": "https://x"},
        metrics={"corpus": {HOSTILE: 1.5}}, source="<b>", how="restore",
    )  # fmt: skip
    assert parse_line(to_line(record))
    git(root, "notes", "--ref", "spacy", "remove", "HEAD~1")
    git(root, "notes", "--ref", "spacy", "append", "-m", to_line(record), "HEAD~1")
    return root


@pytest.mark.threat("injected-text", "hostile-values", commands="provenance")
@pytest.mark.parametrize("style", FORMATS)
def test_hostile_text_is_only_text(hostile: Path, style: str, spacy: Spacy) -> None:
    done = spacy("provenance", "-f", style, cwd=hostile)
    assert done.code == 0, done.err
    assert not _CONTROL.search(done.out)
    assert "<" not in done.out
    assert "secret" not in done.out
    document = json.loads(done.out)

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                assert re.fullmatch(r"[@$]?[A-Za-z0-9-]+", key), key
                yield from texts(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner)
        elif isinstance(value, str):
            yield value

    found = list(texts(document))
    assert not any(_CONTROL.search(text) for text in found)
    assert any("<script>" in text for text in found)  # shown as it is
    for text in ("<b>spacy", '1"><script>', '{"@id": "./", "@type": "x"}', 'train"}<b>'):
        assert text in found  # the record and the name are there
    if style == "cyclonedx":
        assert_valid(document)
        return
    ids = [item["@id"] for item in document["@graph"]]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[\w./#%@:?=&*~+-]+", id) for id in ids), ids
    referenced = set(every(document["@graph"], "@id"))
    external = referenced - set(ids)
    assert all(
        id.startswith(("https://bioschemas.org", "https://w3id.org/ro/crate", "https://spacy.io"))
        for id in external
    ), external
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ROCrate(document).mainEntity.id == "project.yml"
