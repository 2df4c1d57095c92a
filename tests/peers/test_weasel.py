"""Compatibility with weasel, in both directions: each tool skips what the other has run, and leaves
unchanged entries of the lock as they are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.testing.archives import tar_of
from tests.testing.preloaded import Preloaded, preloaded
from tests.testing.projects import Spacy, project, two_steps
from tests.testing.repositories import write

pytest.importorskip("weasel")


class Weasel:
    """Runs `weasel …`, which must succeed, and returns its output."""

    def __init__(self, program: Preloaded) -> None:
        self._program = program

    def __call__(self, *arguments: str, cwd: Path) -> str:
        done = self._program(cwd, *arguments, environ=os.environ)
        assert done.code == 0, done.out + done.err
        return done.out


@pytest.fixture(scope="module")
def weasel() -> Iterator[Weasel]:
    # not weasel itself, which looks up the current folder when it is imported
    imports = ("cloudpathlib", "confection", "httpx", "packaging.specifiers", "pydantic", "requests",
               "smart_open", "srsly", "typer.rich_utils", "wasabi")  # fmt: skip
    with preloaded("weasel", *imports) as program:
        yield Weasel(program)


def skipped(out: str) -> int:
    return out.count("nothing changed")


def test_each_tool_skips_what_the_other_has_run(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    ours = two_steps(tmp_path / "ours")
    with (ours / "project.yml").open("a") as stream:  # weasel ignores this section
        stream.write("resources: {train: {timeout: 2h, retries: 2, num_gpus: 0}}\n")
    assert spacy("run", "all", cwd=ours).code == 0
    before = (ours / "project.lock").read_bytes()
    assert skipped(weasel("run", "all", cwd=ours)) == 2
    assert (ours / "project.lock").read_bytes() == before

    theirs = two_steps(tmp_path / "theirs")
    weasel("run", "all", cwd=theirs)
    assert (theirs / "project.lock").read_bytes() == before, "the same text from both"
    assert "ran 0, skipped 2" in spacy("run", "all", cwd=theirs).err
    assert (theirs / "project.lock").read_bytes() == before


def test_weasel_ignores_extract_and_leaves_an_extracted_folder(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    """It has no such key: it downloads the archive itself, which git-spacy replaces then."""

    archive = tar_of({"a": b"1"})
    checksum = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    asset = f"{{dest: data, url: source, extract: true, checksum: {checksum}}}"
    root = project(tmp_path / "p", f"assets: [{asset}]\n", {"source": archive})
    assert spacy("assets", cwd=root).code == 0
    weasel("assets", cwd=root)
    assert "1 verified" in spacy(cwd=root).out, "weasel has changed nothing"
    assert (root / "data/a").read_bytes() == b"1"
    shutil.rmtree(root / "data")
    (root / "data").write_bytes(archive)  # as weasel leaves it
    weasel("assets", cwd=root)
    assert (root / "data").read_bytes() == archive
    assert spacy("assets", cwd=root).code == 0
    assert (root / "data/a").read_bytes() == b"1"


OUTSIDE = """
commands:
  - name: read
    script: ["cp '{data}/in.txt' a.txt"]
    deps: ["{data}/in.txt", ../data/folder, linked/in.txt, linked]
    outputs: [a.txt]
  - name: link
    script: ["ln -s '{data}' out", "cp a.txt b.txt"]
    deps: [a.txt]
    outputs: [out, b.txt]
