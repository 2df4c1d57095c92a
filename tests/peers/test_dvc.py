"""Compatibility with DVC 3: it loads and runs our dvc.yaml, and detects the same changes as we do."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.generate import dvc as generator
from git_spacy.generate import params_file
from git_spacy.generate.managed_block import with_markers
from git_spacy.project import loader
from tests.templates.test_ner_fashion import needs_spacy
from tests.testing.preloaded import DVC_IMPORTS, Preloaded, preloaded
from tests.testing.projects import CORPUS, Spacy, needs_corpus, on_path, project, two_steps
from tests.testing.repositories import git, repository, write

pytest.importorskip("dvc")


class Dvc:
    """Runs `dvc …`, which must succeed, and returns its output."""

    def __init__(self, program: Preloaded) -> None:
        self._program = program

    def __call__(self, folder: Path, *arguments: str) -> str:
        environ = {**os.environ, "CI": "1"}  # so that DVC does not check for updates
        done = self._program(folder, *arguments, environ=environ)
        assert done.code == 0, f"dvc {arguments}\n{done.out}{done.err}"
        return done.out

    def stale(self, folder: Path) -> set[str]:
        """Return the stages that `dvc status` reports; it omits those that depend on them."""

        return set(json.loads(self(folder, "status", "--json")))


@pytest.fixture(scope="module")
def dvc() -> Iterator[Dvc]:
    with preloaded("dvc", *DVC_IMPORTS) as program:
        yield Dvc(program)


@pytest.fixture(autouse=True)
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands that DVC starts find git-spacy; isolate DVC and turn off its reports."""

    on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))


@contextmanager
def changed(path: Path, old: str, new: str) -> Iterator[None]:
    """Replace `old` by `new` in a file for the duration of the block."""

    before = path.read_bytes()
    assert old.encode() in before
    path.write_bytes(before.replace(old.encode(), new.encode(), 1))
    yield
    path.write_bytes(before)


@needs_spacy
@pytest.mark.skipif(
    "GIT_SPACY_STRESS" not in os.environ,
    reason="trains a model, as a test of the DVC template does: scripts/stress",
)
def test_dvc_runs_ner_fashion_and_detects_changes(tmp_path: Path, spacy: Spacy, dvc: Dvc) -> None:
    folder = tmp_path / "ner_fashion"
    assert spacy("clone", "ner_fashion", folder).code == 0
    config = folder / "configs/config.cfg"
    config.write_text(config.read_text().replace("max_steps = 240", "max_steps = 20"))
    dvc(folder, "init", "-q")
    assert spacy("dvc", "all", cwd=folder).code == 0
    dvc(folder, "repro")
    assert dvc.stale(folder) == set()
    assert not git(folder, "status", "--porcelain", "--", "assets", "corpus", "training")
    assert "ents_f" in dvc(folder, "metrics", "show")
    assert spacy("status", "--json", cwd=folder).code == 0

    dev, training = "assets-comments_dev-jsonl", "assets-comments_train-jsonl"
    cases = {
        # a source, and the asset itself
        ("data/comments_dev.jsonl", "text", "TEXT"): {dev},
        ("assets/comments_train.jsonl", "text", "TEXT"): {training, "preprocess"},
        # variables
        # (the seed is part of the path of the model)
        ("params.yaml", "seed: 0", "seed: 1"): {"train", "evaluate", "package"},
        ("params.yaml", "gpu_id: -1", "gpu_id: 0"): {"train", "evaluate"},
        ("params.yaml", "lang: en", "lang: de"): {"preprocess", "train", "package"},
        ("project.yml", "seed: 0", "seed: 1"): set(),  # params.yaml counts
        (
            "project.yml",
            "Swapped my old",
            "Swapped my new",
        ): set(),  # used by a command outside the workflow
        # script lines, the checksum and the source of an asset
        ("project.yml", "--build none --force", "--build sdist"): {"package"},
        ("project.yml", "--output metrics/metrics.json", "--output metrics/x.json"): {"evaluate"},
        ("project.yml", "690964a7f8fb7b3a9450e35f64bf4a10", "0" * 32): {dev},
        ("project.yml", "data/comments_train.jsonl", "data/other.jsonl"): {training},
        # dependencies
        ("scripts/preprocess.py", "import", "import sys\nimport"): {"preprocess"},
        ("configs/config.cfg", "[paths]", "# changed\n[paths]"): {"train"},
        # changes that affect no command
        ("project.yml", "title:", "# a comment\ntitle:"): set(),
        ("project.yml", "Train the named", "Train a named"): set(),
        ("scripts/find_brands.py", "import", "import sys\nimport"): set(),
    }
    for (name, old, new), expected in cases.items():
        with changed(folder / name, old, new):
            assert dvc.stale(folder) == expected, (name, old, new)
    assert dvc.stale(folder) == set()
    assert spacy("dvc", "all", "--check", cwd=folder).code == 0


