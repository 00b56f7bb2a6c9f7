"""What was made: length, size and number of pictures of a finished file, by its own packets.

Headers will not do: some formats have none, and those of others have estimates.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gmapi.errors import LimitError
from gmapi.media import webp
from gmapi.media.command import SAMPLES
from gmapi.media.formats import OutputFormat
from gmapi.media.header import Stream
from gmapi.media.reading import Reading
from gmapi.media.selection import Selection, choose
from gmapi.media.sound import RATE
from gmapi.tools.base import Work

_PCM = re.compile(r"pcm_[suf](\d{1,2})")
# ffmpeg prints durations with two digits.
_PRINTED_SECONDS = 0.011
_COMPANDED = ("pcm_alaw", "pcm_mulaw")
# Without headers, so that ffmpeg is told what they are.
_RAW_PICTURES = ("mjpeg",)


def facts(work: Work, path: Path, target: OutputFormat) -> dict[str, Any]:
    """`duration` in seconds (none for a still), `width` and `height` in pixels, and `frames`, as
    far as the file has them."""
    written = work.look_back.written(path)
    if target.muxer == "dfpwm":  # one bit for each sample, and nothing else
        rate, channels = _sound(written)
        return {"duration": round(path.stat().st_size * 8 / (rate * channels), 3)}
    if target.muxer in SAMPLES:
        return _given(duration=_raw_length(path, written))
    if target.muxer == "webp" and (moving := webp.animation(path)) is not None:
        return {
            "duration": moving.seconds,
            "width": moving.width,
            "height": moving.height,
            "frames": moving.frames,
        }
    try:
        reading = work.look_through(path, target.muxer if target.muxer in _RAW_PICTURES else None)
    except LimitError as error:
        work.reporter.log(f"the output could not be looked through: {error.message}")
        return _by_header(written, target)
    if not reading.info.streams:  # formats that are written but cannot be read back
        return _by_header(written, target)
    return _by_packets(path, reading, written, target)


def in_game(work: Work, path: Path, target: OutputFormat) -> str | None:
    """Why the game cannot play a file of DFPWM, for people; None when it can."""
    rate, channels = _sound(work.look_back.written(path))
    if target.muxer != "dfpwm" or (rate, channels) == (RATE, 1):
        return None
    count = "1 channel" if channels == 1 else f"{channels} channels"
    return (
        f"The game plays DFPWM of one channel at {RATE:,} Hz only, and this file "
        f"has {count} at {rate:,} Hz; leave -ac and -ar out of args."
    )


def _sound(written: tuple[Stream, ...]) -> tuple[int, int]:
    """Samples a second and channels."""
    sound = _first(written, "audio")
    if sound is None:
        return RATE, 1
    return sound.sample_rate or RATE, sound.channels or 1


def _by_packets(
    path: Path, reading: Reading, written: tuple[Stream, ...], target: OutputFormat
) -> dict[str, Any]:
    chosen = choose(path, reading.info)
    picture = chosen.picture if target.kind in ("video", "image") else None
    width, height = _sides(picture or _first(written, "video")) if picture else (None, None)
    track = reading.tracks.get(picture.index) if picture else None
    frames = track.packets if track and track.packets else None
    if target.kind == "image" and (frames == 1 or chosen.is_still):
        return _given(width=width, height=height, frames=1)
    if target.muxer in _RAW_PICTURES:
        rate = getattr(_first(written, "video"), "fps", None)
        length = frames / rate if frames and rate else None
    else:
        length = _length(reading, chosen)
    return _given(
        duration=None if length is None else round(length, 3),
        width=width,
        height=height,
        frames=frames,
    )


def _length(reading: Reading, chosen: Selection) -> float | None:
    """Seconds: what a header knows exactly, else what there is from the first packet to the end of
    the last one."""
    span = reading.end_of("video", "audio", "subtitle")
    told = chosen.length if reading.promised is not None else None
    if told is not None and (span is None or abs(told - span) > _PRINTED_SECONDS):
        return told
    return span if span is not None and span > 0 else reading.info.duration


def _sides(stream: Stream | None) -> tuple[int | None, int | None]:
    """Pixels that are there, whatever their shape, the way up they are shown."""
    if stream is None:
        return None, None
    sides = stream.coded_width or stream.width, stream.coded_height or stream.height
    return (sides[1], sides[0]) if stream.is_turned else sides


def _by_header(written: tuple[Stream, ...], target: OutputFormat) -> dict[str, Any]:
    picture = _first(written, "video") if target.kind in ("video", "image") else None
    width, height = _sides(picture)
    return _given(width=width, height=height, frames=1 if target.muxer == "image2" else None)


def _raw_length(path: Path, written: tuple[Stream, ...]) -> float | None:
    sound = _first(written, "audio")
    if sound is None or not sound.sample_rate or not sound.channels:
        return None
    found = _PCM.match(sound.codec)
    bits = 8 if sound.codec in _COMPANDED else int(found[1]) if found else 0
    if not bits:
        return None
    return round(path.stat().st_size * 8 / (bits * sound.channels * sound.sample_rate), 3)


def _first(streams: tuple[Stream, ...], kind: str) -> Stream | None:
    return next((stream for stream in streams if stream.kind == kind), None)


def _given(**values: float | int | None) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
