"""What cannot be had: sources, tasks, frames, files and room. One clear sentence, and no file."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.http.origin import (
    Origin,
    chunked,
    redirect,
    silent,
    slow_headers,
    status,
    trickle,
    truncated,
)
from support.http.raw_http import game_call
from support.http.refusals import (
    FFMPEG,
    FFMPEG_ROUTES,
    SMALL_FETCH,
    UNKNOWN_ID,
    assert_no_files,
    assert_one_sentence,
    assert_refused,
)
from support.product.server import Answer, GmapiServer, wait_for

# -- sources -------------------------------------------------------------------------------------


def unused_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def sources(origin: Origin, media_dir: Any) -> dict[str, tuple[str, str, str]]:
    """Address, error code and a pattern of the sentence of each source that cannot be had."""
    song = (media_dir / "song.mp3").read_bytes()
    film = (media_dir / "clip.mp4").read_bytes()
    noise = bytes((i * 7919 + i // 3) % 256 for i in range(50_000))
    large = b"\0" * (SMALL_FETCH + 1)
    add = origin.add
    html = b"<!doctype html><html><body>Sign in</body></html>"
    return {
        "unreachable": (f"http://127.0.0.1:{unused_port()}/a.mp3", "source_unreachable", "check"),
        "private": ("http://10.255.255.1/a.mp3", "source_refused", "GMAPI_FETCH_ALLOW="),
        "metadata": ("http://169.254.169.254/x", "source_refused", "GMAPI_FETCH_ALLOW="),
        "404": (origin.url("/none.mp3"), "source_status", "404"),
        "403": (add("/bad/403", status(403)), "source_status", "403"),
        "500": (add("/bad/500", status(500)), "source_status", "500"),
        "page": (add("/bad/page", html, content_type="text/html"), "source_not_media",
                 "a web page.*give"),
        "json": (add("/bad/json", b'{"error": "no"}'), "source_not_media", "JSON.*give"),
        "playlist": (add("/bad/list", b"#EXTM3U\n/a.ts\n/b.ts\n"), "source_playlist",
                     "playlist names 2 sources; give"),
        "empty": (add("/bad/empty", b""), "source_empty", "empty"),
        "truncated": (add("/bad/cut", truncated(song, 3000)), "source_", "broke off|ended|again"),
        "unfinished chunks": (add("/bad/chunks", chunked(song, finish=False)), "source_",
                              "broke off|ended|again"),
        "too large": (add("/bad/large", large), "source_too_large", "300"),
        "too large in chunks": (add("/bad/large2", chunked(large)), "source_too_large", "300"),
        "trickle": (add("/bad/slow", trickle(song, 0.2)), "source_too_slow", "slow|took|long"),
        "silent": (add("/bad/silent", silent), "source_too_slow", "slow|sent|took|long"),
        "slow headers": (add("/bad/headers", slow_headers(0.2)), "source_", "slow|took|long"),
        "redirect in circles": (add("/bad/circle", redirect("/bad/circle")), "source_",
                                "redirect"),
        "redirect inside": (add("/bad/inside", redirect("http://10.0.0.1/")), "source_refused",
                            "GMAPI_FETCH_ALLOW="),
        "redirect to a file": (add("/bad/file", redirect("file:///etc/passwd")), "source_",
                               "redirects.*give"),
        "noise": (add("/bad/noise", noise), "", "not|no media|damaged|could not"),
        "damaged film": (add("/bad/film", film[:2000] + noise), "", "damaged|incomplete|could"),
    }  # fmt: skip


TOOLS: dict[str, dict[str, Any]] = {
    "ffmpeg": {"output_format": "dfpwm", "args": ["-vn", "-ac", "1"]},
    "video_frame": {"w": 64, "h": 48},
}


@pytest.fixture(scope="module")
def failed(
    strict: GmapiServer, sources: dict[str, tuple[str, str, str]]
) -> dict[tuple[str, str], Answer]:
    """The answers of both tools to all these sources, asked for at the same time."""

    def ask(case: tuple[str, str]) -> Answer:
        tool, name = case
        field = "video_url" if tool == "video_frame" else "input_url"
        return strict.post(f"/api/{tool}", {field: sources[name][0], **TOOLS[tool]})

    cases = [(tool, name) for tool in TOOLS for name in sources]
    with ThreadPoolExecutor(len(cases)) as pool:
        return dict(zip(cases, pool.map(ask, cases), strict=True))


SOURCE_NAMES = [
    "unreachable", "private", "metadata", "404", "403", "500", "page", "json",
    "playlist", "empty", "truncated", "unfinished chunks", "too large", "too large in chunks",
    "trickle", "silent", "slow headers", "redirect in circles", "redirect inside",
    "redirect to a file", "noise", "damaged film",
]  # fmt: skip


@pytest.mark.parametrize("name", SOURCE_NAMES)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_source_that_cannot_be_had(
    strict: GmapiServer,
    failed: dict[tuple[str, str], Answer],
    sources: dict[str, tuple[str, str, str]],
    tool: str,
    name: str,
) -> None:
    answer = failed[tool, name]
    _, error_code, words = sources[name]
    assert answer.status == 200, answer.body
    fields = answer.json()
    assert fields["error_code"].startswith(error_code), fields
    assert_one_sentence(fields, None, words)
    # The same story by the task's own address.
    task = strict.task(fields["task_id"])
    assert task["status"] == "error"
    assert task["result"] == {}
    assert (task["error"], task["message"]) == (fields["error"], fields["error"])
    assert_no_files(strict)


def test_all_sources_are_tested(sources: dict[str, tuple[str, str, str]]) -> None:
    assert list(sources) == SOURCE_NAMES


MISFITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no sound": ("/silent.mp4", {"output_format": "dfpwm"}, "no sound"),
    "no picture": ("/song.mp3", {"output_format": "png"}, "no picture"),
    "no subtitles": ("/clip.mp4", {"output_format": "srt"}, "no subtitles"),
    "no such stream": ("/song.mp3", {"output_format": "mp3", "args": ["-map", "0:v"]}, "-map"),
    "all left out": ("/clip.mp4", {"output_format": "mp4", "args": ["-vn", "-an"]}, "-vn"),
    "beyond the end": ("/song.mp3", {"output_format": "mp3", "input_args": ["-ss", "999"]}, "-ss"),
    "odd size": ("/clip.mp4", {"output_format": "mp4", "args": ["-vf", "scale=33:33"]}, "even"),
    "codec of another format": (
        "/clip.mp4", {"output_format": "wav", "args": ["-c:a", "libopus"]}, "codec"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_source_that_does_not_fit_the_arguments(
    strict: GmapiServer, origin: Origin, name: str
) -> None:
    path, values, words = MISFITS[name]
    answer = strict.post("/api/ffmpeg", {"input_url": origin.url(path), **values})
    assert answer.status == 200, answer.body
    assert_one_sentence(answer.json(), None, words)
    assert_no_files(strict)


def test_a_picture_beyond_the_limit(
    strict: GmapiServer, contract_media: Callable[[str], str], origin: Origin
) -> None:
    # A PNG's head alone: 30,000 x 30,000 pixels.
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4) * 2 + b"\x08\x02\0\0\0"
    url = origin.add("/bad/giant.png", head + b"\0" * 4000)
    for route, values in (
        ("/api/ffmpeg", {"input_url": url, "output_format": "png"}),
        ("/api/video_frame", {"video_url": url}),
    ):
        fields = strict.post(route, values).json()
        assert_one_sentence(fields, None, "limit|damaged|could not|no video|picture")
    assert_no_files(strict)


def test_video_frames_of_a_song(strict: GmapiServer, origin: Origin) -> None:
    fields = strict.post("/api/video_frame", {"video_url": origin.url("/song.mp3")}).json()
    assert fields["error_code"] == "no_video"
    assert_one_sentence(fields, None, "use /api/ffmpeg")
    # Frames of a task that failed will never exist.
    frame = f"/frames/{fields['task_id']}/frame_000001.png"
    for answer in (strict.get(frame), strict.post("/api/framepack", {"urls": [frame]})):
        assert_refused(answer, 404, "not_found", None, "no frame|[Ff]rames are called")
    assert_no_files(strict)


# -- tasks, frames and files that are not there ------------------------------------------------


@pytest.mark.parametrize(
    "task_id",
    [UNKNOWN_ID, UNKNOWN_ID.upper(), "0", "x" * 32, "..%2f..", "%00", "%ff" * 32, "٣" * 32],
)
@pytest.mark.parametrize("route", ["", "/events", "/ws", "/cancel"])
def test_an_unknown_task(server: GmapiServer, task_id: str, route: str) -> None:
    method = "POST" if route == "/cancel" else "GET"
    reply = game_call(server.port, method, f"/api/task/{quoted(task_id)}{route}")
    assert reply.status == 404
    fields = reply.json()
    assert fields["error_code"] in ("not_found", "http_404")
    assert_one_sentence(fields, None, "never existed|documentation")


def quoted(text: str) -> str:
    return "".join(c if c.isascii() else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


@pytest.mark.parametrize("number", [281, 999_999])
def test_frames_that_will_never_exist(
    server: GmapiServer, film: dict[str, Any], number: int
) -> None:
    good, bad = (f"/frames/{film['task_id']}/frame_{n:06d}.png" for n in (1, number))
    assert_refused(server.get(bad), 404, "not_found", None, f"no frame {number}")
    pack = server.post("/api/framepack", {"urls": [good, bad]})
    assert_refused(pack, 404, "not_found", None, f"no frame {number}")


@pytest.mark.parametrize("name", ["frame_1.png", "frame_000000.png", "frame_000001.jpg", "x"])
def test_frames_of_other_names(server: GmapiServer, film: dict[str, Any], name: str) -> None:
    answer = server.get(f"/frames/{film['task_id']}/{name}")
    assert_refused(answer, 404, "not_found", None, "frame_000001.png")


def test_frames_of_a_task_that_has_none(server: GmapiServer, song: dict[str, Any]) -> None:
    frame = f"/frames/{song['task_id']}/frame_000001.png"
    for answer in (server.get(frame), server.post("/api/framepack", {"urls": [frame]})):
        assert_refused(answer, 404, "not_found", None, "no frame")


TRAVERSALS = [
    "../gmapi.db", "..%2fgmapi.db", "%2e%2e/gmapi.db", "%2e%2e%2fgmapi.db", "..%252fgmapi.db",
    "..%5cgmapi.db", "..\\gmapi.db", "....//gmapi.db", "%c0%ae%c0%ae/gmapi.db", "/etc/passwd",
    "%2fetc%2fpasswd", "//etc/passwd", "..%00/gmapi.db", "output.mp3%00.png", ".", "..", "%2e",
    "frames", "frames/0.pack", "frames%2f0.pack", "output.mp3/", "output.mp3/../../gmapi.db",
    "..;/gmapi.db", "%uff0e%uff0e/gmapi.db", "．．/gmapi.db", "con", "output.mp3:stream", "~root",
    "a" * 300, "output.MP3", ".output.mp3", "output..mp3",
]  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_way_out_of_the_folders(
    server: GmapiServer, film: dict[str, Any], song: dict[str, Any], name: str
) -> None:
    file_id = song["file_id"]
    for start in (
        f"/download/{file_id}/", f"/frames/{film['task_id']}/", f"/download/{UNKNOWN_ID}/",
        "/download/", "/frames/", "/docs/",
    ):  # fmt: skip
        reply = game_call(server.port, "GET", start + quoted(name))
        fields = reply.json()
        assert reply.status == 404, (start, reply.body)
        assert_one_sentence(fields, None, "no |nothing|called")
    for url in (f"/frames/{film['task_id']}/{name}", f"http://h/frames/../{name}", name):
        answer = server.post("/api/framepack", {"urls": [url]})
        assert_refused(answer, 400, "bad_request", "urls", "such as /frames/")


# -- no room -----------------------------------------------------------------------------------


def test_a_full_disk_budget(make_server: Callable[..., GmapiServer]) -> None:
    with make_server(workers=1, disk_budget=5_000_000) as server:
        kept = server.data_dir / "files" / UNKNOWN_ID
        kept.mkdir()
        (kept / "output.mp3").write_bytes(bytes(5_000_000))
        # It was measured a moment ago, when there was room.
        wait_for(lambda: server.post(FFMPEG_ROUTES[0], FFMPEG).status == 507, what="a measurement")
        for route in FFMPEG_ROUTES:
            answer = server.post(route, FFMPEG)
            assert_refused(answer, 507, "storage_full", None, "Try again")
            assert int(answer.headers["Retry-After"]) > 0
        wait_for(lambda: os.listdir(server.data_dir / "attempts") == [], what="no work left")