def test_a_second_clone_pulls_outputs_from_dvcs_remote(
    tmp_path: Path, spacy: Spacy, dvc: Dvc
) -> None:
    first = two_steps(tmp_path / "first")
    git(first, "init", "-q")
    dvc(first, "init", "-q")
    assert spacy("ignore", cwd=first).code == 0
    assert spacy("dvc", cwd=first).code == 0
    dvc(first, "repro")
    dvc(first, "remote", "add", "-q", "-d", "store", "../store")
    dvc(first, "push")
    git(first, "add", "-A")
    assert "corpus/words.txt" not in git(first, "ls-files")
    git(first, "commit", "-qm", "run by DVC")

    git(tmp_path, "clone", "-q", str(first), "second")
    second = tmp_path / "second"
    assert not (second / "model").exists()
    next_steps = "Next: dvc pull\nor, to run the commands here: git spacy run all\n"
    assert spacy("status", cwd=second).out.endswith(next_steps)
    dvc(second, "pull")
    for name in ("corpus/words.txt", "model/weights.txt"):
        assert (second / name).read_bytes() == (first / name).read_bytes()
    assert dvc.stale(second) == set()
    assert "didn't change" in dvc(second, "repro")
    done = spacy("status", "--json", cwd=second)
    verdicts = {one["name"]: one["state"] for one in json.loads(done.out)["commands"]}
    assert verdicts == {"prepare": "up_to_date", "train": "up_to_date"}

    # what runs without DVC is committed to it
    (second / "params.yaml").write_text("word: bye\n")
    done = spacy("run", "all", cwd=second)
    hint = "dvc commit --force prepare train"
    assert f"for dvc.lock, too: {hint}\n" in done.err
    assert dvc.stale(second) == {"prepare", "train"}
    dvc(second, *hint.split()[1:])
    assert dvc.stale(second) == set()
    assert "didn't change" in dvc(second, "repro")
    assert (second / "model/weights.txt").read_text() == "BYE"


def test_a_command_that_always_runs_is_always_run_by_dvc(
    tmp_path: Path, spacy: Spacy, dvc: Dvc
) -> None:
    script = ["python -c \"open('out', 'a').write('x')\""]
    stamp = {"name": "stamp", "script": script, "outputs": ["out"], "no_skip": True}
    text = json.dumps({"commands": [stamp], "workflows": {"all": ["stamp"]}})
    folder = repository(project(tmp_path / "p", text))
    dvc(folder, "init", "-q")
    spacy("dvc", cwd=folder)
    dvc(folder, "repro")
    assert dvc.stale(folder) == {"stamp"}


def test_names_with_characters_special_to_dvc_are_escaped(
    tmp_path: Path, spacy: Spacy, dvc: Dvc
) -> None:
    copy = "import shutil, sys; shutil.copy(*sys.argv[1:])"
    names = ["a b", "#x", "-y", "s3:d", "{y}", "a*b", "[a]", "~z", "1e3", "null", "ünï"]
    steps = [
        {"name": f"copy {name}", "script": [f'python -c "{copy}" "./{name}" "./{name}.out"'],
         "deps": [name], "outputs": [f"{name}.out"]}
        for name in names
        if not name.startswith("~")
    ]  # fmt: skip
    text = json.dumps({"commands": steps, "workflows": {"all of it": [s["name"] for s in steps]}})
    folder = repository(project(tmp_path / "p", text, dict.fromkeys(names, "content")))
    dvc(folder, "init", "-q")
    assert spacy("dvc", cwd=folder).code == 0
    dvc(folder, "repro")
    assert dvc.stale(folder) == set()
    for step in steps:
        assert (folder / step["outputs"][0]).read_text() == "content"


