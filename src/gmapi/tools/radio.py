"""`radio`: a station as seconds of DFPWM, made once for all who listen, while somebody does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import Field

from gmapi.errors import MediaError
from gmapi.fetch.address import check_url
from gmapi.fetch.broadcast import Broadcast, Stretch
from gmapi.fetch.headers import check_headers
from gmapi.fetch.terms import FetchRules
from gmapi.media import failures, process
from gmapi.media.folded_log import FoldedLog
from gmapi.media.live_sound import CHANNELS, SECOND_BYTES, Seconds, format_of, seconds_of
from gmapi.media.sound import RATE
from gmapi.sandbox.feeding import Feed
from gmapi.storage.parts import PartWriter
from gmapi.tools.base import Work
from gmapi.tools.fields import LuaFlag, LuaFloat, Sometimes, SourceAddress, ToolRequest, Track
from gmapi.tools.results import ToolResult
from gmapi.tools.tool import Tool

SOUND = "sound"
"""The stream of a station's seconds: one part each, of the channels one behind the other."""

WINDOW_SECONDS = 60
"""How many of them are kept."""

UNHEARD_SECONDS = 60.0
"""How long it goes on without a listener."""

ACCESS_SECONDS = 5.0
LOOK_SECONDS = 1.0
"""How often it is looked for listeners."""
"""How often listening is noted, so that a listener may be so much more recent than it seems."""

ATTEMPT_STRIDE = 10_000_000
"""Each attempt begins to count behind all that the one before has handed out: a number never
means two different seconds."""

# What stations send at once when somebody connects is taken, but no more of it than the window
# can hold: who sends faster than it plays is no station, and waits.
_AHEAD_SECONDS = 30.0
# A process is exchanged for a new one so often, or sooner where jobs may not run for so long.
_ROUND_SECONDS = 3600.0
_ROUND_LEAST = 30.0
_ROUND_GRACE = 60.0
_PAUSE_SECONDS = 0.1
# So little of it lies between the station and its sound.
_PIPE_BYTES = 16 * 1024
# Runs one after the other that come to nothing: of a station that was heard, and of one that was
# never.
_FAILURES_MAX = 5
_FAILURES_AT_FIRST = 2
# So often bytes come, or lie there, and no sound comes of them: looks, four a second.
_IDLE_LOOKS_MAX = 60

_NO_EFFECT = "Of no effect here: a station plays what is on, while somebody listens."


class RadioRequest(ToolRequest):
    """Listen to a station."""

    input_url: SourceAddress = Field(
        description="Address of the station (http or https): Icecast, SHOUTcast, a live HLS "
        "stream, or a list (M3U, PLS) that names one of them.",
        examples=["http://127.0.0.1:8000/radio"],
    )
    no_cache: LuaFlag = Field(False, description=_NO_EFFECT)
    max_age: LuaFloat | None = Field(None, ge=0, allow_inf_nan=False, description=_NO_EFFECT)
    max_duration: LuaFloat | None = Field(
        None, ge=1, le=3600, allow_inf_nan=False, description=_NO_EFFECT
    )
    audio_track: Track | None = Field(None, description=_NO_EFFECT)
    video_track: Track | None = Field(None, description=_NO_EFFECT)

    def sources(self) -> list[tuple[str, str]]:
        return [("input_url", self.input_url)]

    def normalised(self) -> dict[str, Any]:
        """All that makes a difference: whoever asks for the same station shares it."""
        values = super().normalised()
        return {name: values[name] for name in ("input_url", "headers") if name in values}

    def key(self, tool: str) -> str | None:
        return self.identity(tool)


