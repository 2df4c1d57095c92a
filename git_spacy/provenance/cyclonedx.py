"""Write the facts as a bill of materials for machine learning: CycloneDX 1.6 in JSON.

Files, models and software are components, their licenses and checksums included; the dependencies
say what was made from what, and the formulation which commands made it. The library does not write
model cards, data sets and formulations, so those are added to its document.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from git_spacy import __version__
from git_spacy.history.run_ids import run_id
from git_spacy.project.matrix import to_cli
from git_spacy.provenance.document_text import clean, import_optional, to_json, utc, web_address
from git_spacy.provenance.facts import LAST_SECOND, Facts, KnownFile, KnownRun

if TYPE_CHECKING:
    from cyclonedx.model import ExternalReference, HashType, Property
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

MARK = '"bom-ref": "git-spacy"'

_Document = dict[str, Any]
_PROJECT = "project"
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NOT_ON_AN_INDEX = ("python", "git-spacy")
_FOLDER_MD5 = "of the contents of its files, sorted by path and concatenated"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://git-spacy.invalid/cyclonedx")


def to_text(facts: Facts) -> str:
    """Return the text of the bill of materials. Raises InvalidInput if a package is missing."""

    import_optional("cyclonedx", "writing a CycloneDX document")
    document = json.loads(_library_document(facts))
    by_ref = {component["bom-ref"]: component for component in document["components"]}
    for file in facts.files:
        by_ref[_file_ref(file)].update(_data_or_model(facts, file))
    document["formulation"] = [_formula(facts)]
    document.pop("serialNumber", None)
    content = json.dumps(document, sort_keys=True).encode()
    serial = uuid.uuid5(_NAMESPACE, hashlib.sha256(content).hexdigest())
    first = ("$schema", "bomFormat", "specVersion")
    head = {key: document[key] for key in first if key in document}
    return to_json({**head, "serialNumber": serial.urn, **_sorted(document)})


def _sorted(document: _Document) -> _Document:
    order = ("version", "metadata", "components", "dependencies", "formulation")
    return {key: document[key] for key in (*order, *sorted(document)) if key in document}


def _library_document(facts: Facts) -> str:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.bom_ref import BomRef
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.dependency import Dependency
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6

    project = Component(
        type=ComponentType.APPLICATION,
        name=clean(facts.title),
        version=facts.commit,
        bom_ref=_PROJECT,
        description=clean(facts.project.description) or None,
        licenses=_licenses(facts.project.license),
    )
    tool = Component(
        type=ComponentType.APPLICATION, name="git-spacy", version=__version__, bom_ref="git-spacy"
    )
    files = {file: _file_component(facts, file) for file in facts.files}
    software = {
        (name, version): _software_component(name, version)
        for name, versions in facts.versions().items()
        for version in versions
    }
    time = datetime.fromtimestamp(min(max(facts.time, 0), LAST_SECOND), timezone.utc)
    bom = Bom(
        components=[*files.values(), *software.values()],
        metadata=BomMetaData(
            component=project, timestamp=time, tools=ToolRepository(components=[tool])
        ),
    )
    uses: dict[str, list[str]] = {_PROJECT: [_file_ref(file) for file in facts.files]}
    uses |= {_software_ref(*item): [] for item in software}
    runs = {run.name: run for run in facts.runs}
    for file in facts.files:
        run = runs.get(file.producer) if file.is_current else None
        uses[_file_ref(file)] = _used(run) if run else []
    bom.dependencies = [  # its method for one dependency searches those that there are
        Dependency(BomRef(ref), [Dependency(BomRef(item)) for item in used])
        for ref, used in uses.items()
    ]
    return JsonV1Dot6(bom).output_as_string()


def _used(run: KnownRun) -> list[str]:
    files = [_file_ref(file) for file in run.inputs]
    return [*files, *(_software_ref(*item) for item in run.versions.items())]


# Components


def _file_ref(file: KnownFile) -> str:
    return f"file:{clean(file.path.text)}@{file.md5 or 'unknown'}"


def _file_component(facts: Facts, file: KnownFile) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    kinds = {
        "model": ComponentType.MACHINE_LEARNING_MODEL,
        "data": ComponentType.DATA,
        "code": ComponentType.FILE,
    }
    return Component(
        type=kinds[file.kind],
        name=clean(file.path.text),
        version=file.md5,
        bom_ref=_file_ref(file),
        description=clean(file.asset.description) or None if file.asset else None,
        hashes=list(_hashes(file)),
        licenses=_licenses(facts.license_of(file)),
        external_references=list(_sources(file)),
        properties=list(_properties(file)),
    )


def _hashes(file: KnownFile) -> Iterator[HashType]:
    from cyclonedx.model import HashAlgorithm, HashType

    if file.md5:
        yield HashType(alg=HashAlgorithm.MD5, content=file.md5)
    if file.sha256:
        yield HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)


def _sources(file: KnownFile) -> Iterator[ExternalReference]:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri

    asset = file.asset
    if asset is None:
        return
    if asset.git and (address := web_address(asset.git.repo)):
        where = f"path '{asset.git.path}', branch '{asset.git.branch or 'HEAD'}'"
        yield ExternalReference(
            type=ExternalReferenceType.VCS, url=XsUri(address), comment=clean(where)
        )
    elif address := web_address(asset.url):
        yield ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(address))


def _properties(file: KnownFile) -> Iterator[Property]:
    from cyclonedx.model import Property

    if file.size is not None:
        yield Property(name="git-spacy:bytes", value=str(file.size))
    if file.is_folder and file.md5:
        yield Property(name="git-spacy:md5", value=_FOLDER_MD5)
    if file.producer:
        yield Property(name="git-spacy:producer", value=clean(file.producer))
    if not file.is_current:
        yield Property(name="git-spacy:content", value="an earlier content of this path")
    if file.asset and (file.asset.url or file.asset.git) and not list(_sources(file)):
        source = file.asset.url or (file.asset.git.repo if file.asset.git else "")
        yield Property(name="git-spacy:source", value=clean(source))


def _software_ref(name: str, version: str) -> str:
    return f"software:{clean(name)}@{clean(version)}"


def _software_component(name: str, version: str) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    is_package = _PACKAGE.fullmatch(name) and name not in _NOT_ON_AN_INDEX
    return Component(
        type=ComponentType.PLATFORM if name == "python" else ComponentType.LIBRARY,
        name=clean(name),
        version=clean(version),
        bom_ref=_software_ref(name, version),
        purl=PackageURL("pypi", name=name, version=version) if is_package else None,
    )


def _licenses(name: str) -> list[License]:
    from cyclonedx import spdx
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

    if not name:
        return []
    if known := spdx.fixup_id(name):
        return [DisjunctiveLicense(id=known)]
    if spdx.is_expression(name):
        return [LicenseExpression(clean(name))]
    return [DisjunctiveLicense(name=clean(name))]


# What the library does not write


def _data_or_model(facts: Facts, file: KnownFile) -> _Document:
    if file.kind == "model":
        return {"modelCard": _model_card(facts, file)}
    if file.kind == "data":
        address = web_address(file.asset.url) if file.asset else ""
        contents = {"contents": {"url": address}} if address else {}
        return {"data": [{"type": "dataset", "name": clean(file.path.text), **contents}]}
    return {}


def _model_card(facts: Facts, model: KnownFile) -> _Document:
    datasets = [file for file in facts.sources_of(model) if file.kind == "data"]
    measured = [
        {"type": clean(name), "value": json.dumps(value), "slice": clean(run.name)}
        for run, metrics in facts.metrics_of(model)
        for name, value in metrics.items()
    ]
    return {
        "modelParameters": {
            "datasets": [{"ref": _file_ref(file)} for file in datasets],
            "inputs": [{"format": "text"}],
        },
        **({"quantitativeAnalysis": {"performanceMetrics": measured}} if measured else {}),
    }


def _formula(facts: Facts) -> _Document:
    times = [run.times for run in facts.runs if run.times]
    span = _times(min(start for start, _ in times), max(end for _, end in times)) if times else {}
    dependencies = [
        {
            "ref": _task_ref(run.name),
            "dependsOn": _unique(
                _task_ref(file.producer) for file in run.inputs if file.producer and file.is_current
            ),
        }
        for run in facts.runs
    ]
    return {
        "bom-ref": "formula",
        "workflows": [
            {
                "bom-ref": "workflow",
                "uid": f"{facts.commit}:project.yml",
                "name": clean(facts.title),
                "taskTypes": ["build"],
                "tasks": [_task(run) for run in facts.runs],
                "taskDependencies": dependencies,
                **span,
            }
        ],
    }


def _task_ref(name: str) -> str:
    return f"run:{clean(name)}"


def _task(run: KnownRun) -> _Document:
    variables = run.record.vars.items() if run.record else ()
    inputs: list[_Document] = [{"resource": {"ref": _file_ref(file)}} for file in run.inputs]
    if variables:
        parameters = [
            {"name": clean(name), "value": clean(to_cli(value))} for name, value in variables
        ]
        inputs.append({"parameters": parameters})
    return {
        "bom-ref": _task_ref(run.name),
        "uid": run_id(run.record) if run.record else clean(run.name),
        "name": clean(run.name),
        "description": clean("; ".join((run.command.help, *run.notes)).removeprefix("; ")),
        "taskTypes": ["build"],
        "steps": [{"commands": [{"executed": clean(line)}]} for line in run.script],
        **({"inputs": inputs} if inputs else {}),
        **({"outputs": _outputs(run)} if run.outputs else {}),
        **(_times(*run.times) if run.times else {}),
    }


def _outputs(run: KnownRun) -> list[_Document]:
    return [{"type": "artifact", "resource": {"ref": _file_ref(file)}} for file in run.outputs]


def _times(begin: float, end: float) -> _Document:
    return {"timeStart": utc(begin), "timeEnd": utc(end)}


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
