"""Section 5 of the client contract: POST /api/video_frame/async, the task, its frames and sound."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.http.origin import Origin, held, status
from support.http.raw_http import game_call
from support.media.files import ffmpeg_program
from support.product.server import GmapiServer, frozen, wait_for

AUDIO_KEYS = {"audio_dfpwm_url", "audio_dfpwm_left_url", "audio_dfpwm_right_url"}


def begin(server: GmapiServer, url: str, **values: Any) -> str:
    """Start a task as the player does, and its id."""
    asked = {"video_url": url, "w": 64, "h": 64, "fps": 20} | values
    asked = {"force_resolution": False, "pad_to_target": True} | asked
    reply = game_call(server.port, "POST", "/api/video_frame/async", asked)
    assert 200 <= reply.status < 300
    answer = reply.json()
    assert answer["status"] == "success", answer
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,}", answer["task_id"])
    assert not answer["task_id"].startswith("http")
    assert answer["status_url"] == f"{server.base}/api/task/{answer['task_id']}"
    return str(answer["task_id"])


def poll(server: GmapiServer, task_id: str) -> Any:
    """One look at a task; what the player reads of it without a check must be there."""
    reply = game_call(server.port, "GET", f"/api/task/{task_id}")
    assert reply.status == 200
    task = reply.json()
    result = task["result"]
    assert isinstance(task["status"], str)
    assert isinstance(task["progress"], int | float | str)
    assert isinstance(task.get("message", ""), str)
    assert all(isinstance(line, str) for line in task.get("new_logs", []))
    assert isinstance(result, dict)
    if result.get("current_frames", 0) >= 200:
        assert result["total_frames"] >= result["current_frames"]
    if "audio_urls" in result:
        assert set(result["audio_urls"]) == AUDIO_KEYS
        assert all(url.startswith("/") for url in result["audio_urls"].values())
    return task


def follow(server: GmapiServer, task_id: str) -> list[Any]:
    """All answers of quick polling until the task has ended."""
    seen = [poll(server, task_id)]

    def ended() -> bool:
        seen.append(poll(server, task_id))
        return seen[-1]["status"] not in ("pending", "running")

    wait_for(ended, 60, "the end of the task")
    return seen


def frame(server: GmapiServer, task_id: str, number: int) -> bytes:
    reply = game_call(server.port, "GET", f"/frames/{task_id}/frame_{number:06d}.png")
    assert reply.status == 200, reply.reason
    return reply.body


def count_frames(server: GmapiServer, task_id: str) -> int:
    """How many frames can really be fetched, found by asking for them."""

    def there(number: int) -> bool:
        path = f"/frames/{task_id}/frame_{number:06d}.png"
        return game_call(server.port, "HEAD", path).status == 200

    low, high = 0, 1
    while there(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if there(middle) else (low, middle)
    return low


def picture(png: bytes, folder: Path) -> tuple[int, int, bytes]:
    """Width, height and RGB of a PNG that must be as the GPU reads it: 8 bits, not interlaced."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png.endswith(b"\0\0\0\0IEND\xaeB`\x82")
    width, height, depth, _, _, _, interlace = struct.unpack(">IIBBBBB", png[16:29])
    assert (depth, interlace) == (8, 0)
    path = folder / "frame.png"
    path.write_bytes(png)
    command = [ffmpeg_program(), "-v", "error", "-i", str(path)]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    rgb = subprocess.run(command, check=True, capture_output=True).stdout
    assert len(rgb) == width * height * 3
    return width, height, rgb


MEASURED = {
    "film.mp4": 280,
    "long_sound.mov": 240,
    "odd.mkv": 240,
    "vfr.mkv": None,
    "late.mkv": None,
    "see_through.gif": 220,
}


@pytest.fixture(scope="module")
def measured(
    server: GmapiServer, origin: Origin, contract_media: Callable[[str], str]
) -> dict[str, list[Any]]:
    """All answers of polling for several kinds of media, big enough to be seen at work."""
    urls = {name: contract_media(name) for name in MEASURED if name != "film.mp4"}
    urls["film.mp4"] = origin.url("/film.mp4")

    def run(name: str) -> list[Any]:
        return follow(server, begin(server, urls[name], w=640, h=360))

    with ThreadPoolExecutor(len(urls)) as pool:
        return dict(zip(urls, pool.map(run, urls), strict=True))


@pytest.mark.parametrize("name", MEASURED)
def test_v1_total_frames_is_known_early_and_never_far_too_high(
    server: GmapiServer, measured: dict[str, list[Any]], name: str
) -> None:
    answers = measured[name]
    assert answers[-1]["status"] == "completed", answers[-1]
    there = count_frames(server, answers[-1]["task_id"])
    assert answers[-1]["result"]["total_frames"] == there
    assert answers[-1]["result"]["current_frames"] == there
    if MEASURED[name] is not None:
        assert there == pytest.approx(MEASURED[name], abs=2)
    working = [a["result"] for a in answers if a["result"].get("current_frames")]
    early = [result["total_frames"] for result in working]
    assert len(early) > 1, "no answer while the task ran"
    assert all(there - 10 <= total <= there + 10 for total in early)


def test_v1_v2_every_announced_frame_can_be_fetched_at_once(
    server: GmapiServer, contract_media: Callable[[str], str]
) -> None:
    task_id = begin(server, contract_media("odd.mkv"), w=320, h=240)
    seen: set[int] = set()

    def look() -> bool:
        task = poll(server, task_id)
        announced = task["result"].get("current_frames", 0)
        if announced:
            urls = [f"/frames/{task_id}/frame_{announced:06d}.png"]
            pack = game_call(server.port, "POST", "/api/framepack", {"urls": urls}).body
            png = frame(server, task_id, announced)
            assert pack == struct.pack(">II", 1, len(png)) + png
            assert png.endswith(b"IEND\xaeB`\x82")
            seen.add(announced)
        return task["status"] == "completed"

    wait_for(look, what="the end of the task")
    assert len(seen) > 1


