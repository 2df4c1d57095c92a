"""The text of dvc.yaml; tests/peers checks that DVC accepts it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml as pyyaml

from git_spacy.errors import InvalidInput
from git_spacy.generate import dvc
from git_spacy.generate.dvc_params import find_params
from git_spacy.project import loader, variable_usage
from git_spacy.project.paths import ProjectPath
from tests.testing.projects import Spacy, process, project, two_steps
from tests.testing.repositories import commit, git, repository

EVERYTHING = b"""
variables: {LANG: en, NAME: "{LANG}_x"}
vars:
  lr: 1
  "a.b": 2
  deep: {er: {x: 1, "true": 2}}
  list: [1, 2]
  cost: "${vars.lr}"
  unused: 1
env: {KEY: API_KEY}
assets:
  - {dest: assets/a.json, url: "https://example.com/a.json?v=1", checksum: 5eb63bbbe01eeed093cb22bb8f5acdc3}
  - {dest: assets/b, git: {repo: "https://example.com/r", path: "", branch: main}}
  - {dest: assets/c, url: "https://${env.KEY}@example.com/c"}
  - {dest: assets/d, url: "https://user:secret@example.com/d"}
  - {dest: assets/e, url: ../shared/e, description: "shared ${vars.lr}"}
  - {dest: assets/f, checksum: 5eb63bbbe01eeed093cb22bb8f5acdc3}
  - {dest: assets/g, url: g, extra: true}
  - {dest: assets/h, url: h, extra: true, extract: true}
commands:
  - name: "first: 1"
    help: "Make {NAME}"
    script: ["python a.py {NAME} ${vars.cost}", "python b.py ${vars.deep.er.x} ${env.KEY}"]
    deps: [assets/a.json, ./assets/a.json, assets/h/part, "${vars.lr}"]
    outputs: [corpus, corpus/train.spacy]
    outputs_no_cache: [scores.json, log.txt]
  - {name: "first-1", script: ["echo ${vars.deep.er.true} ${vars.list}"], deps: [project.yml, corpus]}
  - {name: third, script: ["echo ${vars.deep.er.true}"], deps: [corpus], outputs: [metrics.json, m.json], no_skip: true}
  - {name: nothing, script: [echo]}
  - {name: elsewhere, script: [echo], deps: [assets/b], outputs: [x]}
workflows:
  all: ["first: 1", first-1, third, nothing, third]
  other: [elsewhere]
"""


def stages(
    data: bytes, workflow: str | None = None, tracked: Iterable[str] = (), *, urls: bool = True
) -> dict[str, dvc.Stage]:
    loaded = loader.parse(data)
    usage = variable_usage.find_usage(data)
    params = find_params(data, usage, loaded.project.environment, range(len(usage.commands)))
    found = dvc.build_stages(
        loaded.project, usage, dvc.select_workflow(loaded.project, workflow),
        lambda paths: {path.normal for path in paths} & set(tracked), params, urls=urls,
    )  # fmt: skip
    return {stage.name: stage for stage in found}


def test_each_asset_and_each_command_is_a_stage() -> None:
    assert list(stages(EVERYTHING)) == [
        "assets-a-json", "assets-b", "assets-c", "assets-d", "assets-e", "assets-h",
        "first-1-2", "first-1", "third",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "deps", "project_params"),
    [
        ("a-json", ("https://example.com/a.json?v=1",), ("assets.0.url", "assets.0.checksum")),
        ("b", (), ("assets.1.git",)),
        ("c", (), ("assets.2.url",)),
        ("d", (), ("assets.3.url",)),
        ("e", ("../shared/e",), ("assets.4.url",)),
        ("h", ("h",), ("assets.7.url", "assets.7.extract")),
    ],
)
def test_a_stage_depends_on_an_assets_source_if_dvc_can_read_it(
    name: str, deps: tuple[str, ...], project_params: tuple[str, ...]
) -> None:
    stage = stages(EVERYTHING)[f"assets-{name}"]
    assert (stage.deps, stage.project_params) == (deps, project_params)
    assert stage.params == ()
    assert stage.outs == (stage.cmd.split()[-1],)


def test_without_urls_no_stage_depends_on_the_web() -> None:
    found = stages(EVERYTHING, urls=False)
    assert [stage.deps for stage in found.values()][:5] == [(), (), (), (), ("../shared/e",)]


def test_a_stage_has_the_script_and_the_used_variables_as_parameters() -> None:
    found = stages(EVERYTHING)
    # plain values are in params.yaml; what is made of others is in project.yml
    assert found["first-1-2"].params == ("lr", "deep.er.x", "LANG")
    assert found["first-1-2"].project_params == ("commands.0.script", "vars.cost", "variables.NAME")
    # a key that YAML takes for something else, or has a dot: its table
    assert found["third"].params == ()
    assert found["third"].project_params == ("commands.2.script", "vars.deep.er")
    # it depends on all of project.yml
    assert found["first-1"].params == ("list",)
    assert found["first-1"].project_params == ()


def test_outputs_are_cached_or_uncached_as_in_project_yml() -> None:
    stage = stages(EVERYTHING)["first-1-2"]
    assert stage.outs == ("corpus", "log.txt")
    assert stage.metrics == ("scores.json",)
    assert stage.cached == {"corpus"}
    assert stage.deps == ("assets/a.json", "assets/h/part", "1")
    third = stages(EVERYTHING)["third"]
    assert (third.outs, third.metrics) == (("m.json",), ("metrics.json",))
    assert third.cached == {"m.json", "metrics.json"}
    assert third.always_changed


def test_outputs_that_git_tracks_are_not_cached() -> None:
    found = stages(EVERYTHING, tracked=["assets/e", "corpus"])
    assert found["assets-e"].cached == found["first-1-2"].cached == set()


def test_the_file_is_plain_yaml_with_references_escaped(tmp_path: Path) -> None:
    data = b"""
