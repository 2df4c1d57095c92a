"""Projects whose data is outside: absolute paths, `..`, the home folder, and links."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from git_spacy.project import loader
from tests.testing.projects import CORPUS, Spacy, needs_corpus, project, snapshot
from tests.testing.repositories import commit, git, repository, write

TEXT = """
directories: [{scratch}/new]
assets:
  - dest: {scratch}/assets/a.txt
    url: in.txt
commands:
  - name: read
    script: ["cp '{data}/in.txt' a.txt"]
    deps: [{data}/in.txt, {data}/folder, ../data/in.txt, linked/in.txt, linked, ~/home.txt]
    outputs: [a.txt]
  - name: write
    script: ["cp a.txt '{scratch}/b.txt'"]
    deps: [a.txt]
    outputs: [{scratch}/b.txt]
  - name: train
    script: ["python train.py"]
    deps: [{scratch}/b.txt]
    outputs: [training/model]
    outputs_no_cache: ["{scratch}/metrics.json"]
workflows:
  all: [read, write, train]
"""
TRAIN = """
import json, os
os.makedirs('training/model', exist_ok=True)
open('training/model/weights', 'w').write(open('{scratch}/b.txt').read() * 2)
if not os.path.lexists('training/model/link'):
    os.symlink('{data}/in.txt', 'training/model/link')
json.dump({{'score': 0.5}}, open('{scratch}/metrics.json', 'w'))
"""


def md5(*contents: str) -> str:
    return hashlib.md5("".join(contents).encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that reads and writes outside, in a repository with one commit."""

    write(
        tmp_path,
        {
            "data/in.txt": "in\n",
            "data/folder/x": "x\n",
            "home/home.txt": "home\n",
            "scratch/kept": "",
        },
    )
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    places = {"data": tmp_path / "data", "scratch": tmp_path / "scratch"}
    repository(tmp_path / "p")
    root = project(
        tmp_path / "p",
        TEXT.format(**places),
        {"train.py": TRAIN.format(**places), "in.txt": "asset\n"},
    )
    (root / "linked").symlink_to(tmp_path / "data")
    (root / "training").symlink_to(tmp_path / "scratch")
    commit(root, {})
    return root


def type_hint(text: str, cwd: Path) -> None:
    """Run the command in the last hint of a message."""

    hint = [line.partition("hint: ")[2] for line in text.splitlines() if "hint: git " in line][-1]
    git(cwd, *shlex.split(hint)[1:])


def test_dependencies_outside_are_recorded_by_their_text(outside: Path, spacy: Spacy) -> None:
    assert spacy("run", cwd=outside).code == 0
    (outside.parent / "scratch/new").mkdir()  # nothing to create
    assert spacy("run", "read", cwd=outside).code == 0
    assert [(dep.path, dep.md5) for dep in lock_format.read(outside)["read"].deps] == [
        (f"{outside.parent}/data/in.txt", md5("in\n")),
        (f"{outside.parent}/data/folder", md5("x\n")),
        ("../data/in.txt", md5("in\n")),
        ("linked/in.txt", md5("in\n")),
        ("linked", md5("x\n", "in\n")),
        ("~/home.txt", md5("home\n")),
    ]
    assert "read: up to date" in spacy("run", "read", cwd=outside).err
    git(outside, "add", "-A")
    assert spacy("check", "--staged", cwd=outside).code == 0
    (outside.parent / "data/in.txt").write_text("other\n")
    assert "command\tstale\tread" in spacy("status", "--porcelain", cwd=outside).out
    assert spacy("check", "lock", cwd=outside).code == 1
    # Git does not know what is outside, so a commit is not refused because of it
    assert spacy("check", "--staged", cwd=outside).code == 0
    assert spacy("status", "--no-data", cwd=outside).code == 0
    (outside.parent / "data/in.txt").unlink()
    missing = spacy("run", "read", cwd=outside)
    assert missing.code == 1
    assert f"{outside.parent}/data/in.txt" in missing.err


