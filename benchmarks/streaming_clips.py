"""What the streaming benchmark fetches: two minutes of 720p in several containers, and songs.

They are made once and kept in a folder of the machine's temporary place.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import run_ffmpeg

SECONDS = 120
FRAME_RATE = 24
FOLDER = Path(tempfile.gettempdir()) / f"gmapi-bench-streaming-{os.getuid()}"

_PICTURES = f"testsrc2=s=1280x720:r={FRAME_RATE},noise=alls=4:allf=t"
_SOUND = "aevalsrc=0.4*sin(2*PI*(220+40*sin(t))*t)|0.4*sin(2*PI*(330+30*sin(t))*t):s=48000"
_FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "48")
_RATE = ("-b:v", "2200k", "-minrate", "2200k", "-maxrate", "2200k", "-bufsize", "2200k")
_BOTH = ("-map", "0:v", "-map", "1:a", "-c", "copy")


def clips(folder: Path = FOLDER) -> Path:
    """The folder with all of them; what is there already is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in CLIPS.items():
        if not (folder / name).exists():
            print(f"  making {name}", flush=True)
            # Made beside its place, so that what was broken off is not taken for whole.
            made = folder / f"new-{name}"
            make(folder, made)
            made.rename(folder / name)
    return folder


def _pictures(folder: Path, target: Path) -> None:
    time = ("-t", str(SECONDS))
    run_ffmpeg(["-f", "lavfi", "-i", _PICTURES, *time, *_FAST, *_RATE,
                "-x264-params", "nal-hrd=cbr", "-f", "mp4", "-movflags", "+faststart",
                str(target)])  # fmt: skip


def _sound(folder: Path, target: Path) -> None:
    run_ffmpeg(["-f", "lavfi", "-i", _SOUND, "-t", str(SECONDS), "-c:a", "aac", "-b:a", "128k",
                str(target)])  # fmt: skip


def _opus(folder: Path, target: Path) -> None:
    run_ffmpeg(["-i", str(folder / "sound.m4a"), "-c:a", "libopus", "-b:a", "128k", str(target)])


def _joined(
    *options: str, sound: str = "sound.m4a", pictures: str = "silent.mp4"
) -> Callable[[Path, Path], None]:
    def make(folder: Path, target: Path) -> None:
        inputs = ["-i", str(folder / pictures), "-i", str(folder / sound)]
        run_ffmpeg([*inputs, *_BOTH, *options, str(target)])

    return make


def _vp9(folder: Path, target: Path) -> None:
    """VP9 takes long to make, so 20 seconds of it come six times."""
    part = target.with_suffix(".part.webm")
    run_ffmpeg(["-f", "lavfi", "-i", _PICTURES, "-t", str(SECONDS // 6), "-c:v", "libvpx-vp9",
                "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-threads", "2",
                "-b:v", "2200k", "-minrate", "2200k", "-maxrate", "2200k", str(part)])  # fmt: skip
    run_ffmpeg(["-stream_loop", "5", "-i", str(part), "-c", "copy", str(target)])
    part.unlink()


def _only_pictures(source: str, *options: str) -> Callable[[Path, Path], None]:
    def make(folder: Path, target: Path) -> None:
        run_ffmpeg(["-i", str(folder / source), "-map", "0:v", "-c", "copy", *options, str(target)])

    return make


def _in_folder(name: str, *options: str) -> Callable[[Path, Path], None]:
    def make(folder: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        _joined(*options)(folder, target / name)

    return make


def _song(folder: Path, target: Path) -> None:
    run_ffmpeg(["-f", "lavfi", "-i", _SOUND, "-t", "180", "-c:a", "libmp3lame", "-b:a", "192k",
                str(target)])  # fmt: skip


def _broadcast(folder: Path, target: Path) -> None:
    run_ffmpeg(["-f", "lavfi", "-i", _SOUND, "-t", "60", "-c:a", "libmp3lame", "-b:a", "128k",
                "-write_xing", "0", "-id3v2_version", "0", str(target)])  # fmt: skip


_HLS = ("-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod", "-hls_list_size", "0")

CLIPS: dict[str, Callable[[Path, Path], None]] = {
    "silent.mp4": _pictures,
    "sound.m4a": _sound,
    "silent.webm": _vp9,
    "silent.mkv": _only_pictures("silent.mp4"),
    "sound.opus": _opus,
    "first.mp4": _joined("-movflags", "+faststart"),
    "last.mp4": _joined(),
    # Pictures and sound in turn by half a second, not packet by packet.
    "half.mp4": _joined("-chunk_duration", "500000"),
    "film.webm": _joined(sound="sound.opus", pictures="silent.webm"),
    "film.mkv": _joined(),
    "dash": _in_folder("film.mpd", "-f", "dash", "-seg_duration", "4",
                       "-adaptation_sets", "id=0,streams=v id=1,streams=a"),
    "hls": _in_folder("film.m3u8", *_HLS),
    "apart": _in_folder("%v.m3u8", *_HLS, "-hls_segment_type", "fmp4",
                        "-hls_fmp4_init_filename", "init-%v.mp4", "-master_pl_name", "film.m3u8",
                        "-var_stream_map", "v:0,agroup:a a:0,agroup:a,default:yes"),
    "song.mp3": _song,
    "station.mp3": _broadcast,
}  # fmt: skip
"""Each may need those above it."""


def start_size(path: Path, seconds: float) -> int:
    """Bytes that hold the first `seconds` of a clip, at least: copied, without its other times."""
    target = path.with_name(f"start-{seconds:g}-{path.name}")
    if not target.exists():
        run_ffmpeg(["-i", str(path), "-t", str(seconds), "-c", "copy", str(target)])
    return target.stat().st_size
