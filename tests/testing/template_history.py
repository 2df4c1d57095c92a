"""Create a template repository with many revisions, and edits that users make of such a template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.testing.repositories import git

FOLDER = "tutorials/fashion"
REVISIONS = 50


def project_yml(revision: int) -> str:
    """Return the project.yml of a revision: commands come and go, values and help texts change."""

    commands = [
        f"""\
  - name: step{number}
    help: "Step {number}{" (improved)" if revision > 2 * number else ""}"
    script:
      - "python scripts/step{number}.py corpus"
    deps:
      - "scripts/step{number}.py"
    outputs:
      - "corpus/{number}.txt"
"""
        for number in range(2 + revision // 10)
    ]
    return (
        f"title: 'Fashion'\nversion: '0.{revision}'\n\nvars:\n  name: 'fashion'\n  lang: 'en'\n  seed: 0\n\n"
        f"directories: ['corpus', 'assets']\n\ncommands:\n{''.join(commands)}\n"
        f"workflows:\n  all:\n" + "".join(f"    - step{n}\n" for n in range(len(commands)))
    )


def files_at(revision: int) -> dict[str, str]:
    """Return the files of a revision."""

    def lines(seed: int, count: int = 60) -> str:
        changed = {(seed * 13 + 7 * number) % count for number in range(revision // (seed + 2))}
        return "".join(
            f"value_{number} = {seed}{'  # tuned' if number in changed else ''}\n"
            for number in range(count)
        )

    files = {
        "project.yml": project_yml(revision),
        "README.md": f"# Fashion\n\nText.\n\n## News\n\nRevision {revision // 5}.\n",
        "configs/default.cfg": f"[training]\nseed = 0\ndropout = 0.1\n\n[steps]\nmax = {revision // 7}\n",
        "assets/labels.txt": "A\nB\nC\n" + "D\n" * (revision // 20),
        "requirements.txt": f"spacy>=3.{revision // 12}\n",
    }
    for number in range(2 + revision // 10):
        # the template renames a script itself
        name = "first" if number == 0 and revision >= 35 else f"step{number}"
        files[f"scripts/{name}.py"] = lines(number)
    return files


def build(folder: Path, place: Callable[[str], str] = lambda name: f"{FOLDER}/{name}") -> Path:
    """Create the repository in one process; the tag `rN` is revision N, each on `main`."""

    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    script = []
    for revision in range(REVISIONS):
        script.append(
            f"commit refs/heads/main\nmark :{revision + 1}\n"
            f"committer A U Thor <author@example.com> {1_600_000_000 + revision * 86_400} +0000\n"
            f"data <<END\nRevision {revision}\nEND\n\ndeleteall\n"
        )
        files = {place(name): text for name, text in files_at(revision).items()}
        files["other/notes.txt"] = f"{revision}\n"
        script += [
            f"M 644 inline {name}\ndata <<END\n{text}END\n\n" for name, text in files.items()
        ]
        script.append(f"reset refs/tags/r{revision}\nfrom :{revision + 1}\n\n")
    git(folder, "fast-import", "--quiet", input="".join(script))
    git(folder, "reset", "-q", "--hard")
    return folder


def _replace(name: str, before: str, after: str) -> Callable[[Path], None]:
    def edit(project: Path) -> None:
        path = project / name
        text = path.read_text()
        assert before in text, (name, before)
        path.write_text(text.replace(before, after, 1))

    return edit


def _rename(project: Path) -> None:
    (project / "scripts/step1.py").rename(project / "scripts/convert.py")
    _replace("project.yml", "python scripts/step1.py", "python scripts/convert.py")(project)


def _reformat(project: Path) -> None:
    path = project / "project.yml"
    path.write_text(path.read_text().replace("'", '"').replace("\n      - ", "\n    - "))


COMMAND = """\
commands:
  - name: mine
    help: "My own command"
    script: ["python scripts/mine.py"]

"""
EDITS: dict[str, Callable[[Path], None]] = {
    "config value": _replace("configs/default.cfg", "dropout = 0.1", "dropout = 0.5"),
    "variable": _replace("project.yml", "lang: 'en'", "lang: 'de'"),
    "added command": _replace("project.yml", "commands:\n", COMMAND),
    "edited script": _replace("scripts/step1.py", "value_30 = 1", "value_30 = 99"),
    "renamed script": _rename,
    "deleted asset": lambda project: (project / "assets/labels.txt").unlink(),
    "reformatted yml": _reformat,
    "same line": _replace("project.yml", "version: '0.", "version: 'my-0."),
}
"""What a user does to a project, by name."""