def test_dvc_detects_a_changed_asset_on_a_web_server(
    tmp_path: Path, spacy: Spacy, dvc: Dvc
) -> None:
    (tmp_path / "served").mkdir()
    served = tmp_path / "served/data.txt"
    served.write_text("one")
    with web_server(served.parent) as address:
        text = f"""\
assets:
  - {{dest: assets/data.txt, url: "{address}/data.txt"}}
commands:
  - {{name: use, script: ["python -c 0"], deps: [assets/data.txt]}}
workflows: {{all: [use]}}
"""
        folder = repository(project(tmp_path / "p", text))
        dvc(folder, "init", "-q")
        spacy("dvc", cwd=folder)
        dvc(folder, "repro")
        assert dvc.stale(folder) == set()
        served.write_text("another")
        assert dvc.stale(folder) == {"assets-data-txt"}
        dvc(folder, "repro")
        assert (folder / "assets/data.txt").read_text() == "another"
        assert dvc.stale(folder) == set()
    # the server is stopped, and not needed by DVC
    spacy("dvc", "--no-urls", cwd=folder)
    assert dvc.stale(folder) == set()


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` with the standard library's HTTP server."""

    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


# Projects that DVC cannot express, by (folder, workflow), with a part of the reason.
REFUSED = {
    ("alfred-ls__NER-prodigy-logWandB", "all"): "'train_spacy' and 'train_search' both produce",
    ("diyclassics__la_core_web_lg", "all"): "'assemble_lg' and 'assemble_trf' both produce",
    ("explosion__projects__benchmarks__span-labeling-datasets", "all"): "'preprocess-wnut17'",
    ("explosion__projects__benchmarks__span-labeling-datasets", "conll"): "'unpack-conll'",
    ("explosion__projects__benchmarks__span-labeling-datasets", "wnut17"): "'preprocess-wnut17'",
    ("ljvmiranda921__calamanCy__experiments__tl_calamancy_gold_corpus", "vectors"): "'build-floret'",
}  # fmt: skip


@needs_corpus
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own
def test_dvc_loads_the_file_of_every_public_project_that_it_can_express(tmp_path: Path) -> None:
    from dvc.dependency.param import ParamsDependency
    from dvc.repo import Repo

    seen, refused = 0, {}
    for path in sorted(CORPUS.glob("*/project.yml")):
        data = path.read_bytes()
        loaded = loader.parse(data)
        for workflow in loaded.project.workflows:
            case = (path.parent.name, workflow.name)
            try:
                part = generator.dvc_file(tmp_path, loaded, data, workflow.name, urls=True)
            except InvalidInput as error:
                refused[case] = str(error)
                continue
            folder = tmp_path / f"{seen}"
            params = params_file.updated(None, part.params)
            write(
                folder,
                {"project.yml": data, "dvc.yaml": with_markers(part), "params.yaml": params},
            )
            with Repo.init(str(folder), no_scm=True) as repo:
                repo.index.check_graph()
                for stage in repo.index.stages:
                    for dep in stage.deps:
                        if isinstance(dep, ParamsDependency):
                            assert not set(dep.params) - set(dep.read_params()), case
            seen += 1
    assert seen > 60
    assert set(refused) == set(REFUSED)
    for case, words in REFUSED.items():
        assert words in refused[case]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own
def test_dvc_itself_rejects_what_we_refuse_to_write(tmp_path: Path) -> None:
    """This shows that each of our errors is necessary."""

    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    cases = {
        "two makers": ([], ["model"], [], ["model"]),
        "one makes what another holds": ([], ["out"], [], ["out/model"]),
        "in place": (["data"], ["data"], [], ["other"]),
        "reads from its own folder": (["out/data"], ["out"], [], ["other"]),
        "writes into what it reads": (["data"], ["data/made"], [], ["other"]),
        "a circle": (["a"], ["b"], ["b"], ["a"]),
    }
    for name, (*first, deps, outs) in cases.items():
        commands = [
            {"name": "one", "script": ["x"], "deps": first[0], "outputs": first[1]},
            {"name": "two", "script": ["x"], "deps": deps, "outputs": outs},
        ]
        data = json.dumps({"commands": commands, "workflows": {"all": ["one", "two"]}}).encode()
        with pytest.raises(InvalidInput, match=r"project\.yml:1:1: .*DVC"):
            generator.dvc_file(tmp_path, loader.parse(data), data, None, urls=True)
        stages = {
            one["name"]: {"cmd": "x", "deps": one["deps"], "outs": one["outputs"]}
            for one in commands
        }
        folder = tmp_path / name
        write(folder, {"dvc.yaml": json.dumps({"stages": stages})})
        with Repo.init(str(folder), no_scm=True) as repo, pytest.raises(DvcException):
            repo.index.check_graph()
