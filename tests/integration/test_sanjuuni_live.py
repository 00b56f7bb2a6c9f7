"""Films of the `sanjuuni` tool on a real server while they are made, and in parts when they are
larger than what a game computer takes at once."""

from __future__ import annotations

import json
import os
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from support.game.cc_emulator import REPLY_MAX, Computer
from support.http.origin import Origin
from support.http.raw_http import GameCall, game_call
from support.media.programs import make_media
from support.product.server import GmapiServer, alive, arguments, wait_for
from support.screens import decoders, vid32_decoder
from support.screens.studio import Studio
from support.screens.vid32_decoder import AUDIO, TEXT, VIDEO, File, Picture

Media = Callable[[str], Path]

HEADERS = 21
"""Bytes of the file's header and its stream's."""
COUNTS = slice(12, 20)
"""Where size and count of the stream are, unknown while the file grows."""
UNKNOWN = b"\xff" * 8
PICTURES = 1200
EARLY_BYTES = 150_000


@pytest.fixture(scope="module")
def long_film(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a film of a minute with sound, whose conversion takes seconds."""
    path = make_media(
        tmp_path_factory.mktemp("live") / "long.mkv", "-f", "lavfi", "-i",
        "testsrc2=s=160x120:r=20:d=60", "-f", "lavfi", "-i", "sine=440:r=48000:d=60",
        "-c:v", "mjpeg", "-c:a", "flac",
    )  # fmt: skip
    return origin.add("/long.mkv", path.read_bytes())


def whole_chunks(data: bytes) -> bytes:
    """What has come of a film, without the chunk that has not come wholly."""
    at = HEADERS
    while at + 5 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        if at + 5 + size > len(data):
            break
        at += 5 + size
    return data[:at]


def videos(file: File) -> list[bytes]:
    return [chunk.data for chunk in file.chunks if chunk.kind == VIDEO]


def picture_at(file: File, number: int) -> Picture:
    return vid32_decoder.picture(videos(file)[number], file.columns, file.rows, file.compression)


def equal(one: Picture, other: Picture) -> bool:
    return (
        np.array_equal(one.codes, other.codes)
        and np.array_equal(one.colors, other.colors)
        and np.array_equal(one.palette, other.palette)
    )


@dataclass
class Running:
    """A task whose ffmpegs stand still, and a reader that has had the beginning of its file."""

    server: GmapiServer
    task_id: str
    path: str
    reader: GameCall
    ffmpegs: list[int]

    @property
    def file_id(self) -> str:
        return self.path.split("/")[2]

    def task(self) -> dict[str, Any]:
        return self.server.task(self.task_id)


@contextmanager
def half_made(server: GmapiServer, url: str, width: int) -> Iterator[Running]:
    """Submits a film and holds it as soon as a reader has had some pictures of it. Each `width` is
    another request."""
    values = {
        "input_url": url,
        "output_format": "32vid",
        "args": [f"--width={width}", "--height=243"],
    }
    accepted = server.post("/api/sanjuuni/async", values).json()
    task_id = accepted["task_id"]

    def address() -> str | None:
        task = server.task(task_id)
        assert task["status"] in ("pending", "running"), task
        found: str | None = task["result"].get("download_url")
        return found

    path = urlsplit(wait_for(address, 30, "the address of the growing film")).path
    stopped: list[int] = []
    with GameCall(server.port, "GET", path) as reader:
        reader.read_until(lambda: len(reader.received) > EARLY_BYTES)
        try:
            for pid in server.ffmpegs():
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
            yield Running(server, task_id, path, reader, stopped)
        finally:
            for pid in stopped:
                if alive(pid):
                    os.kill(pid, signal.SIGCONT)


def test_a_film_is_read_while_it_is_made(server: GmapiServer, long_film: str) -> None:
    with half_made(server, long_film, 328) as running:
        assert any("rawvideo" in arguments(pid) for pid in running.ffmpegs)
        task = running.task()
        assert task["status"] == "running"
        assert task["result"]["growing"] is True
        assert task["result"]["file_name"] == "output.32v"
        early = vid32_decoder.parse(whole_chunks(running.reader.body))
        assert (early.columns, early.rows, early.fps) == (164, 81, 20)
        assert 0 < len(videos(early)) < PICTURES
        assert early.streams[0].size == 2**32 - 1
        # The sound of the first half second comes before its pictures.
        assert early.chunks[0].kind == AUDIO
        assert len(early.chunks[0].data) == 24_000
        seen = {n: picture_at(early, n) for n in (0, 1, len(videos(early)) - 1)}

        head = game_call(server.port, "HEAD", running.path)
        assert not {"content-length", "etag"} & set(head.headers)
        part = game_call(server.port, "GET", running.path, headers={"Range": "bytes=0-20"})
        assert (part.status, part.body[COUNTS][:4]) == (206, UNKNOWN[:4])
        for pid in running.ffmpegs:
            os.kill(pid, signal.SIGCONT)
        grown = running.reader.finish()
    assert (grown.status, grown.whole) == (200, True)
    assert grown.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in grown.headers

    task = server.wait_for_task(running.task_id)
    assert task["status"] == "completed", task
    result = task["result"]
    assert (result["frames"], result["growing"]) == (PICTURES, False)
    done = game_call(server.port, "GET", running.path)
    assert done.headers["content-length"] == str(len(done.body)) == str(result["size"])
    assert done.headers["etag"]
    # What the reader got is the same but for the counts that were not known then.
    assert grown.body[COUNTS][:4] == UNKNOWN[:4]
    assert grown.body[: COUNTS.start] == done.body[: COUNTS.start]
    assert grown.body[COUNTS.stop :] == done.body[COUNTS.stop :]
    file = vid32_decoder.parse(done.body)
    stream = file.streams[0]
    assert (stream.size, stream.count) == (len(stream.data), len(file.chunks))
    assert len(videos(file)) == PICTURES
    assert len(file.sound()) == 60 * 48_000
    for number, picture in seen.items():
        assert equal(picture, picture_at(file, number))

    middle = len(done.body) // 2
    wanted = {"Range": f"bytes={middle}-{middle + 999_999}"}
    part = game_call(server.port, "GET", running.path, headers=wanted)
    assert (part.status, part.body) == (206, done.body[middle : middle + 1_000_000])


def test_a_cancelled_film_breaks_off_and_leaves_nothing(
    server: GmapiServer, long_film: str
) -> None:
    with half_made(server, long_film, 326) as running:
        assert running.ffmpegs
        assert running.task()["status"] == "running"
        folder = server.data_dir / "files" / running.file_id
        assert any(folder.iterdir())
        answer = server.delete(f"/api/task/{running.task_id}")
        assert (answer.status, answer.json()["status"]) == (200, "cancelled")
        torn = running.reader.finish()
        assert not torn.whole
        assert torn.body.startswith(b"32VD")
        for pid in running.ffmpegs:
            wait_for(lambda pid=pid: not alive(pid), 10, "the end of ffmpeg")
    assert running.task()["status"] == "cancelled"
    assert game_call(server.port, "GET", running.path).status == 404
    wait_for(lambda: not folder.exists() or not any(folder.iterdir()), 10, "the file's end")
    attempts = server.data_dir / "attempts"
    wait_for(
        lambda: not [path for path in attempts.glob("*") if running.task_id in path.name],
        10,
        "the end of the work folder",
    )


# -- parts ----------------------------------------------------------------------------------------

LARGE = ["--width=1600", "--height=1224", "-p -t"]
SUBTITLE = (
    b"1\n00:00:00,500 --> 00:00:08,000\nall the time\n\n2\n00:00:00,000 --> 00:00:00,250\nx\n"
)

DOWNLOADER = """
    local reply = assert(http.post("%s/api/sanjuuni", textutils.serializeJSON(request)))
    local answer = textutils.unserializeJSON(reply.readAll())
    assert(answer.status == "success", answer.error)
    local whole, reason = http.get({url = answer.download_url, binary = true})
    print(whole == nil, reason)
    for _, url in ipairs(answer.parts) do
        local part = assert(http.get({url = url, binary = true}))
        print(url)
        part.close()
    end
"""


def test_a_film_that_is_too_large_for_the_game_is_there_in_parts(
    server: GmapiServer, origin: Origin, screen_media: Media
) -> None:
    url = origin.add("/large.mkv", screen_media("large.mkv").read_bytes())
    values = {
        "input_url": url,
        "output_format": "32vid",
        "args": [*LARGE, "-cnone"],
        "subtitle_url": origin.add("/large.srt", SUBTITLE),
    }
    computer = Computer()
    computer.run(f"request = textutils.unserializeJSON('{json.dumps(values)}')")
    computer.run(DOWNLOADER % server.base)
    refused, *urls = computer.printed
    assert refused == "true Response is too large"
    answer = server.post("/api/sanjuuni", values).json()
    assert urls == answer["parts"]
    assert len(urls) == 2

    whole = vid32_decoder.parse(server.get(answer["download_url"]).body)
    bodies = [server.get(part).body for part in urls]
    assert max(map(len, bodies)) <= REPLY_MAX < answer["size"]
    parts = list(map(vid32_decoder.parse, bodies))
    for part in parts:
        assert (part.columns, part.rows, part.fps, part.flags) == (800, 408, 4, whole.flags)
        (stream,) = part.streams
        assert (stream.size, stream.count) == (len(stream.data), len(part.chunks))
        # A part begins with sound, as a whole film does.
        assert part.chunks[0].kind == AUDIO
        assert equal(picture_at(part, -1), picture_at(whole, sum_before(parts, part) - 1))
    assert [data for part in parts for data in videos(part)] == videos(whole)
    assert len(videos(whole)) == answer["frames"] == 32
    assert b"".join(part.sound() for part in parts) == whole.sound()
    assert len(whole.sound()) == 8 * 48_000

    told = [texts(part) for part in parts]
    first = len(videos(parts[0]))
    # The subtitle on the screen at the cut is told again, counted from there.
    assert told == [
        [(0, 1, b"x"), (2, 30, b"all the time")],
        [(0, 32 - first, b"all the time")],
    ]
    assert texts(whole) == told[0]


def sum_before(parts: list[File], last: File) -> int:
    """Pictures up to the end of a part."""
    return sum(len(videos(part)) for part in parts[: parts.index(last) + 1])


def texts(file: File) -> list[tuple[int, int, bytes]]:
    return [
        (event.start, event.length, event.text)
        for chunk in file.chunks
        if chunk.kind == TEXT
        for event in vid32_decoder.events(chunk.data)
    ]


def test_parts_of_a_table_are_tables_of_the_same_pictures(
    studio: Studio, screen_media: Media
) -> None:
    made = studio.convert(
        screen_media("large.mkv"), output_format="bimg", args=[*LARGE, "-B"], fps=2.5
    )
    tables = [decoders.LuaReader(data).value() for data in (made.data, *made.parts)]
    assert len(tables) == 3
    assert max(map(len, made.parts)) <= REPLY_MAX < len(made.data)
    frames = [[value for key, value in each.items() if isinstance(key, int)] for each in tables]
    assert len(frames[0]) == made.result.frames == 20
    assert frames[1] + frames[2] == frames[0]
    for table in tables:
        assert table["animation"] is True
        assert table["secondsPerFrame"] == 0.4


def test_parts_of_a_paint_file_are_its_lines(studio: Studio, screen_media: Media) -> None:
    made = studio.convert(screen_media("large.mkv"), output_format="nfp", args=LARGE, fps=1.25)
    picture = 1224 * 1601
    assert len(made.data) == made.result.frames * picture > REPLY_MAX
    assert b"".join(made.parts) == made.data
    for part in made.parts:
        assert len(part) <= REPLY_MAX
        assert len(part) % picture == 0


def test_a_film_that_the_game_takes_has_no_parts(studio: Studio, screen_media: Media) -> None:
    made = studio.convert(screen_media("large.mkv"), output_format="32vid")
    assert made.result.parts is None
    # One in separate streams cannot be cut.
    separate = studio.convert(
        screen_media("large.mkv"), output_format="32vid", args=[*LARGE, "-cnone", "-S"]
    )
    assert separate.result.parts is None
    assert separate.result.size > REPLY_MAX
    assert "in ranges" in separate.result.message
