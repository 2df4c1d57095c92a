"""What the md5 of an output does not cover survives the cache, push, pull and restore alike."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from git_spacy.files import staging
from git_spacy.state.hashing import files_below, fingerprint
from git_spacy.storage.cache_store import CacheStore
from tests.testing.projects import Spacy, project, snapshot
from tests.testing.repositories import git, repository, write

LAYOUT = """\
vars: {mode: "755"}
commands:
  - name: make
    script: ["python make.py ${vars.mode}"]
    deps: [make.py]
    outputs: [out, tool, empty]
    outputs_no_cache: [plain]
"""
MAKE = """\
import os, pathlib, sys
out = pathlib.Path("out")
(out / "empty/inner").mkdir(parents=True)
(out / "sub").mkdir()
pathlib.Path("empty").mkdir()
for name in ("out/plain", "out/tool", "out/sub/data", "tool", "plain"):
    pathlib.Path(name).write_text("#!/bin/sh\\n")
for name in ("out/tool", "tool"):
    os.chmod(name, int(sys.argv[1], 8))
for name, target in {"file": "sub/data", "folder": "sub", "gone": "sub/gone", "sub/up": "../plain"}.items():
    os.symlink(target, out / name)
"""
OUTPUTS = ("out", "tool", "empty", "plain")


def made(root: Path, names: tuple[str, ...] = OUTPUTS) -> dict[str, object]:
    """Return the content below the outputs, and which files are executable."""

    found: dict[str, object] = {
        name: content for name, content in snapshot(root).items() if name.split("/")[0] in names
    }
    for name in list(found):
        path = root / name
        if not path.is_symlink() and path.is_file():
            found[f"mode of {name}"] = bool(stat.S_IMODE(path.stat().st_mode) & 0o100)
    return found


def remove_outputs(root: Path, names: tuple[str, ...] = OUTPUTS) -> None:
    for name in names:
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


@pytest.mark.parametrize("links", ["false", "true"])
def test_modes_links_and_empty_folders_are_restored(
    tmp_path: Path, spacy: Spacy, links: str
) -> None:
    """Equal content has the mode of its own name, output and run, with hard links, too."""

    remote = f"remotes: {{default: {tmp_path}/remote}}\n"
    ignored = {".gitignore": "".join(f"/{name}\n" for name in OUTPUTS)}
    root = repository(project(tmp_path / "p", LAYOUT + remote, {"make.py": MAKE, **ignored}))
    git(root, "config", "spacy.restore", "true")
    git(root, "config", "spacy.cacheLinks", links)
    assert spacy("run", "make", cwd=root).code == 0
    executable = made(root)
    assert executable["mode of tool"]
    assert not executable["mode of plain"]
    assert executable["out/gone"] == "sub/gone"
    assert "out/empty/inner/" in executable
    done = spacy("run", "make", "--vars.mode", "644", cwd=root)
    assert "restored" not in done.err, done.err
    plain = made(root)
    assert plain != executable
    for mode, expected in (("755", executable), ("644", plain), ("755", executable)):
        remove_outputs(root)
        done = spacy("run", "make", "--vars.mode", mode, cwd=root)
        assert "restored from the local cache" in done.err, done.err
        assert made(root) == expected
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    remove_outputs(root)
    assert spacy("restore", cwd=root).code == 0
    assert made(root) == executable
    assert spacy("cache", "verify", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    git(tmp_path, "clone", "-q", str(root), "clone")
    clone = tmp_path / "clone"
    assert spacy("pull", cwd=clone).code == 0
    assert made(clone) == made(root, OUTPUTS[:2])  # an empty output and 'plain' are not pushed


def test_an_output_with_a_link_to_a_folder_elsewhere_is_not_cached(
    tmp_path: Path, spacy: Spacy
) -> None:
    """As it is not pushed: without the link, it would not be what the command produced."""

    script = "import os\nos.mkdir('out')\nos.symlink('../data', 'out/data')\n"
    script += "os.symlink('../data/x', 'out/file')\n"
    text = "commands: [{name: make, script: [python make.py], deps: [make.py], outputs: [out]}]\n"
    root = repository(project(tmp_path / "p", text, {"make.py": script, "data/x": "x"}))
    done = spacy("run", "make", "--restore", cwd=root)
    assert done.code == 0
    assert (
        "not saved to the local cache: 'out/data' is a link to a folder outside 'out'" in done.err
    )
    (root / "make.py").write_text(script.replace("os.symlink('../data', 'out/data')\n", ""))
    git(root, "config", "spacy.cacheLinks", "true")
    assert spacy("run", "make", "--restore", cwd=root).code == 0
    shutil.rmtree(root / "out")
    assert "restored" in spacy("run", "make", "--restore", cwd=root).err
    assert not (root / "out/file").is_symlink()  # a link to a file elsewhere counts as a file
    status = (root / "data/x").stat()
    assert (status.st_nlink, status.st_mode & 0o200) == (1, 0o200)  # that file is not touched


def test_lists_of_files_of_older_versions_are_restored(tmp_path: Path) -> None:
    write(tmp_path, {"out/a": "one", "out/b/run*": "#!/bin/sh\n"})
    store = CacheStore(tmp_path / "store")
    known = fingerprint(tmp_path, "out")
    assert known
    store.save(files_below(tmp_path, "out") or [], known)
    (tree,) = (tmp_path / "store/trees").glob("??/*")
    files = json.loads(tree.read_text())["files"]
    old = tree.with_name(f"{known.digest}-{known.names}")
    tree.rename(old)
    old.write_text(json.dumps(files))
    assert store.has_intact(known)
    with staging(tmp_path, "again") as staged:
        assert store.restore(known.digest, known.names, staged, path="out", layout="0" * 32)
        staged.commit()
    assert fingerprint(tmp_path, "again") == known
    assert os.access(tmp_path / "again/b/run", os.X_OK)
    assert store.verify() == []


@pytest.mark.threat("hostile-values", commands="cache restore run")
@pytest.mark.parametrize(
    "part",
    [
        {"links": {"x": "/etc"}}, {"links": {"x": "../../y"}}, {"links": {"../x": "a"}},
        {"links": {"x": ".git/config"}}, {"links": {"d": ".", "x": "d/../../y"}}, {"links": [1]},
        {"folders": ["../../x"]}, {"folders": ["a"]}, {"folders": [".git"]}, {"links": {"x": 1}},
        {"links": {"b": "a"}, "folders": ["b"]},
    ],
    ids=str,
)  # fmt: skip
def test_an_invalid_layout_in_the_cache_restores_nothing(
    tmp_path: Path, part: dict[str, object]
) -> None:
    write(tmp_path, {"p/out/a": "one"})
    store = CacheStore(tmp_path / "store")
    known = fingerprint(tmp_path / "p", "out")
    assert known
    store.save(files_below(tmp_path / "p", "out") or [], known)
    (tree,) = (tmp_path / "store/trees").glob("??/*")
    tree.write_text(json.dumps(json.loads(tree.read_text()) | part))
    with staging(tmp_path / "p", "again") as staged:
        assert not store.restore(known.digest, known.names, staged)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "store"]
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["out"]
