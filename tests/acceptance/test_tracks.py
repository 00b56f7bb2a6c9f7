"""Which of several tracks is taken: the one that is meant, or the one that was asked for."""

from __future__ import annotations

import subprocess
from typing import Any

import numpy as np
import pytest

from support.http.origin import Origin
from support.media.files import ffmpeg_program
from support.product.server import GmapiServer
from support.screens import vid32_decoder

RATE = 48_000
ENGLISH, GERMAN = 300, 1100
"""The pitches of the two sounds, in hertz. The German one is the default."""

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def film(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Red pictures, which are the default, and blue ones; an English and a German sound."""
    path = tmp_path_factory.mktemp("tracks") / "film.mkv"
    words = [ffmpeg_program(), "-v", "error"]
    for color in ("red", "blue"):
        words += ["-f", "lavfi", "-i", f"color={color}:s=64x48:r=10:d=2"]
    for hertz in (ENGLISH, GERMAN):
        words += ["-f", "lavfi", "-i", f"sine={hertz}:r=48000:d=2"]
    words += ["-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:v", "ffv1", "-pix_fmt"]
    words += ["bgr0", "-c:a", "pcm_s16le", "-disposition", "0", "-disposition:v:0", "default"]
    words += ["-disposition:a:1", "default", "-metadata:s:a:0", "language=eng"]
    words += ["-metadata:s:a:1", "language=ger", "-metadata:s:a:0", "title=Original"]
    subprocess.run([*words, str(path)], check=True)
    return origin.add("/tracks.mkv", path.read_bytes())


def pitch(dfpwm: bytes) -> float:
    """Of a plain tone, in hertz."""
    words = [ffmpeg_program(), "-v", "error", "-f", "dfpwm", "-ar", str(RATE), "-ac", "1"]
    words += ["-i", "pipe:0", "-f", "s16le", "-c:a", "pcm_s16le", "pipe:1"]
    done = subprocess.run(words, input=dfpwm, stdout=subprocess.PIPE, check=True)
    strengths = np.abs(np.fft.rfft(np.frombuffer(done.stdout, "<i2")[:RATE]))
    return float(np.argmax(strengths[20:])) + 20


def color(server: GmapiServer, task_id: str) -> tuple[int, ...]:
    """Of the middle of a task's first frame."""
    png = server.get(f"/frames/{task_id}/frame_000001.png").body
    words = [ffmpeg_program(), "-v", "error", "-f", "png_pipe", "-i", "pipe:0", "-f", "rawvideo"]
    done = subprocess.run(
        [*words, "-pix_fmt", "rgb24", "pipe:1"], input=png, stdout=subprocess.PIPE, check=True
    )
    return tuple(np.frombuffer(done.stdout, "u1").reshape(-1, 3)[-1])


def cut(server: GmapiServer, url: str, **fields: Any) -> dict[str, Any]:
    values = {"video_url": url, "fps": 10, "w": 64, "h": 48, **fields}
    found: dict[str, Any] = server.post("/api/video_frame", values).json()
    return found


@pytest.mark.parametrize(
    ("fields", "hertz", "seen"),
    [
        ({}, GERMAN, RED),
        ({"audio_track": 1.0}, ENGLISH, RED),
        ({"audio_track": "2", "video_track": 2}, GERMAN, BLUE),
        ({"audio_track": "EN"}, ENGLISH, RED),
        ({"audio_track": "deu"}, GERMAN, RED),
    ],
)
def test_frames_and_sound_are_of_the_tracks_asked_for(
    server: GmapiServer, film: str, fields: dict[str, Any], hertz: int, seen: tuple[int, ...]
) -> None:
    made = cut(server, film, **fields)
    assert made["status"] == "success", made
    assert made["total_frames"] == 20
    sound = server.get(made["audio_urls"]["audio_dfpwm_url"]).body
    assert pitch(sound) == pytest.approx(hertz, abs=3)
    assert color(server, made["task_id"]) == pytest.approx(seen, abs=2)
    warned = " ".join(made.get("warnings", []))
    assert ("2 sound tracks; number 2 was taken" in warned) == ("audio_track" not in fields)
    assert ("2 video tracks; number 1 was taken" in warned) == ("video_track" not in fields)


@pytest.mark.parametrize(("track", "hertz"), [(None, GERMAN), ("eng", ENGLISH)])
def test_a_screen_is_given_the_track_asked_for(
    server: GmapiServer, film: str, track: str | None, hertz: int
) -> None:
    values = {"input_url": film, "output_format": "32vid", "width": 20, "height": 12}
    values |= {"audio": "dfpwm", "audio_track": track}
    made = server.post("/api/sanjuuni", values).json()
    assert made["status"] == "success", made
    data = server.get(made["download_url"]).body
    assert pitch(vid32_decoder.parse(data).sound()) == pytest.approx(hertz, abs=3)


@pytest.mark.parametrize("field", ["audio_track", "video_track"])
@pytest.mark.parametrize("track", [3, "fra"])
def test_a_track_that_is_not_there_is_told_with_those_that_are(
    server: GmapiServer, film: str, field: str, track: int | str
) -> None:
    failed = cut(server, film, **{field: track})
    assert failed["status"] == "error"
    assert failed["error"].startswith(f"{field}: the source has no ")
    assert f"track {track}. It has 1: " in failed["error"]
    assert "; 2: " in failed["error"]
