"""What the `ffmpeg` tool converts, and what of it is decided where the caller says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gmapi.media import layouts, transcode
from gmapi.media.command import Options
from gmapi.media.duration import expected_duration
from gmapi.media.formats import OutputFormat
from gmapi.media.header import MediaInfo
from gmapi.media.process import PROGRESS_FD
from gmapi.media.selection import Selection
from gmapi.media.timing import PictureTimes
from gmapi.tools.base import Work
from gmapi.tools.fields import ToolRequest


@dataclass(frozen=True)
class Converted:
    """Files that become `output`, and what a caller says about it; the decision about a single
    one, and what the header of the first says. `times` are those of pictures that the container
    tells none of."""

    work: Work
    target: OutputFormat
    output: Path
    inputs: list[Path]
    input_args: list[str]
    args: list[str]
    chosen: Selection | None
    info: MediaInfo
    times: PictureTimes | None = None

    @classmethod
    def of(
        cls,
        work: Work,
        request: ToolRequest,
        inputs: list[Path],
        input_args: list[str],
        args: list[str],
        target: OutputFormat,
        output: Path,
    ) -> Converted:
        """Look at the files. Raises MediaError for what cannot be opened, RequestError for a track
        that is not there."""
        if len(inputs) > 1:
            chosen = [
                work.select(path, used=(), input_args=[] if number else input_args)
                for number, path in enumerate(inputs)
            ]
            args = transcode.without_covers(chosen, target, args)
            return cls(work, target, output, inputs, input_args, args, None, chosen[0].info)
        one = work.select(
            inputs[0],
            video_track=request.video_track,
            audio_track=request.audio_track,
            used=transcode.kinds_left(target, args),
            input_args=input_args,
        )
        if one.picture is None and one.cover is not None and target.kind == "video":
            one = work.look_again(one)  # the cover is shown as long as the song is
        for note in transcode.notes(work.ffmpeg, one, target, args):
            work.warn(note)
        times = None
        if transcode.needs_times(one, target, args):
            times = work.picture_times(one)
        return cls(work, target, output, [one.path], input_args, args, one, one.info, times)

    def of_whole(self, chosen: Selection) -> Converted:
        """The same where the source is read from one file that was made of several."""
        return replace(self, inputs=[chosen.path], chosen=chosen, info=chosen.info)

    def command(self, first: Path, words: Sequence[str], given: Sequence[str]) -> list[str]:
        """The command for the first of the files, or one that is read in its place, with words
        before it and those for the output."""
        chosen = self.chosen
        if chosen is not None and chosen.sound is not None and first != chosen.path:
            alone = replace(chosen.sound, index=0)
            info = replace(chosen.info, streams=(alone,))
            chosen = Selection(first, info, None, alone)
        return transcode.transcode(
            self.work.ffmpeg,
            [first, *self.inputs[1:]],
            words,
            given,
            self.target,
            self.output,
            chosen=chosen,
            times=self.times,
            length=expected_duration(self.info, self.input_args, []),
            max_pixels=self.work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )

    def warn_of_mixing(self) -> None:
        """Warn when the output has fewer channels than its source and nobody asked for that."""
        before = self.chosen.sound if self.chosen is not None else None
        written = self.work.look_back.written(self.output)
        after = next((stream for stream in written if stream.kind == "audio"), None)
        asks = Options([*self.target.default_args, *self.args])
        asked = asks.has("ac") or asks.has("filter", "a") or asks.has("filter_complex")
        if before is None or after is None or asked or asks.has("map"):
            return
        if before.channels and after.channels and after.channels < before.channels:
            self.work.warn(layouts.mixed(before.channels, after.channels))
