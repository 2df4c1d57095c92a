"""What a process writes, in lines as people see them. Knows bytes, and not where they come from."""

from __future__ import annotations

_LONGEST = 1 << 16  # bytes of a line that is held back until it is whole


class Lines:
    """One stream, cut into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are whole now."""

        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = b""
        return list(map(_shown, lines))

    def rest(self) -> list[str]:
        """What has no line break at the end, if anything: nothing more comes."""

        rest, self._rest = self._rest, b""
        return [_shown(rest)] if rest else []


def _shown(line: bytes) -> str:
    # a bar that draws itself over and over: as it looks in the end
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