vars: {size: 1}
env: {HOST: HOST}
assets: [{dest: "a$b", url: "http://x/$b"}]
commands:
  - {name: c, help: "${env.HOST} and #this", script: ["echo ${vars.size}"], deps: ["a$b"], outputs: ["1e3", "null", "no"]}
workflows: {all: [c]}
"""
    part = dvc.dvc_file(tmp_path, loader.parse(data), data, "all", urls=True)
    assert part.body == (
        "stages:\n"
        "  a-b:\n"
        "    cmd: git spacy assets 'a$b'\n"
        "    deps:\n"
        "      - http://x/$b\n"
        "    params:\n"
        "      - project.yml:\n"
        "          - assets.0.url\n"
        "    outs:\n"
        "      - a$b\n"
        "  c:\n"
        "    desc: '\\${env.HOST} and #this'\n"
        "    cmd: git spacy run c\n"
        "    deps:\n"
        "      - a$b\n"
        "    params:\n"
        "      - params.yaml:\n"
        "          - size\n"
        "      - project.yml:\n"
        "          - commands.0.script\n"
        "    outs:\n"
        "      - '1e3'\n"
        "      - 'null'\n"
        "      - no\n"
    )


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("commands: [{name: c, script: [x]}]", None, "no command of the project has dependencies"),
        (
            "commands: [{name: c, script: [x]}]\nworkflows: {all: [c]}",
            None,
            "no command of workflow 'all' has dependencies or outputs, so DVC has nothing to run",
        ),
        ("title: empty", None, "no command of the project"),
        ("commands: [{name: c, script: [x]}]\nworkflows: {all: [c]}", "al", "did you mean 'all'"),
        (
            "commands: [{name: c, script: [x]}]\nworkflows: {all: [c]}",
            "xyz",
            "available workflows: all",
        ),
        (
            "commands: [{name: c, script: [x]}]\nworkflows: {all: [c]}",
            "c",
            "available workflows: all",
        ),
    ],
)
def test_an_unknown_workflow_is_reported(text: str, name: str | None, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        stages(text.encode(), name)


def test_without_a_workflow_each_command_is_a_stage(tmp_path: Path, spacy: Spacy) -> None:
    text = """\
commands:
  - {name: b, script: [x], deps: [m], outputs: [n]}
  - {name: a, script: [x], outputs: [m]}
  - {name: serve, script: [x]}
  - {name: test, script: [x], deps: [n]}
  - {name: lint, script: [x], deps: [n], no_skip: true}
"""
    root = project(tmp_path, text)
    done = spacy("dvc", cwd=root)
    assert done.code == 0
    assert done.err == (
        "left out 'serve': it has no deps and no outputs\n"
        "'test' has no outputs: DVC runs it when its deps change; to run it each time,"
        " add 'no_skip: true'\n"
        "wrote dvc.yaml\n"
    )
    found = pyyaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    assert list(found) == ["b", "a", "test", "lint"]
    assert found["lint"]["always_changed"]
    assert spacy("dvc", "--check", cwd=root).code == 0
    assert spacy("check", "generated", cwd=root).code == 0
    # a workflow that is added later is used
    project(root, text + "workflows: {all: [a]}\n")
    done = spacy("check", "generated", cwd=root)
    assert "hint: git spacy dvc all\n" in done.out
    assert spacy("dvc", "all", cwd=root).code == 0
    assert spacy("check", "generated", cwd=root).code == 0
    # two producers of a path
    project(root, text.replace("outputs: [m]", "outputs: [n]"))
    done = spacy("dvc", cwd=root)
    assert done.code == 2
    assert "or leave one of them out of a workflow" in done.err


def test_everything_that_dvc_cannot_express_is_reported_at_once() -> None:
    data = b"""
