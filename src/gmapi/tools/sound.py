"""What the tools do about sound that changes on the way, ends early or cannot be heard."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gmapi.errors import LimitError, MediaError
from gmapi.media import sound
from gmapi.media.command import SAMPLES, Options
from gmapi.media.failures import Context, SoundChanged
from gmapi.media.formats import OutputFormat
from gmapi.media.header import MediaInfo, Stream
from gmapi.media.links import copy_part, link_starts
from gmapi.media.process import PROGRESS_FD
from gmapi.media.progress import Progress
from gmapi.media.selection import Selection, choose
from gmapi.tools.base import Work

LINKS_MAX = 500
"""Files glued together of which as many are read."""
TOGETHER_MAX = 50
"""Of those as many are opened at once."""

_BLOCK_BYTES = 1 << 16
# Decibels: what is below is silence, and the rounding of codecs.
_SILENT = -80.0
# Silence takes less than this in any codec: bytes a second, and what zlib leaves of constant rates.
_SILENT_BYTES = 3000
_HEADER_BYTES = 8192
# DFPWM; unsigned samples of a byte; signed ones of more.
_QUIET = (b"\xaa\x55", b"\x7f\x80\x81", b"\x00\x01\xff")
_ROUNDED_MAX = 8
_SILENT_RATIO = 8


@contextmanager
def evened(
    work: Work,
    chosen: Selection,
    *,
    maps: Sequence[str] = (),
    channels: int,
    rate: int = sound.RATE,
    on_progress: Callable[[Progress], None] = lambda now: None,
) -> Iterator[Selection]:
    """The sound of a source, or the streams that `maps` name, in one shape although it changes on
    the way; in a file that is gone after the block."""
    work.reporter.log("the sound changes on the way, so it is brought to one shape first")
    path = work.outputs / "even_sound"
    argv = sound.evened(
        work.ffmpeg,
        chosen,
        path,
        maps=maps or [chosen.sound_map],
        rate=rate,
        channels=channels,
        max_pixels=work.settings.picture_max_pixels,
        progress_fd=PROGRESS_FD,
    )
    try:
        work.run_ffmpeg(argv, outputs=[path], on_progress=on_progress)
        track = Stream(0, "audio", "flac", sample_rate=rate, channels=channels)
        held = MediaInfo(chosen.info.duration, (track,))
        yield replace(chosen, path=path, info=held, picture=None, sound=track)
    finally:
        path.unlink(missing_ok=True)


def run(
    work: Work,
    argv: Callable[[Selection], Sequence[str]],
    chosen: Selection,
    *,
    maps: Sequence[str] = (),
    channels: int,
    rate: int = sound.RATE,
    outputs: Sequence[Path],
    on_progress: Callable[[Progress], None],
    context: Context | None = None,
) -> None:
    """Run the command that `argv` gives for a source, and when the sound changes on the way the
    one for its `evened` sound. Raises what `Work.run_ffmpeg` does."""

    def go(words: Sequence[str]) -> None:
        work.run_ffmpeg(words, on_progress=on_progress, outputs=outputs, context=context)

    try:
        go(argv(chosen))
    except SoundChanged:
        even = evened(
            work, chosen, maps=maps, channels=channels, rate=rate,
            on_progress=lambda _: on_progress(_NOT_YET),
        )  # fmt: skip
        with even as copy:
            go(argv(copy))


_NOT_YET = Progress(None, None, None, None, False)


@contextmanager
def unchained(work: Work, chosen: Selection, args: Sequence[str]) -> Iterator[Selection]:
    """A source as it is; or when it is several files of sound glued together, and `args` do not
    copy them as they are, one file with the sound of all, gone after the block."""
    starts = [0]
    if chosen.picture is None and chosen.sound is not None:
        starts = link_starts(chosen.path, chosen.info.container)
    copied = Options(args).get("c", "a") == "copy"
    if copied and len(starts) > 1:
        work.warn(
            f"The source is {len(starts)} files glued together, and of those that are copied as "
            "they are only the first may be heard; leave -c copy out."
        )
    if copied or len(starts) == 1:
        yield chosen
        return
    made: list[Path] = []
    try:
        path = _joined(work, chosen.path, starts, made)
        yield choose(path, work.probe(path))
    finally:
        for each in made:
            each.unlink(missing_ok=True)


def _joined(work: Work, source: Path, starts: Sequence[int], made: list[Path]) -> Path:
    size = source.stat().st_size
    bounds = [*starts, size]
    read = 0
    links: list[tuple[Path, int, int]] = []
    for number in range(min(len(starts), LINKS_MAX)):
        path = work.outputs / f"link{number}"
        made.append(path)
        copy_part(source, path, bounds[number], bounds[number + 1])
        work.check()
        try:
            track = work.probe(path).first("audio")
        except MediaError as error:
            work.reporter.log(f"part {number + 1} cannot be read: {error.message}")
            continue
        if track is not None:
            links.append((path, track.channels or 2, track.sample_rate or sound.RATE))
            read += bounds[number + 1] - bounds[number]
    work.reporter.log(f"{len(starts)} files were glued together, {len(links)} of them are read")
    if not links:
        raise MediaError("No sound could be read from the source.", code="corrupt_media")
    if len(links) < len(starts):
        work.warn(
            f"The source is {len(starts)} files glued together, of which {len(links)} were read: "
            f"{read:,} of {size:,} bytes."
        )
    rate = min(sound.FLAC_RATE_MAX, max(rate for _, _, rate in links))
    channels = min(sound.FLAC_CHANNELS_MAX, max(count for _, count, _ in links))
    parts = [(path, count) for path, count, _ in links]
    while True:
        groups = [parts[at : at + TOGETHER_MAX] for at in range(0, len(parts), TOGETHER_MAX)]
        parts = []
        for group in groups:
            output = work.outputs / f"links{len(made)}"
            made.append(output)
            argv = sound.joined(
                work.ffmpeg,
                group,
                output,
                rate=rate,
                channels=channels,
                max_pixels=work.settings.picture_max_pixels,
                progress_fd=PROGRESS_FD,
            )
            work.run_ffmpeg(argv, outputs=[output])
            for path, _ in group:
                path.unlink()
            parts.append((output, channels))
        if len(parts) == 1:
            return parts[0][0]


def settle(
    path: Path,
    seconds: float,
    rate: int = sound.RATE,
    *,
    most: float = math.inf,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Let a DFPWM file of one channel that was made `quiet` last as long as its film, or as its
    own sound where that is longer. Raises LimitError for more than `most` bytes, and what `check`
    does."""
    made = path.stat().st_size
    wanted = round(seconds * rate / 8)
    if wanted > max(made, most):
        raise LimitError(
            f"The sound of a film of {seconds:.0f} s takes more space than this server allows for "
            "one job. Ask for a shorter part, or give a shorter source."
        )
    with open(path, "r+b") as file:
        if made > wanted:
            file.truncate(max(wanted, made - round(sound.QUIET_SECONDS * rate / 8)))
            return
        # The last byte may be filled up with anything.
        made = max(0, made - 1)
        file.seek(max(0, made - 1))
        byte = sound.dfpwm_silence(file.read(1))
        file.seek(made)
        while wanted > made:
            check()
            part = min(wanted - made, _BLOCK_BYTES)
            file.write(byte * part)
            made += part