class RadioResult(ToolResult):
    """What can be heard now; changes for as long as the task runs."""

    on_air: bool = Field(description="Whether sound is coming from the station now.")
    station: Sometimes[str] = Field(default=None, description="What the station calls itself.")
    title: Sometimes[str] = Field(
        default=None, description="What is played, as the station tells it."
    )
    title_second: Sometimes[int] = Field(
        default=None, description="The number of the second in which that began."
    )
    first: int = Field(description="The number of the oldest second that can be fetched; 0: none.")
    last: int = Field(description="The number of the newest second that can be fetched; 0: none.")
    sound_urls: dict[str, str] = Field(
        description="Address of second number %d, counted up by 1: mono, left and right."
    )
    second_bytes: int = Field(description="Bytes of each second.")
    sample_rate: int = Field(description="Samples per second of the DFPWM.")
    reconnects: int = Field(description="How often the station broke off and came back.")


def check(request: RadioRequest) -> None:
    """Refuse what can be told to be wrong before the station is asked."""
    check_headers(request.headers)


def run(work: Work, request: RadioRequest) -> RadioResult:
    """Play the station until nobody listens any more."""
    first = (work.attempt - 1) * ATTEMPT_STRIDE + 1
    with work.storage.part_writer(
        work.file_id, SOUND, first=first, window=WINDOW_SECONDS
    ) as writer:
        return _Radio(work, request, writer, first).run()


class _NobodyListens(Exception):
    """Raised to end the station's processes."""


