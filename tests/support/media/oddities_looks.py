"""Films that change on their way, and odd looks: colours, light, shapes, transparency, depth; and
films with more tracks than one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from support.media.making import H264, H265, Maker, stripes, tones
from support.media.oddities import (
    AV1,
    COLORS,
    LIBVPX,
    PAL,
    SILENT,
    TONES,
    VP9,
    Oddity,
    Truth,
    film,
)

# -- changes -------------------------------------------------------------------------------------

Part = tuple[str, str, int]
"""Size of the pictures, layout and rate of the sound."""
_USUAL: Part = ("160x120", "stereo", 48_000)


def changing(
    name: str, video: Sequence[str], audio: Sequence[str], *parts: Part,
    tags: Sequence[int] = (), by: int = 14,
) -> Oddity:  # fmt: skip
    """A second of each part, in one stream. `tags` are numbers of colours for H.264."""

    def write(make: Maker) -> Path:
        ending, made = name.rpartition(".")[2], []
        for number, (size, layout, rate) in enumerate(parts):
            words = [*stripes([COLORS[number]], size=size)]
            words += [*tones([TONES[number]], rate=rate, channels=layout), "-map", "0", "-map", "1"]
            words += [*video, *audio, "-t", "1"]
            if tags:
                tag = tags[number]
                told = f"colour_primaries={tag}:transfer_characteristics={tag}"
                words += ["-bsf:v", f"h264_metadata={told}:matrix_coefficients={tag}"]
            if ending == "ts":
                words += ["-output_ts_offset", str(number), "-muxdelay", "0"]
            made.append(make(f"part{number}-{name}", *words))
        if ending == "ts":
            return make.together(name, *made)
        return make.joined(name, *made)

    wide, high = map(int, parts[0][0].split("x"))
    return Oddity(name, write, Truth(size=(wide, high), by=by))


_PORTRAIT: Part = ("96x144", "stereo", 48_000)
_LARGE: Part = ("320x240", "stereo", 48_000)
_AC3 = ["-c:a", "ac3"]
_OPUS = ["-c:a", "libopus"]

CHANGES = [
    changing("size.ts", H264, _AC3, _USUAL, _PORTRAIT, _USUAL),
    changing("size-back.ts", H264, _AC3, _PORTRAIT, _USUAL, _PORTRAIT),
    changing("size-h265.ts", H265, _AC3, _USUAL, _LARGE, _USUAL),
    changing("size-mpeg2.ts", ["-c:v", "mpeg2video", *PAL, "-q:v", "2"], _AC3, _USUAL, _LARGE,
             _PORTRAIT),
    changing("size.mkv", H264, _AC3, _USUAL, _PORTRAIT, _LARGE),
    changing("size-8.webm", LIBVPX, _OPUS, _USUAL, _PORTRAIT, _USUAL),
    changing("size-9.webm", VP9, _OPUS, _USUAL, _LARGE, _PORTRAIT),
    changing("channels.ts", H264, _AC3, _USUAL, ("160x120", "5.1", 48_000), _USUAL),
    changing("channels-mono.ts", H264, ["-c:a", "mp2"], _USUAL, ("160x120", "mono", 48_000),
             _USUAL),
    changing("channels.mkv", H264, _AC3, _USUAL, ("160x120", "5.1", 48_000),
             ("160x120", "mono", 48_000)),
    changing("rate.ts", H264, ["-c:a", "mp2"], _USUAL, ("160x120", "stereo", 44_100), _USUAL),
    changing("rate-aac.ts", H264, ["-c:a", "aac"], _USUAL, ("160x120", "stereo", 44_100), _USUAL),
    changing("size-and-channels.ts", H264, _AC3, _USUAL, ("96x144", "5.1", 48_000), _USUAL),
    changing("tags.ts", H264, _AC3, _USUAL, _USUAL, _USUAL, tags=(6, 1, 6), by=60),
]  # fmt: skip


# -- light and shape -----------------------------------------------------------------------------


def bright(name: str, transfer: str, *coded: str) -> Oddity:
    """Reference white of high dynamic range: 58 % of the signal in PQ, 75 % in HLG."""

    def write(make: Maker) -> Path:
        level = 64 + round({"smpte2084": 0.58, "arib-std-b67": 0.75}[transfer] * 876)
        tags = f"colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}:range=tv"
        graph = f"color=black:s=160x120:r=10:d=1,format=yuv420p10,geq=lum={level}:cb=512:cr=512"
        words = ["-f", "lavfi", "-i", f"{graph},setparams={tags}", *coded]
        words += ["-pix_fmt", "yuv420p10le", "-colorspace", "bt2020nc", "-color_trc", transfer]
        return make(name, *words, "-color_primaries", "bt2020", "-color_range", "tv")

    return Oddity(name, write, Truth(colors=("white",), tones=(), seconds=1.0, by=26))


def shaped(name: str, filters: str, size: tuple[int, int], *coded: str, by: int = 14) -> Oddity:
    """A silent film of 160x120 after these filters, of `size` as it is seen."""
    truth = replace(SILENT, by=by)
    usual = film(name, "-vf", filters, *coded, truth=truth)
    return replace(usual, truth=replace(truth, size=size))


def sized(width: int, height: int, ending: str, *coded: str) -> Oddity:
    truth = replace(SILENT, size=(width, height))
    return film(f"size-{width}x{height}.{ending}", *coded, truth=truth)


def turned(degrees: int, ending: str) -> Oddity:
    name = f"turned-{degrees}.{ending}"

    def write(make: Maker) -> Path:
        size = "120x160" if degrees % 180 else "160x120"
        plain = make(f"plain-{name}", *stripes(COLORS, size=size), *H264)
        return make(name, "-display_rotation", str(degrees), "-i", str(plain), "-c", "copy")

    return Oddity(name, write, SILENT)


_FFV1 = ["-c:v", "ffv1"]
_X264 = ["-c:v", "libx264", "-preset", "ultrafast"]


def deep(pixels: str, ending: str, *coded: str) -> Oddity:
    # What is gray in the source has no colours to tell.
    colors = ("*",) * 3 if pixels.startswith("gray") else COLORS
    truth = replace(SILENT, colors=colors, by=20)
    return film(f"{pixels}-{coded[1]}.{ending}", *coded, "-pix_fmt", pixels, truth=truth)


LOOKS = [
    bright("pq.mp4", "smpte2084", *H265),
    bright("hlg.mp4", "arib-std-b67", *H265),
    bright("pq.mkv", "smpte2084", *_FFV1),
    bright("hlg.mkv", "arib-std-b67", *_FFV1),
    bright("pq.webm", "smpte2084", *VP9, "-profile:v", "2"),
    bright("pq-av1.mp4", "smpte2084", *AV1),
    bright("pq.ts", "smpte2084", *H265),
    shaped("wide-pixels.mp4", "setsar=64/45", (228, 120), *H264),
    shaped("high-pixels.mkv", "setsar=1/2", (80, 120), *_FFV1),
    shaped("wide-pixels.ts", "setsar=4/3", (213, 120), "-c:v", "mpeg2video", *PAL, "-q:v", "2"),
    shaped("interlaced.ts", "setfield=tff", (160, 120), "-c:v", "mpeg2video", *PAL,
           "-flags", "+ildct+ilme", "-q:v", "2"),
    shaped("interlaced.mp4", "setfield=tff", (160, 120), *H264, "-flags", "+ildct"),
    sized(301, 75, "mkv", *_FFV1),
    sized(75, 301, "mkv", *_FFV1),
    sized(161, 91, "webm", *VP9),
    sized(161, 91, "mkv", "-c:v", "png"),
    sized(2, 2, "mkv", *_FFV1),
    sized(17, 640, "mkv", *_FFV1),
    sized(642, 98, "mp4", *H264),
    *(turned(degrees, ending) for degrees in (90, 180, 270) for ending in ("mp4", "mov")),
    deep("yuv420p10le", "mp4", *H265),
    deep("yuv420p10le", "mkv", *_X264),
    deep("yuv444p12le", "mkv", *H265),
    deep("yuv420p10le", "webm", *VP9),
    deep("yuv422p10le", "mov", "-c:v", "prores_ks"),
    deep("gbrp12le", "mkv", *_FFV1),
    deep("yuv422p16le", "mkv", *_FFV1),
    deep("gray", "mkv", *_FFV1),
    deep("gray10le", "mkv", *_FFV1),
    deep("gray", "mp4", *_X264),
    deep("yuv444p", "mp4", *_X264),
    deep("rgb24", "avi", "-c:v", "png"),
    deep("yuv410p", "avi", *_FFV1),
    deep("yuvj420p", "mp4", *_X264),
]  # fmt: skip


# -- transparency --------------------------------------------------------------------------------


def hidden(name: str, *coded: str) -> Oddity:
    """Red, lime, blue, over all of which lies what is not to be seen: yellow below the middle."""

    def write(make: Maker) -> Path:
        graph = "geq=r='if(gt(Y,90),255,r(X,Y))':g='if(gt(Y,90),255,g(X,Y))':"
        graph = f"format=rgba,{graph}b='if(gt(Y,90),0,b(X,Y))':a='255*lte(Y,90)'"
        return make(name, *stripes(COLORS), "-vf", graph, *coded)

    return Oddity(name, write, replace(SILENT, by=20))


HIDDEN = [
    hidden("alpha-8.webm", *LIBVPX, "-auto-alt-ref", "0", "-pix_fmt", "yuva420p"),
    hidden("alpha-9.webm", *VP9, "-pix_fmt", "yuva420p"),
    hidden("alpha-8.mkv", *LIBVPX, "-auto-alt-ref", "0", "-pix_fmt", "yuva420p"),
    hidden("alpha-prores.mov", "-c:v", "prores_ks", "-profile:v", "4444",
           "-pix_fmt", "yuva444p10le"),
    hidden("alpha-qtrle.mov", "-c:v", "qtrle", "-pix_fmt", "argb"),
    hidden("alpha-png.mov", "-c:v", "png", "-pix_fmt", "rgba"),
    hidden("alpha-ffv1.mkv", *_FFV1, "-pix_fmt", "yuva444p"),
    hidden("alpha-utvideo.avi", "-c:v", "utvideo", "-pix_fmt", "gbrap"),
]  # fmt: skip


# -- tracks --------------------------------------------------------------------------------------


def tracks(name: str, *flags: str, coded: Sequence[str], second: bool) -> Oddity:
    """Two sounds, of which the `second` or the first is meant; the other is of 220 Hz."""

    def write(make: Maker) -> Path:
        sounds = [tones([220] * 3), tones(TONES)]
        if not second:
            sounds.reverse()
        words = [*stripes(COLORS), *sounds[0], *sounds[1], "-map", "0", "-map", "1", "-map", "2"]
        return make(name, *words, *coded, *flags)

    return Oddity(name, write, Truth())


def subtitled(name: str, codec: str, *coded: str) -> Oddity:
    def write(make: Maker) -> Path:
        lines = make.bytes("lines.srt", b"1\n00:00:00,500 --> 00:00:01,500\nHello\n")
        words = [*stripes(COLORS), *tones(TONES), "-i", str(lines)]
        words += ["-map", "0", "-map", "1", "-map", "2", "-c:s", codec]
        return make(name, *words, *coded)

    return Oddity(name, write, Truth())


def attached(name: str, data: bytes, kind: str) -> Oddity:
    def write(make: Maker) -> Path:
        extra = make.bytes(f"attachment-{name}.bin", data)
        words = [*stripes(COLORS), *tones(TONES), "-map", "0", "-map", "1", *H264]
        return make(name, *words, "-attach", str(extra), "-metadata:s:t", f"mimetype={kind}")

    return Oddity(name, write, Truth())


_MATROSKA = [*H264, "-c:a", "aac"]
_SECOND = ["-disposition:a:0", "0", "-disposition:a:1", "default"]
TRACKS = [
    tracks("second-default.mkv", *_SECOND, coded=_MATROSKA, second=True),
    tracks("second-default.mp4", *_SECOND, coded=_MATROSKA, second=True),
    tracks("second-default.webm", *_SECOND, coded=[*LIBVPX, *_OPUS], second=True),
    tracks("commentary-first.mkv", "-disposition:a", "0", "-metadata:s:a:0",
           "title=Audio Commentary", coded=_MATROSKA, second=True),
    tracks("comment-flag.mkv", "-disposition:a:0", "comment", "-disposition:a:1", "0",
           coded=_MATROSKA, second=True),
    tracks("two-languages.mkv", "-disposition:a", "0", "-metadata:s:a:0", "language=ger",
           coded=_MATROSKA, second=False),
    tracks("two-languages.ts", coded=[*H264, "-c:a", "mp2"], second=False),
    tracks("default-commentary.mkv", "-disposition:a:0", "default", "-disposition:a:1", "comment",
           coded=_MATROSKA, second=False),
    subtitled("lines.mkv", "srt", *_MATROSKA),
    subtitled("lines-ass.mkv", "ass", *_MATROSKA),
    subtitled("lines.mp4", "mov_text", *_MATROSKA),
    subtitled("lines.webm", "webvtt", *LIBVPX, *_OPUS),
    attached("font.mkv", b"\x00\x01\x00\x00" + bytes(500), "application/x-truetype-font"),
    attached("page.mkv", b"<html></html>", "text/html"),
    film("timecode.mov", *_MATROSKA, "-timecode", "01:00:00:00"),
    film("timecode.mp4", *_MATROSKA, "-timecode", "00:00:00:00", "-write_tmcd", "1"),
    film("timecode-prores.mov", "-c:v", "prores_ks", "-c:a", "pcm_s16le", "-timecode",
         "10:00:00:00"),
    film("data.ts", *H264, "-c:a", "aac", "-metadata", "service_name=Program 2"),
]  # fmt: skip

LOOKING = [*CHANGES, *LOOKS, *HIDDEN, *TRACKS]
