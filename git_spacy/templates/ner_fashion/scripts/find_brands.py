"""Print the brands that a trained pipeline finds in a text.

python scripts/find_brands.py MODEL TEXT
"""

from __future__ import annotations

import sys

import spacy


def main(model: str, text: str) -> None:
    """Print one line for each entity: its text and its label."""

    for entity in spacy.load(model)(text).ents:
        print(f"{entity.text}\t{entity.label_}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: find_brands.py MODEL TEXT")
    main(sys.argv[1], sys.argv[2])
