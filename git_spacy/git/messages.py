"""Quote what git said on stderr, for errors in talking with servers."""

from __future__ import annotations


def quote(stderr: bytes) -> str:
    """Return all that git, ssh and the server wrote, as one line or as further, indented lines.

    Only empty lines, and progress that was overwritten on the terminal, are left out.
    """

    text = stderr.decode("utf-8", "replace")
    shown = (line.rstrip().rpartition("\r")[2].rstrip() for line in text.split("\n"))
    lines = [line for line in shown if line.strip() and line.strip() != "remote:"]
    if len(lines) == 1:
        return lines[0].removeprefix("fatal: ").removeprefix("error: ")
    return "\n  ".join(["", *lines]) if lines else "failed with no output"