def test_v3_no_answer_has_200_frames_without_the_whole_sound(
    server: GmapiServer, contract_media: Callable[[str], str]
) -> None:
    url = contract_media("long_sound.mov")
    with frozen(server, "audio.dfpwm") as caught:
        task_id = begin(server, url, w=63, h=63)
        assert caught.wait(60), "the sound was not seen at work"
        # All frames are cut and only the sound is missing.
        wait_for(
            lambda: server.get(f"/frames/{task_id}/frame_000240.png").status == 200,
            what="the last frame",
        )
        waiting = wait_for(
            lambda: (
                task
                if (task := poll(server, task_id))["result"].get("current_frames", 0) > 100
                else None
            ),
            what="the announcement of frames",
        )
        assert waiting["status"] == "running"
        assert waiting["result"]["current_frames"] < 200
        assert "audio_urls" not in waiting["result"]
    sizes: list[dict[str, int]] = []
    for task in follow(server, task_id):
        if task["result"].get("current_frames", 0) >= 200:
            urls = task["result"]["audio_urls"]
            sizes.append(
                {key: len(game_call(server.port, "GET", url).body) for key, url in urls.items()}
            )
    assert sizes
    assert sizes == [dict.fromkeys(AUDIO_KEYS, 600 * 6000)] * len(sizes)


def test_v3_sound_is_whole_in_the_first_answer_with_200_frames(
    server: GmapiServer, measured: dict[str, list[Any]]
) -> None:
    for name in ("film.mp4", "long_sound.mov", "late.mkv"):
        final = measured[name][-1]["result"]["audio_urls"]
        ready = [a for a in measured[name] if a["result"].get("current_frames", 0) >= 200]
        assert ready
        assert all(a["result"].get("audio_urls") == final for a in ready)


def test_v4_v6_sound_addresses_are_paths_to_dfpwm_at_48_khz(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    urls = film["result"]["audio_urls"]
    assert set(urls) == AUDIO_KEYS
    for url in urls.values():
        assert url.startswith("/")
        assert not url.startswith("//")
        assert url.endswith(".dfpwm")
        sound = game_call(server.port, "GET", url)
        assert len(sound.body) == pytest.approx(14 * 6000, rel=0.01)
        assert sound.headers["content-length"] == str(len(sound.body))


def test_v5_without_a_sound_track_there_are_no_audio_urls(
    server: GmapiServer, origin: Origin
) -> None:
    answers = follow(server, begin(server, origin.url("/silent.mp4")))
    assert answers[-1]["status"] == "completed"
    assert not any("audio_urls" in task["result"] for task in answers)


def test_v6_sound_beyond_one_download_is_told_and_comes_in_ranges(
    server: GmapiServer, contract_media: Callable[[str], str]
) -> None:
    task_id = begin(server, contract_media("long_silence.mkv"), w=8, h=8)
    task = follow(server, task_id)[-1]
    assert task["status"] == "completed", task
    assert "46 minutes" in task["message"]
    assert "ranges" in task["message"]
    url = task["result"]["audio_urls"]["audio_dfpwm_url"]
    size, piece, got = 2800 * 6000, 15 * 1024**2, b""
    assert size > 16 * 1024**2
    for start in range(0, size, piece):
        wanted = {"Range": f"bytes={start}-{start + piece - 1}"}
        part = game_call(server.port, "GET", url, headers=wanted)
        assert part.status == 206
        got += part.body
    assert len(got) == size


def test_v7_frames_have_the_names_a_player_makes_and_are_not_listed(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    for number in (1, 2, 199, 280):
        assert frame(server, film["task_id"], number).startswith(b"\x89PNG")
    for name in ("frame_000000.png", "frame_1.png", "frame_000281.png", "frame_0000001.png"):
        assert server.get(f"/frames/{film['task_id']}/{name}").status == 404
    text = json.dumps(film["result"])
    assert len(text) < 2000
    assert "frame_000001" not in text


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"w": 101, "h": 99, "pad_to_target": True}, (101, 99)),
        ({"w": 50, "h": 99, "force_resolution": True, "pad_to_target": False}, (50, 99)),
        ({"w": 50, "h": 98, "force_resolution": True, "pad_to_target": True}, (50, 98)),
        ({"w": 100, "h": 99, "pad_to_target": False}, (100, 75)),
        ({"w": 400, "h": 60, "pad_to_target": False}, (80, 60)),
    ],
)
def test_v8_frames_are_plain_png_of_the_size_asked_for(
    server: GmapiServer, origin: Origin, tmp_path: Path, values: Any, size: tuple[int, int]
) -> None:
    task_id = begin(server, origin.url("/clip.mp4"), **values)
    task = follow(server, task_id)[-1]
    assert task["status"] == "completed", task
    for number in (1, task["result"]["total_frames"]):
        width, height, rgb = picture(frame(server, task_id, number), tmp_path)
        assert (width, height) == size
        assert max(rgb) > 200
    if size == (101, 99):
        # 4:3 fits as 101 x 76: black above and below, the picture in the middle.
        rows = [rgb[y * 303 : y * 303 + 303] for y in range(99)]
        black = [y for y, row in enumerate(rows) if max(row) == 0]
        assert black[:10] == list(range(10))
        assert black[-10:] == list(range(89, 99))
        assert 20 <= len(black) <= 26
        assert not set(black) & set(range(15, 84))


