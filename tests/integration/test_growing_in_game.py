"""A game computer plays a film from its first pictures on, while a job still makes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from lupa import lua52
from werkzeug.serving import make_server

from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Film, Tally
from gmapi.computercraft.options import Compression
from gmapi.computercraft.screen import Screen
from gmapi.jobs.service import JobService
from gmapi.storage.growing import GrowingFile
from gmapi.web import growing
from gmapi.web.app import create_app
from support.game.cc_emulator import Computer
from support.game.cc_terminal import Terminal
from support.product.growing_jobs import NAME, Attempt, Bench
from support.product.server import wait_for
from support.screens.kernel_choices import NUMPY

READER = (Path(__file__).parents[1] / "support/game/vid32_reader.lua").read_text("utf-8")
COLUMNS, ROWS, FPS = 26, 10, 20
PICTURES = 12
EARLY = 5
"""Pictures that are shown before the next one is made."""

PLAYER = """
local reader = require("vid32_reader")
local monitor = peripheral.wrap("monitor")
local PIECE = 8 * 1024

-- Gives the file to `take` as it comes; returns how many bytes that were in all.
local function follow(url, take)
    local at = 0
    while true do
        local reply, reason, failed = http.get({
            url = url,
            headers = {Range = ("bytes=%d-%d"):format(at, at + PIECE - 1)},
            binary = true,
        })
        local answer = reply or failed
        if not answer then error(reason, 0) end
        local code = answer.getResponseCode()
        if code == 206 then
            local data = answer.readAll()
            local total = answer.getResponseHeaders()["Content-Range"]:match("/(.+)$")
            answer.close()
            take(data)
            at = at + #data
            if at == tonumber(total) then return at end
        else
            answer.close()
            if code == 416 then return at end
            if code ~= 503 then error(reason, 0) end
            print("not yet")
            sleep(1)
        end
    end
end

local header, rest, shown = nil, "", 0

local function play(data)
    rest = rest .. data
    if not header and #rest >= 21 then header, rest = rest:sub(1, 21), rest:sub(22) end
    while header and #rest >= 5 do
        local a, b, c, d = rest:byte(1, 4)
        local size = 5 + a + 256 * (b + 256 * (c + 256 * d))
        if #rest < size then return end
        local film = reader.open(header .. rest:sub(1, size))
        for chunk in film.chunks() do
            if chunk.kind == reader.VIDEO then
                film.draw(chunk, monitor)
                shown = shown + 1
                print("shown " .. shown)
                sleep(1 / film.fps)
            end
        end
        rest = rest:sub(size + 1)
    end
end

print(follow(url, play) .. " bytes, " .. #rest .. " left")
"""


class Worker:
    """Writes a film as a job does: picture after picture, the count at the end."""

    def __init__(self, file: GrowingFile) -> None:
        self._file = file
        self._writer = Vid32Writer(
            Film(COLUMNS, ROWS, FPS), kernels=NUMPY, compression=Compression.ANS, dfpwm=True
        )
        source = np.random.default_rng(11)
        self.pictures = [
            Screen(
                source.integers(128, 160, (ROWS, COLUMNS), np.uint8),
                source.integers(0, 256, (ROWS, COLUMNS), np.uint8),
                source.integers(0, 256, (16, 3), np.uint8),
            )
            for _ in range(PICTURES)
        ]
        self._left = iter(self.pictures)
        self._made = 0
        file.append(self._writer.header())

    def picture(self, *, cut: int = 0) -> None:
        """Append the next one; but for its last `cut` bytes it can be read at once."""
        chunk = self._writer.frame([next(self._left)], 1 / FPS)
        self._file.append(chunk[: len(chunk) - cut])
        self._file.flush()
        self._file.append(chunk[len(chunk) - cut :])
        self._made += 1

    def finish(self) -> None:
        """The remaining pictures and the end."""
        while self._made < PICTURES:
            self.picture()
        ending = self._writer.finish(Tally(PICTURES, PICTURES, self._file.size - 21))
        for offset, data in ending.patches:
            self._file.patch(offset, data)
        self._file.append(ending.trailer)
        self._file.finish()


class Viewer:
    """A game computer with the player, and the pictures its monitor has shown."""

    def __init__(self, url: str) -> None:
        self.computer = Computer(instant=True)
        self.computer.add_module("vid32_reader", READER)
        self.computer.lend("url", url.encode())
        self.monitor = Terminal(COLUMNS, ROWS)
        self.computer.add_monitor("monitor", self.monitor)
        self.seen: list[Screen] = []
        self.computer.on_wait = self.look

    def look(self) -> None:
        screen = self.monitor.screen
        self.seen.append(Screen(screen.characters.copy(), screen.colors.copy(), screen.palette))

    def play(self) -> None:
        self.computer.run(PLAYER)


def same(seen: list[Screen], made: list[Screen]) -> bool:
    return len(seen) == len(made) and all(
        np.array_equal(shown.characters, picture.characters)
        and np.array_equal(shown.colors, picture.colors)
        and np.array_equal(shown.palette, picture.palette)
        for shown, picture in zip(seen, made, strict=True)
    )


def test_pictures_are_shown_before_the_film_is_made(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file, ThreadPoolExecutor(1) as pool:
        worker = Worker(file)
        viewer = Viewer(bench.server.base + attempt.path)
        playing = pool.submit(viewer.play)
        for number in range(1, EARLY + 1):
            # In two pieces, of which the player may well fetch one alone.
            worker.picture(cut=40)
            file.flush()
            wait_for(lambda shown=number: len(viewer.seen) == shown, 30, f"picture {number}")
        assert same(viewer.seen, worker.pictures[:EARLY])
        assert "etag" not in bench.reply(attempt, "HEAD").headers
        task = bench.server.get(f"/api/task/{attempt.job.id}").json()
        assert task["status"] == "running"
        worker.finish()
        playing.result(60)
    assert same(viewer.seen, worker.pictures)
    size = len(bench.reply(attempt).body)
    assert viewer.computer.printed == [
        *(f"shown {number}" for number in range(1, PICTURES + 1)),
        f"{size} bytes, 0 left",
    ]


def test_a_player_of_a_failed_task_is_told(bench: Bench, attempt: Attempt) -> None:
    with bench.grow(attempt) as file, ThreadPoolExecutor(1) as pool:
        worker = Worker(file)
        viewer = Viewer(bench.server.base + attempt.path)
        playing = pool.submit(viewer.play)
        worker.picture()
        wait_for(lambda: viewer.seen, 30, "the first picture")
        file.abandon()
        with pytest.raises(lua52.LuaError, match="There is no such file"):
            playing.result(60)


@contextmanager
def serve(service: JobService) -> Iterator[str]:
    """The application in this process, where no range is waited for; its address."""
    server = make_server("127.0.0.1", 0, create_app(service.settings, service), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_player_of_a_slow_task_asks_again(
    service: JobService, attempt_of_service: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "PATIENCE_SECONDS", 0.0)
    attempt = attempt_of_service
    with service.storage.grow(attempt.file_id, NAME) as file, serve(service) as base:
        worker = Worker(file)
        viewer = Viewer(base + attempt.path)
        waits = 0

        def next_step() -> None:
            # The player sleeps: it shows a picture, or has been told to ask again.
            nonlocal waits
            if viewer.computer.printed[-1] != "not yet":
                viewer.look()
                return
            waits += 1
            if waits <= EARLY:
                worker.picture()
            else:
                worker.finish()

        viewer.computer.on_wait = next_step
        viewer.play()
    assert waits == EARLY + 1
    assert same(viewer.seen, worker.pictures)
