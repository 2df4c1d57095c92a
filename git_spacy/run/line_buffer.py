"""Split the output of a process into lines as a terminal would show them."""

from __future__ import annotations

_MAX_LINE = 1 << 16  # bytes; a longer line is passed on in pieces


class LineBuffer:
    """Splits one stream of bytes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Add data, and return the lines that are now complete."""

        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        return list(map(_decode, lines))

    def flush(self) -> list[str]:
        """Return the last, unterminated line, if any, at the end of the stream."""

        rest, self._rest = self._rest, b""
        return [_decode(rest)] if rest else []


def _decode(line: bytes) -> str:
    # a progress bar redraws itself after each '\r'; only its final state matters
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
