"""`ffmpeg`: run FFmpeg with the caller's arguments on one or more sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import Field, field_validator, model_validator

from gmapi.errors import RequestError
from gmapi.fetch.headers import check_headers
from gmapi.media import failures
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.media.command import SAMPLES, Options
from gmapi.media.duration import expected_duration, needed_seconds
from gmapi.media.formats import OutputFormat, output_format
from gmapi.media.progress import Progress, estimate
from gmapi.storage.base import StoredFile
from gmapi.tools import made, sound
from gmapi.tools.base import Work
from gmapi.tools.converted import Converted
from gmapi.tools.fields import (
    OUTPUT_NAME,
    LuaStrings,
    OutputName,
    SourceAddress,
    SourceAddresses,
    ToolRequest,
    field_error,
    file_name,
)
from gmapi.tools.growing_output import GrowingOutput
from gmapi.tools.results import GAME_REPLY_MAX, FileResult
from gmapi.tools.runs import Reporter
from gmapi.tools.sound_making import SoundMaking, unsettled_bytes
from gmapi.tools.subtitle_encoding import in_utf8
from gmapi.tools.tool import Tool

INPUTS_MAX = 8
ARGUMENTS_MAX_BYTES = 64 * 1024
"""The most that all arguments of a request may have together: to check them takes time."""

# Options before the input that make ffmpeg go to other places of it.
_SEEKING = ("ss", "sseof", "loop", "stream_loop", "f")
# Several files may be glued together, which is seen only at the end.
_CHAINED = ("ogg", "flac")
# From a pipe their times differ by a tick, which matters where they are copied.
_CLOCKS_ADJUSTED = ("mpegts", "mpeg")

FETCHED = 15.0
CONVERTED = 99.0


class FfmpegRequest(ToolRequest):
    """Convert, cut, merge or extract with FFmpeg."""

    input_url: SourceAddress | None = Field(
        None,
        description="Address of the source (http or https).",
        examples=["http://127.0.0.1:8000/song.mp3"],
    )
    input_urls: SourceAddresses = Field(
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
    _check_tracks(request, check_arguments(request.args, inputs=count))


def _check_tracks(request: FfmpegRequest, args: Sequence[str]) -> None:
    """Tracks are chosen in one way: by a field, of the only source, or by the caller's -map."""
    for field, track in (
        ("audio_track", request.audio_track),
        ("video_track", request.video_track),
    ):
        if track is None:
            continue
        if len(request.sources()) > 1:
            raise RequestError(
                f"{field}: does not say which of several sources is meant; give -map in args "
                "instead, such as -map 1:a:0.",
                field=field,
            )
        if Options(args).has("map"):
            raise RequestError(
                f"{field}: -map in args chooses the tracks already; leave out one of the two.",
                field=field,
            )


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
    """Fetch, convert and publish; DFPWM can be read while it is made."""
    target = output_format(request.output_format, work.ffmpeg)
    args = check_arguments(request.args, inputs=len(request.sources()))
    input_args = check_input_arguments(request.input_args)
    inputs = []
    sources = request.sources()
    for number, (field, url) in enumerate(sources):
        low = FETCHED * number / len(sources)
        high = FETCHED * (number + 1) / len(sources)
        source = work.fetch(
            url,
            field=field,
            name=f"input{number}",
            headers=request.headers,
            use_cache=not request.no_cache,
            max_duration=request.max_duration,
            enough=needed_seconds([] if number else input_args, args),
            share=(low, high),
            arriving=_can_arrive(request, input_args, args),
            with_tags=target.muxer not in SAMPLES,
        )
        inputs.append(in_utf8(work, source))
    work.reporter.report(message="Converting.")
    name = file_name(request.output_name, target.extension)
    output = work.outputs / name
    wanted = Converted.of(work, request, inputs, input_args, args, target, output)
    context = failures.Context(
        target=target,
        max_pixels=work.settings.picture_max_pixels,
        info=wanted.info,
        args=tuple(args),
    )
    if target.muxer != "dfpwm":
        _convert(work, wanted, context)
        return _publish(work, name, wanted, lambda: work.publish(name, output))

    def announce(size: int) -> None:
        so_far = work.with_warnings(_result(work, name, target, size, growing=True))
        work.reporter.report(result=so_far.values())

    held = unsettled_bytes(args)
    with GrowingOutput(work, output, name, held=held, announce=announce) as growing:
        _convert(work, wanted, context)
        return _publish(work, name, wanted, growing.finish)


def _convert(work: Work, wanted: Converted, context: failures.Context) -> None:
    input_args, args = wanted.input_args, wanted.args
    if wanted.chosen is None:
        work.run_ffmpeg(
            wanted.command(wanted.inputs[0], input_args, args),
            on_progress=progress_reports(work.reporter, None),
            outputs=[wanted.output],
            context=context,
        )
        return
    with sound.unchained(work, wanted.chosen, args) as whole:
        total = expected_duration(whole.info, input_args, args)
        arrived = partial(work.arriving.share, whole.path)
        told = progress_reports(work.reporter, total, arrived)
        making = SoundMaking(work, whole, input_args, args, wanted.target, wanted.output)
        making.run(wanted.of_whole(whole).command, told, context)


def _can_arrive(
    request: FfmpegRequest, input_args: Sequence[str], args: Sequence[str]
) -> Callable[[str], bool] | None:
    """Which kinds of sources may be converted while they arrive; None when none may."""
    before, after = Options(input_args), Options(args)
    # Of several, one would be read to its end before the others are looked at.
    if len(request.sources()) > 1 or any(before.has(name) for name in _SEEKING):
        return None
    copied = any(value == "copy" for value in after.all("c"))
    return lambda kind: kind not in _CHAINED and not (copied and kind in _CLOCKS_ADJUSTED)


def progress_reports(
    reporter: Reporter,
    total: float | None,
    arrived: Callable[[], float | None] = lambda: None,
) -> Callable[[Progress], None]:
    """What turns ffmpeg's progress into that of the job; `total` is the output's length in
    seconds, where it is known. Else it goes by what of the source has `arrived`, from 0 to 1,
    while that is converted as it comes."""
    started = time.monotonic()

    def report(now: Progress) -> None:
        if now.out_time is None:  # not yet, or no longer known: what was said last still holds
            return
        done, whole = (now.out_time, total) if total else (arrived() or 0.0, 1.0)
        percent, eta = estimate(done, whole, time.monotonic() - started)
        speed = f" at {now.speed:.1f} times real time" if now.speed else ""
        reporter.report(
            progress=FETCHED + (CONVERTED - FETCHED) * percent / 100 if done else None,
            message=f"Converting: {now.out_time:.1f} s done{speed}.",
            eta=eta,
        )

    return report


def _publish(
    work: Work, name: str, made_of: Converted, store: Callable[[], StoredFile]
) -> FileResult:
    """Look at what was made, then `store` it."""
    output, target = made_of.output, made_of.target
    facts = made.facts(work, output, target)
    if trouble := made.in_game(work, output, target):
        work.warn(trouble)
    made_of.warn_of_mixing()
    size = store().size
    message = f"Done: {name}, {size:,} bytes."
    if size > GAME_REPLY_MAX:
        message += " A game computer must fetch it in ranges of at most 16 MiB."
    return _result(work, name, target, size, message=message, **facts)


def _result(work: Work, name: str, target: OutputFormat, size: int, **more: Any) -> FileResult:
    return FileResult(
        download_url=work.address(name),
        file_id=work.file_id,
        file_name=name,
        size=size,
        media_type=target.media_type,
        **more,
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
