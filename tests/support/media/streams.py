"""HLS and DASH streams of one small film, made by ffmpeg for tests to serve.

All kinds hold the same coded pictures and sound, so that what comes out of each can be compared.
"""

from __future__ import annotations

from pathlib import Path

from support.media.programs import ffmpeg_output

SECONDS = 4
PICTURES = 40

_COPY = ["-map", "0", "-c", "copy"]
_HLS = [*_COPY, "-f", "hls", "-hls_time", "1", "-hls_list_size", "0"]
_DASH = [*_COPY, "-f", "dash", "-seg_duration", "1"]

STREAMS: dict[str, tuple[str, list[str]]] = {
    "ts": ("index.m3u8", _HLS),
    "fmp4": ("index.m3u8", [*_HLS, "-hls_segment_type", "fmp4"]),
    "parts": ("index.m3u8", [*_HLS, "-hls_flags", "single_file"]),
    "parts_fmp4": (
        "index.m3u8", [*_HLS, "-hls_flags", "single_file", "-hls_segment_type", "fmp4"],
    ),
    "sound_apart": (
        "stream%v.m3u8",
        [*_HLS, "-var_stream_map", "v:0,agroup:s a:0,agroup:s", "-master_pl_name", "master.m3u8"],
    ),
    "timeline": ("index.mpd", _DASH),
    "numbers": ("index.mpd", [*_DASH, "-use_timeline", "0"]),
    "single": ("index.mpd", [*_DASH, "-single_file", "1"]),
}  # fmt: skip
"""Kind of stream: the playlist that ffmpeg writes and the arguments for it."""


def make_film(folder: Path, *, sound_delay: float = 0.0) -> Path:
    """A film of `PICTURES` pictures with a tone, which starts late by so many seconds."""
    film = folder / "film.mp4"
    video = ["-f", "lavfi", "-i", f"testsrc2=s=64x48:r=10:d={SECONDS}"]
    tone = ["-itsoffset", f"{sound_delay:g}", "-f", "lavfi", "-i", f"sine=440:r=44100:d={SECONDS}"]
    ffmpeg_output(
        *video, *tone, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
        "-g", "10", "-c:a", "aac", "-t", str(SECONDS), str(film),
    )  # fmt: skip
    return film


def make_stream(kind: str, film: Path, folder: Path) -> str:
    """Put a stream of this kind into `folder`; returns the name of its playlist."""
    name, arguments = STREAMS[kind]
    folder.mkdir(parents=True)
    ffmpeg_output("-i", str(film), *arguments, str(folder / name))
    return "master.m3u8" if kind == "sound_apart" else name


def picture_hashes(path: Path) -> list[str]:
    """A hash of each decoded picture."""
    output = ffmpeg_output("-i", str(path), "-map", "0:v:0", "-f", "framehash", "-")
    lines = [line for line in output.decode().splitlines() if not line.startswith("#")]
    return [line.rpartition(",")[2].strip() for line in lines]


def sound_starts(path: Path) -> float:
    """Seconds from the first picture to the first loud sample."""
    output = ffmpeg_output(
        "-i", str(path), "-map", "0:a:0", "-af", "aresample=8000:async=1:first_pts=0", "-ac", "1",
        "-f", "s8", "-c:a", "pcm_s8", "-",
    )  # fmt: skip
    return next(at for at, byte in enumerate(output) if 8 < byte < 248) / 8000
