"""Command lines that make sound: for the game, and for formats of sound alone.

ffmpeg builds its filters anew when the decoded sound changes its channels or its rate, and then
what pads from time 0 pads once more. So filters that pad live for the whole source
(`-reinit_filter 0`); where the sound does change, ffmpeg fails at that place with what
`failures.SoundChanged` stands for, and the caller gives it `evened` sound instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gmapi.media import command

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.media.formats import OutputFormat
    from gmapi.media.header import MediaInfo
    from gmapi.media.selection import Selection

RATE = 48_000
"""Samples per second of all sound for the game (client contract, F1)."""

PCM_SILENCE = b"\x80"
"""Of unsigned 8-bit samples."""

QUIET_SECONDS = 0.05
"""Silence that is encoded behind sound which may have to be lengthened by `dfpwm_silence`."""
QUIET_BYTES = round(QUIET_SECONDS * RATE / 8)

FLAC_RATE_MAX = 655_350
FLAC_CHANNELS_MAX = 8

Channel = Literal["mono", "left", "right"]

# The DFPWM encoder of ffmpeg 5 fills up the last byte of every frame, which lengthens the sound
# and clicks: frames of whole bytes of 8 samples.
_WHOLE_BYTES = "asetnsamples=n=6000:p=0"
_QUIET = f"apad=pad_dur={QUIET_SECONDS},"
_IN_TIME = "async=1:first_pts=0"
_ONE_SHAPE = ("-reinit_filter:a", "0")

# Files of sound alone whose packets have no times of their own: ffmpeg counts samples, by the rate
# that the sound has first.
_CLOCKLESS = frozenset({
    "mp3", "aac", "ac3", "eac3", "dts", "dtshd", "flac", "ogg", "truehd", "mlp", "tta", "amr",
    "wav", "w64", "aiff", "au", "caf", "ape", "wv", "mpc", "mpc8", "tak", "shn", "sbc", "gsm",
    "qoa",
})  # fmt: skip
# Numbers of channels of which both ffmpegs know what is where, whatever the file says.
_KNOWN_COUNTS = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 16, 24))


def dfpwm_silence(before: bytes) -> bytes:
    """A byte that stays at the level of DFPWM which ends with `before`: ones and zeros in turn.
    So it is silence, but only after silence."""
    return b"\xaa" if before[-1:] >= b"\x80" else b"\x55"


def is_clocked(info: MediaInfo) -> bool:
    """Whether the times of a source can be believed, so that sound may start late or have gaps."""
    return info.container not in _CLOCKLESS or info.first("video") is not None


def dfpwm_channels(
    ffmpeg: Ffmpeg,
    chosen: Selection,
    outputs: Mapping[Channel, Path],
    *,
    start: float = 0.0,
    duration: float | None = None,
    quiet: bool = False,
    own_clock: bool = False,
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that writes the sound as DFPWM files, all in one pass.

    One channel gives the same bytes in all outputs, more than two are mixed down to two first.
    Sound that starts late or has gaps is filled up with silence, so that all files run in time
    with the pictures; `quiet` puts `QUIET_SECONDS` behind it. With `own_clock` it starts when the
    file says, although nothing else begins before it. Raises ValueError without outputs.
    """
    if not outputs:
        raise ValueError("dfpwm_channels needs at least one output")
    channels = _channels(chosen)
    layout = "mono" if channels == 1 else "stereo"
    names = [name for name in ("mono", "left", "right") if name in outputs]
    pans = {"mono": "0.5*c0+0.5*c1", "left": "c0", "right": "c1"}
    labels = "".join(f"[{name}_in]" for name in names)
    graph = [
        f"[{chosen.sound_map}]{_mixed(channels)}aresample={RATE}:{_IN_TIME},"
        f"aformat=channel_layouts={layout},{_QUIET if quiet else ''}asplit={len(names)}{labels}"
    ]
    for name in names:
        pan = "anull" if channels == 1 else f"pan=mono|c0={pans[name]}"
        graph.append(f"[{name}_in]{pan},{_WHOLE_BYTES}[{name}]")
    words = [
        *command.head(ffmpeg, progress_fd, "warning"),
        *(["-copyts"] if own_clock else []),
        *command.span(start, duration),
        *_ONE_SHAPE,
        *command.guarded_input(chosen.path, max_pixels),
        "-filter_complex", ";".join(graph),
    ]  # fmt: skip
    for name, path in outputs.items():
        words += ["-map", f"[{name}]", "-ac", "1", "-f", "dfpwm", f"file:{path}"]
    return [*words, *chosen.beside(chosen.sound)]


