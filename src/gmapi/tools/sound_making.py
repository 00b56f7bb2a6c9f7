"""A caller's own command on one source with sound: kept in time, as long as its film, heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gmapi.media.command import Options, canonical
from gmapi.media.duration import expected_duration
from gmapi.media.failures import Context
from gmapi.media.filtergraph import GraphSyntaxError, parse
from gmapi.media.formats import OutputFormat
from gmapi.media.pan import with_channels
from gmapi.media.probe import MediaInfo
from gmapi.media.progress import Progress
from gmapi.media.sound import FLAC_CHANNELS_MAX, RATE, is_clocked, prepared
from gmapi.tools import sound
from gmapi.tools.base import Work

# Less than this is nobody's loss; containers round so.
_SHORT_SECONDS = 0.1
# Filters after which sound is as long as before.
_LENGTH_STAYS = frozenset(
    [
        "acompressor",
        "aformat",
        "afftdn",
        "agate",
        "alimiter",
        "anequalizer",
        "anlmdn",
        "anull",
        "aresample",
        "bandpass",
        "bandreject",
        "bass",
        "channelmap",
        "compand",
        "crossfeed",
        "deesser",
        "dynaudnorm",
        "equalizer",
        "extrastereo",
        "firequalizer",
        "highpass",
        "loudnorm",
        "lowpass",
        "pan",
        "stereotools",
        "stereowiden",
        "superequalizer",
        "treble",
        "volume",
    ]
)

Argv = Callable[[Path, list[str], list[str]], list[str]]
"""From a source, the words before it and those after it to a command line."""


class SoundMaking:
    """One source with sound and what is to be made of it. It is run once."""

    def __init__(
        self,
        work: Work,
        source: Path,
        info: MediaInfo,
        input_args: Sequence[str],
        args: Sequence[str],
        target: OutputFormat,
        output: Path,
    ) -> None:
        self._work = work
        self._source = source
        self._info = info
        self._input_args = list(input_args)
        self._args = list(args)
        self._target = target
        self._output = output
        tracks = [stream for stream in info.streams if stream.kind == "audio"]
        self._maps = Options(args).all("map") or ["0:a:0"]
        self._track = info.first("audio")
        channels = {stream.channels for stream in tracks}
        self._channels = channels.pop() if len(channels) == 1 else None

    def run(self, argv: Argv, on_progress: Callable[[Progress], None], context: Context) -> None:
        """Make the output by the commands of `argv`. Raises what `Work.run_ffmpeg` does."""
        work, target = self._work, self._target
        args, missing = with_channels(self._args, self._channels)
        if missing:
            work.warn(
                f"The source's sound has no channel {', '.join(missing)}, for which the filter "
                "pan asks; the channels that it has were taken."
            )
        words, args = prepared(
            self._input_args, args, target,
            clocked=is_clocked(self._info), channels=self._channels,
        )  # fmt: skip
        track = self._track
        sound.run(
            work,
            lambda path, even: argv(path, words, _with_all_sound(args) if even else args),
            self._source,
            self._info,
            maps=self._maps,
            channels=min(FLAC_CHANNELS_MAX, (track and track.channels) or 2),
            rate=RATE if target.muxer == "dfpwm" else (track and track.sample_rate) or RATE,
            outputs=[self._output],
            on_progress=on_progress,
            context=context,
        )
        if target.muxer == "dfpwm":
            self._fill()
        if target.kind == "audio":
            sound.warn_if_silent(
                work, self._output, target, self._source,
                track=self._maps[0], input_args=self._input_args,
            )  # fmt: skip

    def _fill(self) -> None:
        """Let DFPWM be as long as the film that it is the sound of."""
        options = Options(self._args)
        rate = options.get("ar") or str(RATE)
        alone = options.get("ac") in (None, "1") and rate.isdigit() and int(rate) > 0
        if self._info.first("video") is None or not alone or not _keeps_length(self._args):
            return
        made = self._output.stat().st_size * 8 / int(rate)
        told = expected_duration(self._info, self._input_args, self._args)
        if told is not None and made > told - _SHORT_SECONDS:
            return
        # What a header says of a file that was cut off is not true.
        film = replace(self._info, duration=self._work.picture_times(self._source).end or None)
        seconds = expected_duration(film, self._input_args, self._args)
        if seconds is not None:
            sound.fill(self._output, seconds, int(rate))


def _with_all_sound(args: Sequence[str]) -> list[str]:
    """The words for a source that holds just the mapped sound."""
    left: list[str] = []
    at = 0
    while at < len(args):
        if args[at].startswith("-") and canonical(args[at])[0] == "map":
            at += 2
        else:
            left.append(args[at])
            at += 1
    return left if len(left) == len(args) else ["-map", "0:a", *left]


def _keeps_length(args: Sequence[str]) -> bool:
    options = Options(args)
    for kind in ("filter", "filter_complex"):
        for text in options.all(kind):
            try:
                if any(each.name not in _LENGTH_STAYS for each in parse(text).filters):
                    return False
            except GraphSyntaxError:
                return False
    return options.get("c", "a") != "copy"
