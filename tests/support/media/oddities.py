"""Films that are odd in one way each: the container, the codec, and what is to come out of them.

Usual films are 3 s long, red, lime and blue for a second each, with a tone of 440, 660 and 880 Hz.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from support.media.making import H264, H265, Maker, stripes, tones

COLORS = ("red", "lime", "blue")
TONES = (440, 660, 880)


@dataclass(frozen=True)
class Truth:
    """What is right.

    `size` is width and height as seen, None where nothing is to be seen. `colors` follow each
    other in equal times; "*" may be any; "corners" is one picture of four. `tones` likewise, 0
    for silence, none for no sound. `seconds` are None for a still. `by` is how far a colour may
    be off. What `may_be_refused` must be refused with a reason if it is not right. A source that
    `ends_early` may be shorter, and is told of unless its container `promises_nothing`: neither a
    length nor a mark at its end. What `is_new` ffmpeg 5 need not read.
    """

    size: tuple[int, int] | None = (160, 120)
    colors: tuple[str, ...] = COLORS
    seconds: float | None = 3.0
    tones: tuple[int, ...] = TONES
    by: int = 14
    may_be_refused: bool = False
    ends_early: bool = False
    promises_nothing: bool = False
    is_new: bool = False

    @property
    def length(self) -> float:
        return self.seconds or 0.0


@dataclass(frozen=True)
class Oddity:
    """A source: its file is made by `write` when it is asked for."""

    name: str
    write: Callable[[Maker], Path]
    truth: Truth


SILENT = Truth(tones=())
SONG = Truth(size=None, colors=())

LIBVPX = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p"]
AV1 = ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p"]
THEORA = ["-c:v", "libtheora", "-q:v", "8"]
PAL = ["-r", "25"]


def film(
    name: str, *coded: str, truth: Truth = Truth(), before: Sequence[str] = (), rate: float = 10
) -> Oddity:
    """A usual film, coded so."""

    def write(make: Maker) -> Path:
        words = [*stripes(COLORS, size=_size(truth), rate=rate), *before]
        if truth.tones:
            words += [*tones(TONES), "-map", "0:v", "-map", "1:a"]
        return make(name, *words, *coded)

    return Oddity(name, write, truth)


def _size(truth: Truth) -> str:
    assert truth.size is not None
    return "{}x{}".format(*truth.size)


_AAC = ["-c:a", "aac"]
_PCM = ["-c:a", "pcm_s16le"]
_MP3 = ["-c:a", "libmp3lame"]
_OPUS = ["-c:a", "libopus"]
_VORBIS = ["-c:a", "libvorbis", "-q:a", "5"]

CONTAINERS = [
    film("h264-aac.mp4", *H264, *_AAC),
    film("h264-aac-fragments.mp4", *H264, *_AAC, "-movflags", "frag_keyframe+delay_moov"),
    film("h265-aac.mp4", *H265, "-tag:v", "hvc1", *_AAC),
    film("av1-opus.mp4", *AV1, *_OPUS),
    film("vp9-flac.mp4", *VP9, "-c:a", "flac", "-strict", "-2"),
    film("mpeg4-mp3.mp4", "-c:v", "mpeg4", "-q:v", "2", *_MP3),
    film("h264-ac3.mp4", *H264, "-c:a", "ac3"),
    film("mjpeg-alac.mov", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", "-c:a", "alac"),
    film("prores-pcm.mov", "-c:v", "prores_ks", "-c:a", "pcm_s24le"),
    film("png-pcm.mov", "-c:v", "png", "-pix_fmt", "rgb24", "-c:a", "pcm_s16be"),
    film("qtrle-adpcm.mov", "-c:v", "qtrle", "-pix_fmt", "rgb24", "-c:a", "adpcm_ima_qt"),
    film("h264-aac.mkv", *H264, *_AAC),
    film("ffv1-flac.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", "-c:a", "flac"),
    film("mpeg2-ac3.mkv", "-c:v", "mpeg2video", *PAL, "-q:v", "2", "-c:a", "ac3"),
    film("vp8-vorbis.mkv", *LIBVPX, *_VORBIS),
    film("theora-vorbis.mkv", *THEORA, *_VORBIS),
    film("mpeg4-mp3.mkv", "-c:v", "mpeg4", "-q:v", "2", *_MP3),
    film("utvideo-pcm.mkv", "-c:v", "utvideo", "-pix_fmt", "gbrp", "-c:a", "pcm_f32le"),
    film("raw-pcm.mkv", "-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-c:a", "pcm_s24le"),
    film("h264-dts.mkv", *H264, "-c:a", "dca", "-strict", "-2"),
    film("h264-wavpack.mkv", *H264, "-c:a", "wavpack"),
    film("h264-tta.mkv", *H264, "-c:a", "tta"),
    film("h265-opus.mkv", *H265, *_OPUS),
    film("vp8-vorbis.webm", *LIBVPX, *_VORBIS),
    film("vp9-opus.webm", *VP9, *_OPUS),
    film("av1-opus.webm", *AV1, *_OPUS),
    film("live.webm", *LIBVPX, *_OPUS, "-live", "1"),
    film("mpeg4-mp3.avi", "-c:v", "mpeg4", "-q:v", "2", *_MP3),
    film("xvid-ac3.avi", "-c:v", "mpeg4", "-vtag", "xvid", "-q:v", "2", "-c:a", "ac3"),
    film("mjpeg-pcm.avi", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", *_PCM),
    film("msmpeg4-mp3.avi", "-c:v", "msmpeg4v2", "-q:v", "2", *_MP3),
    film("huffyuv-pcm.avi", "-c:v", "huffyuv", "-pix_fmt", "yuv422p", *_PCM),
    film("raw-pcm.avi", "-c:v", "rawvideo", "-pix_fmt", "bgr24", *_PCM),
    film("flv1-mp3.flv", "-c:v", "flv", "-q:v", "2", *_MP3, "-ar", "44100"),
    film("h264-aac.flv", *H264, *_AAC, "-ar", "44100"),
    film("h264-aac.ts", *H264, *_AAC),
    film("h265-aac.ts", *H265, *_AAC),
    film("mpeg2-mp2.ts", "-c:v", "mpeg2video", *PAL, "-q:v", "2", "-c:a", "mp2"),
    film("blu-ray.m2ts", *H264, "-c:a", "ac3", "-mpegts_m2ts_mode", "1", "-f", "mpegts"),
    film("mpeg1-mp2.mpg", "-c:v", "mpeg1video", *PAL, "-q:v", "2", "-c:a", "mp2"),
    film("mpeg2-ac3.vob", "-c:v", "mpeg2video", *PAL, "-q:v", "2", "-c:a", "ac3"),
    film("theora-vorbis.ogv", *THEORA, *_VORBIS),
    film("theora-flac.ogg", *THEORA, "-c:a", "flac"),
    film("wmv2-wma.wmv", "-c:v", "wmv2", "-q:v", "2", "-c:a", "wmav2"),
    film("mpeg4-aac.3gp", "-c:v", "mpeg4", "-q:v", "2", *_AAC),
    film("mpeg2-pcm.mxf", "-c:v", "mpeg2video", *PAL, "-q:v", "2", *_PCM),
    film("ffv1-pcm.nut", "-c:v", "ffv1", "-pix_fmt", "yuv444p", *_PCM),
]

STREAMS = [
    film("vp8.ivf", *LIBVPX, truth=SILENT),
    film("vp9.ivf", *VP9, truth=SILENT),
    film("av1.ivf", *AV1, truth=SILENT),
    film("plain.y4m", "-pix_fmt", "yuv420p", truth=SILENT),
    film("raw.h264", *H264, truth=SILENT),
    film("raw-b.h264", *H264, "-preset", "fast", "-bf", "3", truth=SILENT),
    film("raw.h265", *H265, "-pix_fmt", "yuv420p", truth=SILENT),
    film("raw.m4v", "-c:v", "mpeg4", "-q:v", "2", truth=SILENT),
    film("raw.m2v", "-c:v", "mpeg2video", *PAL, "-q:v", "2", truth=SILENT),
    film("raw.mjpeg", "-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p",
         truth=replace(SILENT, seconds=1.2)),
    film("mute-h264.mp4", *H264, truth=SILENT),
    film("mute-vp9.webm", *VP9, truth=SILENT),
    film("mute-ffv1.mkv", "-c:v", "ffv1", truth=SILENT),
]  # fmt: skip


# -- clocks --------------------------------------------------------------------------------------

_LATE = ["-output_ts_offset", "3600", "-avoid_negative_ts", "disabled"]


def late_track(name: str, *coded: str, pictures: bool) -> Oddity:
    """6 s, of which the pictures or the sound only have the second half."""

    def write(make: Maker) -> Path:
        shown = stripes(COLORS if pictures else COLORS * 2)
        sung = tones(TONES * 2 if pictures else TONES)
        late = ["-itsoffset", "3"]
        first, second = (sung, [*late, *shown]) if pictures else (shown, [*late, *sung])
        maps = ["-map", "1:v", "-map", "0:a"] if pictures else ["-map", "0:v", "-map", "1:a"]
        return make(name, *first, *second, *maps, *coded)

    if pictures:
        truth = Truth(colors=("*",) * 3 + COLORS, tones=TONES * 2, seconds=6.0)
    else:
        truth = Truth(colors=COLORS * 2, tones=(0, 0, 0, *TONES), seconds=6.0)
    return Oddity(name, write, truth)


_HOLE = Truth(colors=("red", "*", "blue"))

CLOCKS = [
    film("hour.mkv", *H264, *_AAC, *_LATE),
    film("hour.webm", *LIBVPX, *_OPUS, *_LATE),
    film("hour.mp4", *H264, *_AAC, *_LATE),
    film("hour.ts", *H264, *_AAC, *_LATE),
    film("hour.flv", *H264, *_AAC, "-ar", "44100", *_LATE),
    late_track("late-sound.mkv", *H264, *_AAC, pictures=False),
    late_track("late-sound.mp4", *H264, *_AAC, pictures=False),
    late_track("late-sound.mov", *H264, *_PCM, pictures=False),
    late_track("late-sound.ts", *H264, "-c:a", "mp2", pictures=False),
    late_track("late-sound.webm", *LIBVPX, *_OPUS, pictures=False),
    late_track("late-pictures.mkv", *H264, *_AAC, pictures=True),
    late_track("late-pictures.mp4", *H264, *_AAC, pictures=True),
    late_track("late-pictures.ts", *H264, "-c:a", "mp2", pictures=True),
    late_track("late-pictures.webm", *LIBVPX, *_OPUS, pictures=True),
    film("hole-in-sound.mkv", *H264, *_AAC, "-af", "aselect='not(between(t,1,2))'",
         truth=Truth(tones=(440, 0, 880))),
    film("hole-in-sound.mov", *H264, *_AAC, "-af", "aselect='not(between(t,1,2))'",
         truth=Truth(tones=(440, 0, 880))),
    film("hole-in-sound.ts", *H264, "-c:a", "mp2", "-af", "aselect='not(between(t,1,2))'",
         truth=Truth(tones=(440, 0, 880))),
    film("hole-in-pictures.mkv", *H264, *_AAC, "-vf", "select='not(between(t,1,1.95))'",
         "-fps_mode", "vfr", truth=_HOLE),
    film("hole-in-pictures.ts", *H264, *_AAC, "-vf", "select='not(between(t,1,1.95))'",
         "-fps_mode", "vfr", truth=_HOLE),
    film("rate-1.mkv", *H264, *_AAC, "-vf", "select='not(mod(n,10))'", "-r", "1"),
    film("rate-2.mp4", *H264, *_AAC, rate=2),
    film("rate-5.webm", *VP9, *_OPUS, rate=5),
    film("rate-24.mp4", *H264, *_AAC, rate=24),
    film("rate-60.mp4", *H264, *_AAC, rate=60),
    film("rate-60.webm", *LIBVPX, *_OPUS, rate=60),
    film("rate-120.mkv", *H264, *_AAC, rate=120),
    film("rate-ntsc.mp4", *H264, *_AAC, "-r", "30000/1001"),
    film("rate-film.mkv", *H264, *_AAC, "-r", "24000/1001"),
    film("changing-rate.mkv", *H264, *_AAC, "-vf", "select='lt(t,1)+not(mod(n,3))+gt(n,28)'",
         "-fps_mode", "vfr"),
    film("changing-rate.mp4", *H264, *_AAC, "-vf", "select='lt(t,1)+not(mod(n,3))+gt(n,28)'",
         "-fps_mode", "vfr"),
    film("b-frames.mp4", *H264, "-preset", "medium", "-bf", "4", *_AAC),
    film("b-frames.ts", *H264, "-preset", "medium", "-bf", "4", *_AAC),
    film("open-gop.mkv", "-c:v", "mpeg2video", *PAL, "-bf", "2", "-g", "12", "-q:v", "2", *_AAC),
]  # fmt: skip


def avi_without_times(name: str, codec: Sequence[str], between: str) -> Oddity:
    """Coded pictures in an order of their own, in a container that only has their order."""

    def write(make: Maker) -> Path:
        whole = make(
            f"{name}.{between}", *stripes(COLORS), *tones(TONES), "-map", "0", "-map", "1",
            *codec, "-c:a", "pcm_s16le",
        )  # fmt: skip
        return make(name, "-i", str(whole), "-c", "copy")

    return Oddity(name, write, Truth())


CLOCKS += [
    avi_without_times("h264.avi", [*H264, "-preset", "fast", "-bf", "0"], "mov"),
    avi_without_times("h264-b.avi", [*H264, "-preset", "fast", "-bf", "2"], "mov"),
    avi_without_times("mpeg4-b.avi", ["-c:v", "mpeg4", "-bf", "2", "-q:v", "2"], "mov"),
]


# -- ends ----------------------------------------------------------------------------------------


def cut(name: str, *coded: str, part: float = 0.75, song: bool = False) -> Oddity:
    """A film or song whose file ends too early."""

    def write(make: Maker) -> Path:
        # Noise, so that each second has about as many bytes as the others.
        words = tones(TONES)
        if not song:
            words = [*stripes(COLORS), *words, "-map", "0", "-map", "1"]
            words += ["-vf", "noise=alls=30:allf=t", "-g", "5"]
        whole = make(f"whole-{name}", *words, *coded).read_bytes()
        return make.bytes(name, whole[: int(len(whole) * part)])

    truth = SONG if song else Truth(by=40)
    truth = replace(truth, ends_early=True, promises_nothing=name.endswith(".mpg"))
    return Oddity(name, write, replace(truth, may_be_refused=True))


ENDS = [
    cut("cut.mkv", *H264, *_AAC),
    cut("cut.webm", *LIBVPX, *_OPUS),
    cut("cut.ts", *H264, "-c:a", "mp2"),
    cut("cut.mp4", *H264, *_AAC, "-movflags", "+faststart"),
    cut("cut-index-last.mp4", *H264, *_AAC),
    cut("cut.avi", "-c:v", "mpeg4", "-q:v", "2", *_MP3),
    cut("cut.flv", *H264, *_AAC, "-ar", "44100"),
    cut("cut.mpg", "-c:v", "mpeg1video", *PAL, "-q:v", "2", "-c:a", "mp2"),
    cut("cut.mp3", *_MP3, song=True),
    cut("cut.flac", "-c:a", "flac", song=True),
    cut("cut.wav", *_PCM, song=True),
    cut("cut.ogg", *_VORBIS, song=True),
    cut("cut.m4a", *_AAC, "-movflags", "+faststart", song=True),
]


# -- one picture only ----------------------------------------------------------------------------


def single(name: str, *coded: str, seconds: float | None = None, sung: bool = False) -> Oddity:
    """A red picture, alone or for as long as a song."""

    def write(make: Maker) -> Path:
        words = stripes(["red"], each=0.1)
        if sung:
            words += [*tones(TONES), "-map", "0", "-map", "1"]
        return make(name, *words, *coded)

    truth = Truth(colors=("red",), tones=TONES if sung else (), seconds=seconds)
    return Oddity(name, write, truth)


SINGLE = [
    single("one.mp4", *H264),
    single("one.mkv", "-c:v", "ffv1"),
    single("one.webm", *VP9),
    single("one.ts", *H264),
    single("one-with-song.mkv", *H264, *_AAC, seconds=3.0, sung=True),
    single("one-with-song.mp4", *H264, *_AAC, seconds=3.0, sung=True),
]

FILMS = [*CONTAINERS, *STREAMS, *CLOCKS, *ENDS, *SINGLE]
