"""Report the frequent words: python scripts/report.py COUNTS.json REPORT.json --least N"""

import argparse
import json
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("counts", type=pathlib.Path)
parser.add_argument("report", type=pathlib.Path)
parser.add_argument("--least", type=int, default=1)
given = parser.parse_args()

counts = json.loads(given.counts.read_text(encoding="utf-8"))
frequent = {word: count for word, count in counts.items() if count >= given.least}
report = {"words": sum(counts.values()), "frequent": frequent}
given.report.parent.mkdir(parents=True, exist_ok=True)
given.report.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
print(f"{len(frequent)} of the words are there {given.least} times or more")
