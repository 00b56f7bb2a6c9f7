"""A source that can be read while it is still being fetched.

Whoever downloads it appends to a file; all who want it, in this process or another, look at that
same file. A download that begins again, since the process that ran it has died, begins another
file: as long as that begins with what was there before, its readers go on where they were.
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
_COMPARE_BYTES = 1 << 20


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

    A download may begin again: others ran the one before and have died, or need no more. Once the
    source is `take`n its new file must be of the same version, where that has a name, and begin
    with all bytes of the one before; else it has changed.
    """

    def __init__(self, path: Path, fetch: Callable[[Arrival], None]) -> None:
        self.path = path
        self._fetch = fetch
        self._news = threading.Condition()
        self._beginning: Beginning | None = None
        self._file: FileIO | None = None
        # Of a download begun again, until it has what the one before had.
        self._next: FileIO | None = None
        self._compared = 0
        # Somebody may be reading them.
        self._old: list[FileIO] = []
        self._taken = False
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
        return _size(self._file) if self._file is not None else 0

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
            ended = self._ended
            self._go_over()
            size = self.size
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

    def take(self, beginning: Beginning) -> bool:
        """From now on what has come counts, as somebody uses it; False when that is not what
        began so any more."""
        with self._news:
            self._taken = self._taken or beginning == self._beginning
            return self._taken

    def begin(self, beginning: Beginning) -> None:
        """Take note of a download that has begun: the growing file appears at `path`, unless file
        systems forbid that."""
        try:
            file = open(beginning.file, "rb", buffering=0)  # noqa: SIM115
        except OSError:  # it has just ended
            return
        with self._news:
            before = self._beginning
            if self._taken and before is not None and not _may_be_same(before, beginning):
                file.close()
                self._fail(changed())
                return
            if not self._appear(beginning.file) and before is None:
                file.close()
                return
            self._follow(file)
            self._began = self._began or (time.monotonic(), self.size)
            self._beginning = beginning
            self._news.notify_all()

    def stop(self) -> None:
        """End the fetch if it runs, and wait until its thread has ended."""
        self._stopped.set()
        self._thread.join()
        for file in (*self._old, self._file, self._next):
            if file is not None:
                file.close()

    def _run(self) -> None:
        try:
            self._fetch(self)
            self._finish()
        except BaseException as error:
            self._fail(error)
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _fail(self, error: BaseException) -> None:
        """End it early; the first reason is the one to be known."""
        self._failure = self._failure or error
        self._stopped.set()

    def _appear(self, file: Path) -> bool:
        """Have the growing file at `path`, where there is one at any time from then on."""
        if file == self.path:
            return True
        # Not beside `path`, where it could be taken for one more source.
        aside = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            os.link(file, aside)
            os.replace(aside, self.path)
        except OSError:
            return False
        finally:
            aside.unlink(missing_ok=True)  # a link to what is there already is not moved
        return True

    def _follow(self, file: FileIO) -> None:
        """Read this file from now on, or as soon as it has what was read of the one before."""
        if self._next is not None and not _is_same(self._next, file):
            self._old.append(self._next)
            self._next = None
        if self._file is not None and _is_same(self._file, file):
            self._old.append(file)
        elif self._file is None or not self._taken:
            if self._file is not None:
                self._old.append(self._file)
            self._file = file
        elif self._next is None:
            self._next, self._compared = file, 0
        else:
            self._old.append(file)

    def _go_over(self) -> None:
        """Go over to the download that has begun again, if it has all that was read. Raises
        SourceError `source_changed` when that is something else."""
        if self._next is None:
            return
        with self._news:
            if (new := self._next) is None:
                return
            assert self._file is not None
            there = _size(self._file)
            until = min(there, _size(new))
            while self._compared < until:
                count = min(until - self._compared, _COMPARE_BYTES)
                had = os.pread(self._file.fileno(), count, self._compared)
                if os.pread(new.fileno(), count, self._compared) != had:
                    self._fail(changed())
                    break
                self._compared += count
            else:
                if until == there:
                    self._old.append(self._file)
                    self._file, self._next = new, None
        self.check()

    def _finish(self) -> None:
        """Look at what is whole now: the file that grew, or one like it."""
        if self._beginning is None:
            return
        file = open(self.path, "rb", buffering=0)  # noqa: SIM115
        with self._news:
            self._follow(file)
            total = self._beginning.total
            if self._taken and total is not None and _size(file) != total:
                raise changed()
        self._go_over()
        if self._next is not None:  # it is shorter
            raise changed()


def _may_be_same(one: Beginning, other: Beginning) -> bool:
    return one.total == other.total and one.etag in (None, other.etag)


def _size(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _is_same(one: FileIO, other: FileIO) -> bool:
    return os.path.samestat(os.fstat(one.fileno()), os.fstat(other.fileno()))


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
