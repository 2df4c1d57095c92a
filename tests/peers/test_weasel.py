"""Compatibility with weasel, in both directions: each tool skips what the other has run, and leaves
unchanged entries of the lock as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
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
    assert spacy("run", "all", cwd=ours).code == 0
    before = (ours / "project.lock").read_bytes()
    assert skipped(weasel("run", "all", cwd=ours)) == 2
    assert (ours / "project.lock").read_bytes() == before

    theirs = two_steps(tmp_path / "theirs")
    weasel("run", "all", cwd=theirs)
    assert (theirs / "project.lock").read_bytes() == before, "the same text from both"
    assert "ran 0, skipped 2" in spacy("run", "all", cwd=theirs).err
    assert (theirs / "project.lock").read_bytes() == before


OUTSIDE = """
commands:
  - name: read
    script: ["cp {data}/in.txt a.txt"]
    deps: ["{data}/in.txt", ../data/folder, linked/in.txt, linked]
    outputs: [a.txt]
  - name: link
    script: ["ln -s {data} out", "cp a.txt b.txt"]
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
