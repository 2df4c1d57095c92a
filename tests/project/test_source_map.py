"""The source maps of project.yml and project.lock."""

from __future__ import annotations

from git_spacy.lock import lock_format
from git_spacy.project import loader, source_map

PROJECT = b"""\
vars: {size: small}
assets:
  - dest: assets/x
    checksum: 900150983cd24fb0d6963f7d28e17f72
commands:
  - name: train
    script: [python train.py]
    deps:
      - assets/x
      - "configs/${vars.size}.cfg"
    outputs: [model, metrics.json]
  - {name: serve, script: [x]}
workflows:
  all:
    - train
    - serve
"""
LOCK = b"""\
train:
  cmd: weasel run train
  script:
    - python train.py
  deps:
    - path: assets/x
      md5: aa
    - path: configs/small.cfg
      md5: bb
  outs:
    - path: model
      md5: cc
"""


def test_every_named_item_has_its_line_and_column() -> None:
    positions = loader.parse(PROJECT).source_map
    assert positions["assets", "assets/x"] == (3, 5)
    assert positions["assets", "assets/x", "checksum"] == (4, 5)
    assert positions["commands", "train"] == (6, 5)
    assert positions["commands", "train", "deps"] == (8, 5)
    assert positions["commands", "train", "deps", "configs/small.cfg"] == (10, 9), (
        "after substitution"
    )
    assert positions["commands", "train", "outputs", "metrics.json"] == (11, 22)
    assert positions["commands", "serve"] == (12, 6)
    assert positions["workflows", "all", "serve"] == (16, 7)


def test_an_unknown_item_has_the_position_of_the_item_that_would_contain_it() -> None:
    positions = loader.parse(PROJECT).source_map
    assert source_map.nearest_position(positions, "commands", "train", "deps", "gone") == (8, 5)
    assert source_map.nearest_position(positions, "commands", "unknown") == (5, 1)
    assert source_map.nearest_position(positions, "unknown", "section") == (1, 1)


def test_the_lock_has_a_source_map_too() -> None:
    positions = lock_format.source_map(LOCK)
    assert positions["train",] == (1, 1)
    assert positions["train", "script"] == (3, 3)
    assert positions["train", "deps", "configs/small.cfg"] == (8, 7)
    assert positions["train", "outs", "model"] == (11, 7)
    assert lock_format.source_map(b"") == {(): (1, 1)}
