"""Write the facts as the metadata of a Workflow Run RO-Crate: ro-crate-metadata.json.

The crate is the project's folder. The profiles are Process Run, Workflow Run and Provenance Run
Crate 0.5 (https://w3id.org/ro/wfrun) on RO-Crate 1.1: project.yml is the workflow, its commands are
the tools, and a run is a CreateAction from the files it read to those it wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from git_spacy import __version__
from git_spacy.history.run_ids import run_id
from git_spacy.project.graph import PathIndex
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.matrix import to_cli
from git_spacy.provenance.document_text import (
    clean,
    import_optional,
    quoted,
    to_json,
    utc,
    web_address,
)
from git_spacy.provenance.facts import Facts, KnownFile, KnownRun

FILE = "ro-crate-metadata.json"
MARK = '"@id": "#git-spacy"'

_Entity = dict[str, Any]
_VERSION = "1.1"
_WORKFLOW = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    _WORKFLOW: ("Workflow RO-Crate", "1.0"),
}
_BIOSCHEMAS = "https://bioschemas.org/profiles"
_WORKFLOW_RUN, _ENGINE, _LANGUAGE = "#run", "#git-spacy", "#project-yml"
_MEDIA_TYPES = {
    "json": "application/json", "jsonl": "application/jsonl", "txt": "text/plain",
    "md": "text/markdown", "csv": "text/csv", "tsv": "text/tab-separated-values",
    "yml": "application/yaml", "yaml": "application/yaml", "py": "text/x-python",
    "cfg": "text/plain", "sh": "application/x-sh", "html": "text/html", "zip": "application/zip",
    "gz": "application/gzip", "whl": "application/zip",
}  # fmt: skip
_URLS = {"python": "https://www.python.org", "spacy": "https://spacy.io"}
_RESERVED = (".", FILE, PROJECT_FILE)


def to_text(facts: Facts) -> str:
    """Return the text of ro-crate-metadata.json. Raises InvalidInput if a package is missing."""

    rocrate = import_optional("rocrate.rocrate", "writing an RO-Crate")
    entity_class = import_optional("rocrate.model.contextentity", "writing an RO-Crate")
    crate = rocrate.ROCrate(version=_VERSION)
    crate.metadata.extra_contexts.append(_TERMS)
    crate.metadata["conformsTo"] = _references([f"https://w3id.org/ro/crate/{_VERSION}", _WORKFLOW])
    for key, value in _root(facts).items():
        crate.root_dataset[key] = value
    for entity in _entities(facts):
        known = {key: value for key, value in entity.items() if value not in ("", [])}
        crate.add(entity_class.ContextEntity(crate, entity["@id"], known))
    return to_json(crate.metadata.generate())


def _entities(facts: Facts) -> Iterator[_Entity]:
    """Yield the entities of the crate but for its root and its descriptor."""

    for id, (name, version) in _PROFILES.items():
        yield {"@id": id, "@type": "CreativeWork", "name": name, "version": version}
    yield from _licenses(facts)
    yield _workflow(facts)
    yield {
        "@id": _LANGUAGE,
        "@type": "ComputerLanguage",
        "name": "spaCy project file",
        "url": {"@id": "https://spacy.io/usage/projects"},
    }
    if facts.license_file:
        yield {
            "@id": facts.license_file,
            "@type": "File",
            "name": facts.license_file,
            "encodingFormat": "text/plain",
        }
    yield from _files(facts)
    yield from _parameters(facts)
    yield from _software(facts)
    yield from _workflow_run(facts)
    for position, run in enumerate(facts.runs, 1):
        yield from _run(facts, run, position)


def _root(facts: Facts) -> _Entity:
    parts = [PROJECT_FILE, *([facts.license_file] if facts.license_file else [])]
    parts += (
        file_id(file) for file in facts.files if _is_part(file) and file.path.normal not in parts
    )
    actions = [_WORKFLOW_RUN, *map(_run_id, facts.runs)]
    if facts.project.license:
        license = _license(facts.project.license)
    elif facts.license_file:
        license = _reference(facts.license_file)
    else:
        license = "The project names no license."
    return {
        "name": clean(facts.title),
        "description": clean(facts.project.description)
        or f"Results of a spaCy project at commit {facts.commit}, and how they were made.",
        "datePublished": utc(facts.time),
        "version": facts.commit,
        "license": license,
        "conformsTo": _references(_PROFILES),
        "mainEntity": _reference(PROJECT_FILE),
        "hasPart": _references(parts),
        "mentions": _references(actions),
    }


def _workflow(facts: Facts) -> _Entity:
    inputs, outputs = _interface(facts)
    content = next((file for file in facts.files if file.path.normal == PROJECT_FILE), None)
    return {
        "@id": PROJECT_FILE,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": clean(facts.title),
        "conformsTo": _reference(f"{_BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"),
        "encodingFormat": _MEDIA_TYPES["yml"],
        "programmingLanguage": _reference(_LANGUAGE),
        "version": facts.commit,
        "hasPart": _references(map(_tool_id, facts.runs)),
        "step": _references(map(_step_id, facts.runs)),
        "input": _references(
            [*map(_parameter_id, inputs), *map(_variable_id, _variable_names(facts))]
        ),
        "output": _references(map(_parameter_id, outputs)),
        **(_checksums(content) if content else {}),
    }


# Files


def file_id(file: KnownFile) -> str:
    """Return the id of a file: its path, unless that is not its place in the crate.

    A path out of the project, and an earlier content of a path, is not a part of the crate. An
    asset that no command read need not be there: it is a part only by its URL.
    """

    if address := _unused_address(file):
        return address
    if not _is_part(file):
        return f"#file/{quoted(file.path.text)}@{file.md5 or 'unknown'}"
    return quoted(file.path.normal) + "/" * file.is_folder


def _is_part(file: KnownFile) -> bool:
    if file.is_unused:
        return bool(_unused_address(file))
    is_own = file.path.normal == PROJECT_FILE or file.path.normal not in _RESERVED
    return file.is_current and is_own and not file.path.outside


def _unused_address(file: KnownFile) -> str:
    return web_address(file.asset.url) if file.is_unused and file.asset else ""


def _files(facts: Facts) -> Iterator[_Entity]:
    index = PathIndex((file.path, file) for file in facts.files if _is_part(file))
    inputs, outputs = _interface(facts)
    values = {
        (run.name, name): [_metric_id(run, name, metric) for metric in metrics]
        for run in facts.runs
        if run.record
        for name, metrics in run.record.metrics.items()
    }
    for file in facts.files:
        if file.path.normal == PROJECT_FILE:  # the workflow
            continue
        entity = _file(facts, file)
        if file in inputs or file in outputs:
            entity["exampleOfWork"] = _reference(_parameter_id(file))
        inner = [other for path, other in index.touching(file.path) if file.path.holds(path)]
        if file.is_folder and _is_part(file) and len(inner) > 1:
            entity["hasPart"] = _references(file_id(part) for part in inner if part != file)
        if measured := values.get((file.producer, file.path.text)):
            entity["variableMeasured"] = _references(measured)
        yield entity


def _file(facts: Facts, file: KnownFile) -> _Entity:
    license = facts.license_of(file)
    kind = "Dataset" if file.is_folder else "File"
    return {
        "@id": file_id(file),
        "@type": kind if _is_part(file) else "CreativeWork",
        "name": clean(file.path.text),
        "description": clean(_description(file)),
        "encodingFormat": "" if file.is_folder else _media_type(file.path.normal),
        "license": _license(license) if license else "",
        **_checksums(file),
        **_source(file),
    }


def _media_type(name: str) -> str:
    return _MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def _checksums(file: KnownFile) -> _Entity:
    return {
        **({"md5": file.md5} if file.md5 else {}),
        **({"sha256": file.sha256} if file.sha256 else {}),
        **({"contentSize": str(file.size)} if file.size is not None else {}),
    }


def _description(file: KnownFile) -> str:
    described = file.asset.description if file.asset else ""
    kind = {"model": "Model", "code": "", "data": ""}[file.kind]
    by = f"made by 'git spacy run {file.producer}'" if file.producer else ""
    earlier = "" if file.is_current else "an earlier content of this path"
    return "; ".join(part for part in (described, kind, by, earlier) if part)


def _source(file: KnownFile) -> _Entity:
    asset = file.asset
    if asset is None:
        return {}
    if asset.git:
        where = [asset.git.repo, asset.git.path, asset.git.branch or ""]
        return {"isBasedOn": clean(" ".join(part for part in where if part))}
    if address := web_address(asset.url):
        return {"isBasedOn" if asset.extract else "contentUrl": address}
    return {"isBasedOn": clean(asset.url)} if asset.url else {}


def _licenses(facts: Facts) -> Iterator[_Entity]:
    names = [facts.project.license, *(facts.license_of(file) for file in facts.files)]
    for name in dict.fromkeys(filter(None, names)):
        license = _license(name)
        if isinstance(license, dict):
            yield {**license, "@type": "CreativeWork", "name": clean(name)}


def _license(name: str) -> Any:
    """Return a reference to a license that is known or on the web; otherwise, its name."""

    spdx = import_optional("cyclonedx.spdx", "writing an RO-Crate")
    if known := spdx.fixup_id(name):
        return _reference(f"https://spdx.org/licenses/{known}")
    address = web_address(name)
    return _reference(address) if address else clean(name)


# The interface of the workflow: its inputs and outputs, as parameters with the files as values


def _interface(facts: Facts) -> tuple[dict[KnownFile, None], dict[KnownFile, None]]:
    """Return the inputs and the outputs of all runs together, in their order."""

    inputs: dict[KnownFile, None] = {}
    outputs: dict[KnownFile, None] = {}
    for run in facts.runs:
        inputs |= dict.fromkeys(file for file in run.inputs if not file.producer)
        outputs |= dict.fromkeys(run.outputs)
    return inputs, outputs


def _parameters(facts: Facts) -> Iterator[_Entity]:
    inputs, outputs = _interface(facts)
    for file in (*inputs, *outputs):
        yield _parameter(
            _parameter_id(file), file.path.text, "Dataset" if file.is_folder else "File"
        )
    for name in _variable_names(facts):
        yield _parameter(_variable_id(name), name, "Text")


def _parameter(id: str, name: str, kind: str) -> _Entity:
    return {
        "@id": id,
        "@type": "FormalParameter",
        "additionalType": kind,
        "name": clean(name),
        "conformsTo": _reference(f"{_BIOSCHEMAS}/FormalParameter/1.0-RELEASE"),
    }


def _variable_names(facts: Facts) -> list[str]:
    names = (name for run in facts.runs if run.record for name in run.record.vars)
    return list(dict.fromkeys(names))


# The runs


def _workflow_run(facts: Facts) -> Iterator[_Entity]:
    inputs, outputs = _interface(facts)
    times = [run.times for run in facts.runs if run.times]
    yield {
        "@id": _WORKFLOW_RUN,
        "@type": "CreateAction",
        "name": f"Run of {PROJECT_FILE}",
        "description": f"The runs whose results commit {facts.commit} has, together.",
        "instrument": _reference(PROJECT_FILE),
        "object": _references(
            [*map(file_id, inputs), *(id for run in facts.runs for id in _value_ids(run))]
        ),
        "result": _references(map(file_id, outputs)),
        **(_times(min(begin for begin, _ in times), max(end for _, end in times)) if times else {}),
    }
    yield {
        "@id": "#organize",
        "@type": "OrganizeAction",
        "name": "Runs of the commands, in order",
        "instrument": _reference(_ENGINE),
        "object": _references(map(_control_id, facts.runs)),
        "result": _reference(_WORKFLOW_RUN),
    }


def _run(facts: Facts, run: KnownRun, position: int) -> Iterator[_Entity]:
    software = [_software_id(name, version) for name, version in run.versions.items()]
    record = run.record
    yield {
        "@id": _tool_id(run),
        "@type": "SoftwareApplication",
        "name": clean(run.name),
        "description": clean(run.command.help) or "A command of the project.",
        "softwareVersion": facts.commit,
        "softwareRequirements": _references(software),
    }
    yield {
        "@id": _step_id(run),
        "@type": "HowToStep",
        "name": clean(run.name),
        "position": str(position),
        "workExample": _reference(_tool_id(run)),
    }
    yield {
        "@id": _control_id(run),
        "@type": "ControlAction",
        "name": clean(run.name),
        "instrument": _reference(_step_id(run)),
        "object": _reference(_run_id(run)),
    }
    yield {
        "@id": _run_id(run),
        "@type": "CreateAction",
        "name": clean(f"git spacy run {run.name}"),
        "description": clean(_how(run)),
        "instrument": _reference(_tool_id(run)),
        "object": _references([*map(file_id, run.inputs), *_value_ids(run)]),
        "result": _references(map(file_id, run.outputs)),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        **(_times(*run.times) if run.times else {}),
    }
    for name, value in (record.vars if record else {}).items():
        yield {
            **_value(_value_id(run, name), name, to_cli(value)),
            "exampleOfWork": _reference(_variable_id(name)),
        }
    for file, metrics in (record.metrics if record else {}).items():
        for name, number in metrics.items():
            yield _value(_metric_id(run, file, name), name, number)


def _value(id: str, name: str, value: Any) -> _Entity:
    shown = clean(value) if isinstance(value, str) else value
    return {"@id": id, "@type": "PropertyValue", "name": clean(name), "value": shown}


def _how(run: KnownRun) -> str:
    return "\n".join((*run.script, *(f"# {note}" for note in run.notes))) or "# no script"


def _times(begin: float, end: float) -> _Entity:
    return {"startTime": utc(begin), "endTime": utc(end)}


def _software(facts: Facts) -> Iterator[_Entity]:
    yield {
        "@id": _ENGINE,
        "@type": "SoftwareApplication",
        "name": "git-spacy",
        "softwareVersion": __version__,
    }
    for name, versions in facts.versions().items():
        for version in versions:
            yield {
                "@id": _software_id(name, version),
                "@type": "SoftwareApplication",
                "name": clean(name),
                "softwareVersion": clean(version),
                "url": _URLS.get(name, ""),
            }


# Ids. Those of things that are not files start with '#', and text in them is quoted.


def _tool_id(run: KnownRun) -> str:
    return f"#command/{quoted(run.name)}"


def _step_id(run: KnownRun) -> str:
    return f"#step/{quoted(run.name)}"


def _control_id(run: KnownRun) -> str:
    return f"#control/{quoted(run.name)}"


def _run_id(run: KnownRun) -> str:
    return f"#{run_id(run.record)}" if run.record else f"#run/{quoted(run.name)}"


def _value_ids(run: KnownRun) -> list[str]:
    return [_value_id(run, name) for name in (run.record.vars if run.record else ())]


def _value_id(run: KnownRun, name: str) -> str:
    return f"#value/{quoted(run.name)}/{quoted(name)}"


def _metric_id(run: KnownRun, file: str, name: str) -> str:
    return f"#metric/{quoted(run.name)}/{quoted(file)}/{quoted(name)}"


def _variable_id(name: str) -> str:
    return f"#variable/{quoted(name)}"


def _parameter_id(file: KnownFile) -> str:
    return f"#parameter/{quoted(file.path.text)}"


def _software_id(name: str, version: str) -> str:
    return f"#software/{quoted(name)}/{quoted(version)}"


def _reference(id: str) -> _Entity:
    return {"@id": id}


def _references(ids: Iterable[str]) -> Any:
    """Return references to entities; RO-Crate wants a list only for several."""

    found = [_reference(id) for id in dict.fromkeys(ids)]
    return found[0] if len(found) == 1 else found
