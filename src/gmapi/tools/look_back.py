"""What is known after ffmpeg's runs of a job: what they said, read and wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gmapi.errors import LimitError
from gmapi.media import damage
from gmapi.media.faults import Faults
from gmapi.media.folded_log import FoldedLog
from gmapi.media.header import Stream
from gmapi.media.output_header import OutputHeader
from gmapi.media.progress import Progress
from gmapi.media.reading import Reading


class Listener:
    """Listens to one run: its log goes to `log`, folded, and its progress to `on_progress`."""

    def __init__(
        self, log: Callable[[str], None], on_progress: Callable[[Progress], None] | None
    ) -> None:
        self._log = FoldedLog(log)
        self._on_progress = on_progress
        self.header = OutputHeader()
        self.faults = Faults()
        self.made: float | None = None
        """Seconds of output."""

    def line(self, line: str) -> None:
        """A line of the log."""
        self.header.take(line)
        self._log.take(line)

    def progress(self, now: Progress) -> None:
        """A report of progress."""
        self.made = now.out_time
        if self._on_progress is not None:
            self._on_progress(now)

    def close(self) -> None:
        """The run has ended."""
        self._log.close()


class LookBack:
    """Compares what runs have read with what there is; `look_through` reads a file."""

    def __init__(self, look_through: Callable[[Path], Reading]) -> None:
        self._look_through = look_through
        self._readings: dict[Path, Reading] = {}
        self._headers: dict[Path, OutputHeader] = {}
        self.lengths: dict[Path, float | None] = {}
        """Of sources, seconds by their headers."""
        self.longest: float | None = None
        """Seconds of a source after which its fetch was to end."""

    def note(self, outputs: Sequence[Path], run: Listener) -> None:
        """Remember what a run said of its outputs."""
        self._headers |= dict.fromkeys(outputs, run.header)

    def written(self, path: Path) -> tuple[Stream, ...]:
        """What ffmpeg said of the streams of an output when it made it."""
        return self._headers[path].streams if path in self._headers else ()

    def damage(self, argv: Sequence[str], run: Listener) -> list[str]:
        """Sentences about what a run has lost of its sources."""
        return damage.warnings(
            argv,
            run.faults,
            made=run.made,
            lengths=self.lengths,
            longest=self.longest,
            read=self._read,
        )

    def wants_all(self, argv: Sequence[str], path: Path) -> bool:
        """Whether a run is to use a source to its end."""
        return damage.wants_all(argv, path, self.longest)

    def _read(self, path: Path) -> Reading:
        if path not in self._readings:
            try:
                self._readings[path] = self._look_through(path)
            except LimitError:  # what was asked for is there all the same
                self._readings[path] = Reading.unknown()
        return self._readings[path]
