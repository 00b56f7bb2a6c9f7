"""Section 3 of the client contract: POST /api/ffmpeg."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.http.certificates import localhost_certificate
from support.http.origin import Origin, redirect
from support.http.raw_http import game_call
from support.media.files import ffmpeg_program
from support.product.server import GmapiServer

MONO = ["-vn", "-ar", "48000", "-ac", "1"]
LEFT = ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FL"]
RIGHT = ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FR"]


def convert(server: GmapiServer, url: str, args: list[str], output: str = "dfpwm") -> Any:
    values = {"input_url": url, "args": args, "output_format": output}
    answer = game_call(server.port, "POST", "/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    assert answer["download_url"].startswith("http://")
    return answer


def fetch(server: GmapiServer, url: str) -> bytes:
    reply = game_call(server.port, "GET", urlsplit(url).path)
    assert reply.status == 200, reply.reason
    return reply.body


def tone(dfpwm: bytes, folder: Path) -> float:
    """Pitch in hertz of headerless DFPWM of one channel, by its zero crossings."""
    path = folder / "sound.dfpwm"
    path.write_bytes(dfpwm)
    command = [
        ffmpeg_program(), "-v", "error", "-f", "dfpwm", "-ar", "48000", "-ac", "1",
        "-i", str(path), "-af", "lowpass=2000", "-f", "s16le", "-",
    ]  # fmt: skip
    data = subprocess.run(command, check=True, capture_output=True).stdout
    samples = struct.unpack(f"<{len(data) // 2}h", data)[4800:-4800]
    # A crossing counts once the sound has been clearly on the other side.
    crossings, side = 0, 1
    for sample in samples:
        if sample * side < -1000:
            crossings, side = crossings + 1, -side
    return crossings / 2 / (len(samples) / 48000)


def test_f1_dfpwm_is_headerless_one_channel_at_6000_bytes_a_second(
    server: GmapiServer, song: dict[str, Any], tmp_path: Path
) -> None:
    sound = fetch(server, song["download_url"])
    # 6 s of source; MP3 may add a frame of 26 ms.
    assert len(sound) == pytest.approx(6 * 6000, abs=400)
    assert tone(sound, tmp_path) == pytest.approx(440, rel=0.02)


def test_f1_left_and_right_come_from_a_filter_graph_without_labels(
    server: GmapiServer, origin: Origin, tmp_path: Path
) -> None:
    pitches = {}
    for name, args in {"left": LEFT, "right": RIGHT}.items():
        answer = convert(server, origin.url("/stereo.wav"), args)
        sound = fetch(server, answer["download_url"])
        assert len(sound) == 4 * 6000
        pitches[name] = tone(sound, tmp_path)
    assert pitches["left"] == pytest.approx(440, rel=0.02)
    assert pitches["right"] == pytest.approx(880, rel=0.02)


def test_f2_a_download_can_be_fetched_many_times_and_at_once(
    server: GmapiServer, song: dict[str, Any]
) -> None:
    first = fetch(server, song["download_url"])
    with ThreadPoolExecutor(12) as pool:
        again = list(pool.map(lambda _: fetch(server, song["download_url"]), range(24)))
    assert again == [first] * 24


def test_f3_a_source_may_have_a_query_redirects_and_no_extension(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    origin.add("/stream", (media_dir / "song.mp3").read_bytes())
    origin.add("/get", redirect("/again?to=1", 302))
    origin.add("/again", redirect(origin.url("/stream?sig=a%2Fb&e=9", host="localhost"), 307))
    query = "/get?id=1&sig=x%2By/z=&t=1,2"
    answer = convert(server, origin.url(query), MONO)
    assert len(fetch(server, answer["download_url"])) == pytest.approx(36000, abs=400)
    asked = [r.path for r in origin.requests if r.path.startswith(("/get", "/again", "/stream"))]
    assert asked == [query, "/again?to=1", "/stream?sig=a%2Fb&e=9"]


def test_f3_a_source_may_be_https(
    make_server: Callable[..., GmapiServer],
    media_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cert, context = localhost_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with Origin(tls=context) as secure, make_server(workers=1) as server:
        secure.add("/song", (media_dir / "song.mp3").read_bytes())
        answer = convert(server, secure.url("/song", host="localhost"), MONO)
        assert len(fetch(server, answer["download_url"])) == pytest.approx(36000, abs=400)


def test_f4_one_source_is_fetched_once_for_mono_left_and_right(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    origin.add("/album.wav", (media_dir / "stereo.wav").read_bytes(), etag='"album"')
    url = origin.url("/album.wav")
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda args: convert(server, url, args), (MONO, LEFT, RIGHT)))
    assert len({answer["download_url"] for answer in made}) == 3
    whole = [r for r in origin.requests if r.path == "/album.wav"]
    assert len([r for r in whole if "if-none-match" not in r.headers]) == 1
    # The next listener gets the kept results, and the source is not even asked for.
    asked = origin.count("/album.wav")
    again = [convert(server, url, args) for args in (MONO, LEFT, RIGHT)]
    assert [a["download_url"] for a in again] == [a["download_url"] for a in made]
    assert origin.count("/album.wav") == asked


def test_f5_a_song_of_three_minutes_is_answered_within_the_default_timeout(
    server: GmapiServer, contract_media: Callable[[str], str]
) -> None:
    url = contract_media("three_minutes.wav")
    started = time.monotonic()
    answer = convert(server, url, MONO)
    assert time.monotonic() - started < 30
    assert answer["size"] == 180 * 6000
