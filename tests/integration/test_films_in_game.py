"""The documented film player with films of all kinds, made here, while they are made and after."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from lupa import lua52

from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Film as Shape
from gmapi.computercraft.formats.writer import Tally
from gmapi.computercraft.options import Compression
from gmapi.computercraft.screen import Screen
from support.game.cc_network import Outage
from support.game.film_viewing import Viewing, program, read_film
from support.http.origin import Exchange, Origin
from support.screens.kernel_choices import NUMPY

COLUMNS, ROWS = 51, 19
"""Of a computer's own screen."""

COUNTS = slice(12, 20)
"""Where a file says its size, and how many chunks it has: not known while it is made."""

PCM, DFPWM = 48_000, 6_000
"""Bytes per second of sound."""


def made(pictures: int, seconds: float = 0.0, *, fps: int = 10, rate: int = PCM) -> bytes:
    """A finished film of pictures that all differ and so many seconds of noise, as the server mixes
    them: pieces of half a second before the pictures that are shown with them."""
    random = np.random.default_rng(pictures)
    writer = Vid32Writer(
        Shape(COLUMNS, ROWS, fps), kernels=NUMPY, compression=Compression.ANS, dfpwm=rate == DFPWM
    )
    sound = random.bytes(int(seconds * rate))
    pieces = [sound[at : at + rate // 2] for at in range(0, len(sound), rate // 2)]
    chunks, given = [], 0
    for number in range(pictures):
        while pieces and given <= number / fps:
            chunks.append(writer.sound(pieces.pop(0)))
            given += 0.5
        characters = np.full((ROWS, COLUMNS), 128, np.uint8)
        colors = np.full((ROWS, COLUMNS), number % 256, np.uint8)
        palette = random.integers(0, 256, (16, 3), np.uint8)
        chunks.append(writer.frame([Screen(characters, colors, palette)], 1 / fps))
    chunks += map(writer.sound, pieces)
    ending = writer.finish(Tally(pictures, len(chunks), sum(map(len, chunks))))
    data = bytearray(writer.header() + b"".join(chunks))
    for offset, patch in ending.patches:
        data[offset : offset + len(patch)] = patch
    return bytes(data) + ending.trailer


@dataclass
class Host:
    """A server that has one film, and makes `per_second` bytes of it in the time of who is
    `viewing`; one that is `broken` loses it halfway."""

    origin: Origin
    data: bytes
    per_second: float = 1e9
    broken: bool = False
    refusals: list[int] = field(default_factory=list)
    viewing: Viewing | None = None

    def answer(self, exchange: Exchange) -> None:
        assert self.viewing is not None
        if self.refusals:
            exchange.send(self.refusals.pop(0), {}, b"{}")
            return
        ready = int(min(self.viewing.computer.now * self.per_second, len(self.data)))
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", exchange.request.headers["range"])
        assert match
        first, last = int(match[1]), int(match[2])
        growing = ready < len(self.data)
        piece = self.data[first : min(last + 1, ready)]
        if self.broken and first >= len(self.data) // 2:
            exchange.send(404, {}, b"{}")
        elif first >= len(self.data):
            exchange.send(416, {"Content-Range": f"bytes */{len(self.data)}"})
        elif not piece:
            exchange.send(503, {"Retry-After": "1"}, b"{}")
        else:
            if growing and first == 0:
                unknown = bytes(piece[: COUNTS.start]) + b"\xff" * 8 + piece[COUNTS.stop :]
                piece = unknown[: len(piece)]
            total = "*" if growing else str(len(self.data))
            where = f"bytes {first}-{first + len(piece) - 1}/{total}"
            exchange.send(206, {"Content-Range": where}, piece)

    def view(self, *, speaker: bool = True) -> Viewing:
        """A computer that plays the film from this server."""
        origin = self.origin
        accepted = {"status": "success", "status_url": origin.url("/task")}
        origin.add("/api/sanjuuni/async", json.dumps(accepted).encode())
        result = {"download_url": origin.add("/film.32v", self.answer)}
        origin.add("/task", json.dumps({"status": "running", "result": result}).encode())
        modules, player = program(origin.url(""), origin.url("/clip.mp4"), 20)
        film = read_film(self.data)
        self.viewing = Viewing(film, modules, player, speaker=speaker)
        return self.viewing


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as found:
        yield found


def check(viewing: Viewing) -> None:
    """The sound was heard whole, every picture was shown in step with it and in order."""
    assert viewing.heard == viewing.film.sound
    numbers = [number for _, number in viewing.shown if number is not None]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(viewing.film.numbers.values())
    drawn, _ = viewing.lags()
    assert all(-0.1 <= lag <= 0.1 for lag in drawn)
    viewing.check_left_as_found()


@pytest.mark.parametrize(
    ("pictures", "seconds", "rate"),
    [
        (35, 3.5, PCM),
        (35, 3.5, DFPWM),
        # Samples that do not fill the last eight.
        (23, 2.3 + 3 / PCM, PCM),
        (40, 1.7, PCM),
        (10, 4.2, DFPWM),
        (1, 13.0, DFPWM),
        (1, 0.0, PCM),
        (35, 0.0, PCM),
        (1, 0.00025, PCM),
    ],
)
def test_films_of_all_lengths(origin: Origin, pictures: int, seconds: float, rate: int) -> None:
    viewing = Host(origin, made(pictures, seconds, rate=rate)).view()
    viewing.play()
    check(viewing)
    assert viewing.computer.speaker.gaps() == []
    long = max(pictures / 10, seconds)
    assert long < viewing.ended_at < long + 1.5


@pytest.mark.parametrize("fps", [1, 3, 7, 15])
def test_films_of_all_rates(origin: Origin, fps: int) -> None:
    viewing = Host(origin, made(4 * fps, 4.0, fps=fps, rate=DFPWM)).view()
    viewing.play()
    check(viewing)


def test_a_film_without_a_speaker_takes_its_time(origin: Origin) -> None:
    viewing = Host(origin, made(40, 4.0)).view(speaker=False)
    viewing.play()
    assert viewing.drawn == set(range(40))
    times = {number: time for time, number in reversed(viewing.shown)}
    assert times[39] - times[1] == pytest.approx(3.8, abs=0.1)
    viewing.check_left_as_found()


@pytest.mark.parametrize("speed", [0.5, 0.9, 1.5])
def test_a_film_is_played_while_it_is_made(origin: Origin, speed: float) -> None:
    data = made(80, 8.0, rate=DFPWM)
    viewing = Host(origin, data, per_second=speed * len(data) / 8).view()
    told: list[float] = []
    viewing.play(
        lambda: (
            viewing.screen.lines[-1].startswith("Waiting for the film.")
            and told.append(viewing.computer.now)
        )
    )
    check(viewing)
    gaps = viewing.computer.speaker.gaps()
    # It plays on with two seconds in hand, so it does not stop all the time.
    assert len(gaps) <= (3 if speed < 1 else 0)
    assert all(
        any(start < time < start + long for time in told) for start, long in gaps if long > 2
    )
    assert viewing.ended_at < 8 / min(1, speed) + 5


@pytest.mark.parametrize("leap", [60.0, 0.7, -3600.0])
@pytest.mark.parametrize("speaker", [True, False])
def test_a_film_goes_on_when_the_game_was_paused(
    origin: Origin, leap: float, speaker: bool
) -> None:
    viewing = Host(origin, made(100, 10.0, rate=DFPWM)).view(speaker=speaker)
    viewing.computer.clock.at(3.03, lambda: setattr(viewing.computer.clock, "ahead", leap))
    viewing.play()
    assert viewing.ended_at < 14
    viewing.check_left_as_found()
    if speaker:
        assert viewing.heard == viewing.film.sound
        assert viewing.computer.speaker.gaps() == []
        # Two seconds later it is in step again.
        drawn, _ = viewing.lags()
        assert max(abs(lag) for lag in drawn[-45:]) <= 0.2


def test_a_server_that_is_not_itself_for_a_while_is_asked_again(origin: Origin) -> None:
    host = Host(origin, made(40, 4.0, rate=DFPWM), refusals=[502, 429, 500, 408, 503, 504])
    viewing = host.view()
    viewing.play()
    check(viewing)
    assert host.refusals == []
    assert len(set(viewing.computer.network.sent)) == len(viewing.computer.network.sent)


def test_a_film_that_vanishes_ends_with_the_reason(origin: Origin) -> None:
    viewing = Host(origin, made(80, 8.0, rate=DFPWM), broken=True).view()
    with pytest.raises(lua52.LuaError, match=r"^Test$"):
        viewing.play()
    viewing.check_left_as_found()


def test_a_user_is_told_why_nothing_moves(origin: Origin) -> None:
    data = made(80, 8.0, rate=DFPWM)
    viewing = Host(origin, data).view()
    network = viewing.computer.network
    network.bytes_per_second = len(data) / 6
    network.outages = [Outage(4, 60)]
    told: list[float] = []
    viewing.play(
        lambda: (
            viewing.screen.lines[-1].startswith("Waiting for the film. Could not connect")
            and told.append(viewing.computer.now)
        )
    )
    assert viewing.heard == viewing.film.sound
    # Not while there is film in hand; and gone when it goes on.
    silent, length = viewing.computer.speaker.gaps()[0]
    assert silent < told[0] < silent + 1.5
    assert told[-1] < silent + length + 0.2
    viewing.check_left_as_found()


def test_the_own_screen_is_left_as_it_was(origin: Origin) -> None:
    viewing = Host(origin, made(80, 8.0, rate=DFPWM)).view()
    viewing.computer.terminate_at(3.3)
    with pytest.raises(lua52.LuaError, match=r"^Terminated$"):
        viewing.play()
    assert len(viewing.drawn) > 10
    viewing.check_left_as_found()


@pytest.mark.parametrize("status", ["error", "cancelled"])
def test_a_film_that_cannot_be_made_ends_with_the_reason(origin: Origin, status: str) -> None:
    viewing = Host(origin, made(10, 1.0)).view()
    task = {"status": status, "message": "It is no film.", "result": {}}
    origin.add("/task", json.dumps(task).encode())
    with pytest.raises(lua52.LuaError, match=r"^It is no film\.$"):
        viewing.play()
    viewing.check_left_as_found()


def test_other_files_are_refused(origin: Origin) -> None:
    host = Host(origin, made(10, 1.0))
    viewing = host.view()
    for data in (b"", b"32VD", b"\x89PNG" + bytes(100), made(1)[:10] + bytes(50)):
        host.data = data
        with pytest.raises(lua52.LuaError, match="this is no 32vid film"):
            viewing.play()
    viewing.check_left_as_found()
