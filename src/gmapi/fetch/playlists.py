"""From a playlist to tracks: which segments there are.

Everything goes through the one door: each address of a playlist is checked like that of a
source, and one byte cap and one deadline hold for all of it. A master playlist may name media
playlists and those segments; nothing goes deeper.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gmapi.errors import SourceError
from gmapi.fetch import dash, hls
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.bounds import Bounds
from gmapi.fetch.connection import Connection
from gmapi.fetch.fetcher import Cancelled, check_time, watched
from gmapi.fetch.headers import HARMLESS_HEADERS
from gmapi.fetch.segments import Track, bad_playlist, within
from gmapi.fetch.sniff import DASH, HLS, LIST
from gmapi.fetch.terms import LIST_BYTES_MAX, FetchRules
from gmapi.fetch.transfer import Transfer
from gmapi.fetch.unending import Portion

LIVE_EDGE = 3
"""A live stream begins this many segments before the newest one (RFC 8216, 6.3.3)."""

PartProgress = Callable[[float, str], None]
"""Told which part is done, 0 to 1, and what to say of it."""


@dataclass(frozen=True)
class Reading:
    """How a playlist is read: limits, the caller's `headers` for the origin `home`, the moment
    when all must be done (monotonic clock), and how much of it is wanted."""

    rules: FetchRules
    headers: Mapping[str, str]
    home: tuple[str, str, int]
    until: float
    portion: Portion
    cancelled: Cancelled

    def headers_for(self, url: SourceUrl) -> dict[str, str]:
        """The caller's headers that may be sent there."""
        own = url.origin == self.home
        return {k: v for k, v in self.headers.items() if own or k.lower() in HARMLESS_HEADERS}

    def check(self) -> None:
        """Raises when reading is to stop: what `cancelled` raises, JobCancelled, SourceError."""
        check_time(self.rules, self.cancelled, self.until)


@dataclass(frozen=True)
class Plan:
    """What a playlist comes down to: an `entry` to fetch instead, finished `tracks`, or media
    playlists of a stream that goes on, by their addresses."""

    entry: SourceUrl | None = None
    tracks: tuple[Track, ...] = ()
    live: tuple[SourceUrl, ...] = ()


def read(text: str, kind: str, base: SourceUrl, reading: Reading) -> Plan:
    """Understand a playlist that came from `base`; fetches the playlists it names.

    Raises SourceError (`source_playlist`, `source_refused` and those of a download), and what
    `Reading.check` raises.
    """
    bounds = Bounds(reading.check)
    if kind == DASH:
        return Plan(tracks=_cut(dash.parse(text, base, bounds), reading))
    if not hls.is_hls(text, bounds):
        if kind not in (HLS, LIST):
            raise bad_playlist("is of a kind that is not read")
        return Plan(entry=hls.single_entry(text, base, bounds))
    if not hls.is_master(text, bounds):
        listed = hls.parse_media(text, base, bounds)
        if not listed.ended:
            return Plan(live=(base,))
        return Plan(tracks=_cut([listed.track()], reading))
    choice = hls.choose(text, base, bounds)
    chosen = [choice.pictures] + ([choice.sound] if choice.sound else [])

    def fetch(connection: Connection) -> list[hls.MediaPlaylist]:
        return [media_playlist(connection, url, reading)[0] for url in chosen]

    playlists = watched(
        fetch, reading.rules, cancelled=reading.cancelled, tick=_nothing, until=reading.until
    )
    if not all(listed.ended for listed in playlists):
        return Plan(live=tuple(chosen))
    return Plan(tracks=_cut([listed.track() for listed in playlists], reading))


def _nothing() -> None:
    pass


def _cut(tracks: list[Track], reading: Reading) -> tuple[Track, ...]:
    seconds = reading.portion.seconds
    return tuple(tracks if seconds is None else [t.first_seconds(seconds) for t in tracks])


def media_playlist(
    connection: Connection, url: SourceUrl, reading: Reading, since: int = 0
) -> tuple[hls.MediaPlaylist, int]:
    """Fetch and read a playlist; returns its size in bytes, too. For `since` see
    `hls.parse_media`."""
    body = io.BytesIO()
    rules = replace(reading.rules, max_bytes=min(LIST_BYTES_MAX, reading.rules.max_bytes))
    try:
        transfer = Transfer(
            connection, url, rules, reading.headers_for(url), wanted=frozenset({HLS, LIST})
        )
        transfer.begin()
        done = transfer.save(body)
    except SourceError as error:
        raise within("a playlist that it names", error) from error
    # Its addresses are relative to where it came from in the end.
    text = body.getvalue().decode("utf-8", "replace")
    if done.kind is None:
        raise bad_playlist("names something else than a playlist as a variant of the stream")
    listed = hls.parse_media(text, transfer.source, Bounds(connection.check), since=since)
    return listed, done.size
