"""Songs, pictures and animations that are odd in one way each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from support.media import photos
from support.media.heif import Grid
from support.media.making import Maker, stripes, tones
from support.media.oddities import SONG, TONES, Oddity, Truth

# -- songs ---------------------------------------------------------------------------------------


def song(
    name: str, *coded: str, rate: int = 48_000, channels: str = "mono", truth: Truth = SONG
) -> Oddity:
    def write(make: Maker) -> Path:
        return make(name, *tones(TONES, rate=rate, channels=channels), *coded)

    return Oddity(name, write, truth)


def covered(name: str, *coded: str, kind: str) -> Oddity:
    """With a picture of yellow, which a film of it may show."""

    def write(make: Maker) -> Path:
        cover = make(f"yellow.{kind}", *stripes(["yellow"], size="150x151"), "-frames:v", "1")
        if name.endswith(".mkv"):
            words = [*tones(TONES), *coded, "-attach", str(cover)]
            return make(name, *words, "-metadata:s:t", f"mimetype=image/{kind}")
        words = [*tones(TONES), "-i", str(cover), "-map", "0", "-map", "1", "-c:v", "copy"]
        return make(name, *words, "-disposition:v", "attached_pic", *coded)

    return Oddity(name, write, replace(SONG, colors=("yellow",)))


def linked(name: str, codec: str, *parts: tuple[str, int]) -> Oddity:
    """Songs of one tone each, one after another in one file."""

    def write(make: Maker) -> Path:
        ending = name.rpartition(".")[2]
        made = [
            make(
                f"link{number}-{name}", *tones([TONES[number]], rate=rate, channels=layout),
                "-c:a", codec, "-f", ending,
            )
            for number, (layout, rate) in enumerate(parts)
        ]  # fmt: skip
        return make.together(name, *made)

    return Oddity(name, write, replace(SONG, may_be_refused=True, ends_early=True))


_FLAC = ["-c:a", "flac"]
SONGS = [
    song("plain.mp3", "-c:a", "libmp3lame"),
    song("changing-bits.mp3", "-c:a", "libmp3lame", "-q:a", "5"),
    song("low.mp3", "-c:a", "libmp3lame", rate=16_000),
    song("plain.mp2", "-c:a", "mp2"),
    song("vorbis.ogg", "-c:a", "libvorbis"),
    song("opus.opus", "-c:a", "libopus"),
    song("opus.webm", "-c:a", "libopus"),
    song("flac.oga", *_FLAC),
    song("plain.flac", *_FLAC),
    song("deep.flac", *_FLAC, "-sample_fmt", "s32"),
    song("plain.m4a", "-c:a", "aac"),
    song("alac.m4a", "-c:a", "alac"),
    song("plain.aac", "-c:a", "aac"),
    song("latm.latm", "-c:a", "aac", "-f", "latm", truth=replace(SONG, may_be_refused=True)),
    song("plain.ac3", "-c:a", "ac3"),
    song("plain.eac3", "-c:a", "eac3"),
    song("plain.dts", "-c:a", "dca", "-strict", "-2"),
    song("plain.wma", "-c:a", "wmav2"),
    song("plain.tta", "-c:a", "tta"),
    song("plain.wv", "-c:a", "wavpack"),
    song("plain.aiff"),
    song("plain.au"),
    song("plain.caf", "-c:a", "pcm_s16le"),
    song("plain.w64", "-c:a", "pcm_s16le"),
    song("plain.mka", "-c:a", "libvorbis"),
    song("bytes.wav", "-c:a", "pcm_u8"),
    song("deep.wav", "-c:a", "pcm_s24le"),
    song("deep32.wav", "-c:a", "pcm_s32le"),
    song("float.wav", "-c:a", "pcm_f32le"),
    song("alaw.wav", "-c:a", "pcm_alaw"),
    song("mulaw.wav", "-c:a", "pcm_mulaw", rate=8_000),
    song("adpcm.wav", "-c:a", "adpcm_ms"),
    song("ima.wav", "-c:a", "adpcm_ima_wav"),
    song("mp3.wav", "-c:a", "libmp3lame"),
    song("rate-11.wav", rate=11_025),
    song("rate-22.wav", rate=22_050),
    song("rate-96.wav", rate=96_000),
    song("rate-192.flac", *_FLAC, rate=192_000),
    song("stereo.wav", channels="stereo"),
    song("quad.wav", channels="quad"),
    song("side.ac3", "-c:a", "ac3", channels="5.1(side)"),
    song("six.flac", *_FLAC, channels="6.1"),
    song("seven.wav", channels="7.1"),
    song("seven.opus", "-c:a", "libopus", channels="7.1"),
    song("five.m4a", "-c:a", "aac", channels="5.1"),
    covered("cover-png.mp3", "-c:a", "libmp3lame", kind="png"),
    covered("cover-jpeg.mp3", "-c:a", "libmp3lame", kind="jpg"),
    covered("cover.m4a", "-c:a", "aac", kind="jpg"),
    covered("cover.flac", *_FLAC, kind="png"),
    covered("cover.mkv", *_FLAC, kind="png"),
    linked("chain.ogg", "libvorbis", ("stereo", 44_100), ("mono", 48_000), ("stereo", 22_050)),
    linked("chain.opus", "libopus", ("stereo", 48_000), ("mono", 48_000), ("mono", 48_000)),
    linked("chain.mp3", "libmp3lame", ("stereo", 44_100), ("stereo", 48_000), ("mono", 44_100)),
    linked("chain.flac", "flac", ("mono", 48_000), ("mono", 48_000), ("mono", 48_000)),
]


# -- pictures ------------------------------------------------------------------------------------

FOUR = Truth(colors=("corners",), seconds=None, tones=())
GRAY = Truth(colors=("*",), seconds=None, tones=())


def picture(name: str, mode: str = "RGB", truth: Truth = FOUR, **options: Any) -> Oddity:
    """Quarters of four colours, saved by Pillow."""

    def save(path: Path) -> None:
        photos.corners(160, 120, mode).save(path, **options)

    return Oddity(name, lambda make: make.by(name, save), truth)


def drawn(name: str, write: Callable[[Path], object], truth: Truth = FOUR) -> Oddity:
    return Oddity(name, lambda make: make.by(name, write), truth)


def coded(name: str, *words: str, truth: Truth = FOUR) -> Oddity:
    """The same, saved by ffmpeg."""

    def write(make: Maker) -> Path:
        plain = make.by("corners.png", lambda path: photos.corners(160, 120).save(path))
        return make(name, "-i", str(plain), "-frames:v", "1", *words)

    return Oddity(name, write, truth)


def _interlaced(path: Path) -> None:
    """16 bits of gray: dark above, light below."""
    values = np.full((120, 160), 0x3000, np.uint16)
    values[60:] = 0xD000
    Image.fromarray(values).save(path)


def _refusable(truth: Truth) -> Truth:
    return replace(truth, may_be_refused=True)


PICTURES = [
    *(drawn(f"exif-{n}.jpg", lambda path, n=n: photos.turned(path, n, 160, 120))  # type: ignore[misc]
      for n in range(1, 9)),
    *(drawn(f"exif-6.{kind}", lambda path: photos.turned(path, 6, 160, 120))
      for kind in ("png", "webp", "tif", "avif")),
    picture("plain.png"),
    picture("palette.png", "P"),
    picture("bits.png", "1", GRAY),
    picture("gray.png", "L", GRAY),
    drawn("deep.png", _interlaced, GRAY),
    picture("rgba.png", "RGBA"),
    picture("gray-alpha.png", "LA", GRAY),
    picture("plain.jpg", quality=95, subsampling=0),
    picture("half.jpg", quality=95),
    picture("gray.jpg", "L", GRAY),
    picture("progressive.jpg", quality=95, progressive=True),
    picture("cmyk.jpg", "CMYK", _refusable(replace(FOUR, by=20)), quality=95),
    picture("plain.bmp"),
    picture("palette.bmp", "P"),
    picture("plain.gif", "P"),
    picture("plain.webp", quality=95),
    picture("lossless.webp", lossless=True),
    picture("plain.avif", quality=95),
    picture("plain.jp2"),
    picture("plain.pcx"),
    picture("plain.ppm"),
    picture("plain.pgm", "L", GRAY),
    picture("plain.sgi", truth=_refusable(FOUR)),
    picture("plain.tga", truth=_refusable(FOUR)),
    picture("plain.dds", truth=_refusable(FOUR)),
    picture("plain.ico", sizes=[(160, 120)], truth=replace(FOUR)),
    coded("plain.qoi"),
    coded("plain.jxl", "-c:v", "libjxl"),
    coded("plain.exr", "-pix_fmt", "gbrpf32le", truth=_refusable(replace(GRAY))),
    coded("plain.dpx", truth=_refusable(FOUR)),
    coded("plain.pam", truth=_refusable(FOUR)),
    coded("plain.xwd", truth=_refusable(FOUR)),
    coded("lossless.jpg", "-c:v", "ljpeg", "-pix_fmt", "bgr24", truth=_refusable(FOUR)),
    coded("plain.jls", "-c:v", "jpegls", "-pix_fmt", "rgb24", truth=_refusable(FOUR)),
    picture("plain.tif"),
    picture("lzw.tif", compression="tiff_lzw"),
    picture("deflate.tif", compression="tiff_adobe_deflate"),
    picture("packbits.tif", compression="packbits"),
    picture("jpeg.tif", compression="jpeg", truth=_refusable(FOUR)),
    picture("cmyk.tif", "CMYK", _refusable(replace(FOUR, by=20))),
    picture("ycbcr.tif", "YCbCr", _refusable(FOUR)),
    picture("lab.tif", "LAB", _refusable(FOUR)),
    picture("palette.tif", "P"),
    picture("bits.tif", "1", GRAY),
    picture("fax.tif", "1", _refusable(GRAY), compression="group4"),
    picture("float.tif", "F", _refusable(GRAY)),
    *(drawn(f"icon-{kind}.ico", lambda path, kind=kind: photos.icon(  # type: ignore[misc]
          path, (16, 128, 32), kind=kind, colors=("blue", "red", "blue")),
          replace(FOUR, size=(128, 128), colors=("red",)))
      for kind in ("png", "bmp")),
    *(drawn(f"gain-{kind}.jpg",
            lambda path, kind=kind: photos.gain_mapped(path, kind=kind),  # type: ignore[misc]
            replace(FOUR, colors=("red",)))
      for kind in ("mpf", "xmp", "plain")),
    drawn("tiles.heic", Grid("heic", 2, ["red", "lime", "blue", "yellow"], (128, 96),
                             (160, 120)).write, replace(FOUR, colors=("*",), is_new=True)),
    drawn("tiles.avif", Grid("avif", 2, ["red", "lime", "blue", "yellow"], (128, 96),
                             (256, 192)).write, replace(FOUR, size=(256, 192), is_new=True)),
]  # fmt: skip


# -- animations ----------------------------------------------------------------------------------

_MOVING = ("red", "lime", "blue", "yellow")


def animation(
    name: str, milliseconds: int | Sequence[int], shown: Sequence[str] = _MOVING, **options: Any
) -> Oddity:
    def write(path: Path) -> None:
        made = [Image.new("RGB", (160, 120), color) for color in shown]
        made[0].save(
            path, save_all=True, append_images=made[1:], duration=milliseconds, loop=0, **options
        )

    if isinstance(milliseconds, int):
        truth = Truth(colors=tuple(shown), seconds=milliseconds * len(shown) / 1000, tones=())
    else:
        truth = Truth(colors=("*",), seconds=sum(milliseconds) / 1000, tones=())
    if name.endswith("webp"):
        truth = replace(truth, is_new=True)
    if len(shown) == 1:
        truth = replace(truth, seconds=None)
    return Oddity(name, lambda make: make.by(name, write), truth)


ANIMATIONS = [
    *(animation(f"{words[0]}-{ms}.{kind}", ms, **options)
      for kind, options, words in (
          ("gif", {}, ("even",)), ("png", {}, ("even",)), ("webp", {"lossless": True}, ("even",)),
          ("avif", {"quality": 95, "subsampling": "4:4:4"}, ("even",)),
      ) for ms in (100, 400, 1000)),
    animation("uneven.gif", [100, 500, 300, 700]),
    animation("uneven.png", [100, 500, 300, 700]),
    animation("uneven.webp", [100, 500, 300, 700], lossless=True),
    animation("once.gif", 100, ["red"]),
    animation("once.png", 100, ["red"]),
    animation("once.webp", 100, ["red"], lossless=True),
    drawn("hidden.gif", lambda path: photos.half_hidden_film(path, 10, 100, disposal=2),
          Truth(colors=("*",), seconds=1.0, tones=())),
    drawn("hidden.png", lambda path: photos.half_hidden_film(path, 10, 100),
          Truth(colors=("*",), seconds=1.0, tones=())),
    drawn("hidden.webp",
          lambda path: photos.half_hidden_film(path, 10, 100, lossless=True, exact=True),
          Truth(colors=("*",), seconds=1.0, tones=(), is_new=True)),
]  # fmt: skip

FILES = [*SONGS, *PICTURES, *ANIMATIONS]
