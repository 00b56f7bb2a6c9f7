"""The command that turns sources into the output a caller asks for.

What the caller says stays his. What he leaves open is filled in here: which streams, from the
decision about the source (`selection`), how its pictures look (`look`), for which loudspeakers
its sound is (`layouts`), and the options that the format is usual with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.media import layouts, look, tones
from gmapi.media.command import SAMPLES, Options, canonical, guarded_input, head

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.media.formats import OutputFormat
    from gmapi.media.header import Stream
    from gmapi.media.selection import Selection
    from gmapi.media.timing import PictureTimes

# Defaults that make sense only with the encoder that the format would take by itself.
_OF_ENCODER = frozenset({"-cpu-used", "-row-mt", "-crf", "-q:v"})
# Containers into which ffmpeg takes subtitles unasked, and those that are text, as it needs there.
# Muxers that take no sound.
_PICTURES_ALONE = frozenset({"mjpeg", "yuv4mpegpipe"})
_WITH_SUBTITLES = frozenset({"matroska", "webm"})
_TEXTS = frozenset(
    {"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text", "microdvd", "sami"}
)
_AUDIO_ENCODERS = {
    "webm": "libopus", "asf": "wmav2", "adts": "aac", "mp4": "aac", "mov": "aac", "flac": "flac",
}  # fmt: skip
# Containers of pictures that may have no times to be shown at.
_UNTIMED = frozenset(
    {"avi", "h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg", "jpeg_pipe", "png_pipe", "h261",
     "h263", "vc1", "cavsvideo", "dirac", "obu"}
)  # fmt: skip
# Filters of a caller that may bring HDR to a usual screen.
_MAPPING = ("tonemap", "zscale", "libplacebo", "colorspace", "lut3d")
_COVER_RATE = 5
"""Pictures a second of a cover that is shown as long as its song: few, since each is the same."""
_COVER_RATE_MPEG = 25
_STILL_RATE = 25
_MAPPED = re.compile(r"0(?::(?:([vV])(?::(\d{1,4}))?|(\d{1,4})))?\??")


@dataclass(frozen=True)
class Left:
    """What a caller leaves open about one source.

    `picture` are the pictures whose look is not his, None where it is, or where there are none;
    `maps` are words with -map. `cover_seconds` is how long a cover is shown as a film.
    """

    picture: Stream | None
    maps: tuple[str, ...]
    cover_seconds: float | None = None


def transcode(
    ffmpeg: Ffmpeg,
    inputs: Sequence[Path],
    input_args: Sequence[str],
    args: Sequence[str],
    target: OutputFormat,
    output: Path,
    *,
    chosen: Selection | None = None,
    times: PictureTimes | None = None,
    length: float | None = None,
    max_pixels: int,
    progress_fd: int,
) -> list[str]:
    """The command that turns `inputs` into `output` in the format `target`.

    `input_args` belong to the first input only. `args` are output options. `chosen` is the
    decision about the only input, and where its pictures may have no times, or lengths of their
    own (`needs_times`), `times` are those; `length` is how long an output is that takes all of
    it, seconds.
    """
    given = Options(args)
    left = open_choices(chosen, target, args, length) if chosen is not None else None
    command = head(ffmpeg, progress_fd)
    for number, path in enumerate(inputs):
        if number == 0:
            if chosen is not None:
                command += _before(chosen, target, given, left, times)
            command += input_args
        command += guarded_input(path, max_pixels)
    if left is not None and left.cover_seconds is not None:
        # As a source of its own, since the part of the sound that is asked for may not begin
        # where the cover is.
        command += guarded_input(inputs[0], max_pixels)
    words = defaults(target, args, chosen)
    words += left.maps if left is not None else ()
    words += _graph(ffmpeg, chosen, target, given, left, times, input_args)
    changed = _changed(list(args), chosen, target, input_args)
    if target.muxer in SAMPLES:
        # What ffmpeg says of tags could be taken for what it says of such an output.
        words = ["-map_metadata", "-1", *words]
    if target.muxer == "dfpwm":
        changed += ["-flush_packets", "1"]  # it is read while it is made
    return [*command, *words, *changed, "-f", target.muxer, f"file:{output}"]


def notes(
    ffmpeg: Ffmpeg, chosen: Selection, target: OutputFormat, args: Sequence[str]
) -> list[str]:
    """Sentences about what `transcode` does to a source unasked."""
    left = open_choices(chosen, target, args, None)
    given = Options(args)
    if chosen.hdr is None or look.Writing.of(target, given, chosen.picture).keeps_hdr:
        return []
    if left.picture is not None:
        return [tones.told(ffmpeg, chosen.hdr)] if left.picture is chosen.picture else []
    is_made = target.kind in ("video", "image") and not given.has("vn")
    is_copied = given.get("c", "v") == "copy"
    own = [value for name, _, value in given.items if name in ("filter", "filter_complex")]
    if is_made and not is_copied and not any(word in graph for graph in own for word in _MAPPING):
        return [tones.left(chosen.hdr)]
    return []


def needs_times(chosen: Selection, target: OutputFormat, args: Sequence[str]) -> bool:
    """Whether `transcode` should be told the times of the pictures: they may have none, or, in a
    picture file that moves, lengths of their own of which the last one would be lost."""
    picture = open_choices(chosen, target, args, None).picture
    odd = chosen.info.container in _UNTIMED or chosen.is_animation
    return odd and picture is not None and picture is chosen.picture and not chosen.is_still


def kinds_left(target: OutputFormat, args: Sequence[str]) -> tuple[str, ...]:
    """The kinds of streams of the only source of which not the caller says which one is taken."""
    given = Options(args)
    if given.has("map") or given.has("filter_complex"):
        return ()
    if target.kind == "audio":
        return () if given.has("an") else ("audio",)
    if target.kind == "image":
        return () if given.has("vn") else ("video",)
    if target.kind != "video":
        return ()
    kinds = (
        (("video", "vn"),)
        if target.muxer in _PICTURES_ALONE
        else (("video", "vn"), ("audio", "an"))
    )
    return tuple(kind for kind, no in kinds if not given.has(no))


def without_covers(
    chosen: Sequence[Selection], target: OutputFormat, args: Sequence[str]
) -> list[str]:
    """The words of a caller who has several sources, none of which has pictures but covers."""
    if target.kind != "video" or Options(args).has("map") or any(c.picture for c in chosen):
        return list(args)
    return ["-vn", *args]


def defaults(
    target: OutputFormat, args: Sequence[str], chosen: Selection | None = None
) -> list[str]:
    """The options of a format that a caller did not give and would miss.

    Audio formats take no pictures (cover art) and pictures no sound, unless the caller maps
    streams. The options of the format give way to the same ones of the caller.
    """
    given = Options(args)
    words: list[str] = []
    if not given.has("map"):
        if target.kind == "audio":
            words += ["-vn", "-sn", "-dn"]
        elif target.kind == "image":
            words += ["-an", "-sn", "-dn"]
    writing = look.Writing.of(target, given, chosen.picture if chosen else None)
    video, audio = given.get("c", "v"), given.get("c", "a")
    copied = {"v": video == "copy" or given.has("vn"), "a": audio == "copy" or given.has("an")}
    for option, value in zip(target.default_args[::2], target.default_args[1::2], strict=True):
        name, kind = canonical(option)
        if given.has(name, kind) or (copied.get(kind, False) and name != "frames"):
            continue
        if option in _OF_ENCODER and video is not None:
            continue
        if option == "-pix_fmt":
            words += [option, writing.pixels] if writing.pixels else []
            continue
        if value == "libwebp_anim" and chosen is not None and _is_one_picture(chosen):
            value = "libwebp"  # the other says that a half transparent picture is opaque
        words += [option, value]
    if target.kind == "video" and not copied["v"] and not given.has("disposition"):
        # Cover art that becomes the video must not be marked as cover art any more:
        # containers refuse such a mark on anything but a PNG or JPEG.
        words += ["-disposition:v:0", "default"]
    return words


def open_choices(
    chosen: Selection, target: OutputFormat, args: Sequence[str], length: float | None
) -> Left:
    """What the caller's words leave open about the only source."""
    given = Options(args)
    copied = given.get("c", "v") == "copy" or given.has("vn")
    filtered = given.has("filter", "v") or given.has("s", "v") or given.has("filter_complex")
    is_picture = target.kind in ("video", "image")
    if given.has("map") or given.has("filter_complex"):
        mapped = _mapped_picture(chosen, given)
        is_open = is_picture and not copied and not filtered
        return Left(mapped if is_open else None, ())
    if target.kind == "audio":
        return Left(None, ("-map", chosen.sound_map) if chosen.sound else ())
    if not is_picture:
        return Left(None, ())
    maps: list[str] = []
    picture = chosen.picture or chosen.cover
    seconds = None
    if picture is not None and not given.has("vn"):
        source = 0
        is_song = picture is chosen.cover and chosen.picture is None and chosen.sound is not None
        if is_song and target.kind == "video" and not copied and not given.has("an"):
            seconds = length
            source = 1 if seconds else 0
        maps += ["-map", f"{source}:{picture.index}"]
    if target.kind == "video":
        if chosen.sound is not None and not given.has("an") and target.muxer not in _PICTURES_ALONE:
            maps += ["-map", chosen.sound_map]
        subtitles = _subtitles(chosen, target, given)
        if maps and subtitles is not None:
            maps += ["-map", f"0:{subtitles.index}"]
    is_open = picture is not None and not copied and not filtered
    return Left(picture if is_open else None, tuple(maps), seconds)


