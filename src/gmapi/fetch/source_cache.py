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
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from gmapi.errors import SourceError
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.arrival import Beginning, OnBegin, ignore
from gmapi.fetch.cache_entry import Entry, Fetched, HolderStuck, free_lock, size_of, waiting_lock
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

FRESH_SECONDS = 60.0


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
            return self._uncached(into, get, on_begin)
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
        with disk_errors(), suppress(HolderStuck):
            self.folder.mkdir(parents=True, exist_ok=True)
            entry = Entry(self.folder, key)
            with waiting_lock(entry, self.rules.stall, cancelled, on_begin) as waiting_since:
                found = self._fetch_locked(entry, into, get, fresh_seconds, waiting_since, on_begin)
                self._count(found, joined=waiting_since is not None)
                return found
        return self._uncached(into, get, on_begin)

    def _uncached(self, into: Path, get: _Get, on_begin: OnBegin) -> Fetched:
        def attempt() -> Download:
            # What is there may be the file of another download, and be read already.
            into.unlink(missing_ok=True)
            return get(into, None, _nobody_waits, on_begin)

        self.counts.misses += 1
        return _fetched(_again_if_changed(attempt))

    def _count(self, found: Fetched, *, joined: bool) -> None:
        if not found.from_cache:
            self.counts.misses += 1
        elif joined:
            self.counts.joins += 1
        else:
            self.counts.hits += 1

    def _fetch_locked(
        self,
        entry: Entry,
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
        entry.remove_leftovers(time.time(), self.rules.deadline)
        entry.alone.unlink(missing_ok=True)  # of a process that was killed
        entry.note.remove()
        temporary = entry.temporary()
        known = record.validators if record else None

        def begin(beginning: Beginning) -> None:
            on_begin(beginning)
            entry.note.write(beginning)

        def attempt() -> Download:
            nonlocal temporary
            temporary = entry.temporary()
            return get(temporary, known, entry.alone.touch, begin)

        try:
            fresh = _again_if_changed(attempt)
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
            with free_lock(entry) as free:
                if free:
                    expired = now - entry.last_used() > expiry
                    freed += entry.remove() if expired else 0
                    freed += entry.remove_leftovers(now, self.rules.deadline)
        return freed

    def evict(self, bytes_wanted: int) -> int:
        """Remove entries, the longest unused first, until `bytes_wanted` are free. Skips those in
        work and those a job still holds, as they would free nothing. Returns the bytes freed."""
        freed = 0
        for entry in sorted(self._entries(), key=Entry.last_used):
            if freed >= bytes_wanted:
                break
            with free_lock(entry) as free:
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
        return sum(size_of(path) for path in self._files())

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from self.folder.iterdir()

    def _entries(self) -> list[Entry]:
        keys = {path.name.partition(".")[0] for path in self._files()}
        return [Entry(self.folder, key) for key in sorted(keys)]


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


def _again_if_changed(attempt: Callable[[], Download]) -> Download:
    """A download, begun again in a new file where the source changed on the way: who has read some
    of it compares what comes now with that."""
    try:
        return attempt()
    except SourceError as error:
        if error.code != "source_changed":
            raise
        return attempt()


def _nobody_waits() -> None:
    pass


def _key(url: SourceUrl, headers: Mapping[str, str]) -> str:
    named = sorted((name.lower(), value) for name, value in headers.items())
    return sha256(json.dumps([url.url, named]).encode()).hexdigest()