def is_plain_silence(data: bytes) -> bool:
    """Whether a piece of raw sound is one byte again and again but for a few: DFPWM that goes up
    and down, or the rounding of a mixer around the middle."""
    if not data or data.count(data[0]) == len(data):
        return True
    return any(len(data.translate(None, quiet)) <= _ROUNDED_MAX for quiet in _QUIET)


def warn_if_silent(
    work: Work,
    output: Path,
    target: OutputFormat | None,
    chosen: Selection,
    *,
    track: str | None = None,
    input_args: Sequence[str] = (),
) -> None:
    """Warn when a finished output is silent although its source has sound; without a `target` it
    is DFPWM. For all others but silent ones this costs one look at the file."""
    if _is_silent(work, output, target):
        warn_of_silence(work, chosen, track=track, input_args=input_args)


def warn_of_silence(
    work: Work, chosen: Selection, *, track: str | None = None, input_args: Sequence[str] = ()
) -> None:
    """Warn that an output is silent, if that is not what its source is too."""
    loudest = work.peak(chosen.path, track or chosen.sound_map, input_args)
    if loudest is not None and loudest > _SILENT:
        work.warn(
            "The sound that was made is silent although the source has sound: see which channels "
            "were asked for, or whether left and right cancel each other out."
        )


def _is_silent(work: Work, output: Path, target: OutputFormat | None) -> bool:
    if target is None or target.muxer in SAMPLES:
        with open(output, "rb") as file:
            while data := file.read(_BLOCK_BYTES):
                if not is_plain_silence(data):
                    return False
        return True
    size = output.stat().st_size
    with open(output, "rb") as file:
        file.seek(max(0, size - _BLOCK_BYTES) // 2)
        data = file.read(_BLOCK_BYTES)
    if len(zlib.compress(data, 1)) * _SILENT_RATIO > len(data):
        try:
            duration = work.probe(output).duration
        except MediaError:
            return False
        if not duration or size > _HEADER_BYTES + _SILENT_BYTES * duration:
            return False
    # The beginning tells for most that are low in bytes and not silent.
    for words in (("-t", "60"), ()):
        loudest = work.peak(output, "0:a:0", words)
        if loudest is None or loudest > _SILENT:
            return False
    return True