def _mapped_picture(chosen: Selection, given: Options) -> Stream | None:
    """The pictures that a caller's -map takes, where they are one stream of the only source."""
    if given.has("filter_complex"):
        return None
    found: set[int] = set()
    videos = [s for s in chosen.info.streams if s.kind == "video" and s.index >= 0]
    for name, _, value in given.items:
        if name != "map" or value.startswith(("0:a", "0:s")):
            continue
        match = _MAPPED.fullmatch(value)
        if match is None:
            return None
        kind, number, index = match.groups()
        of_kind = [s for s in videos if kind != "V" or not s.attached_picture]
        if index is not None:
            of_kind = [s for s in videos if s.index == int(index)]
        elif number is not None:
            of_kind = of_kind[int(number) : int(number) + 1]
        found.update(stream.index for stream in of_kind)
    if chosen.picture is None or found != {chosen.picture.index}:
        return None
    return chosen.picture


def _subtitles(chosen: Selection, target: OutputFormat, given: Options) -> Stream | None:
    """The subtitles that ffmpeg takes by itself."""
    if given.has("sn"):
        return None
    streams = [s for s in chosen.info.streams if s.kind == "subtitle"]
    if any(name == "c" and kind == "s" for name, kind, _ in given.items):
        return next(iter(streams), None)
    if target.muxer not in _WITH_SUBTITLES:
        return None
    return next((s for s in streams if s.codec in _TEXTS), None)


