"""Where things stand in project.yml and project.lock."""

from __future__ import annotations

from git_spacy.project import loader, source_map
from git_spacy.state import lock

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


def test_everything_that_is_named_has_its_line_and_column() -> None:
    found = loader.parse(PROJECT).source_map
    assert found["assets", "assets/x"] == (3, 5)
    assert found["assets", "assets/x", "checksum"] == (4, 5)
    assert found["commands", "train"] == (6, 5)
    assert found["commands", "train", "deps"] == (8, 5)
    assert found["commands", "train", "deps", "configs/small.cfg"] == (10, 9), "as it is filled in"
    assert found["commands", "train", "outputs", "metrics.json"] == (11, 22)
    assert found["commands", "serve"] == (12, 6)
    assert found["workflows", "all", "serve"] == (16, 7)


def test_what_has_no_place_has_that_of_what_is_around_it() -> None:
    found = loader.parse(PROJECT).source_map
    assert source_map.nearest_position(found, "commands", "train", "deps", "gone") == (8, 5)
    assert source_map.nearest_position(found, "commands", "nobody") == (5, 1)
    assert source_map.nearest_position(found, "nothing", "at all") == (1, 1)


def test_the_lock_has_places_too() -> None:
    found = lock.source_map(LOCK)
    assert found["train",] == (1, 1)
    assert found["train", "script"] == (3, 3)
    assert found["train", "deps", "configs/small.cfg"] == (8, 7)
    assert found["train", "outs", "model"] == (11, 7)
    assert lock.source_map(b"") == {(): (1, 1)}
