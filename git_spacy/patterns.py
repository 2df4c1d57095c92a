"""Regular expressions that are compiled when they are first used.

Compiling one takes as long as importing a small module, and a command uses only a few of those in
the modules that it imports.
"""

from __future__ import annotations

import re

from git_spacy.light_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from re import compile as compile_late
else:

    class compile_late:
        """Stand for `re.compile(text, flags)`: an attribute is that of the compiled pattern."""

        def __init__(self, text: str | bytes, flags: int = 0) -> None:
            self._arguments = (text, flags)

        def __getattr__(self, name: str) -> Any:
            value = getattr(re.compile(*self._arguments), name)
            setattr(self, name, value)  # so that the next use costs nothing
            return value


__all__ = ["compile_late"]