def _before(
    chosen: Selection,
    target: OutputFormat,
    given: Options,
    left: Left | None,
    times: PictureTimes | None,
) -> list[str]:
    """Input options."""
    if given.get("c", "v") == "copy" or target.kind not in ("video", "image"):
        return []
    words = list(chosen.input_words)
    picture = left.picture if left is not None else None
    counted = picture is not None and times is not None and times.rate is not None
    if chosen.picture is not None and (_is_photo(chosen) or (counted and chosen.may_change)):
        # What counts pictures must not begin anew when they change on the way.
        words += [f"-reinit_filter:{chosen.picture.index}", "0"]
    return words


def _is_one_picture(chosen: Selection) -> bool:
    return chosen.is_still or chosen.picture is None


def _is_photo(chosen: Selection) -> bool:
    """Whether other pictures may follow the one that is meant, such as a gain map."""
    picture = chosen.picture
    return chosen.is_still and picture is not None and picture.codec == "mjpeg"


def _graph(
    ffmpeg: Ffmpeg,
    chosen: Selection | None,
    target: OutputFormat,
    given: Options,
    left: Left | None,
    times: PictureTimes | None,
    input_args: Sequence[str],
) -> list[str]:
    """The filters that pictures get whose look the caller leaves open."""
    if chosen is None or left is None or left.picture is None:
        if chosen is not None and chosen.picture is None and given.has("filter_complex"):
            return [] if given.has("map") or given.has("vn") else ["-vn"]
        return []
    before = Options(input_args)
    if before.has("framerate", "v") or before.has("r", "v"):
        times = None
    chain = look.filters(ffmpeg, chosen, left.picture, target, given, times)
    if before.has("loop"):
        chain = [word for word in chain if not word.startswith("trim=")]
    if left.cover_seconds is not None:
        usual = _COVER_RATE_MPEG if target.muxer in ("mpeg", "mpegts") else _COVER_RATE
        count = max(1, math.ceil(left.cover_seconds * usual - 0.25))
        chain += [
            f"loop=loop={count - 1}:size=1:start=0,setpts=N/({usual}*TB),fps={usual}",
            f"trim=end_frame={count}",
        ]
    elif target.kind == "video" and _is_one_picture(chosen):
        # Icons and covers come at 90,000 pictures a second.
        timed = given.has("r", "v") or any(before.has(word) for word in ("loop", "r", "framerate"))
        return ["-vf", ",".join(chain), *([] if timed else ["-r", str(_STILL_RATE)])]
    return ["-vf", ",".join(chain)]


