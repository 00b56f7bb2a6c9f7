"""The output formats that may be asked for by name, and what ffmpeg is told for each.

The list is an allow-list: nothing that a browser runs as a page (html, svg, xml), nothing that
writes further files or opens connections (tee, segment, hls, dash, rtp).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from gmapi.errors import RequestError

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg

Kind = Literal["audio", "video", "image", "subtitle", "data"]

POPULAR = ("dfpwm", "mp3", "ogg", "wav", "mp4", "webm", "gif", "png")


@dataclass(frozen=True)
class OutputFormat:
    """One output format.

    `name` is what a caller writes; `extension` (without a dot) is that of the stored file, which
    differs for names such as `alac`. `default_args` are ffmpeg output options, each of which
    gives way to the same option from the caller.
    """

    name: str
    extension: str
    muxer: str
    media_type: str
    kind: Kind
    default_args: tuple[str, ...] = ()


_OCTETS = "application/octet-stream"
_STILL = ("-frames:v", "1", "-update", "1")
# H.264 and AAC play everywhere; 4:2:0 and an index at the front are what browsers need.
_MP4_VIDEO = ("-pix_fmt", "yuv420p", "-movflags", "+faststart")

# name (with aliases after "|"), extension or "" for the same, muxer, media type, defaults
_AUDIO: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    # CC: Tweaked plays one channel at 48 kHz (client contract, F1).
    ("dfpwm", "", "dfpwm", _OCTETS, ("-ar", "48000", "-ac", "1")),
    ("mp3", "", "mp3", "audio/mpeg", ()),
    ("mp2", "", "mp2", "audio/mpeg", ()),
    ("ogg|vorbis", "ogg", "ogg", "audio/ogg", ("-c:a", "libvorbis")),
    ("oga", "", "oga", "audio/ogg", ("-c:a", "libvorbis")),
    # Opus knows 8, 12, 16, 24 and 48 kHz only.
    ("opus", "", "opus", "audio/ogg", ("-c:a", "libopus", "-ar", "48000")),
    ("wav|wave", "wav", "wav", "audio/wav", ("-rf64", "auto")),
    ("w64", "", "w64", "audio/x-w64", ()),
    ("flac", "", "flac", "audio/flac", ()),
    ("m4a", "", "ipod", "audio/mp4", ("-c:a", "aac", "-movflags", "+faststart")),
    ("m4b", "", "ipod", "audio/mp4", ("-c:a", "aac", "-movflags", "+faststart")),
    ("alac", "m4a", "ipod", "audio/mp4", ("-c:a", "alac", "-movflags", "+faststart")),
    ("aac", "", "adts", "audio/aac", ()),
    ("ac3", "", "ac3", "audio/ac3", ()),
    ("eac3", "", "eac3", "audio/eac3", ()),
    ("aiff|aif", "aiff", "aiff", "audio/aiff", ()),
    ("au", "", "au", "audio/basic", ()),
    ("caf", "", "caf", "audio/x-caf", ()),
    ("wma", "", "asf", "audio/x-ms-wma", ("-c:a", "wmav2")),
    ("mka", "", "matroska", "audio/x-matroska", ()),
    ("weba", "", "webm", "audio/webm", ("-c:a", "libopus", "-ar", "48000")),
    ("tta", "", "tta", "audio/x-tta", ()),
    # The encoder knows 8 kHz mono only.
    ("amr", "", "amr", "audio/amr", ("-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1")),
    ("u8", "", "u8", _OCTETS, ()),
    ("s8|pcm_s8", "s8", "s8", _OCTETS, ()),
    ("s16le|pcm|s16", "pcm", "s16le", _OCTETS, ()),
    ("s16be", "", "s16be", _OCTETS, ()),
    ("s24le", "", "s24le", _OCTETS, ()),
    ("s32le", "", "s32le", _OCTETS, ()),
    ("f32le", "", "f32le", _OCTETS, ()),
    ("f64le", "", "f64le", _OCTETS, ()),
    ("alaw", "", "alaw", _OCTETS, ("-ar", "8000", "-ac", "1")),
    ("mulaw|ulaw", "mulaw", "mulaw", _OCTETS, ("-ar", "8000", "-ac", "1")),
)
_VIDEO: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("mp4", "", "mp4", "video/mp4", _MP4_VIDEO),
    ("m4v", "", "mp4", "video/mp4", _MP4_VIDEO),
    ("mov|qt", "mov", "mov", "video/quicktime", _MP4_VIDEO),
    ("mkv|matroska", "mkv", "matroska", "video/matroska", ("-pix_fmt", "yuv420p")),
    # The encoder's own speed takes a minute of work for seconds of video.
    ("webm", "", "webm", "video/webm", ("-pix_fmt", "yuv420p", "-cpu-used", "4", "-row-mt", "1")),
    ("avi", "", "avi", "video/x-msvideo", ("-pix_fmt", "yuv420p")),
    # The default sound codecs of FLV know no rates but 11, 22 and 44 kHz.
    ("flv", "", "flv", "video/x-flv", ("-pix_fmt", "yuv420p", "-ar", "44100")),
    ("ts|mpegts|m2ts", "ts", "mpegts", "video/mp2t", ("-pix_fmt", "yuv420p")),
    # MPEG-1, the default, knows eight frame rates; MPEG-2 can state others as a fraction of one.
    ("mpg|mpeg", "mpg", "mpeg", "video/mpeg", ("-c:v", "mpeg2video", "-pix_fmt", "yuv420p")),
    ("ogv", "", "ogv", "video/ogg", ("-pix_fmt", "yuv420p")),
    # The defaults of 3GP, H.263 and AMR, fit five picture sizes and one sample rate.
    ("3gp", "", "3gp", "video/3gpp", ("-c:v", "libx264", "-c:a", "aac", *_MP4_VIDEO)),
    ("wmv", "", "asf", "video/x-ms-wmv", ("-pix_fmt", "yuv420p")),
    ("mjpeg", "", "mjpeg", "video/x-motion-jpeg", ()),
    ("y4m", "", "yuv4mpegpipe", "video/x-yuv4mpeg", ("-pix_fmt", "yuv420p")),
    ("nut", "", "nut", "video/x-nut", ("-pix_fmt", "yuv420p")),
)
_IMAGE: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("gif", "", "gif", "image/gif", ()),
    ("apng", "", "apng", "image/apng", ("-plays", "0")),
    ("webp", "", "webp", "image/webp", ("-c:v", "libwebp_anim", "-loop", "0")),
    (
        "avif",
        "",
        "avif",
        "image/avif",
        ("-c:v", "libaom-av1", "-cpu-used", "6", "-crf", "30", "-pix_fmt", "yuv420p"),
    ),
    ("png", "", "image2", "image/png", ("-c:v", "png", *_STILL)),
    ("jpg|jpeg", "jpg", "image2", "image/jpeg", ("-c:v", "mjpeg", "-q:v", "3", *_STILL)),
    ("bmp", "", "image2", "image/bmp", ("-c:v", "bmp", *_STILL)),
    ("tiff|tif", "tiff", "image2", "image/tiff", ("-c:v", "tiff", *_STILL)),
    ("tga", "", "image2", "image/x-tga", ("-c:v", "targa", *_STILL)),
    ("ppm", "", "image2", "image/x-portable-pixmap", ("-c:v", "ppm", *_STILL)),
    ("pgm", "", "image2", "image/x-portable-graymap", ("-c:v", "pgm", *_STILL)),
    ("qoi", "", "image2", "image/qoi", ("-c:v", "qoi", *_STILL)),
    ("jxl", "", "image2", "image/jxl", ("-c:v", "libjxl", *_STILL)),
    ("jp2", "", "image2", "image/jp2", ("-c:v", "jpeg2000", *_STILL)),
)
_SUBTITLE: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("srt", "", "srt", "application/x-subrip", ()),
    ("vtt|webvtt", "vtt", "webvtt", "text/vtt", ()),
    ("ass|ssa", "ass", "ass", "text/x-ssa", ()),
    ("lrc", "", "lrc", "text/plain", ()),
)


def _all() -> dict[str, OutputFormat]:
    found: dict[str, OutputFormat] = {}
    groups: tuple[tuple[Kind, tuple[tuple[str, str, str, str, tuple[str, ...]], ...]], ...] = (
        ("audio", _AUDIO),
        ("video", _VIDEO),
        ("image", _IMAGE),
        ("subtitle", _SUBTITLE),
    )
    for kind, rows in groups:
        for names, extension, muxer, media_type, defaults in rows:
            for name in names.split("|"):
                found[name] = OutputFormat(
                    name, extension or name, muxer, media_type, kind, defaults
                )
    return found


OUTPUT_FORMATS: Mapping[str, OutputFormat] = MappingProxyType(_all())
"""All output formats by name, aliases included."""


def output_format(name: str, ffmpeg: Ffmpeg | None = None) -> OutputFormat:
    """The format a caller asked for; case does not matter and one leading dot is forgiven.

    With `ffmpeg` the format must also be one that the installed program can write. Raises
    RequestError naming the field `output_format` and the names that come nearest.
    """
    wanted = name.strip().removeprefix(".").lower()
    found = OUTPUT_FORMATS.get(wanted)
    if found is None:
        raise RequestError(_unknown(wanted), field="output_format")
    missing = _missing(found, ffmpeg)
    if missing is not None:
        raise RequestError(
            f"output_format {found.name} is not available here: the installed ffmpeg has no "
            f"{missing}; choose one of {', '.join(POPULAR)}",
            field="output_format",
        )
    return found


def _unknown(wanted: str) -> str:
    if not wanted:
        return f"output_format is empty; give a name such as {', '.join(POPULAR)}"
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in wanted[:40])
    near = get_close_matches(wanted[:40], OUTPUT_FORMATS, 3, 0.6)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"output_format {shown} is not known; {hint}popular formats are {', '.join(POPULAR)}"


def _missing(target: OutputFormat, ffmpeg: Ffmpeg | None) -> str | None:
    """What the program lacks for this format, in words; None when it can write it."""
    if ffmpeg is None:
        return None
    if target.muxer not in ffmpeg.muxers:
        return f"writer for {target.muxer}"
    options = zip(target.default_args[::2], target.default_args[1::2], strict=True)
    for option, value in options:
        if option.startswith("-c:") and value not in ffmpeg.encoders:
            return f"encoder {value}"
    return None


def media_type_of(name: str) -> str:
    """The media type of a published file, by the extension its format gave it."""
    extension = name.rpartition(".")[2]
    for known in OUTPUT_FORMATS.values():
        if known.extension == extension:
            return known.media_type
    return _OCTETS
