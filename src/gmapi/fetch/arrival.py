"""A source that can be read while it is still being fetched.

Whoever downloads it appends to a file; all who want it, in this process or another, look at that
same file. A download that begins again, since the process that ran it has died, begins another
file: as long as it is the same version of the source, its readers go on where they were.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from gmapi.errors import SourceError

# Files that another process makes longer are looked at so often, seconds.
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Beginning:
    """A download whose first bytes are there: the file it appends to, the address it comes from
    after redirects, how many bytes there will be, None where that is not told, and what the
    server names this version by, None unless that is meant to be exact. `seconds` is how long it
    plays at least by its playlist, None where that does not tell it well, or has no end."""

    file: Path
    url: str
    total: int | None
    etag: str | None
    seconds: float | None = None

    def to_json(self) -> str:
        """As text, for others who want the same source."""
        return json.dumps(asdict(self) | {"file": self.file.name})

    @classmethod
    def from_json(cls, text: str, folder: Path) -> Beginning:
        """Read what `to_json` wrote about a file in `folder`. Raises ValueError, TypeError and
        KeyError."""
        told = json.loads(text)
        file = folder / Path(told["file"]).name
        return cls(file, told["url"], told["total"], told["etag"], told["seconds"])


OnBegin = Callable[[Beginning], None]
"""Told of a download that has begun, perhaps by another process; more than once when it begins
again."""


def ignore(beginning: Beginning) -> None:
    """For who waits until all is there."""


def changed() -> SourceError:
    """The source is not what it was when its first bytes came."""
    return SourceError(
        "The source changed while it was being converted; ask for it again.",
        code="source_changed",
    )


class Arrival:
    """A source on its way to `path`, where its file grows. Thread safe.

    `fetch` runs in a thread of its own: it is given what to tell of beginnings, puts the whole
    source at `path`, and raises what is to be known of a failure. It must stop soon once
    `is_stopped`.
    """

    def __init__(self, path: Path, fetch: Callable[[Arrival], None]) -> None:
        self.path = path
        self._fetch = fetch
        self._news = threading.Condition()
        self._beginning: Beginning | None = None
        self._file: FileIO | None = None
        self._old: list[FileIO] = []
        self._began: tuple[float, int] | None = None
        self._ended = False
        self._failure: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gmapi-arrival", daemon=True)

    def start(self) -> None:
        """Begin to fetch."""
        self._thread.start()

    @property
    def beginning(self) -> Beginning | None:
        """The download under way; None before its first bytes, or when only all of it can be
        had."""
        return self._beginning

    @property
    def is_stopped(self) -> bool:
        """Whether nobody needs more of the source."""
        return self._stopped.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes: it is whole, or has failed."""
        return self._ended

    @property
    def is_whole(self) -> bool:
        """Whether all of it is at `path`."""
        return self._ended and self._failure is None

    def check(self) -> None:
        """Raise what ended it early."""
        if self._failure is not None:
            raise self._failure

    def fileno(self) -> int:
        """A descriptor of the growing file."""
        assert self._file is not None
        return self._file.fileno()

    @property
    def size(self) -> int:
        """Bytes there are."""
        file = self._file
        return os.fstat(file.fileno()).st_size if file is not None else 0

    @property
    def bytes_a_second(self) -> float | None:
        """How fast it has come; None when that cannot be told yet."""
        if self._began is None:
            return None
        seconds, size = time.monotonic() - self._began[0], self.size - self._began[1]
        return size / seconds if seconds > 0 and size > 0 else None

    def wait(self, beyond: int, seconds: float) -> int:
        """How many bytes are there as soon as it is more than `beyond`, or all, or after so many
        seconds; raises what ended it early."""
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            ended, size = self._ended, self.size
            left = deadline - time.monotonic()
            if size > beyond or ended or left <= 0:
                return size
            with self._news:
                self._news.wait(min(left, _LOOK_SECONDS))

    def wait_to_begin(self, check: Callable[[], None]) -> Beginning | None:
        """The download that has begun; None when it is whole already. `check` is called while
        waiting. Raises what ended it early, and what `check` raises."""
        while self._beginning is None and not self._ended:
            check()
            with self._news:
                self._news.wait(_LOOK_SECONDS)
        self.check()
        return None if self._ended else self._beginning

    def wait_for_end(self, check: Callable[[], None]) -> None:
        """Return when it is whole. Raises what ended it early, and what `check` raises."""
        while not self._ended:
            check()
            with self._news:
                self._news.wait(0.1)
        self.check()

    def begin(self, beginning: Beginning) -> None:
        """Take note of a download that has begun: the growing file appears at `path`, unless file
        systems forbid that. Raises SourceError `source_changed` when it is of another version
        than before."""
        before = self._beginning
        if before is not None and not _same(before, beginning):
            raise changed()
        try:
            file = open(beginning.file, "rb", buffering=0)  # noqa: SIM115
        except OSError:  # it has just ended
            return
        try:
            if beginning.file != self.path:
                self.path.unlink(missing_ok=True)
                os.link(beginning.file, self.path)
        except OSError:
            file.close()
            return
        if self._file is not None:
            self._old.append(self._file)  # somebody may be reading it
        self._file = file
        if self._began is None:
            self._began = time.monotonic(), self.size
        with self._news:
            self._beginning = beginning
            self._news.notify_all()

    def stop(self) -> None:
        """End the fetch if it runs, and wait until its thread has ended."""
        self._stopped.set()
        self._thread.join()
        for file in (*self._old, self._file):
            if file is not None:
                file.close()

    def _run(self) -> None:
        try:
            self._fetch(self)
            self._finish()
        except BaseException as error:
            self._failure = error
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _finish(self) -> None:
        """Look at what is whole now: the file that grew, or one like it."""
        if self._beginning is None:
            return
        file = open(self.path, "rb", buffering=0)  # noqa: SIM115
        if self._file is not None:
            self._old.append(self._file)
        self._file = file
        total = self._beginning.total
        if total is not None and self.size != total:
            raise changed()


def _same(one: Beginning, other: Beginning) -> bool:
    if one.file == other.file:
        return True
    return one.total == other.total and one.etag is not None and one.etag == other.etag


class Note:
    """Where the process that downloads a source tells others of the file that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, beginning: Beginning) -> None:
        """Tell it; what cannot be written is not told."""
        aside = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        with suppress(OSError):
            try:
                aside.write_text(beginning.to_json(), "utf-8")
                os.replace(aside, self._path)
            finally:
                aside.unlink(missing_ok=True)

    def read(self) -> Beginning | None:
        """What is told; None when nothing is."""
        try:
            return Beginning.from_json(self._path.read_text("utf-8"), self._path.parent)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def remove(self) -> None:
        """Tell nothing any more."""
        self._path.unlink(missing_ok=True)
