"""Draw the pictures of the README: run commands in a terminal, and save what it shows as SVG.

`scripts/picture` runs this with git-spacy on the PATH.
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

WIDTH = 92
PREPARE = """\
git spacy clone first_steps hello && cd hello &&
git spacy run all && git add -A && git commit -qm 'Run it' && git spacy init --yes
git add -A && git commit -qm 'Set the repository up'
"""
SESSION = (
    "sed -i 's/least: 2/least: 3/' project.yml",
    'git commit -am "Report fewer words"',
    "git spacy run report",
    'git commit -qam "Report fewer words"',
    "git spacy log --command report -n 1",
)


def main(folder: Path) -> None:
    """Write the pictures into `folder`."""

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="git-spacy-picture-") as temporary:
        work = Path(temporary)
        environ = _environ(work)
        subprocess.run(
            ("sh", "-ec", PREPARE), cwd=work, env=environ, check=True, capture_output=True
        )
        (folder / "session.svg").write_text(_draw(_type(SESSION, work / "hello", environ)))
        line = "git spacy clone ner_fashion && cd ner_fashion && git spacy graph all -o graph.svg"
        subprocess.run(("sh", "-ec", line), cwd=work, env=environ, check=True, capture_output=True)
        (folder / "graph.svg").write_text((work / "ner_fashion/graph.svg").read_text())


def text_of(picture: str) -> str:
    """Return the lines that a picture of a terminal shows."""

    rows: dict[str, list[str]] = {}
    text = r'<text class="terminal-r\d+"[^>]* y="([\d.]+)"[^>]*>(.*?)</text>'
    for y, part in re.findall(text, picture):
        rows.setdefault(y, []).append(html.unescape(part).replace("\xa0", " "))
    return "\n".join(" ".join(row) for row in rows.values())


def _environ(home: Path) -> dict[str, str]:
    """Return an environment with a home of its own, in which Git knows who commits."""

    (home / ".gitconfig").write_text("[user]\nname = you\nemail = you@example.com\n")
    (home / ".venv").symlink_to(sys.prefix)
    return {
        "PATH": f"{home}/.venv/bin:{os.environ['PATH']}", "VIRTUAL_ENV": f"{home}/.venv",
        "HOME": str(home), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "GIT_PAGER": "cat",
        "COLUMNS": str(WIDTH), "GIT_CONFIG_NOSYSTEM": "1",
    }  # fmt: skip


def _type(commands: tuple[str, ...], folder: Path, environ: dict[str, str]) -> str:
    """Run each command in a terminal, and return what a reader of the screen sees."""

    shown = []
    for command in commands:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
        process = subprocess.Popen(
            ("sh", "-c", command), cwd=folder, env=environ, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        printed = b""
        while chunk := _read(ours):
            printed += chunk
        os.close(ours)
        process.wait()
        text = printed.decode().replace("\r\n", "\n").replace(environ["HOME"], "~")
        shown.append(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\n{text}".rstrip("\n") + "\n")
    return "\n".join(shown)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux reports the end of a terminal as an input/output error
        return b""


def _draw(session: str) -> str:
    """Draw the text of a terminal, with colours, as an SVG that loads no fonts from the web."""

    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(session.rstrip("\n") + "\n"), soft_wrap=False)
    style = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    style = style.replace(
        "font-family: Fira Code, monospace", "font-family: ui-monospace, monospace"
    )
    picture = console.export_svg(title="git-spacy", code_format=style, unique_id="terminal")
    return "\n".join(line.rstrip() for line in picture.splitlines()) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