def growing(
    ffmpeg: Ffmpeg,
    chosen: Selection,
    output: Path,
    *,
    dfpwm: bool,
    quiet: bool = False,
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that writes the sound to a file that others read as it grows: one channel at
    48 kHz, unsigned 8-bit samples or DFPWM.

    Sound that starts late or has gaps is filled up, so that it runs in time with the pictures;
    `quiet` puts `QUIET_SECONDS` behind it.
    """
    end = (_QUIET if quiet else "") + _WHOLE_BYTES
    return [
        *command.head(ffmpeg, progress_fd, "warning"),
        *_ONE_SHAPE,
        *command.guarded_input(chosen.path, max_pixels),
        "-map", chosen.sound_map,
        "-af", f"{_mixed(_channels(chosen))}aresample={RATE}:{_IN_TIME},{end}",
        "-ac", "1", "-flush_packets", "1",
        "-f", "dfpwm" if dfpwm else "u8", f"file:{output}",
        *chosen.beside(chosen.sound),
    ]  # fmt: skip


def _channels(chosen: Selection) -> int | None:
    return chosen.sound.channels if chosen.sound else None


def _mixed(channels: int | None) -> str:
    """A filter that brings channels of which nobody knows what is where to two.

    As most layouts have it: left and right in turn, of the third and fourth something on both.
    """
    if channels is None or channels in _KNOWN_COUNTS:
        return ""
    sides = [
        "+".join([f"c{side}", "0.7*c2", "0.5*c3", *(f"c{n}" for n in range(4 + side, channels, 2))])
        for side in (0, 1)
    ]
    return f"pan=stereo|c0<{sides[0]}|c1<{sides[1]},"


def prepared(
    input_args: Sequence[str],
    args: Sequence[str],
    target: OutputFormat,
    *,
    clocked: bool,
    channels: int | None = None,
    quiet: bool = False,
) -> tuple[list[str], list[str]]:
    """A caller's words for an output of sound alone, with what keeps its sound in time: what
    starts late or has gaps is filled up where the source is `clocked`, before the caller's own
    filters see it, and `quiet` puts `QUIET_SECONDS` behind DFPWM. Words with labels and copies
    are left as they are.
    """
    if not _can_prepare(args, target):
        return list(input_args), list(args)
    dfpwm = target.muxer == "dfpwm"
    if not dfpwm and not clocked:
        return list(input_args), list(args)
    options = command.Options(args)
    rate = options.get("ar") or str(RATE)
    timed = f":{_IN_TIME}" if clocked and not _moves_time(input_args, args) else ""
    # Who filters channels knows them by their numbers.
    mix = _mixed(channels) if dfpwm and not any("pan" in word for word in args) else ""
    tail = f",{_QUIET if quiet else ''}{_WHOLE_BYTES}" if dfpwm else ""
    changed, found = list(args), False
    head = [f"{mix}aresample={timed[1:]}"] if timed else [mix[:-1]] if mix else []
    end = [f"aresample={rate}{tail}"] if dfpwm else []
    for at in range(len(args) - 1):
        name, _ = command.canonical(args[at]) if args[at].startswith("-") else ("", "")
        if name in ("filter", "filter_complex") and args[at + 1]:
            changed[at + 1] = ",".join([*head, args[at + 1], *end])
            found = True
    if not found:
        alone = f"{mix}aresample={rate}{timed}{tail}" if dfpwm else ",".join(head)
        changed = (["-af", alone] if alone else []) + changed
    return [*_ONE_SHAPE, *input_args], changed


def _can_prepare(args: Sequence[str], target: OutputFormat) -> bool:
    options = command.Options(args)
    if target.kind != "audio" or options.get("c", "a") == "copy" or options.has("an"):
        return False
    others = [value for value in options.all("map") if not value.startswith(("0:a", "-0:a"))]
    if others and target.muxer != "dfpwm":
        return False
    graph = options.get("filter_complex")
    if graph is not None and set("[];") & set(graph):
        return False
    return not options.has("filter", "v")


def _moves_time(input_args: Sequence[str], args: Sequence[str]) -> bool:
    """Whether time 0 is not where the output is to begin."""
    return any(command.Options(words).has("copyts") for words in (input_args, args))


def evened(
    ffmpeg: Ffmpeg,
    chosen: Selection,
    output: Path,
    *,
    maps: Sequence[str],
    rate: int,
    channels: int,
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that copies the mapped sound, which changes on the way, into one shape.

    It is not padded. Times are kept where they can be believed (`is_clocked`), in Matroska beside
    one small picture at time 0: what is alone in its file begins there, however late it is. Else
    the samples follow one another, in FLAC.
    """
    clocked = is_clocked(chosen.info)
    words = command.head(ffmpeg, progress_fd, "warning")
    words += command.guarded_input(chosen.path, max_pixels)
    if clocked:
        words += ["-f", "lavfi", "-i", "color=s=16x16:r=25:d=0.04"]
    for value in maps:
        words += ["-map", value]
    words += ["-vn"] if not clocked else ["-map", "1:v", "-c:v", "mjpeg"]
    timed = ":async=1" if clocked else ""
    return [
        *words,
        "-sn", "-dn", "-af", f"aresample={rate}{timed}", "-ar", str(rate), "-ac", str(channels),
        *_COMPACT, "-f", "matroska" if clocked else "flac", f"file:{output}",
        *chosen.beside(chosen.sound),
    ]  # fmt: skip


# Half the size of plain samples, at hundreds of times real time.
_COMPACT = ("-c:a", "flac", "-compression_level", "0", "-sample_fmt", "s16")


def joined(
    ffmpeg: Ffmpeg,
    links: Sequence[tuple[Path, int]],
    output: Path,
    *,
    rate: int,
    channels: int,
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that puts the sound of files, given with their numbers of channels, one behind
    the other into a FLAC file of one shape."""
    words = command.head(ffmpeg, progress_fd, "warning")
    graph = []
    for number, (path, count) in enumerate(links):
        words += command.guarded_input(path, max_pixels)
        both = "pan=stereo|c0=c0|c1=c0," if count == 1 and channels == 2 else ""
        graph.append(
            f"[{number}:a:0]{both}aresample={rate},"
            f"aformat=sample_fmts=s16:channel_layouts={channels}c[{number}]"
        )
    labels = "".join(f"[{number}]" for number in range(len(links)))
    graph.append(f"{labels}concat=n={len(links)}:v=0:a=1[all]")
    return [
        *words, "-filter_complex", ";".join(graph), "-map", "[all]",
        *_COMPACT, "-f", "flac", f"file:{output}",
    ]  # fmt: skip
