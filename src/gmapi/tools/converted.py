"""What the `ffmpeg` tool converts, and what of it is decided where the caller says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gmapi.media import layouts, transcode
from gmapi.media.command import Options
from gmapi.media.duration import expected_duration
from gmapi.media.formats import OutputFormat
from gmapi.media.header import MediaInfo
from gmapi.media.process import PROGRESS_FD
from gmapi.media.selection import Selection
from gmapi.tools.base import Work
from gmapi.tools.fields import ToolRequest


@dataclass(frozen=True)
class Converted:
    """Files and what a caller says about them; the decision about a single one, what the header
    of the first says, and how long the output will be, seconds."""

    target: OutputFormat
    inputs: list[Path]
    input_args: list[str]
    args: list[str]
    chosen: Selection | None
    info: MediaInfo
    total: float | None

    @classmethod
    def of(
        cls,
        work: Work,
        request: ToolRequest,
        inputs: list[Path],
        input_args: list[str],
        args: list[str],
        target: OutputFormat,
    ) -> Converted:
        """Look at the files. Raises MediaError for what cannot be opened, RequestError for a track
        that is not there."""
        if len(inputs) > 1:
            chosen = [
                work.select(path, used=(), input_args=[] if number else input_args)
                for number, path in enumerate(inputs)
            ]
            args = transcode.without_covers(chosen, target, args)
            return cls(target, inputs, input_args, args, None, chosen[0].info, None)
        one = work.select(
            inputs[0],
            video_track=request.video_track,
            audio_track=request.audio_track,
            used=transcode.kinds_left(target, args),
            input_args=input_args,
        )
        total = expected_duration(one.info, input_args, args)
        return cls(target, [one.path], input_args, args, one, one.info, total)

    def command(self, work: Work, output: Path) -> list[str]:
        """The command that makes `output`."""
        times = None
        if self.chosen is not None:
            for note in transcode.notes(work.ffmpeg, self.chosen, self.target, self.args):
                work.warn(note)
            if transcode.may_lack_times(self.chosen, self.target, self.args):
                times = work.picture_times(self.chosen)
        return transcode.transcode(
            work.ffmpeg,
            self.inputs,
            self.input_args,
            self.args,
            self.target,
            output,
            chosen=self.chosen,
            times=times,
            length=expected_duration(self.info, self.input_args, []),
            max_pixels=work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )

    def warn_of_mixing(self, work: Work, made: MediaInfo) -> None:
        """Warn when the output has fewer channels than its source and nobody asked for that."""
        before = self.chosen.sound if self.chosen is not None else None
        after = made.first("audio")
        asks = Options([*self.target.default_args, *self.args])
        asked = asks.has("ac") or asks.has("filter", "a") or asks.has("filter_complex")
        if before is None or after is None or asked or asks.has("map"):
            return
        if before.channels and after.channels and after.channels < before.channels:
            work.warn(layouts.mixed(before.channels, after.channels))
