"""Building ffmpeg command lines.

The arguments of callers have passed the policy (`arguments`) before they come here; what a
caller would miss is in `defaults`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Real containers and elementary streams only. Left out is whatever names other files or addresses
# (hls, dash, concat, imf, sdp, rtsp, image2, vobsub, avisynth) and whatever is text with scripts.
# Tracker modules (libopenmpt) hold all their samples themselves.
INPUT_FORMATS = _words(
    """
    aac ac3 eac3 adx aea aiff amr amrnb amrwb ape apng asf au av1 avi avr caf cavsvideo dfpwm
    dirac dnxhd dsf dts dtshd dv flac flic flv gif gsm gxf h261 h263 h264 hevc ico iff ilbc ircam
    ivf jacosub lrc m4v matroska mjpeg mlp mmf mov mp3 mpc mpc8 mpeg mpegts mpegvideo mxf nsv nut
    nuv obu ogg oma qcp qoa rm roq rso sbc shn smjpeg smk bink sox tak tta truehd vc1 voc vvc w64
    wav webvtt srt ass wsaud wtv wv xa xwma yuv4mpegpipe rawvideo libopenmpt spdif
    alaw mulaw u8 s8 u16le u16be s16le s16be s24le s24be s32le s32be f32le f32be f64le f64be
    bmp_pipe dds_pipe dpx_pipe exr_pipe gif_pipe hdr_pipe j2k_pipe jpeg_pipe jpegls_pipe
    jpegxl_anim jpegxl_pipe pam_pipe pbm_pipe pcx_pipe pfm_pipe pgm_pipe png_pipe ppm_pipe psd_pipe
    qoi_pipe sgi_pipe sunrast_pipe tiff_pipe webp_anim webp_pipe xbm_pipe xpm_pipe xwd_pipe
    """
)

SAMPLES = frozenset(_words("dfpwm u8 s8 s16le s16be s24le s32le f32le f64le alaw mulaw"))
"""Formats of samples and nothing else, by the names of their muxers."""

# Options of ffmpeg that take no value; each also as "no" + name.
_FLAGS = frozenset(
    _words(
        "vn an sn dn shortest copyts start_at_zero bitexact accurate_seek seek_timestamp "
        "autorotate autoscale copyinkf ignore_unknown copy_unknown xerror fix_sub_duration isync"
    )
)
_SPELLINGS = {
    "vcodec": ("c", "v"), "acodec": ("c", "a"), "scodec": ("c", "s"), "codec": ("c", ""),
    "vf": ("filter", "v"), "af": ("filter", "a"), "vframes": ("frames", "v"),
    "aframes": ("frames", "a"), "lavfi": ("filter_complex", ""), "qscale": ("q", ""),
    "vb": ("b", "v"), "ab": ("b", "a"), "aq": ("q", "a"), "vsync": ("fps_mode", ""),
}  # fmt: skip
# Options of a kind of stream by themselves.
_KINDS = {"pix_fmt": "v", "s": "v", "aspect": "v", "r": "v", "ar": "a", "ac": "a"}


class Options:
    """Words of an ffmpeg command line read as options, whatever spelling they have.

    `-vcodec x`, `-codec:v x` and `-c:v:0 x` all count as the option `c` of video streams.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.items: list[tuple[str, str, str]] = list(self._read(words))
        """Name, kind of stream ("v", "a", ... or "" for all), value ("" for flags), in order."""

    @staticmethod
    def _read(words: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if not word.startswith("-") or word == "-":
                continue
            name, kind = canonical(word)
            if name in _FLAGS or (name.startswith("no") and name[2:] in _FLAGS):
                yield name, kind, ""
            elif at < len(words):
                yield name, kind, words[at]
                at += 1

    def get(self, name: str, kind: str = "") -> str | None:
        """The value that counts, the last one; with `kind` also one meant for all streams."""
        found = None
        for given, given_kind, value in self.items:
            if given == name and (not kind or given_kind in ("", kind)):
                found = value
        return found

    def all(self, name: str) -> list[str]:
        """All values given, in order."""
        return [value for given, _, value in self.items if given == name]

    def has(self, name: str, kind: str = "") -> bool:
        """Whether the option is there, for this kind of stream or for all."""
        return self.get(name, kind) is not None


def canonical(word: str) -> tuple[str, str]:
    """An option's one name, and the kind of stream it is for ("" for all or none)."""
    name, _, specifier = word[1:].partition(":")
    kind = specifier[:1].lower() if specifier[:1].lower() in ("v", "a", "s", "d") else ""
    if name in _SPELLINGS:
        name, own = _SPELLINGS[name]
        kind = own or kind
    return name, kind or _KINDS.get(name, "")


def guarded_input(path: Path, max_pixels: int, formats: Sequence[str] = INPUT_FORMATS) -> list[str]:
    """An input with the guards that hold for it: own files only, real containers, picture size.

    These options are valid for one input each, so every input has its own.
    """
    return [
        "-protocol_whitelist", "file,pipe",
        "-format_whitelist", ",".join(formats),
        "-max_pixels", str(max_pixels),
        "-i", f"file:{path}",
    ]  # fmt: skip


def head(ffmpeg: Ffmpeg, progress_fd: int | None, loglevel: str = "info") -> list[str]:
    """The program and its global options. `progress_fd` is a descriptor of the child.

    Each line of the log begins with its level, which `process` takes off again.
    """
    words = [str(ffmpeg.path), "-hide_banner", "-nostdin", "-y", "-nostats"]
    words += ["-loglevel", f"level+{loglevel}"]
    if progress_fd is not None:
        words += ["-progress", f"pipe:{progress_fd}"]
    return words


MOV = "mov,mp4,m4a,3gp,3g2,mj2"
CLOCKED = ("mpegts", MOV)
"""Containers whose times go on from file to file, as `MediaInfo.container` names them."""


def join(
    ffmpeg: Ffmpeg, tracks: Sequence[Path], output: Path, *, clocked: bool, max_pixels: int
) -> list[str]:
    """The command that puts pictures (of the first file) and sound (of the second) into one file,
    as they are, and little by little, so that others can read it meanwhile. `clocked` files keep
    their times, others begin together."""
    pictures, sound = tracks
    return [
        *head(ffmpeg, None, "warning"),
        *(["-copyts"] if clocked else []),
        *guarded_input(pictures, max_pixels),
        *guarded_input(sound, max_pixels),
        "-map", "0:v?", "-map", "1:a", "-c", "copy", "-avoid_negative_ts", "make_zero",
        "-cluster_time_limit", "500", "-flush_packets", "1", "-f", "matroska", f"file:{output}",
    ]  # fmt: skip


def run_through(ffmpeg: Ffmpeg, source: Path, output: Path, *, max_pixels: int) -> list[str]:
    """The command that lets the clock of a broadcast of several parts, each with a clock of its
    own, run through; all else stays as it is."""
    return [
        *head(ffmpeg, None, "warning"),
        # By itself ffmpeg takes leaps of less than ten seconds for holes.
        "-dts_delta_threshold", "1",
        *guarded_input(source, max_pixels),
        "-map", "0:v?", "-map", "0:a?", "-c", "copy", "-muxdelay", "0", "-muxpreload", "0",
        "-f", "mpegts", f"file:{output}",
    ]  # fmt: skip


def beginning(
    ffmpeg: Ffmpeg, source: Path, output: Path, seconds: float, *, container: str, max_pixels: int
) -> list[str]:
    """The command that puts the first `seconds` of all pictures and sound of a source in this
    `container` into a file, as they are: to the end of a packet, and of the pictures that belong
    together."""
    # Matroska takes almost anything, but not every ffmpeg writes into it that a film is turned.
    muxer = "mov" if container == MOV else "matroska"
    return [
        *head(ffmpeg, None, "warning"),
        *span(0.0, seconds),
        *guarded_input(source, max_pixels),
        "-map", "0:V?", "-map", "0:a?", "-c", "copy", "-avoid_negative_ts", "disabled",
        "-f", muxer, f"file:{output}",
    ]  # fmt: skip


def targa(ffmpeg: Ffmpeg, input: Path, output: Path, *, max_pixels: int) -> list[str]:
    """The command that turns a Targa picture into a PNG.

    ffmpeg has a decoder for it, but no way to tell it by what is inside: what the file is, and
    that all of it is one picture, is said here.
    """
    return [
        *head(ffmpeg, None, "warning"),
        "-f", "image2pipe", "-frame_size", str(input.stat().st_size), "-c:v", "targa",
        *guarded_input(input, max_pixels, ["image2pipe"]),
        "-frames:v", "1", "-c:v", "png", "-f", "image2pipe", f"file:{output}",
    ]  # fmt: skip


def span(start: float, duration: float | None) -> list[str]:
    """Input options that take a part of the source, seconds."""
    words = ["-ss", f"{start:.6f}"] if start > 0 else []
    return words if duration is None else [*words, "-t", f"{duration:.6f}"]
