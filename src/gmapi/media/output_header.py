"""What ffmpeg says of the file that it writes: the header of its output in the log."""

from __future__ import annotations

from gmapi.media.header import Stream, parse_header

_LINES_MAX = 2000


class OutputHeader:
    """Reads the log of a run line by line."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._open = False

    def take(self, line: str) -> None:
        """One line of the log."""
        if line.startswith("Output #0,"):
            self._lines, self._open = [], True
            line = "Input #0, output, from '':"
        elif not line.startswith(" "):
            self._open = False
        if self._open and len(self._lines) < _LINES_MAX:
            self._lines.append(line)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that were written."""
        return parse_header("\n".join(self._lines)).streams