def test_an_output_outside_needs_permission_before_anything_runs(
    outside: Path, spacy: Spacy
) -> None:
    before = snapshot(outside.parent)
    for words in (("run", "all"), ("run", "--dry-run", "all"), ("assets",)):
        refused = spacy(*words, cwd=outside)
        assert refused.code == 3, words
        assert "project.yml:2:15: error: directory" in refused.err
        assert snapshot(outside.parent) == before, words
    run = spacy("run", "all", cwd=outside).err
    scratch = outside.parent / "scratch"
    assert [line for line in run.splitlines() if "error:" in line] == [
        f"project.yml:2:15: error: directory '{scratch}/new' is outside the project, where nothing"
        " may be written",
        f"project.yml:14:15: error: output '{scratch}/b.txt' is outside the project, where nothing"
        " may be written",
        f"project.yml:18:15: error: output 'training/model' leads out of the project, to"
        f" '{scratch}/model', where nothing may be written",
        f"project.yml:19:24: error: output '{scratch}/metrics.json' is outside the project, where"
        " nothing may be written",
    ]
    assert {line for line in run.splitlines() if "hint:" in line} == {
        f"hint: git config --add spacy.allowOutside {shlex.quote(str(scratch))}"
    }
    type_hint(run, outside)
    assert spacy("run", "all", cwd=outside).code == 0
    assert "ran 0, skipped 3" in spacy("run", "all", cwd=outside).err
    entry = lock_format.read(outside)["train"]
    assert [(out.path, out.md5) for out in entry.outs] == [
        ("training/model", md5("in\n", "in\nin\n")),  # the content of the link, as in weasel
        (f"{scratch}/metrics.json", md5('{"score": 0.5}')),
    ]
    assert '"score": 0.5' in spacy("log", "--json", cwd=outside).out
    assert spacy("check", cwd=outside).code == 0
    assert spacy("assets", cwd=outside).code == 0
    assert (scratch / "assets/a.txt").read_text() == "asset\n"
    assert (scratch / "new").is_dir()
    ignored = (outside / ".gitignore").read_text().splitlines()
    assert "/a.txt" in ignored
    assert not any("scratch" in line for line in ignored)
    assert spacy("dvc", "all", cwd=outside).code in (0, 2)


@pytest.mark.threat("paths-outside", commands="run")
def test_a_comparison_with_a_remote_works_once_its_hints_are_typed(
    outside: Path, spacy: Spacy
) -> None:
    git(outside, "config", "--add", "spacy.allowOutside", str(outside.parent / "scratch"))
    assert spacy("run", "all", cwd=outside).code == 0
    git(outside, "config", "--unset", "spacy.allowOutside")
    git(outside, "config", "spacy.remote.default.url", "../remote")
    for _ in ("the folder of an output", "that of a link in an output"):
        refused = spacy("push", "--dry-run", cwd=outside)
        assert refused.code == 3, refused.err
        type_hint(refused.err, outside)
    for words in (("push", "--dry-run"), ("status", "--remote"), ("push",), ("pull", "--dry-run")):
        done = spacy(*words, cwd=outside)
        assert done.code == 0, (words, done.err)
    (outside.parent / "scratch/b.txt").unlink()
    assert "would be pulled 1" in spacy("pull", "--dry-run", cwd=outside).err
    assert not (outside.parent / "scratch/b.txt").exists()
    assert "can pull" in spacy("status", "--remote", cwd=outside).out


def test_only_the_configuration_of_the_user_allows_a_folder(outside: Path, spacy: Spacy) -> None:
    scratch = outside.parent / "scratch"
    write(outside, {".gitconfig": f"[spacy]\nallowOutside = {scratch}\n", "b/config": "x"})
    for value in ("scratch", f"{scratch}2", f"{scratch}/new"):
        git(outside, "config", "spacy.allowOutside", value)
        refused = spacy("run", "write", cwd=outside)
        assert refused.code == (2 if value == "scratch" else 3), value
    git(outside, "config", "--global", "--add", "spacy.allowOutside", str(scratch))
    assert spacy("run", "read", "write", cwd=outside).code == 0
    git(outside, "config", "spacy.allowOutside", "")
    assert spacy("run", "write", cwd=outside).code == 0, "nothing to write"
    refused = spacy("run", "write", "--force", cwd=outside)
    assert refused.code == 3, "an empty value clears the list"


@pytest.mark.threat("reserved-paths", commands="run")
@pytest.mark.parametrize(
    "path", ["{p}/project.yml", "../p/project.lock", "self/project.yml", "..", "{p}", "{p}/x/../.."]
)
def test_no_permission_covers_the_project_itself(tmp_path: Path, spacy: Spacy, path: str) -> None:
    text = f"commands: [{{name: c, script: ['touch x'], outputs: ['{path}']}}]".replace(
        "{p}", str(tmp_path / "p")
    )
    repository(tmp_path / "p")
    root = project(tmp_path / "p", text)
    (root / "self").symlink_to(".")
    git(root, "config", "spacy.allowOutside", str(tmp_path))
    refused = spacy("run", "c", cwd=root)
    assert refused.code == 3
    assert "hint: use " in refused.err
    assert not (root / "x").exists()


