"""The names of the settings of remotes, for the man pages of the commands that use one."""

from __future__ import annotations

_PARTS = ("url", "endpoint", "profile", "region", "account", "project", "keyFile", "anonymous")
REMOTE_SETTINGS = tuple(f"spacy.remote.*.{part}" for part in _PARTS)
