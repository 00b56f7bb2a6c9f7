"""Streams as sources of a running server: each tool takes one, and refusals say what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from support.http.canary import Canary
from support.http.origin import Origin, status
from support.product.command import Command
from support.product.server import GmapiServer

SECONDS = 2


def test_a_stream_becomes_sound(server: GmapiServer, origin: Origin) -> None:
    values = {"input_url": origin.url("/hls/index.m3u8"), "output_format": "dfpwm"}
    answer = server.post("/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    sound = server.get(answer["download_url"]).body
    assert len(sound) / 6000 == pytest.approx(SECONDS, abs=0.1)


def test_a_stream_becomes_frames(server: GmapiServer, origin: Origin) -> None:
    values = {"video_url": origin.url("/hls/index.m3u8"), "w": 32, "h": 24, "fps": 5}
    accepted = server.post("/api/video_frame/async", values).json()
    task = server.wait_for_task(accepted["task_id"])
    assert task["status"] == "completed", task
    assert task["result"]["total_frames"] == pytest.approx(SECONDS * 5, abs=1)
    assert task["result"]["audio_urls"]
    frame = server.get(task["result"]["frame_pattern"] % 1)
    assert frame.body.startswith(b"\x89PNG")


def test_a_stream_becomes_screens(server: GmapiServer, origin: Origin) -> None:
    values = {
        "input_url": origin.url("/hls/index.m3u8"),
        "output_format": "bimg",
        "width": 32,
        "height": 24,
    }
    answer = server.post("/api/sanjuuni", values).json()
    assert answer["status"] == "success", answer
    assert answer["frames"] == pytest.approx(SECONDS * 10, abs=1)


def test_a_station_becomes_sound_and_joins_equal_requests(
    server: GmapiServer, origin: Origin
) -> None:
    url = origin.url("/listen.pls")
    values = {"input_url": url, "output_format": "dfpwm", "max_duration": 2}
    answer = server.post("/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    assert answer["duration"] == pytest.approx(2.0, abs=0.1)
    assert any("2 s of it were taken" in warning for warning in answer["warnings"])
    # As it is copied from somewhere.
    values["input_url"] = f' "{url}"\n'
    assert server.post("/api/ffmpeg", values).json()["file_id"] == answer["file_id"]


def test_the_command_takes_a_station(here: Command, origin: Origin) -> None:
    words = ["convert", origin.url("/listen.pls"), "-f", "dfpwm", "--allow-private", "-o", "-"]
    done = here(*words, "--args", "-t 3")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) / 6000 == pytest.approx(3.0, abs=0.1)
    done = here.here(*words, "--max-duration", "2")
    assert len(done.stdout) / 6000 == pytest.approx(2.0, abs=0.1)
    assert b"2 s of it were taken" in done.stderr


def test_the_command_takes_the_beginning_of_a_stream(here: Command, origin: Origin) -> None:
    text = "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\nindex0.ts\n#EXTINF:2,\nindex0.ts\n"
    url = origin.add("/hls/twice.m3u8", text.encode() + b"#EXT-X-ENDLIST\n")
    words = ["convert", url, "-f", "mp3", "--allow-private", "--max-duration", "1", "-o", "-"]
    done = here.here(*words)
    assert done.returncode == 0, done.stderr
    assert [each.path for each in origin.requests][-2:] == ["/hls/twice.m3u8", "/hls/index0.ts"]


@pytest.mark.parametrize(
    ("entry", "code", "words"),
    [
        ("gone.ts", "source_status", "segment 2: The server of the source answered HTTP 404"),
        ("http://[::1]:{port}/x.ts", "source_refused", "segment 2: The source is at [::1]:"),
        ("file:///etc/passwd", "source_refused", "an address for segment 2 that is not a valid"),
    ],
)
def test_a_bad_segment_is_named(
    server: GmapiServer, origin: Origin, entry: str, code: str, words: str
) -> None:
    with Canary() as canary:
        entry = entry.format(port=canary.port)
        origin.add("/hls/gone.ts", status(404))
        text = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\nindex0.ts\n#EXTINF:2,\n{entry}\n"
        url = origin.add("/hls/bad.m3u8", text.encode() + b"#EXT-X-ENDLIST\n")
        values: dict[str, Any] = {"input_url": url, "output_format": "mp3", "no_cache": True}
        answer = server.post("/api/ffmpeg", values).json()
        assert (answer["status"], answer["error_code"]) == ("error", code)
        assert words in answer["error"]
        assert canary.visits() == 0


@pytest.mark.parametrize("value", [0, 3601, "x", True])
def test_max_duration_has_bounds(server: GmapiServer, origin: Origin, value: Any) -> None:
    values = {"input_url": origin.url("/song.mp3"), "output_format": "mp3", "max_duration": value}
    answer = server.post("/api/ffmpeg", values)
    assert answer.status == 400
    assert answer.json()["field"] == "max_duration"


def test_hostile_playlists_hold_up_no_worker(server: GmapiServer, origin: Origin) -> None:
    """One of these once disabled every worker for good."""
    texts = {
        "key": "#EXTM3U\n#EXT-X-KEY:A=" + " " * 16_000 + '"',
        "headers": "#EXTM3U\n" + '#EXT-X-MAP:URI="a"\n' * 190_000 + "#EXT-X-ENDLIST",
        "template": (
            '<MPD mediaPresentationDuration="PT20000S"><Period><AdaptationSet contentType="video">'
            f'<Representation><SegmentTemplate media="{"$Number%099d$" * 80}" duration="1"/>'
            "</Representation></AdaptationSet></Period></MPD>"
        ),
    }
    for name, text in texts.items():
        url = origin.add(f"/hostile/{name}", text.encode())
        answer = server.post("/api/ffmpeg", {"input_url": url, "output_format": "mp3"}).json()
        assert answer["error_code"] == "source_playlist", answer
    values = {"input_url": origin.url("/hls/index.m3u8"), "output_format": "wav"}
    assert server.post("/api/ffmpeg", values).json()["status"] == "success"