def test_v8_transparency_is_drawn_over_black(
    server: GmapiServer, measured: dict[str, list[Any]], tmp_path: Path
) -> None:
    # The left half of this animation is transparent; the GPU knows no transparency.
    png = frame(server, measured["see_through.gif"][-1]["task_id"], 5)
    assert png[25] == 2, "the colour type is not plain RGB"
    width, height, rgb = picture(png, tmp_path)
    assert (width, height) == (640, 360)
    rows = [rgb[y * 1920 : y * 1920 + 1920] for y in range(360)]
    # The picture is 540 wide between two black bands, and one half of that cannot be seen.
    assert max(max(row[: 300 * 3]) for row in rows) < 16
    assert max(max(row[340 * 3 :]) for row in rows) > 200


def test_v9_a_short_video_says_that_players_wait_for_200_frames(
    server: GmapiServer, origin: Origin, film: dict[str, Any]
) -> None:
    task_id = begin(server, origin.url("/clip.mp4"), w=16, h=16)
    task = follow(server, task_id)[-1]
    assert task["result"]["current_frames"] == task["result"]["total_frames"] == 40
    assert count_frames(server, task_id) == 40
    assert "200 frames" in task["message"]
    assert "200 frames" not in film["message"]


@pytest.mark.parametrize("what", ["gone", "text", "torn"])
def test_v10_a_failed_task_answers_200_with_the_cause_in_its_message(
    server: GmapiServer, origin: Origin, media_dir: Path, what: str
) -> None:
    whole = (media_dir / "film.mp4").read_bytes()
    origin.add("/v10/gone", status(404))
    origin.add("/v10/text", b"no film at all " * 200)
    origin.add("/v10/torn", whole[: len(whole) // 2])
    task = follow(server, begin(server, origin.url(f"/v10/{what}")))[-1]
    assert task["status"] == "error"
    assert isinstance(task["result"], dict)
    assert task["error"] == task["message"]
    assert len(task["message"]) > 15
    if what == "gone":
        assert "404" in task["message"]


def test_v10_a_task_shows_only_the_states_that_are_promised(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    release = threading.Event()
    origin.add("/v10/held", held((media_dir / "clip.mp4").read_bytes(), 500, release))
    url = origin.url("/v10/held")
    tasks = [begin(server, url, w=20 + n, h=20) for n in range(3)]
    try:
        wait_for(lambda: poll(server, tasks[0])["status"] == "running", what="a running task")
        first = poll(server, tasks[2])
    finally:
        release.set()
    seen = [task["status"] for task in (first, *follow(server, tasks[2]))]
    assert seen[0] == "pending"
    assert set(seen) <= {"pending", "running", "completed"}
    assert sorted(seen, key=["pending", "running", "completed"].index) == seen


def test_v11_a_task_that_never_was_or_is_over_answers_404(server: GmapiServer) -> None:
    reply = game_call(server.port, "GET", f"/api/task/{'0' * 32}")
    assert reply.status == 404
    assert "time" in reply.reason
    assert reply.json()["status"] == "error"
