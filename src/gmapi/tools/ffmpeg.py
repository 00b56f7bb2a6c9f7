"""`ffmpeg`: run FFmpeg with the caller's arguments on one or more sources."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from gmapi.errors import MediaError, RequestError
from gmapi.fetch.headers import check_headers
from gmapi.media import failures, layouts, transcode
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.media.command import Options
from gmapi.media.duration import expected_duration
from gmapi.media.formats import OutputFormat, output_format
from gmapi.media.header import MediaInfo
from gmapi.media.process import PROGRESS_FD
from gmapi.media.progress import Progress, estimate
from gmapi.media.selection import Selection
from gmapi.tools.base import GAME_REPLY_MAX, FileResult, Reporter, Tool, Work
from gmapi.tools.fields import (
    OUTPUT_NAME,
    LuaStrings,
    OutputName,
    ToolRequest,
    field_error,
    file_name,
)

INPUTS_MAX = 8
ARGUMENTS_MAX_BYTES = 64 * 1024
"""The most that all arguments of a request may have together: to check them takes time."""

FETCHED = 15.0
CONVERTED = 99.0


class FfmpegRequest(ToolRequest):
    """Convert, cut, merge or extract with FFmpeg."""

    input_url: str | None = Field(
        None,
        description="Address of the source (http or https).",
        examples=["http://127.0.0.1:8000/song.mp3"],
    )
    input_urls: LuaStrings = Field(
        default_factory=list,
        max_length=INPUTS_MAX,
        description="Addresses of several sources, in order, for merging; "
        "instead of input_url or after it.",
    )
    args: LuaStrings = Field(
        default_factory=list,
        description="FFmpeg's output options, one word each.",
        examples=[["-vn", "-ar", "48000", "-ac", "1"]],
    )
    input_args: LuaStrings = Field(
        default_factory=list,
        description="FFmpeg's options before the first input, such as -ss or -t.",
        examples=[["-ss", "10"]],
    )
    output_format: str = Field(
        description="Format of the output, such as dfpwm, mp3, mp4 or png.", examples=["dfpwm"]
    )
    output_name: OutputName | None = Field(None, description=OUTPUT_NAME)

    @field_validator("output_format")
    @classmethod
    def _plain_format(cls, value: str) -> str:
        return value.strip().lower().removeprefix(".")

    @model_validator(mode="after")
    def _has_source(self) -> FfmpegRequest:
        if not self.input_url and not self.input_urls:
            raise field_error("input_url", "is required; give the address of the source")
        return self

    def sources(self) -> list[tuple[str, str]]:
        first = [("input_url", self.input_url)] if self.input_url else []
        return first + [
            (f"input_urls[{number}]", url) for number, url in enumerate(self.input_urls, 1)
        ]


def check(request: FfmpegRequest) -> None:
    """Refuse what can be told to be wrong before the source is fetched."""
    _check_size(request)
    file_name(request.output_name, output_format(request.output_format, None).extension)
    check_headers(request.headers)
    count = len(request.sources())
    if count > INPUTS_MAX:
        raise RequestError(f"input_urls: at most {INPUTS_MAX} sources.", field="input_urls")
    check_input_arguments(request.input_args)
    check_arguments(request.args, inputs=count)


def _check_size(request: FfmpegRequest) -> None:
    size = 0
    for field, words in (("args", request.args), ("input_args", request.input_args)):
        size += sum(len(word.encode()) for word in words)
        if size > ARGUMENTS_MAX_BYTES:
            raise RequestError(
                f"{field}: all arguments together may have {ARGUMENTS_MAX_BYTES:,} bytes; send "
                "fewer or shorter ones.",
                field=field,
            )


def run(work: Work, request: FfmpegRequest) -> FileResult:
    """Fetch, convert and publish."""
    target = output_format(request.output_format, work.ffmpeg)
    args = check_arguments(request.args, inputs=len(request.sources()))
    input_args = check_input_arguments(request.input_args)
    inputs = []
    sources = request.sources()
    for number, (field, url) in enumerate(sources):
        low = FETCHED * number / len(sources)
        high = FETCHED * (number + 1) / len(sources)
        inputs.append(
            work.fetch(
                url,
                field=field,
                name=f"input{number}",
                headers=request.headers,
                use_cache=not request.no_cache,
                max_duration=request.max_duration,
                share=(low, high),
            )
        )
    work.reporter.report(message="Converting.")
    name = file_name(request.output_name, target.extension)
    output = work.outputs / name
    source = _Source.of(work, inputs, input_args, args, target)
    argv = source.command(work, target, output)
    context = failures.Context(
        target=target,
        max_pixels=work.settings.picture_max_pixels,
        info=source.info,
        args=tuple(args),
    )
    told = progress_reports(work.reporter, source.total)
    work.run_ffmpeg(argv, on_progress=told, outputs=[output], context=context)
    return _publish(work, output, name, target, source)


@dataclass(frozen=True)
class _Source:
    """What is converted: the files, the decision about a single one, what the header of the first
    says, and how long the output will be, seconds."""

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
        inputs: list[Path],
        input_args: list[str],
        args: list[str],
        target: OutputFormat,
    ) -> _Source:
        if len(inputs) > 1:
            chosen = [work.select(path, about=()) for path in inputs]
            args = transcode.without_covers(chosen, target, args)
            return cls(inputs, input_args, args, None, chosen[0].info, None)
        about = transcode.kinds_left(target, args, len(inputs))
        one = work.select(inputs[0], about=about)
        total = expected_duration(one.info, input_args, args)
        return cls([one.path], input_args, args, one, one.info, total)

    def command(self, work: Work, target: OutputFormat, output: Path) -> list[str]:
        times = None
        if self.chosen is not None:
            for note in transcode.notes(work.ffmpeg, self.chosen, target, self.args):
                work.warn(note)
            if transcode.may_lack_times(self.chosen, target, self.args):
                times = work.picture_times(self.chosen)
        return transcode.transcode(
            work.ffmpeg,
            self.inputs,
            self.input_args,
            self.args,
            target,
            output,
            chosen=self.chosen,
            times=times,
            length=expected_duration(self.info, self.input_args, []),
            max_pixels=work.settings.picture_max_pixels,
            progress_fd=PROGRESS_FD,
        )

    def warn_of_mixing(self, work: Work, made: MediaInfo, target: OutputFormat) -> None:
        """Warn when the output has fewer channels than its source and nobody asked for that."""
        before = self.chosen.sound if self.chosen is not None else None
        after = made.first("audio")
        asks = Options([*target.default_args, *self.args])
        asked = asks.has("ac") or asks.has("filter", "a") or asks.has("filter_complex")
        if before is None or after is None or asked or asks.has("map"):
            return
        if before.channels and after.channels and after.channels < before.channels:
            work.warn(layouts.mixed(before.channels, after.channels))


def progress_reports(reporter: Reporter, total: float | None) -> Callable[[Progress], None]:
    """What turns ffmpeg's progress into that of the job; `total` is the output's length in
    seconds, where it is known."""
    started = time.monotonic()

    def report(now: Progress) -> None:
        if now.out_time is None:  # not yet, or no longer known: what was said last still holds
            return
        percent, eta = estimate(now.out_time, total, time.monotonic() - started)
        speed = f" at {now.speed:.1f} times real time" if now.speed else ""
        reporter.report(
            progress=FETCHED + (CONVERTED - FETCHED) * percent / 100 if total else None,
            message=f"Converting: {now.out_time:.1f} s done{speed}.",
            eta=eta,
        )

    return report


def _publish(
    work: Work, output: Path, name: str, target: OutputFormat, source: _Source
) -> FileResult:
    facts: dict[str, Any] = {}
    if name.endswith(".dfpwm"):
        facts["duration"] = round(output.stat().st_size / 6000, 3)
    else:
        try:
            made = work.probe(output)
        except MediaError as error:  # formats that are written but cannot be read back
            work.reporter.log(f"the output's length is not known: {error.message}")
        else:
            facts["duration"] = made.duration
            source.warn_of_mixing(work, made, target)
            picture = next((s for s in made.streams if s.kind == "video"), None)
            if picture is not None:
                facts.update(width=picture.width, height=picture.height)
    stored = work.publish(name, output)
    message = f"Done: {name}, {stored.size:,} bytes."
    if stored.size > GAME_REPLY_MAX:
        message += " A game computer must fetch it in ranges of at most 16 MiB."
    return FileResult(
        message=message,
        download_url=work.address(name),
        file_id=work.file_id,
        file_name=name,
        size=stored.size,
        media_type=target.media_type,
        **facts,
    )


FFMPEG = Tool(
    name="ffmpeg",
    summary="Run FFmpeg with your own arguments",
    description="Fetches the source, runs FFmpeg with the given arguments and publishes the "
    "output for download.",
    request=FfmpegRequest,
    result=FileResult,
    check=check,
    run=run,
)
