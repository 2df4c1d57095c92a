"""Report the frequent words: python scripts/report.py COUNTS.json REPORT.json --least N"""

import argparse
import json
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("counts", type=pathlib.Path)
parser.add_argument("report", type=pathlib.Path)
parser.add_argument("--least", type=int, default=1)
arguments = parser.parse_args()

counts = json.loads(arguments.counts.read_text(encoding="utf-8"))
frequent = {word: count for word, count in counts.items() if count >= arguments.least}
report = {"words": sum(counts.values()), "frequent": frequent}
arguments.report.parent.mkdir(parents=True, exist_ok=True)
arguments.report.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
print(f"{len(frequent)} of the words occur {arguments.least} times or more")
