"""What the pictures go through when a caller asks for a format and says nothing about their look:
one shape with square pixels, transparency only where it can be kept, usual brightness, colours as
the format means them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmapi.media import header, pictures, shapes
from gmapi.media.raw_pictures import GIF_FPS_MAX
from gmapi.media.shapes import PictureSize
from gmapi.media.timing import COMMON_RATE_MAX, picture_count

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg
    from gmapi.media.command import Options
    from gmapi.media.formats import OutputFormat
    from gmapi.media.header import Stream
    from gmapi.media.selection import Selection
    from gmapi.media.timing import PictureTimes

# The encoder that ffmpeg takes by itself.
_ENCODERS = {
    "mp4": "libx264", "mov": "libx264", "matroska": "libx264", "webm": "libvpx-vp9",
    "avi": "mpeg4", "nut": "mpeg4", "flv": "flv", "mpegts": "mpeg2video", "ogv": "libtheora",
    "asf": "msmpeg4", "mjpeg": "mjpeg", "gif": "gif", "apng": "apng",
    "yuv4mpegpipe": "wrapped_avframe",
}  # fmt: skip
# Encoders that can do 4:2:0, the pixel format of all our video defaults.
_CAN_420 = frozenset(
    {"libx264", "h264", "libx265", "hevc", "libvpx", "vp8", "libvpx-vp9", "vp9", "libaom-av1",
     "libsvtav1", "av1", "mpeg4", "libxvid", "mpeg1video", "mpeg2video", "h263", "h263p", "flv",
     "flv1", "msmpeg4", "msmpeg4v2", "wmv1", "wmv2", "libtheora", "theora", "ffv1", "huffyuv",
     "ffvhuff", "rawvideo"}
)  # fmt: skip
# Encoders that take a picture with transparency as it is ...
_KEEP_ALPHA = frozenset(
    {"png", "apng", "gif", "libwebp", "libwebp_anim", "tiff", "targa", "qoi", "libjxl",
     "libjxl_anim", "prores_ks", "qtrle", "utvideo", "cfhd", "hap"}
)  # fmt: skip
# ... and those that have more than 8 bits where nobody asks for fewer.
_DEEP = frozenset({"prores", "prores_ks", "prores_aw", "cfhd"})
# The transparency of these is what pages of the web use them for.
_WEB = frozenset({"libvpx", "vp8", "libvpx-vp9", "vp9"})
# What says with which matrix it was made, by itself or by its container; of others players
# guess from the size.
_TAGGED = frozenset(
    {"libx264", "libx265", "libvpx-vp9", "libaom-av1", "libsvtav1", "mpeg2video"}
)  # fmt: skip
_TAGGED_MUXERS = frozenset({"mp4", "mov", "matroska", "webm"})
_MATRIX_601 = frozenset({"smpte170m", "bt470bg", "fcc"})
# Encoders that would take YUV as it comes and mean BT.601, or tell nobody what they mean.
_RGB_ONLY = {
    "tiff": "rgb24|rgba|rgb48le|rgba64le|gray|gray16le|ya8|pal8|monob|monow",
    "jpeg2000": "rgb24|rgb48le|gray|gray16le",
    "libwebp": "bgra", "libwebp_anim": "bgra",
}  # fmt: skip
_WHOLE_PIXELS = "rgb24|rgba|rgb48le|rgba64le|gray|gray16le|ya8"
# Pictures a second above which browsers show them too long, and what is made of more.
_FASTEST = {
    "gif": (GIF_FPS_MAX, GIF_FPS_MAX), "apng": (90, 60), "libwebp": (90, 60),
    "libwebp_anim": (90, 60),
}  # fmt: skip
_DEEP_PIXELS = re.compile(r"(?:9|1[0246]|p010|p012|p016|p210|p410|f32)(?:le|be)?$")
_HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})
_PALETTE = (
    "split[seen][counted];[counted]palettegen=stats_mode=single[palette];"
    "[seen][palette]paletteuse=new=1"
)


@dataclass(frozen=True)
class Writing:
    """How pictures are written: the encoder by ffmpeg's name, and the pixel format where one is
    asked for."""

    encoder: str | None
    pixels: str | None
    keeps_alpha: bool
    keeps_hdr: bool

    @classmethod
    def of(cls, target: OutputFormat, given: Options, source: Stream | None) -> Writing:
        """How an output is written whose caller has `given` some options."""
        usual = dict(zip(target.default_args[::2], target.default_args[1::2], strict=True))
        asked = given.get("c", "v")
        encoder = asked or usual.get("-c:v") or _ENCODERS.get(target.muxer)
        pixels = given.get("pix_fmt", "v")
        if pixels is None and (asked is None or asked in _CAN_420):
            pixels = usual.get("-pix_fmt")
            if pixels and encoder in _WEB and source is not None and source.has_alpha:
                pixels = "yuva420p"
        transfer = given.get("color_trc", "v")
        return cls(
            encoder,
            pixels,
            header.has_transparency(pixels) if pixels else encoder in _KEEP_ALPHA,
            transfer in _HDR_TRANSFERS
            or (_DEEP_PIXELS.search(pixels) is not None if pixels else encoder in _DEEP),
        )


def filters(
    ffmpeg: Ffmpeg,
    chosen: Selection,
    picture: Stream,
    target: OutputFormat,
    given: Options,
    times: PictureTimes | None,
) -> list[str]:
    """The filters for `picture`, which is the one chosen or a cover."""
    writing = Writing.of(target, given, picture)
    # A file of one picture has the first of a film.
    moves = picture is chosen.picture and not chosen.is_still and target.muxer != "image2"
    maps_tones = moves_tones(ffmpeg, chosen, picture, writing)
    is_photo = picture is chosen.picture and chosen.is_still and picture.codec == "mjpeg"
    chain = ["trim=end_frame=1"] if is_photo else []
    if moves:
        chain += _rhythm(picture, writing, given, times)
    if picture.has_alpha and not writing.keeps_alpha:
        chain.append(shapes.over((0, 0, 0)))
    # Animations keep their size, and may tell in the picture itself how they are to be turned.
    size = _size(picture, target) if moves and not chosen.is_picture_file else None
    tones = pictures.sdr(ffmpeg, chosen) if maps_tones else []
    chain += _even(picture, target)
    if size is not None:
        colour = "black@0" if picture.has_alpha else "black"
        chain += [f"scale={shapes.scale(size)}", *tones]
        if size.width % 2 or size.height % 2:
            # What has colours of half the size cannot be padded to an odd one.
            chain.append(f"format={_WHOLE_PIXELS}")
        chain.append(shapes.pad(size, colour))
    else:
        chain += [*_square(picture, target), *tones]
    chain += _colours(picture, target, writing, maps_tones=maps_tones)
    chain.append("setsar=1")
    if writing.encoder == "gif" and picture.has_alpha and given.get("pix_fmt", "v") is None:
        chain.append(_PALETTE)
    if given.get("pix_fmt", "v") is None and writing.encoder in _RGB_ONLY:
        chain.append(f"format={_RGB_ONLY[writing.encoder]}")
    return chain


def moves_tones(ffmpeg: Ffmpeg, chosen: Selection, picture: Stream, writing: Writing) -> bool:
    """Whether pictures of HDR are brought to a usual screen."""
    if picture is not chosen.picture or writing.keeps_hdr:
        return False
    return bool(pictures.sdr(ffmpeg, chosen))


def is_even(target: OutputFormat) -> bool:
    """Whether pictures need even sides: their colours have half the size."""
    return target.kind == "video" and "yuv420p" in target.default_args


def _rhythm(
    picture: Stream, writing: Writing, given: Options, times: PictureTimes | None
) -> list[str]:
    fastest, fitting = _FASTEST.get(writing.encoder or "", (math.inf, 0))
    if times is not None and times.rate is None and times.end > 0:
        return _own_lengths(writing, given, times) if times.count > 1 else []
    rate = times.rate if times is not None else None
    chain = [f"setpts=N/({rate:.6f}*TB)"] if rate else []
    if (rate or picture.fps or 0.0) > fastest and not given.has("r", "v"):
        return [*chain, f"fps={fitting}"]
    if rate:
        chain.append(f"fps={rate:.6f}")
    if writing.encoder == "gif":
        # Times are hundredths of a second there, and some pictures may come sooner than others.
        chain.append("settb=1/100,select='isnan(prev_selected_pts)+gte(pts-prev_selected_pts,2)'")
    return chain


def _own_lengths(writing: Writing, given: Options, times: PictureTimes) -> list[str]:
    """Those of a picture file that moves: each of its pictures has a length of its own."""
    if given.has("r", "v"):
        return []
    shortest = min(times.durations, default=0.0)
    if writing.encoder in ("gif", "apng") and shortest > 0.999 / COMMON_RATE_MAX:
        return []  # as in the source
    rate = times.common_rate
    return [f"fps={rate:.6f}:start_time=0", *pictures.held(picture_count(times, rate) or 1)]


def _size(picture: Stream, target: OutputFormat) -> PictureSize | None:
    """The size that all pictures of a film are brought to, those of another shape with bars."""
    least = 2 if is_even(target) else 1
    if not picture.width or not picture.height or min(picture.width, picture.height) < least:
        return None
    width = picture.width // least * least
    height = picture.height // least * least
    return PictureSize(width, height, (width, height), (width, height), "contain")


def _square(picture: Stream, target: OutputFormat) -> list[str]:
    """What makes the pixels of a single picture square, whichever way it is turned."""
    seen, stored = {picture.width, picture.height}, {picture.coded_width, picture.coded_height}
    if not is_even(target):
        if None not in seen and seen == stored:
            return []
        return ["scale=w='max(1,round(iw*sar))':h=ih"]
    if None not in seen and seen == stored and min(s for s in seen if s) >= 2:
        return []
    return ["scale=w='max(2,round(iw*sar/2)*2)':h='max(2,ih)'"]


def _even(picture: Stream, target: OutputFormat) -> list[str]:
    """What cuts one row of pixels off where a side is odd: nothing is bent or blurred."""
    wide, high = picture.coded_width, picture.coded_height
    if not is_even(target) or (wide and high and not (wide % 2 or high % 2)):
        return []
    return ["crop=w='max(1,trunc(iw/2)*2)':h='max(1,trunc(ih/2)*2)':x=0:y=0"]


def _colours(
    picture: Stream, target: OutputFormat, writing: Writing, *, maps_tones: bool
) -> list[str]:
    """What brings colours to the matrix and the range in which the output's readers take them."""
    is_rgb = (
        maps_tones
        or (picture.has_alpha and not writing.keeps_alpha)
        or (picture.pixels is not None and header.is_rgb(picture.pixels))
    )
    if writing.encoder == "mjpeg":
        return ["scale=out_color_matrix=bt601:out_range=full,setparams=colorspace=bt470bg:range=pc"]
    if target.muxer == "avif":
        return [
            "scale=out_color_matrix=bt601:out_range=full,setparams=colorspace=smpte170m:range=pc:"
            "color_primaries=bt709:color_trc=iec61966-2-1"
        ]
    if target.kind != "video" or (writing.pixels and header.is_rgb(writing.pixels)):
        return []
    is_tagged = writing.encoder in _TAGGED or target.muxer in _TAGGED_MUXERS
    guessed = _guessed_matrix(picture)
    matrix = None
    if maps_tones and is_tagged:
        matrix = "bt709"
    elif is_rgb or (not is_tagged and picture.matrix and _family(picture.matrix) != guessed):
        matrix = guessed
    if matrix is None and not picture.is_full_range:
        return []
    scale = ["out_range=tv"]
    tags = ["range=tv"]
    if matrix is not None:
        scale.append(f"out_color_matrix={matrix}")
        tags.append(f"colorspace={'smpte170m' if matrix == 'bt601' else matrix}")
    if is_rgb:
        tags.append("color_primaries=bt709:color_trc=bt709")
    pixels = [f"format={writing.pixels}"] if writing.pixels else []
    return [f"scale={':'.join(scale)}", *pixels, f"setparams={':'.join(tags)}"]


def _family(matrix: str) -> str:
    return "bt601" if matrix in _MATRIX_601 else matrix


def _guessed_matrix(picture: Stream) -> str:
    """What players take pictures for that do not say it."""
    is_large = (picture.height or 0) > 576 or (picture.width or 0) >= 1280
    return "bt709" if is_large else "bt601"