assets: [{dest: data, url: u}]
commands:
  - {name: a, script: [x], deps: [z], outputs: [data/x, out]}
  - {name: b, script: [x], deps: [out], outputs: [out/y]}
  - {name: c, script: [x], deps: [y], outputs: [z]}
  - {name: d, script: [x], deps: [data], outputs: [y]}
workflows: {all: [a, b, c, d]}
"""
    with pytest.raises(InvalidInput) as caught:
        stages(data)
    assert [problem.message.split(": ", 1)[1] for problem in caught.value.problems] == [
        "'data/x' of 'a' is inside asset 'data'",
        "'a' → 'd' → 'c' → 'a'",
        "'out/y' of 'b' is inside 'out' of 'a'",
        "'b' depends on 'out' and produces 'out/y'",
    ]
    apart = "give each a path that is not inside the other's, or move"
    assert [problem.hint for problem in caught.value.problems] == [
        f"{apart} 'a' to another workflow",
        "move one of them to another workflow",
        f"{apart} one of them to another workflow",
        "let it produce another path than those that it depends on",
    ]


@pytest.mark.parametrize(
    ("first", "second"), [("data", "data/in/x"), ("data/in/x", "./data"), ("data/in", "data//in/x/")]
)  # fmt: skip
def test_nested_assets_are_named_with_an_edit_that_helps(first: str, second: str) -> None:
    """Assets have stages in every workflow, so another workflow would not help."""

    text = f"""
assets:
  - {{dest: {first}, git: {{repo: r, path: p}}}}
  - {{dest: {second}, git: {{repo: r, path: q}}}}
commands: [{{name: c, script: [x], deps: [data], outputs: [out]}}]
workflows: {{all: [c]}}
"""
    with pytest.raises(InvalidInput) as caught:
        stages(text.encode())
    (problem,) = caught.value.problems
    inner, outer = sorted((first, second), key=len, reverse=True)
    assert problem.message == (
        f"DVC does not allow an output inside another: asset '{inner}' is inside asset '{outer}'"
    )
    assert problem.hint == "give each a path that is not inside the other's"
    assert problem.line == 4
    assert len(stages(text.replace(f"dest: {inner}", "dest: elsewhere").encode())) == 3


# The command


def test_the_first_of_several_workflows_is_used_with_a_warning(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(tmp_path, EVERYTHING.decode())
    done = spacy("dvc", cwd=root)
    assert done.code == 0
    assert "warning: dvc.yaml holds one workflow: wrote 'all', the first" in done.err
    assert "left out 'nothing': it has no deps and no outputs" in done.err
    text = (root / "dvc.yaml").read_text()
    assert text.startswith("# git-spacy: generated by 'git spacy dvc all' from project.yml; ")
    assert "secret" not in text
    done = spacy("dvc", "other", cwd=root)
    assert "warning" not in done.err
    assert list(pyyaml.safe_load((root / "dvc.yaml").read_text())["stages"])[-1] == "elsewhere"


def test_a_second_run_changes_nothing_and_check_reports_changes(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path)
    assert spacy("dvc", "--check", cwd=root).code == 1
    assert not (root / "dvc.yaml").exists()
    wrote_params = "wrote params.yaml: its values count, not those in project.yml\n"
    assert spacy("dvc", cwd=root).err == wrote_params + "wrote dvc.yaml\n"
    before = (root / "dvc.yaml").read_bytes()
    assert spacy("dvc", cwd=root).err == "dvc.yaml is up to date\n"
    assert spacy("dvc", "--check", cwd=root) == (0, "", "")
    assert (root / "dvc.yaml").read_bytes() == before
    assert spacy("dvc", "--stdout", cwd=root).out.encode() == before
    project(root, (root / "project.yml").read_text().replace("outputs: [model]", "outputs: [m]"))
    done = spacy("dvc", "--check", cwd=root)
    assert done.code == 1
    assert "-      - model\n+      - m\n" in done.out
    assert "to write it: git spacy dvc all" in done.err


def test_a_handwritten_file_is_not_overwritten_but_that_of_weasel_is(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path)
    (root / "dvc.yaml").write_text("stages: {}\n")
    done = spacy("dvc", cwd=root)
    assert done.code == 3
    assert "'dvc.yaml' was not generated by git-spacy" in done.err
    assert "git spacy dvc all --force" in done.err
    assert (root / "dvc.yaml").read_text() == "stages: {}\n"
    for tool in ("Weasel", "spaCy"):
        (root / "dvc.yaml").write_text(
            f"# This file is auto-generated by {tool} based on your project.yml. If you've\n"
            "# edited\n# 0123\nstages: {}\n"
        )
        assert spacy("dvc", cwd=root).code == 0
    text = (root / "dvc.yaml").read_text()
    assert text.count("generated") == 1
    (root / "dvc.yaml").write_text(text.replace("desc: Train on it", "desc: mine"))
    assert spacy("dvc", cwd=root).code == 3
    assert spacy("dvc", "-F", cwd=root).code == 0
    assert (root / "dvc.yaml").read_text() == text


@pytest.mark.parametrize("words", [("all", "sub"), ("sub", "all"), ("sub",)])
def test_the_project_folder_can_be_the_first_or_the_last_argument(
    words: tuple[str, ...], tmp_path: Path, spacy: Spacy
) -> None:
    two_steps(tmp_path / "sub")
    assert spacy("dvc", *words, cwd=tmp_path).code == 0
    assert (tmp_path / "sub/dvc.yaml").is_file()


def test_outputs_committed_to_a_repository_are_not_cached(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(repository(tmp_path / "r") / "sub")
    commit(tmp_path / "r", {"sub/model/.gitkeep": ""})
    spacy("dvc", cwd=root)
    assert "      - model:\n          cache: false\n" in (root / "dvc.yaml").read_text()
    git(root, "rm", "-q", "--cached", "model/.gitkeep")
    spacy("dvc", cwd=root)
    assert "      - model\n" in (root / "dvc.yaml").read_text()


def test_a_workflow_name_with_spaces_is_read_back_from_the_marker(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = """
commands: [{name: c, script: [x], outputs: [o]}]
workflows: {"it's $all": [c], "two\\nlines": [c]}
"""
    root = project(tmp_path, text)
    assert spacy("dvc", "it's $all", cwd=root).code == 0
    assert spacy("dvc", "it's $all", cwd=root).err == "dvc.yaml is up to date\n"
    done = spacy("dvc", "two\nlines", cwd=root)
    assert done.code == 2
    assert "rename it" in done.err


def test_dvc_does_not_have_to_be_installed(tmp_path: Path) -> None:
    root = two_steps(tmp_path / "p")
    (tmp_path / "without").mkdir()
    (tmp_path / "without/dvc.py").write_text("raise SystemExit('DVC was imported')\n")
    path = f"{tmp_path / 'without'}:{Path(dvc.__file__).parents[2]}"
    assert process("dvc", cwd=root, PYTHONPATH=path).code == 0


def test_a_stage_has_the_variables_it_uses_directly_and_indirectly() -> None:
    found = variable_usage.find_usage(
        b"""
