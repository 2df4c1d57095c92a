"""Count the words of a text: python scripts/count.py TEXT COUNTS.json"""

import collections
import json
import pathlib
import re
import sys

text, counts = map(pathlib.Path, sys.argv[1:])
words = re.findall(r"\w+", text.read_text(encoding="utf-8").lower())
counts.parent.mkdir(parents=True, exist_ok=True)
counts.write_text(json.dumps(collections.Counter(words), sort_keys=True), encoding="utf-8")
print(f"{len(words)} words, {len(set(words))} different ones")