class _Pace:
    """How far what was made is ahead of being heard, in seconds. It is never behind: what a
    station did not send for some time nobody waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._at = time.monotonic()

    def add(self, seconds: float) -> None:
        """So much more was made."""
        with self._lock:
            self._ahead = self._now() + seconds

    def is_ahead(self) -> bool:
        """Whether no more is to be made now."""
        with self._lock:
            self._ahead = self._now()
            return self._ahead > _AHEAD_SECONDS

    def _now(self) -> float:
        before, self._at = self._at, time.monotonic()
        return max(0.0, self._ahead - (self._at - before))


class _Radio:
    """One attempt."""

    def __init__(self, work: Work, request: RadioRequest, writer: PartWriter, first: int) -> None:
        self._work = work
        self._request = request
        self._writer = writer
        self._began = time.monotonic()
        self._looked = self._began
        self._pace = _Pace()
        self._seconds = Seconds(self._take)
        self._made = self._fed = 0
        self._next = self._first = first
        self._title: tuple[str, int] | None = None
        self._told: tuple[object, ...] = ()
        self._host = ""
        self._result = RadioResult(
            on_air=False,
            first=0,
            last=0,
            sound_urls={name: f"/stream/{work.job_id}/sound/%d/{name}" for name in CHANNELS},
            second_bytes=SECOND_BYTES,
            sample_rate=RATE,
            reconnects=0,
        )

    def run(self) -> RadioResult:
        source = check_url(self._request.input_url, "input_url")
        self._host = source.host
        rules = FetchRules.from_settings(self._work.settings)
        with Broadcast(
            source, rules, headers=self._request.headers, on_title=self._hear_title
        ) as broadcast:
            self._broadcast = broadcast
            with suppress(_NobodyListens):
                self._play_on()
        self._result.on_air = False
        self._result.message = "The station was switched off, since nobody listened any more."
        return self._result

    def _play_on(self) -> None:
        failed = 0
        while True:
            self._result.on_air = self._result.on_air and failed == 0
            self._check()
            stretch = self._broadcast.next_stretch(_PAUSE_SECONDS)
            if stretch is None:
                self._result.on_air = False
                continue
            made = self._made
            try:
                self._play(stretch, quick=failed == 0)
            except MediaError as error:
                failed = failed + 1 if made == self._made else 1
                if failed >= (_FAILURES_MAX if self._made else _FAILURES_AT_FIRST):
                    raise
                self._work.reporter.log(f"begun again: {error.message} ({error.cause})")
            else:
                failed = 0 if self._made > made else failed

    def _play(self, stretch: Stretch, *, quick: bool) -> None:
        """Have one process play of a stretch, to its end or for as long as one may run. Raises
        MediaError when it fails, and what ends the job."""
        work = self._work
        source = work.inputs / "station"
        seconds = min(_ROUND_SECONDS, max(_ROUND_LEAST, work.settings.job_timeout))
        until = time.monotonic() + seconds
        made, fed, idle = self._made, self._fed, 0

        def check() -> None:
            nonlocal made, fed, idle
            if made != self._made or self._pace.is_ahead():
                made, idle = self._made, 0
            elif fed != self._fed or stretch.size:
                idle += 1
            fed = self._fed
            if idle > _IDLE_LOOKS_MAX:
                raise MediaError(
                    "What the station sends gives no sound.", cause="bytes without any sound"
                )
            self._check()

        self._seconds.begin()
        folded = FoldedLog(work.reporter.log)
        finished = process.run(
            work.launcher,
            seconds_of(
                work.ffmpeg,
                source,
                demuxer=format_of(stretch.content_type) if quick else None,
                max_pixels=work.settings.picture_max_pixels,
            ),
            cwd=work.folder,
            limits=work.limits(),
            watch=process.Watch((), 0, 0, seconds + _ROUND_GRACE),
            on_line=folded.take,
            cancelled=check,
            stdout=self._seconds.feed,
            hide=(work.folder, work.settings.data_dir),
            feeds={source: Feed(None, self._pieces(stretch, until), _PIPE_BYTES)},
        )
        folded.close()
        if finished.returncode != 0:
            error = failures.explain(finished.returncode, finished.tail)
            raise MediaError(
                f"The sound of the station could not be converted: {error.message}",
                cause=error.cause,
            )

    def _pieces(self, stretch: Stretch, until: float) -> Iterator[bytes]:
        def wanted() -> bool:
            return time.monotonic() < until

        for piece in stretch.pieces(wanted):
            while piece and self._pace.is_ahead():
                yield b""
                time.sleep(_PAUSE_SECONDS)
            self._fed += len(piece)
            yield piece

    def _take(self, second: bytes) -> None:
        """The next second is there."""
        number = self._writer.append(second)
        self._made += 1
        self._next = number + 1
        self._pace.add(1.0)
        self._result.on_air = True
        self._result.last = number
        self._result.first = max(self._first, number - WINDOW_SECONDS + 1)
        self._tell()

    def _hear_title(self, title: str) -> None:
        """Called in the thread of the broadcast."""
        self._title = title, self._next

    def _check(self) -> None:
        """Raise when the work must stop; tell what has changed."""
        work = self._work
        work.prolong()
        work.check()
        self._broadcast.check()
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            longest = UNHEARD_SECONDS + ACCESS_SECONDS
            if now - self._began > longest and work.unused() > longest:
                raise _NobodyListens
        self._tell()

    def _tell(self) -> None:
        """Report what can be heard, where anything of it has changed."""
        result, broadcast = self._result, self._broadcast
        result.reconnects = broadcast.reconnects
        result.station = broadcast.name or None
        title = self._title
        if title is not None and title[0] != (result.title or ""):
            result.title = title[0] or None
            result.title_second = title[1] if title[0] else None
            if result.title:
                self._work.reporter.log(f"now: {result.title}")
        known = (result.last, result.on_air, result.reconnects, result.station, result.title)
        if known == self._told:
            return
        self._told = known
        self._work.reporter.report(
            message=self._words(), result=self._work.with_warnings(result).values()
        )

    def _words(self) -> str:
        if not self._result.on_air:
            again = " again" if self._result.last else ""
            return f"Connecting to {self._host}{again}."
        return f"On the air: {self._result.title or self._result.station or self._host}."


RADIO = Tool(
    name="radio",
    summary="Play a radio station, second by second",
    description="A station has no end, so each second of it is a piece of its own, and all who ask "
    "for the same station share one task. It goes on while somebody listens and ends a minute "
    "after the last one.",
    request=RadioRequest,
    result=RadioResult,
    check=check,
    run=run,
    is_live=True,
)