vars: {a: "${vars.b}", b: "${vars.c}/x", c: 1, d: "${vars.a}"}
commands:
  - {name: one, script: ["${vars.a}"]}
  - {name: two, help: "${vars.a}", script: ["{a} $${x}"]}
  - {name: three, script: [], deps: ["x/${vars.c}"]}
"""
    )
    assert found.commands == (
        (("vars", "a"), ("vars", "b"), ("vars", "c")), (), (("vars", "c"),),
    )  # fmt: skip
    assert found.assets == ()


def test_a_path_with_a_colon_is_not_mistaken_for_a_url() -> None:
    data = b"""
commands: [{name: c, script: [x], deps: ["s3:x", "http://x"], outputs: ["gs:y"]}]
workflows: {all: [c]}
"""
    stage = stages(data)["c"]
    assert stage.deps == ("./s3:x", "./http:/x")
    assert stage.outs == ("./gs:y",)
    assert ProjectPath("gs:y", "gs:y").normal == "gs:y"


def test_outputs_that_a_command_continues_from_persist() -> None:
    """DVC deletes the others before it runs the command, as git-spacy does."""

    keys = b"keep_outputs: [third]\n"
    found = stages(EVERYTHING + keys)
    document = dvc._document(found["third"])
    assert document["metrics"] == [{"metrics.json": {"persist": True}}]
    assert document["outs"] == [{"m.json": {"persist": True}}]
    assert not any(stage.persists for name, stage in found.items() if name != "third")


def test_tables_images_and_scores_per_type_are_plots() -> None:
    data = b"""
commands:
  - name: evaluate
    script: [x]
    outputs: [a.csv, cached_per_type.json]
    outputs_no_cache: [log.TSV, plots/roc.svg, metrics/per-type.json, metrics.json, notes.txt]
workflows: {all: [evaluate]}
"""
    document = dvc._document(stages(data)["evaluate"])
    bars = {"x": "f", "y": "type", "template": "bar_horizontal"}
    uncached = {"cache": False}
    assert document["plots"] == [
        {"cached_per_type.json": bars},
        {"log.TSV": uncached},
        {"plots/roc.svg": uncached},
        {"metrics/per-type.json": {**bars, "cache": False}},
    ]
    assert document["metrics"] == [{"metrics.json": uncached}]
    assert document["outs"] == ["a.csv", {"notes.txt": uncached}]
