"""Section 1 of the client contract: any request."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.http.origin import Origin
from support.http.raw_http import GameCall, game_call
from support.product.server import GmapiServer

DFPWM = {"args": ["-vn", "-ar", "48000", "-ac", "1"], "output_format": "dfpwm"}


def frame_path(film: dict[str, Any], number: int) -> str:
    return f"/frames/{film['task_id']}/frame_{number:06d}.png"


@pytest.mark.parametrize(
    "label",
    [
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_r1_a_body_is_json_whatever_its_content_type_says(
    server: GmapiServer, origin: Origin, song: dict[str, Any], label: str
) -> None:
    values = {"input_url": origin.url("/song.mp3"), **DFPWM}
    reply = game_call(server.port, "POST", "/api/ffmpeg", values, headers={"Content-Type": label})
    assert reply.json()["download_url"] == song["download_url"]


def test_r1_a_form_label_does_not_spoil_a_body_that_looks_like_a_form(
    server: GmapiServer, origin: Origin, song: dict[str, Any]
) -> None:
    values = {"input_url": origin.url("/song.mp3?a=1&b=%20x+y"), **DFPWM}
    reply = game_call(server.port, "POST", "/api/ffmpeg", values)
    assert reply.json()["status"] == "success"
    assert origin.requests[-1].path == "/song.mp3?a=1&b=%20x+y"


def test_r2_a_content_type_on_a_get_without_a_body_is_ignored(
    server: GmapiServer, film: dict[str, Any], song: dict[str, Any]
) -> None:
    label = {"Content-Type": "application/json"}
    audio = film["result"]["audio_urls"]["audio_dfpwm_url"]
    paths = [
        f"/api/task/{film['task_id']}",
        frame_path(film, 1),
        audio,
        urlsplit(song["download_url"]).path,
        "/health",
    ]
    for path in paths:
        assert game_call(server.port, "GET", path, headers=label).status == 200, path


def test_r3_the_query_of_an_api_path_is_ignored(
    server: GmapiServer, origin: Origin, film: dict[str, Any], song: dict[str, Any]
) -> None:
    first = frame_path(film, 1)
    pack = game_call(server.port, "POST", f"/api/framepack?{first}", {"urls": [first]})
    assert (pack.status, pack.body[:4]) == (200, b"\0\0\0\1")

    source = {"input_url": origin.url("/song.mp3"), **DFPWM}
    again = game_call(server.port, "POST", "/api/ffmpeg?/1/&x=%ff&input_url=http://no", source)
    assert again.json()["download_url"] == song["download_url"]

    video = {"video_url": origin.url("/film.mp4"), "w": 96, "h": 64, "pad_to_target": True}
    joined = game_call(server.port, "POST", "/api/video_frame/async?w=1&h=[]", video)
    assert joined.json()["task_id"] == film["task_id"]

    task = game_call(server.port, "GET", f"/api/task/{film['task_id']}?/a/b?c=d&task_id=x")
    assert task.json()["task_id"] == film["task_id"]
    assert game_call(server.port, "GET", f"{first}?frame_000002.png").status == 200
    path = urlsplit(song["download_url"]).path
    assert game_call(server.port, "GET", f"{path}?time=1").status == 200


def test_r4_an_empty_lua_table_is_an_empty_list(server: GmapiServer, origin: Origin) -> None:
    url = origin.url("/song.mp3")
    body = f'{{"input_url":"{url}","args":{{}},"output_format":"wav"}}'.encode()
    answer = game_call(server.port, "POST", "/api/ffmpeg", body).json()
    assert (answer["status"], answer["file_name"]) == ("success", "output.wav")


def test_r4_an_object_with_numbers_as_keys_is_a_list_in_their_order(
    server: GmapiServer, origin: Origin
) -> None:
    # In the order of texts "10" comes before "2", which would tear -t from its value.
    words = ["-vn", "-sn", "-ac", "1", "-ar", "48000", "-af", "volume=0.5", "-t", "2"]
    args = {str(number): words[number - 1] for number in (10, 2, 1, 3, 4, 5, 6, 7, 8, 9)}
    values = {"input_url": origin.url("/song.mp3"), "args": args, "output_format": "dfpwm"}
    answer = game_call(server.port, "POST", "/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    assert answer["duration"] == pytest.approx(2, abs=0.2)


def test_r4_the_list_of_a_pack_may_be_an_object(server: GmapiServer, film: dict[str, Any]) -> None:
    urls = {str(n): frame_path(film, n) for n in range(12, 0, -1)}
    listed = [frame_path(film, n) for n in range(1, 13)]
    by_object = game_call(server.port, "POST", "/api/framepack", {"urls": urls})
    by_list = game_call(server.port, "POST", "/api/framepack", {"urls": listed})
    assert (by_object.status, by_object.body) == (200, by_list.body)
    empty = game_call(server.port, "POST", "/api/framepack", {"urls": []})
    assert empty.status == 400
    assert "urls" in empty.json()["error"]


def test_r5_unknown_fields_are_ignored_and_numbers_may_be_floats(
    server: GmapiServer, origin: Origin, film: dict[str, Any]
) -> None:
    numbers = '"w":96.0,"h":64.3,"fps":20.0,"pad_to_target":true,"force_resolution":false'
    unknown = '"gpu":{"x":[1]},"player":"x"'
    url = origin.url("/film.mp4")
    body = f'{{"video_url":"{url}",{numbers},{unknown}}}'.encode()
    reply = game_call(server.port, "POST", "/api/video_frame/async", body)
    assert reply.json()["task_id"] == film["task_id"]


def test_r6_byte_escapes_of_the_game_are_utf_8_again(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    path = "/%E9%9F%B3%E6%A8%82.mp3"
    origin.add(path, (media_dir / "song.mp3").read_bytes())
    url = origin.url("/音樂.mp3")
    answer = game_call(server.port, "POST", "/api/ffmpeg", {"input_url": url, **DFPWM}).json()
    assert answer["status"] == "success", answer
    assert origin.requests[-1].path == path


def test_r6_text_that_is_no_escaped_utf_8_stays_as_it_is(
    server: GmapiServer, origin: Origin, media_dir: Path
) -> None:
    body = {"input_url": origin.url("/caf\u00e9.mp3"), **DFPWM}
    path = "/caf%C3%A9.mp3"
    origin.add(path, (media_dir / "song.mp3").read_bytes())
    answer = server.post("/api/ffmpeg", body).json()
    assert answer["status"] == "success", answer
    assert origin.requests[-1].path == path


def test_r7_no_header_is_required(
    server: GmapiServer, origin: Origin, film: dict[str, Any], song: dict[str, Any]
) -> None:
    paths = [f"/api/task/{film['task_id']}", frame_path(film, 1), song["download_url"]]
    for path in [urlsplit(url).path for url in paths]:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        with GameCall.bare(server.port, request) as call:
            reply = call.finish()
        assert (reply.status, reply.whole) == (200, True)
    content = b'{"urls":["%s"]}' % frame_path(film, 1).encode()
    request = (
        b"POST /api/framepack HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
    )
    with GameCall.bare(server.port, request) as call:
        assert call.finish().status == 200


def test_r8_paths_and_absolute_urls_of_ours_are_taken_alike(
    server: GmapiServer, film: dict[str, Any]
) -> None:
    path = frame_path(film, 3)
    forms = [path, server.base + path, f"http://localhost{path}", f"https://other.example{path}"]
    packs = [
        game_call(server.port, "POST", "/api/framepack", {"urls": [form]}).body for form in forms
    ]
    assert len(packs[0]) > 100
    assert packs == [packs[0]] * 4
