"""One key of the cache of sources: its files, and waiting for who has it in work."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gmapi.errors import JobCancelled
from gmapi.fetch.arrival import Beginning, Note, OnBegin
from gmapi.fetch.cache_record import Record
from gmapi.fetch.fetcher import Cancelled
from gmapi.filelock import ACROSS_PROCESSES, FileLock

_LOCK_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source in place: size in bytes, the address it came from after redirects, the type its
    server named, and whether no byte of it had to be fetched. `kind` is as in `Download`."""

    size: int
    url: str
    content_type: str | None
    from_cache: bool
    kind: str | None = None
    version: str | None = None
    """What the server names this version by, if it does."""
    untold: bool = False
    is_part: bool = False
    """Both as in `Download`."""


class Entry:
    """The files of one key."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key
        self.data = folder / f"{key}.data"
        self.about = folder / f"{key}.json"
        self.lock = FileLock(folder / f"{key}.lock")
        self.alone = folder / f"{key}.alone.tmp"
        """There while a download runs that nobody else will have a use for."""
        self.note = Note(folder / f"{key}.arriving.tmp")

    def temporary(self) -> Path:
        return self.folder / f"{self.key}.{secrets.token_hex(8)}.tmp"

    def unfinished_bytes(self) -> int:
        """Size of the downloads of this entry that are under way."""
        return sum(size_of(path) for path in self.folder.glob(f"{self.key}.*.tmp"))

    def read(self) -> Record | None:
        """What is kept under this key; None when nothing is, or not all of it."""
        try:
            record = Record.from_json(self.about.read_text("utf-8"))
            return record if self.data.stat().st_size == record.size else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, record: Record) -> None:
        temporary = self.temporary()
        try:
            temporary.write_text(record.to_json(), "utf-8")
            os.replace(temporary, self.about)
        finally:
            temporary.unlink(missing_ok=True)

    def hand_out(self, record: Record, into: Path, *, from_cache: bool) -> Fetched:
        into.unlink(missing_ok=True)
        try:
            os.link(self.data, into)
        except OSError:  # another file system, or one without links
            shutil.copyfile(self.data, into)
        if self.about.exists():
            os.utime(self.about)
        return Fetched(
            record.size, record.url, record.content_type, from_cache, untold=record.untold
        )

    def last_used(self) -> float:
        """Seconds since 1970; 0 when nothing complete is kept."""
        try:
            return self.about.stat().st_mtime
        except OSError:
            return 0.0

    def in_use(self) -> bool:
        """Whether a hard link elsewhere keeps the data on the disk."""
        try:
            return self.data.stat().st_nlink > 1
        except OSError:
            return False

    def remove(self) -> int:
        """Drop the entry; returns the bytes that this frees now."""
        freed = _remove(self.about)
        return freed + _remove(self.data)

    def remove_leftovers(self, now: float, longest_download: float) -> int:
        """Drop temporary files, and data that nothing describes. Needs the lock, which proves
        that their process is gone; where locks do not reach other processes, age must."""
        freed = 0
        for path in self.folder.glob(f"{self.key}.*.tmp"):
            if ACROSS_PROCESSES or now - _mtime(path) > longest_download:
                freed += _remove(path)
        return freed + (0 if self.about.exists() else _remove(self.data))


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _remove(path: Path) -> int:
    try:
        status = path.stat()
        path.unlink()
    except OSError:
        return 0
    return status.st_size if status.st_nlink == 1 else 0


class HolderStuck(Exception):
    """Who downloads this source makes no headway: frozen, or its disk hangs. Or it records a
    broadcast, which others must do for themselves."""


@contextmanager
def waiting_lock(
    entry: Entry, stall: float, cancelled: Cancelled, on_begin: OnBegin
) -> Iterator[float | None]:
    """Hold the lock; yields when the wait for it began, None when it was free. `on_begin` is told
    of the download that is waited for.

    Raises HolderStuck when the download one waits for will be of no use here, or has not grown
    for twice the `stall` time, after which its own process would have given up.
    """
    began: float | None = None
    growth, grown_at = -1, time.monotonic()
    told: Beginning | None = None
    while not entry.lock.try_acquire():
        began = time.time() if began is None else began
        if cancelled():
            raise JobCancelled
        if (size := entry.unfinished_bytes()) != growth:
            growth, grown_at = size, time.monotonic()
        elif time.monotonic() - grown_at > 2 * stall:
            raise HolderStuck
        if entry.alone.exists():
            raise HolderStuck
        if (beginning := entry.note.read()) is not None and beginning != told:
            told = beginning
            on_begin(beginning)
        time.sleep(_LOCK_POLL)
    try:
        yield began
    finally:
        entry.lock.release()


@contextmanager
def free_lock(entry: Entry) -> Iterator[bool]:
    """Hold the lock of an entry if nobody else does, and remove it when nothing is left."""
    if not entry.lock.try_acquire():
        yield False
        return
    try:
        yield True
    finally:
        entry.lock.release(remove=not entry.data.exists() and not entry.about.exists())
