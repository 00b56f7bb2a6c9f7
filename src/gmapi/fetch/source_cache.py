"""Sources kept by address, so that the parts of one song are fetched once.

The file system is the only state: for each key `KEY.data` and `KEY.json` (what is known about
it; its time of change is the last use), `KEY.lock`, and `KEY.NAME.tmp` while a download runs.
Only the holder of the lock touches the other files. A `.json` is written after its data and
removed before the data changes, so the two always belong together; anything else is a miss.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from gmapi.errors import JobCancelled, SourceError
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.arrival import Beginning, Note, OnBegin, ignore
from gmapi.fetch.cache_record import Record
from gmapi.fetch.fetcher import (
    Cancelled,
    Download,
    FetchRules,
    Progress,
    Validators,
    disk_errors,
    download,
)
from gmapi.fetch.headers import check_headers
from gmapi.fetch.unending import WHOLE, Portion
from gmapi.filelock import ACROSS_PROCESSES, FileLock

FRESH_SECONDS = 60.0
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


_Get = Callable[[Path, Validators | None, Callable[[], None], OnBegin], Download]
"""Downloads to a path unless the validators are current; calls its third argument when nobody else
should wait for it, and tells the last one when its first bytes are there."""


@dataclass(slots=True)
class Counts:
    """How sources were had since this process began: kept ones, downloads of others waited for,
    own downloads."""

    hits: int = 0
    joins: int = 0
    misses: int = 0


class SourceCache:
    """Sources in `folder`, which is made when needed and shared by all worker processes."""

    def __init__(self, folder: Path, rules: FetchRules) -> None:
        self.folder = folder
        self.rules = rules
        self.counts = Counts()

    def fetch(
        self,
        url: SourceUrl,
        into: Path,
        *,
        headers: Mapping[str, str] | None = None,
        use_cache: bool = True,
        cancelled: Cancelled,
        on_progress: Progress,
        wanted: frozenset[str] = frozenset(),
        until: float | None = None,
        portion: Portion = WHOLE,
        on_begin: OnBegin = ignore,
    ) -> Fetched:
        """Put the source at `into`, replacing what is there; its folder must exist.

        `on_begin` is told, by any thread, of a download that others may read while it runs.
        The file may share its content with the cache by a hard link: read it, never write to it.
        Without `use_cache` the cache is neither asked nor filled. Raises what `download` raises.
        """
        checked = check_headers(headers or {})

        def get(
            target: Path,
            validators: Validators | None,
            on_alone: Callable[[], None],
            on_begin: OnBegin,
        ) -> Download:
            return download(
                url,
                target,
                self.rules,
                headers=checked,
                cancelled=cancelled,
                on_progress=on_progress,
                validators=validators,
                wanted=wanted,
                until=until,
                portion=portion,
                on_alone=on_alone,
                on_begin=on_begin,
            )

        if not use_cache:
            self.counts.misses += 1
            return _fetched(get(into, None, _nobody_waits, on_begin))
        return self._through(_key(url, checked), into, get, FRESH_SECONDS, cancelled, on_begin)

    def keep(
        self,
        key: str,
        into: Path,
        get: Callable[[Path, OnBegin], Download],
        *,
        lasting: bool,
        cancelled: Cancelled,
        on_begin: OnBegin = ignore,
    ) -> Fetched:
        """Put at `into` what `get` makes, or made before under this key (64 hex digits).

        `lasting` content never changes under its key; other is made anew after FRESH_SECONDS.
        `on_begin` is told, by any thread, of what others may read while it is made. Raises what
        `get` raises.
        """

        def make(target: Path, _: object, __: object, on_begin: OnBegin) -> Download:
            return get(target, on_begin)

        fresh = math.inf if lasting else FRESH_SECONDS
        return self._through(key, into, make, fresh, cancelled, on_begin)

    def _through(
        self,
        key: str,
        into: Path,
        get: _Get,
        fresh_seconds: float,
        cancelled: Cancelled,
        on_begin: OnBegin = ignore,
    ) -> Fetched:
        with disk_errors(), suppress(_HolderStuck):
            self.folder.mkdir(parents=True, exist_ok=True)
            entry = _Entry(self.folder, key)
            with _waiting_lock(entry, self.rules.stall, cancelled, on_begin) as waiting_since:
                found = self._fetch_locked(entry, into, get, fresh_seconds, waiting_since, on_begin)
                self._count(found, joined=waiting_since is not None)
                return found
        self.counts.misses += 1
        return _fetched(get(into, None, _nobody_waits, on_begin))

    def _count(self, found: Fetched, *, joined: bool) -> None:
        if not found.from_cache:
            self.counts.misses += 1
        elif joined:
            self.counts.joins += 1
        else:
            self.counts.hits += 1

    def _fetch_locked(
        self,
        entry: _Entry,
        into: Path,
        get: _Get,
        fresh_seconds: float,
        waiting_since: float | None,
        on_begin: OnBegin,
    ) -> Fetched:
        record = entry.read()
        if record is not None:
            age = time.time() - record.checked
            shared = waiting_since is not None and record.checked >= waiting_since
            if shared or (record.validators is None and 0 <= age < fresh_seconds):
                return entry.hand_out(record, into, from_cache=True)
        temporary = entry.temporary()
        entry.alone.unlink(missing_ok=True)  # of a process that was killed
        entry.note.remove()

        def begin(beginning: Beginning) -> None:
            entry.note.write(beginning)
            on_begin(beginning)

        try:
            known = record.validators if record else None
            try:
                fresh = get(temporary, known, entry.alone.touch, begin)
            except SourceError as error:
                if error.code != "source_changed" or on_begin is not ignore:
                    raise
                # Nobody here has read any of it yet; who has, elsewhere, has another file.
                temporary = entry.temporary()
                fresh = get(temporary, known, entry.alone.touch, begin)
            if record is not None and fresh.not_modified:
                record = replace(record, checked=time.time())
                entry.write(record)
                return entry.hand_out(record, into, from_cache=True)
            record = Record(
                fresh.url,
                fresh.size,
                fresh.etag,
                fresh.last_modified,
                fresh.content_type,
                time.time(),
                fresh.untold,
            )
            entry.about.unlink(missing_ok=True)
            if not fresh.cacheable:
                entry.data.unlink(missing_ok=True)
                os.replace(temporary, into)
                return _fetched(fresh)
            os.replace(temporary, entry.data)
            entry.write(record)
            return entry.hand_out(record, into, from_cache=False)
        finally:
            entry.note.remove()
            temporary.unlink(missing_ok=True)
            entry.alone.unlink(missing_ok=True)

    def sweep(self, now: float, expiry: float) -> int:
        """Remove what was not used for `expiry` seconds before `now` (seconds since 1970) and
        what dead processes left; entries in work are skipped. Returns the bytes freed."""
        freed = 0
        for entry in self._entries():
            with _free_lock(entry) as free:
                if free:
                    expired = now - entry.last_used() > expiry
                    freed += entry.remove() if expired else 0
                    freed += entry.remove_leftovers(now, self.rules.deadline)
        return freed

    def evict(self, bytes_wanted: int) -> int:
        """Remove entries, the longest unused first, until `bytes_wanted` are free. Skips those in
        work and those a job still holds, as they would free nothing. Returns the bytes freed."""
        freed = 0
        for entry in sorted(self._entries(), key=_Entry.last_used):
            if freed >= bytes_wanted:
                break
            with _free_lock(entry) as free:
                if free:
                    freed += entry.remove_leftovers(time.time(), self.rules.deadline)
                    freed += 0 if entry.in_use() else entry.remove()
        return freed

    def move_times(self, seconds: float) -> None:
        """After the clock has leapt: when entries were used, as the clock counts now."""
        for entry in self._entries():
            used = entry.last_used()
            if used:
                with suppress(OSError):
                    os.utime(entry.about, (used + seconds, used + seconds))

    def used_bytes(self) -> int:
        """Bytes of all files of the cache, unfinished downloads included."""
        return sum(_size(path) for path in self._files())

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from self.folder.iterdir()

    def _entries(self) -> list[_Entry]:
        keys = {path.name.partition(".")[0] for path in self._files()}
        return [_Entry(self.folder, key) for key in sorted(keys)]


class _Entry:
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
        return sum(_size(path) for path in self.folder.glob(f"{self.key}.*.tmp"))

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


def _fetched(fresh: Download) -> Fetched:
    version = fresh.etag or fresh.last_modified
    return Fetched(
        fresh.size,
        fresh.url,
        fresh.content_type,
        False,
        fresh.kind,
        version,
        fresh.untold,
        fresh.is_part,
    )


def _nobody_waits() -> None:
    pass


def _key(url: SourceUrl, headers: Mapping[str, str]) -> str:
    named = sorted((name.lower(), value) for name, value in headers.items())
    return sha256(json.dumps([url.url, named]).encode()).hexdigest()


def _size(path: Path) -> int:
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


class _HolderStuck(Exception):
    """Who downloads this source makes no headway: frozen, or its disk hangs. Or it records a
    broadcast, which others must do for themselves."""


@contextmanager
def _waiting_lock(
    entry: _Entry, stall: float, cancelled: Cancelled, on_begin: OnBegin
) -> Iterator[float | None]:
    """Hold the lock; yields when the wait for it began, None when it was free. `on_begin` is told
    of the download that is waited for.

    Raises _HolderStuck when the download one waits for will be of no use here, or has not grown
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
            raise _HolderStuck
        if entry.alone.exists():
            raise _HolderStuck
        if (beginning := entry.note.read()) is not None and beginning != told:
            told = beginning
            on_begin(beginning)
        time.sleep(_LOCK_POLL)
    try:
        yield began
    finally:
        entry.lock.release()


@contextmanager
def _free_lock(entry: _Entry) -> Iterator[bool]:
    """Hold the lock of an entry if nobody else does, and remove it when nothing is left."""
    if not entry.lock.try_acquire():
        yield False
        return
    try:
        yield True
    finally:
        entry.lock.release(remove=not entry.data.exists() and not entry.about.exists())