workflows: {{all: [read, link]}}
"""


def test_data_outside_is_recorded_as_weasel_records_it(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    data = tmp_path / "data"
    write(data, {"in.txt": "in\n", "folder/x": "x\n", "folder/y": "y\n"})
    (data / "folder/link").symlink_to("../in.txt")
    roots = []
    for name in ("ours", "theirs"):
        roots.append(project(tmp_path / name, OUTSIDE.format(data=data)))
        (roots[-1] / "linked").symlink_to(data)
    ours, theirs = roots
    assert spacy("run", "all", cwd=ours).code == 0
    before = (ours / "project.lock").read_bytes()
    assert skipped(weasel("run", "read", cwd=ours)) == 1
    weasel("run", "all", cwd=theirs)
    assert (theirs / "project.lock").read_bytes() == before
    # 'out' leads outside by now, but nothing would be written there
    assert "ran 0, skipped 2" in spacy("run", "all", cwd=theirs).err
    assert spacy("run", "all", "--force", cwd=theirs).code == 3


def test_mixed_runs_change_only_the_entry_that_ran(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    made = two_steps(tmp_path)
    weasel("run", "prepare", cwd=made)
    spacy("run", "train", cwd=made)
    before = (made / "project.lock").read_text()
    (made / "scripts/copy.py").write_text((made / "scripts/copy.py").read_text() + "\n")
    assert "skipped 1" in spacy("run", "all", cwd=made).err
    after = (made / "project.lock").read_text()
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(changed) == 1
    assert skipped(weasel("run", "all", cwd=made)) == 2
    assert (made / "project.lock").read_text() == after


def test_unusual_scripts_and_paths_are_skipped_by_both(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    write = 'open(sys.argv[1], \\"w\\").write(sys.argv[2])'
    made = project(
        tmp_path,
        'vars: {text: "it\'s a: #test, no"}\n'
        "commands:\n"
        "  - name: odd\n"
        "    script:\n"
        f'      - "python -c \'\\x69mport sys; {write}\' ./out/a.txt \\"${{vars.text}}\\" --flag"\n'
        "      - >-\n"
        "        python -c 'pass'  --one two --three four --five six --seven eight --nine ten eleven\n"
        "    deps: [./in.txt, in//b.txt]\n"
        "    outputs: [./out/a.txt]\n",
        {"in.txt": "x", "in/b.txt": "y", "out/.keep": ""},
    )
    assert spacy("run", "odd", cwd=made).code == 0
    before = (made / "project.lock").read_bytes()
    assert skipped(weasel("run", "odd", cwd=made)) == 1
    weasel("run", "odd", "--force", cwd=made)
    assert (made / "project.lock").read_bytes() == before
    assert "up to date" in spacy("run", "odd", cwd=made).err


def test_weasel_skips_lines_that_we_ran_in_a_shell_and_the_advice_of_check_runs_alike_in_both(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    text = (
        "vars: {tags: [a, b]}\n"
        "commands:\n"
        "  - name: c\n"
        "    script:\n"
        "      - echo one > one.txt && echo two > two.txt\n"
        "      - |\n        cat one.txt \\\n          two.txt > out.txt\n        rm one.txt two.txt\n"
        "      - python -c 'import sys; open(\"tags\", \"w\").write(sys.argv[1])' '${vars.tags}'\n"
        "    outputs: [out.txt, tags]\n"
    )
    made = project(tmp_path / "ours", text)
    assert spacy("run", "c", cwd=made).code == 0
    assert (made / "out.txt").read_text() == "one\ntwo\n"
    assert (made / "tags").read_text() == '["a", "b"]'
    before = (made / "project.lock").read_bytes()
    assert skipped(weasel("run", "c", cwd=made)) == 1
    assert (made / "project.lock").read_bytes() == before

    line = "echo one > x && cat x > 'a b'"
    theirs = project(tmp_path / "theirs", f'commands: [{{name: c, script: ["{line}"]}}]')
    weasel("run", "c", cwd=theirs)
    assert not (theirs / "x").exists(), "weasel says done"
    found = json.loads(spacy("check", "--format=json", cwd=theirs).out)
    item = next(f["hint"] for f in found if "needs a shell" in f["message"]).partition("write ")[2]
    (theirs / "project.yml").write_text(f"commands:\n- name: c\n  script:\n  {item}\n")
    for run in (lambda: weasel("run", "c", cwd=theirs), lambda: spacy("run", "c", cwd=theirs)):
        run()
        assert (theirs / "a b").read_text() == "one\n"
        (theirs / "a b").unlink()
    assert "needs a shell" not in spacy("check", cwd=theirs).out


def test_folders_and_outputs_no_cache_are_recorded_as_weasel_records_them(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    text = (
        "commands: [{name: c, script: ['python make.py'], deps: [d], outputs: [out],"
        " outputs_no_cache: [metrics.json]}]"
    )
    script = "import os\nos.makedirs('out/x', exist_ok=True)\nopen('out/x/a', 'w').write('1')\nopen('metrics.json', 'w').write('{}')\n"
    for tool in ("ours", "theirs"):
        made = project(
            tmp_path / tool, text, {"make.py": script, "d/b": "2", "d/a/c": "3", "d/a.txt": "4"}
        )
        if tool == "ours":
            assert spacy("run", "c", cwd=made).code == 0
        else:
            weasel("run", "c", cwd=made)
    texts = [(tmp_path / tool / "project.lock").read_bytes() for tool in ("ours", "theirs")]
    assert texts[0] == texts[1]


def test_an_override_is_recorded_as_weasel_records_it(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    made = two_steps(tmp_path)
    assert spacy("run", "all", "--vars.word", "0.10", cwd=made).code == 0
    assert skipped(weasel("run", "all", ".", "--vars.word", "0.10", cwd=made)) == 2


def test_a_lock_of_spacy_3_5_keeps_its_format(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path)
    spacy("run", "all", cwd=made)
    modern = (made / "project.lock").read_text()
    old = modern.replace("python -m weasel run", "python -m spacy run")
    entries = lock_format.parse(old.encode())
    extra = (("spacy_version", "3.5.1"), ("spacy_git_version", "Unknown"))
    old_text = lock_format.text(
        {name: entry._replace(extra=extra) for name, entry in entries.items()}
    )
    (made / "project.lock").write_bytes(old_text)
    assert "skipped 2" in spacy("run", "all", cwd=made).err, "who wrote it does not matter"
    assert (made / "project.lock").read_bytes() == old_text
    assert spacy("run", "train", "--force", cwd=made).code == 0
    again = lock_format.read(made)["train"]
    assert again.cmd == "python -m spacy run train"
    assert [key for key, _ in again.extra] == ["spacy_version", "spacy_git_version"]


def test_weasel_skips_a_command_whose_stale_files_were_removed_and_accepts_keep_outputs(
    tmp_path: Path, spacy: Spacy, weasel: Weasel
) -> None:
    """Weasel leaves files of an earlier run in a folder; ours is then what the run produced."""

    text = """\
keep_outputs: [grow]
commands:
  - name: make
    script: ["python make.py out"]
    deps: [make.py]
    outputs: [out]
  - name: grow
    script: ["python make.py grown"]
    deps: [make.py]
    outputs: [grown]
workflows: {all: [make, grow]}
"""
    script = (
        "import os, sys\n"
        "os.makedirs(sys.argv[1], exist_ok=True)\n"
        "for name in NAMES: open(os.path.join(sys.argv[1], name), 'a').write(name)\n"
    )
    files = {"make.py": script.replace("NAMES", "'ab'")}
    root = project(tmp_path / "p", text, files)  # type: ignore[arg-type]
    weasel("run", "all", cwd=root)
    (root / "make.py").write_text(script.replace("NAMES", "'c'"))
    assert "ran 2" in spacy("run", "all", cwd=root).err
    assert os.listdir(root / "out") == ["c"]
    assert sorted(os.listdir(root / "grown")) == ["a", "b", "c"]
    lock = (root / "project.lock").read_bytes()
    assert skipped(weasel("run", "all", cwd=root)) == 2
    assert (root / "project.lock").read_bytes() == lock
