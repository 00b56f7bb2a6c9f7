"""Section 7 of the client contract: /download and /frames."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from support.http.origin import Origin
from support.http.raw_http import GameCall, game_call
from support.product.server import GmapiServer


@pytest.fixture(params=["download", "frames"])
def address(request: pytest.FixtureRequest, film: dict[str, Any], song: dict[str, Any]) -> str:
    """The path of a file of each kind."""
    if request.param == "download":
        return urlsplit(song["download_url"]).path
    return f"/frames/{film['task_id']}/frame_000007.png"


def test_d1_ranges_give_exactly_the_bytes_asked_for(server: GmapiServer, address: str) -> None:
    whole = game_call(server.port, "GET", address)
    size = len(whole.body)
    assert (whole.status, whole.headers["accept-ranges"]) == (200, "bytes")
    assert whole.headers["content-length"] == str(size)
    cases = {
        "bytes=0-0": (0, 0),
        "bytes=100-299": (100, 299),
        f"bytes={size - 5}-{size + 50}": (size - 5, size - 1),
        "bytes=200-": (200, size - 1),
        "bytes=-50": (size - 50, size - 1),
        f"bytes=-{size * 2}": (0, size - 1),
    }
    for wanted, (first, last) in cases.items():
        part = game_call(server.port, "GET", address, headers={"Range": wanted})
        assert part.status == 206, wanted
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.headers["content-length"] == str(last - first + 1)
        assert part.body == whole.body[first : last + 1]


def test_d1_a_range_past_the_end_is_416(server: GmapiServer, address: str) -> None:
    size = len(game_call(server.port, "GET", address).body)
    for wanted in (f"bytes={size}-", f"bytes={size + 10}-{size + 20}"):
        reply = game_call(server.port, "GET", address, headers={"Range": wanted})
        assert reply.status == 416
        assert reply.headers["content-range"] == f"bytes */{size}"


def test_d1_d2_pieces_make_the_whole_file_and_are_of_one_file(
    server: GmapiServer, address: str
) -> None:
    whole = game_call(server.port, "GET", address)
    size = len(whole.body)
    piece, got, marks = size // 3 + 1, b"", set()
    for start in range(0, size, piece):
        wanted = {"Range": f"bytes={start}-{start + piece - 1}"}
        part = game_call(server.port, "GET", address, headers=wanted)
        got += part.body
        marks.add((part.headers["etag"], part.headers["last-modified"]))
    assert got == whole.body
    assert marks == {(whole.headers["etag"], whole.headers["last-modified"])}


def test_d2_marks_stay_the_same_and_are_honoured(server: GmapiServer, address: str) -> None:
    replies = [game_call(server.port, method, address) for method in ("GET", "HEAD", "GET")]
    etags = {reply.headers["etag"] for reply in replies}
    dates = {reply.headers["last-modified"] for reply in replies}
    assert len(etags) == len(dates) == 1
    etag = etags.pop()
    assert etag.startswith('"')
    unchanged = game_call(server.port, "GET", address, headers={"If-None-Match": etag})
    assert (unchanged.status, unchanged.body) == (304, b"")
    same = {"Range": "bytes=1-4", "If-Range": etag}
    assert game_call(server.port, "GET", address, headers=same).status == 206
    other = {"Range": "bytes=1-4", "If-Range": '"another"'}
    assert game_call(server.port, "GET", address, headers=other).body == replies[0].body


def test_d3_head_tells_the_size_and_sends_nothing(server: GmapiServer, address: str) -> None:
    whole = game_call(server.port, "GET", address)
    head = game_call(server.port, "HEAD", address)
    assert (head.status, head.body) == (200, b"")
    names = ("content-length", "content-type", "accept-ranges", "etag", "last-modified")
    assert {n: head.headers[n] for n in names} == {n: whole.headers[n] for n in names}
    assert game_call(server.port, "HEAD", address + "x").status == 404


def test_d4_a_link_works_without_any_header_and_by_its_full_address(
    server: GmapiServer, song: dict[str, Any], film: dict[str, Any]
) -> None:
    addresses = [
        urlsplit(song["download_url"]).path,
        film["result"]["audio_urls"]["audio_dfpwm_url"],
        f"/frames/{film['task_id']}/frame_000001.png",
    ]
    for path in addresses:
        with GameCall.bare(server.port, f"GET {path} HTTP/1.0\r\n\r\n".encode()) as call:
            reply = call.finish()
        assert (reply.status, reply.whole) == (200, True)
        assert len(reply.body) == int(reply.headers["content-length"]) > 0


@pytest.mark.parametrize("wanted", ["dfpwm", "mp3", "wav", "ogg", ".MP3"])
def test_d5_the_name_ends_in_the_format(server: GmapiServer, origin: Origin, wanted: str) -> None:
    values = {"input_url": origin.url("/song.mp3?d5"), "output_format": wanted}
    answer = game_call(server.port, "POST", "/api/ffmpeg", values).json()
    assert answer["status"] == "success", answer
    extension = wanted.lower().removeprefix(".")
    assert answer["download_url"].endswith(f"/output.{extension}")
    assert game_call(server.port, "HEAD", urlsplit(answer["download_url"]).path).status == 200


@pytest.mark.parametrize(
    ("tool", "values", "name"),
    [
        ("ffmpeg", {"input_url": "/song.mp3", "output_format": "flac"}, "evening-song.flac"),
        ("sanjuuni", {"input_url": "/picture.png", "output_format": "32vid"}, "evening-song.32v"),
        ("sanjuuni", {"input_url": "/picture.png", "output_format": "png"}, "evening-song.png"),
    ],
)
def test_d5_an_output_has_the_name_that_was_asked_for(
    server: GmapiServer, origin: Origin, tool: str, values: dict[str, str], name: str
) -> None:
    wanted = {**values, "input_url": origin.url(values["input_url"]), "output_name": "evening-song"}
    answer = server.post(f"/api/{tool}", wanted).json()
    assert answer["file_name"] == name
    assert answer["download_url"].endswith(f"/{name}")
    file = server.get(answer["download_url"])
    assert (file.status, len(file.body)) == (200, answer["size"])
    assert file.headers["Content-Disposition"] == f'inline; filename="{name}"'
