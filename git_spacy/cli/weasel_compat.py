"""`git spacy project …`: a command line of `spacy project` or `weasel`, as one of ours. Pure.

Their verbs have the same names here; what differs is in the table
(docs/how-to/from-weasel.md tells the same to people).
"""

from __future__ import annotations

from collections.abc import Sequence

NAME = "project"
COMMANDS = ("clone", "assets", "run", "dvc", "document", "push", "pull")
# what theirs has and ours has no need of: (only some files are ever fetched; nothing to be told)
_LEFT_OUT = {
    "clone": ("--sparse", "-S"),
    "assets": ("--sparse", "-S"),
    "dvc": ("--verbose", "-V", "--quiet", "-q"),
}
_OUTPUT = ("-o", "--output", "-h", "--help")


def translate(given: Sequence[str]) -> list[str]:
    """Ours for `given`, the words after `spacy project`."""

    verb, *rest = given
    kept = [word for word in rest if word not in _LEFT_OUT.get(verb, ())]
    if verb == "document" and not any(word.startswith(_OUTPUT) for word in kept):
        kept.append("--stdout")  # where theirs writes by default
    return [verb, *kept]