def test_a_path_of_windows_is_read_as_a_name_and_never_written(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = "commands: [{name: c, script: ['touch x'], outputs: ['KEY']}]\n"
    for path in ("C:\\\\x", "C:/x", "..\\\\x"):
        root = project(tmp_path / str(len(path)), text.replace("KEY", path.replace("\\\\", "\\")))
        assert spacy("status", cwd=root).code == 0
        refused = spacy("run", "c", cwd=root)
        assert refused.code == 3
        assert "is a path of Windows" in refused.err


def test_the_hint_names_the_smallest_sensible_folder(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    repository(tmp_path / "my files/p")
    root = project(tmp_path / "my files/p", "")
    for path, folder in {
        "../../other files/out/x": tmp_path / "other files/out",
        "../out": tmp_path / "my files/out",
        "~/out": tmp_path / "home/out",
        "/out-of-a-test": Path("/out-of-a-test"),
    }.items():
        (root / "project.yml").write_text(
            f"commands: [{{name: c, script: ['touch x'], outputs: ['{path}']}}]\n"
        )
        refused = spacy("run", "c", cwd=root)
        assert refused.code == 3
        type_hint(refused.err, root)
        assert git(root, "config", "--get-all", "spacy.allowOutside").splitlines()[-1] == str(
            folder
        )
        assert spacy("run", "c", cwd=root).code == 1, "allowed now: the script makes no output"


DISK = """
remotes: {{default: {disk}/remote}}
directories: [training]
assets:
  - dest: {disk}/absolute/a.txt
    url: in.txt
  - dest: data/b.txt
    url: in.txt
commands:
  - name: train
    script: ["python train.py"]
    deps: ["{disk}/absolute/a.txt", data/b.txt]
    outputs: [training, "{disk}/absolute/model", "{disk}/absolute/file.txt"]
"""
MAKE = """
import os
for folder in ('training/best', '{disk}/absolute/model'):
    os.makedirs(folder, exist_ok=True)
    open(f'{{folder}}/weights', 'w').write(folder)
open('{disk}/absolute/file.txt', 'w').write('file')
"""


def test_data_training_and_cache_are_on_another_file_system(
    tmp_path: Path, disk: Path, spacy: Spacy
) -> None:
    repository(tmp_path / "p")
    files = {"in.txt": "in\n", "train.py": MAKE.format(disk=disk)}
    root = project(tmp_path / "p", DISK.format(disk=disk), files)
    for name in ("data", "training"):
        (disk / name).mkdir()
        (root / name).symlink_to(disk / name)
    (disk / "cache").mkdir()
    (root / ".git/spacy").mkdir()
    (root / ".git/spacy/cache").symlink_to(disk / "cache")
    git(root, "add", "project.yml", "in.txt", "train.py")
    git(root, "commit", "-qm", "start")
    assert spacy("assets", cwd=root).code == 3
    assert list((disk / "data").iterdir()) == []
    git(root, "config", "spacy.allowOutside", str(disk))
    assert spacy("assets", cwd=root).code == 0
    assert (disk / "data/b.txt").read_text() == "in\n"
    assert spacy("run", "train", "--restore", cwd=root).code == 0
    made = {name: data for name, data in snapshot(disk).items() if not name.startswith("cache/")}
    assert "training/best/weights" in made
    git(root, "add", "project.lock")
    git(root, "commit", "-qm", "ran")
    pushed = spacy("push", cwd=root)
    assert "pushed 3" in pushed.err, pushed.err

    def remove_outputs() -> None:
        shutil.rmtree(disk / "training/best")
        shutil.rmtree(disk / "absolute/model")
        (disk / "absolute/file.txt").unlink()

    def outputs() -> dict[str, bytes | str]:
        return {name: data for name, data in snapshot(disk).items() if name in made}

    for words in (("run", "train", "--restore"), ("pull", "--force"), ("restore",)):
        remove_outputs()
        done = spacy(*words, cwd=root)
        assert done.code == 0, (words, done.err)
        assert outputs() == made, (words, done.err)
        assert (root / "training").is_symlink(), words
    remove_outputs()
    git(root, "config", "--unset", "spacy.allowOutside")
    for words in (("pull",), ("restore",)):
        assert spacy(*words, cwd=root).code == 3, words
        assert not (disk / "absolute/model").exists(), words


TOUCH = """
import os, sys
for path in sys.argv[1:]:
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    open(path, 'w').write(path)
"""


@needs_corpus
@pytest.mark.parametrize(
    "name",
    ["explosion__projects__pipelines__floret_wiki_oscar_vectors", "Tanmay98__CorefSpacy"],
)
def test_a_public_project_with_paths_outside_runs_after_one_line_of_configuration(
    tmp_path: Path, spacy: Spacy, name: str
) -> None:
    """Its scripts only create the outputs, and its absolute paths are below the test's folder."""

    document = loader.resolve_document((CORPUS / name / "project.yml").read_bytes())
    text = json.dumps(document)
    for prefix in ("/scratch/", "/home/USER/", "/content/drive/"):
        text = text.replace(f'"{prefix}', f'"{tmp_path}/disk{prefix}')
    changed = json.loads(text)
    for command in changed["commands"]:
        outputs = [*command.get("outputs", ()), *command.get("outputs_no_cache", ())]
        command["script"] = [shlex.join(["python", "touch.py", *outputs])]
    changed = {**changed, "env": {}, "assets": [], "directories": []}
    repository(tmp_path / "p")
    root = project(tmp_path / "p", json.dumps(changed), {"touch.py": TOUCH})
    commands = loader.load(root).commands
    for command in commands:
        for dep in command.deps:
            if not (root / dep.normal).exists():
                write(Path((root / dep.normal).parent), {(root / dep.normal).name: "data"})
    assert spacy("run", cwd=root).code == 0
    outside = [
        command for command in commands if any(p.outside for p in command.deps + command.produced)
    ]
    assert outside
    names = [command.name for command in outside]
    refused = spacy("run", *names, cwd=root)
    if any(path.outside for command in outside for path in command.produced):
        assert refused.code == 3
        git(root, "config", "--add", "spacy.allowOutside", str(tmp_path / "disk"))
    done = spacy("run", *names, cwd=root)
    assert done.code == 0, done.err
    assert spacy("run", *names, cwd=root).err.count("up to date") >= len(names)


STRANGER = """
directories: [../escaped, "{home}/escaped", out/new]
assets:
  - {{dest: ../escaped.txt, url: in.txt}}
  - {{dest: "{home}/escaped.txt", url: in.txt}}
  - {{dest: "~/escaped2.txt", url: in.txt}}
  - {{dest: out/escaped3.txt, url: in.txt}}
  - {{dest: inside.txt, url: in.txt}}
commands:
  - name: steal
    script: ["touch owned"]
    deps: ["~/secret", "{home}/secret", out/secret]
    outputs: ["../escaped.txt", "~/escaped.txt", out/escaped.txt]
"""


@pytest.mark.threat("paths-outside", "links-outside", commands="assets check push run status")
def test_a_template_of_a_stranger_changes_nothing_outside_and_sends_nothing(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    write(home, {"secret": "secret", "escape.d/x": ""})
    monkeypatch.setenv("HOME", str(home))
    template = repository(tmp_path / "template")
    project(template, STRANGER.format(home=home), {"in.txt": "in\n"})
    (template / "out").symlink_to(home)
    commit(template, {".gitconfig": f"[spacy]\nallowOutside = {tmp_path}\n"})
    git(tmp_path, "clone", "-q", str(template), str(tmp_path / "mine"))
    root = tmp_path / "mine"
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    (tmp_path / "remote").mkdir()
    before = {name: data for name, data in snapshot(tmp_path).items() if name[:4] != "mine"}
    codes = {
        "status": 0, "check": 0, "run": 0, "graph": 0, "assets": 3, "run steal": 3,
        "push": 1, "pull": 1, "status --remote": 0, "ignore": 0,  # nothing to push or pull
    }  # fmt: skip
    for words, code in codes.items():
        done = spacy(*words.split(), cwd=root)
        assert done.code == code, (words, done)
        assert "secret" not in done.out.replace("/secret", ""), words
    after = {name: data for name, data in snapshot(tmp_path).items() if name[:4] != "mine"}
    assert after == before
    assert not (root / "owned").exists()
    (root / "project.yml").write_text(
        (root / "project.yml").read_text().replace("directories:", "# directories:")
    )
    partly = spacy("assets", cwd=root)
    assert partly.code == 3
    assert (root / "inside.txt").read_text() == "in\n", "the other assets are fetched"
    assert {name: data for name, data in snapshot(tmp_path).items() if name[:4] != "mine"} == before