def _changed(
    args: list[str],
    chosen: Selection | None,
    target: OutputFormat,
    input_args: Sequence[str],
) -> list[str]:
    """The caller's words, with what they do not say themselves."""
    given = Options(args)
    if chosen is not None:
        graph = given.get("filter_complex")
        several = sum(stream.kind == "audio" for stream in chosen.info.streams) > 1
        if graph and several and target.kind == "audio" and not set("[];") & set(graph):
            args = _replaced(args, "filter_complex", "", f"[{chosen.sound_map}]{graph}")
        vf = given.get("filter", "v")
        if vf and _is_photo(chosen) and not Options(input_args).has("loop"):
            args = _replaced(args, "filter", "v", f"trim=end_frame=1,{vf}")
        encoder = given.get("c", "a") or _audio_encoder(target)
        fitting = layouts.fitting(encoder, target.muxer)
        has_many = chosen.sound is not None and (
            (chosen.sound.channels or 9) > 2 or chosen.sound.codec in layouts.UNNAMED
        )
        if target.muxer == "avi" and _can_start_late(chosen, given):
            args = layouts.appended(args, "aresample=async=1:first_pts=0")
        if fitting and has_many and encoder != "copy" and not given.has("an"):
            args = layouts.appended(args, fitting)
    return args


def _can_start_late(chosen: Selection, given: Options) -> bool:
    """Whether sound may need silence before it, in a format that cannot say when it begins.

    A broadcast's sound may change on the way, and then would get it once more.
    """
    has_both = chosen.sound is not None and chosen.picture is not None
    changed = given.get("c", "a") == "copy" or given.has("an") or given.has("map")
    return has_both and not changed and not chosen.info.container.startswith("mpeg")


def _replaced(args: list[str], name: str, kind: str, value: str) -> list[str]:
    changed = list(args)
    for at in range(len(args) - 1):
        if args[at].startswith("-") and canonical(args[at]) == (name, kind):
            changed[at + 1] = value
    return changed


def _audio_encoder(target: OutputFormat) -> str | None:
    usual = dict(zip(target.default_args[::2], target.default_args[1::2], strict=True))
    return usual.get("-c:a") or _AUDIO_ENCODERS.get(target.muxer)
