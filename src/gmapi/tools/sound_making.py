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
from gmapi.media.progress import Progress
from gmapi.media.selection import Selection
from gmapi.media.sound import FLAC_CHANNELS_MAX, QUIET_SECONDS, RATE, is_clocked, prepared
from gmapi.tools import sound
from gmapi.tools.base import Work

# Less than this is nobody's loss; containers round so.
_SHORT_SECONDS = 0.1
# Filters after which sound is as long as before.
_LENGTH_STAYS = frozenset({
    "acompressor", "aformat", "afftdn", "agate", "alimiter", "anequalizer", "anlmdn", "anull",
    "aresample", "bandpass", "bandreject", "bass", "channelmap", "compand", "crossfeed",
    "deesser", "dynaudnorm", "equalizer", "extrastereo", "firequalizer", "highpass",
    "loudnorm", "lowpass", "pan", "stereotools", "stereowiden", "superequalizer", "treble",
    "volume",
})  # fmt: skip

Argv = Callable[[Path, Sequence[str], Sequence[str]], list[str]]
"""From a file, the words before it and those after it to a command line."""


class SoundMaking:
    """One source with sound and what is to be made of it. It is run once."""

    def __init__(
        self,
        work: Work,
        chosen: Selection,
        input_args: Sequence[str],
        args: Sequence[str],
        target: OutputFormat,
        output: Path,
    ) -> None:
        self._work = work
        self._chosen = chosen
        self._input_args = list(input_args)
        self._args = list(args)
        self._target = target
        self._output = output
        self._maps = Options(args).all("map")
        self._channels = self._count()

    def _count(self) -> int | None:
        """How many channels the sound has that is meant; None when that cannot be told."""
        sounds = [stream for stream in self._chosen.info.streams if stream.kind == "audio"]
        if not self._maps and self._chosen.sound is not None:
            sounds = [self._chosen.sound]
        counts = {stream.channels for stream in sounds}
        return counts.pop() if len(counts) == 1 else None

    def run(
        self,
        argv: Argv,
        on_progress: Callable[[Progress], None],
        context: Context,
    ) -> None:
        """Make the output by the commands of `argv`. Raises what `Work.run_ffmpeg` does."""
        work, target, chosen = self._work, self._target, self._chosen
        of_film = self._is_of_film()
        args, missing = with_channels(self._args, self._channels)
        if missing:
            work.warn(
                f"The source's sound has no channel {', '.join(missing)}, for which the filter "
                "pan asks; the channels that it has were taken."
            )
        words, args = prepared(
            self._input_args, args, target,
            clocked=is_clocked(chosen.info), channels=self._channels, quiet=of_film,
        )  # fmt: skip
        game = target.muxer == "dfpwm"
        track = self._chosen.sound
        sound.run(
            work,
            lambda source: self._argv(argv, source, words, args),
            chosen,
            maps=self._maps,
            channels=min(FLAC_CHANNELS_MAX, self._channels or 2),
            rate=(track.sample_rate if track and not game else None) or RATE,
            outputs=[self._output],
            on_progress=on_progress,
            context=context,
        )
        if of_film:
            self._settle()
        if target.kind == "audio" and chosen.sound is not None:
            sound.warn_if_silent(
                work, self._output, target, chosen,
                track=next((m for m in self._maps if m.startswith("0:a")), None),
                input_args=self._input_args,
            )  # fmt: skip

    def _argv(
        self, argv: Argv, source: Selection, words: Sequence[str], args: Sequence[str]
    ) -> list[str]:
        if source is not self._chosen:
            return argv(source.path, words, _with_all_sound(args))
        start = source.beside(source.sound) if words != self._input_args else []
        return [*argv(source.path, words, args), *start]

    def _is_of_film(self) -> bool:
        """Whether DFPWM is made that can be as long as the film whose sound it is."""
        options = Options(self._args)
        return (
            self._target.muxer == "dfpwm"
            and self._chosen.picture is not None
            and options.get("ac") in (None, "1")
            and (options.get("ar") or "1").isdecimal()
            and _keeps_length(self._args)
        )

    def _settle(self) -> None:
        rate = _rate(self._args)
        made = self._output.stat().st_size * 8 / rate
        chosen = self._chosen
        bound, length = self._expected(None), chosen.length
        if length is None or bound is None or self._expected(length) != bound:
            # Else it is a part of what is long enough: its source need not come to its end.
            chosen = self._work.look_again(chosen)
        seconds = self._expected(chosen.length)
        if seconds is None or made < seconds - _SHORT_SECONDS:
            # What a header says of a file that was cut off is not true.
            seconds = self._expected(self._work.picture_times(chosen).end or None)
        if seconds is not None:
            work = self._work
            most = work.settings.output_limit
            sound.settle(self._output, seconds, rate, most=most, check=work.check)

    def _expected(self, length: float | None) -> float | None:
        info = replace(self._chosen.info, duration=length)
        return expected_duration(info, self._input_args, self._args)


def unsettled_bytes(args: Sequence[str]) -> int:
    """How many bytes at the end of DFPWM that is made by these words of a caller may still be cut
    off or changed when all has been made: the silence behind the sound of a film."""
    # The last byte may be filled up with anything.
    return round(QUIET_SECONDS * _rate(args) / 8) + 1


def _rate(args: Sequence[str]) -> int:
    """Samples a second of DFPWM that is made by these words."""
    given = Options(args).get("ar") or ""
    return int(given) if given.isdecimal() else RATE


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
