"""The film player of the documents at work in the small game computer, and what came of it."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gmapi.computercraft.screen import Screen
from support.documents import PAGES, README, blocks
from support.game.cc_clock import TICKS_PER_SECOND
from support.game.cc_emulator import Computer
from support.game.cc_speaker import SAMPLES_PER_BYTE
from support.game.cc_terminal import Terminal
from support.game.dfpwm import Decoder
from support.screens import vid32_decoder

CLIP = "https://media.example.org/clip.mp4"
SERVER = "http://127.0.0.1:5000"

DAMAGE = """
local screen = peripheral.find("monitor") or term.current()
if screen.setTextScale then screen.setTextScale(1.5) end
screen.setPaletteColor(colors.red, 0.25, 0.5, 0.75)
screen.setTextColor(colors.yellow)
screen.setBackgroundColor(colors.blue)
screen.setCursorPos(5, 3)
"""
"""A screen that is not as it was when it was new: the player must put this back."""


@dataclass(frozen=True)
class Film:
    """What a 32vid holds. `numbers`: of pictures, by what they look like; `sound`: its samples, as
    many zeros behind them as a speaker needs."""

    size: int
    fps: int
    numbers: dict[bytes, int]
    sound: array[int]

    @property
    def seconds(self) -> float:
        return len(self.numbers) / self.fps

    @property
    def bytes_per_second(self) -> float:
        return self.size / self.seconds


def read_film(data: bytes) -> Film:
    """Raises AssertionError when two pictures look alike."""
    file = vid32_decoder.parse(data)
    looks = [
        each.codes.tobytes() + each.colors.tobytes() + each.palette.tobytes()
        for each in file.pictures()
    ]
    numbers = {look: number for number, look in enumerate(looks)}
    assert len(numbers) == len(looks)
    stored = file.sound()
    samples = Decoder().decode(stored) if file.dfpwm else [byte - 128 for byte in stored]
    sound = array("b", samples + [0] * (-len(samples) % SAMPLES_PER_BYTE))
    return Film(len(data), file.fps, numbers, sound)


def look_of(screen: Screen) -> bytes:
    """What a screen looks like, as the pictures of a film."""
    codes = screen.characters & 31
    return codes.tobytes() + screen.colors.tobytes() + screen.palette.tobytes()


def program(server: str, clip: str, fps: int) -> tuple[dict[str, str], str]:
    """The modules and the player that the documents print, for a clip on a server."""
    modules, player = {}, None
    for block in [each for page in (README, *PAGES) for each in blocks(page)]:
        body = block.body.replace(SERVER, server).replace(CLIP, clip)
        if block.language == "lua" and block.file is not None:
            modules[block.file.removesuffix(".lua")] = body
        elif block.language == "lua" and "film.open(" in body:
            assert player is None
            player = body
    assert player is not None
    assert "fps = 10" in player
    # The game's limit is harder to keep.
    return modules, player.replace("fps = 10", f"fps = {fps}")


class Viewing:
    """A computer with the player, a speaker and a monitor, if there are such.

    `shown` has the time and the number of the picture at every wait; None is another look.
    """

    def __init__(
        self,
        film: Film,
        modules: dict[str, str],
        player: str,
        *,
        ticks_per_second: float = TICKS_PER_SECOND,
        speaker: bool = True,
        screen: Terminal | None = None,
    ) -> None:
        self.film = film
        self._player = player
        self.computer = Computer(instant=True, ticks_per_second=ticks_per_second, speaker=speaker)
        self.computer.network.latency = 0.05
        for name, source in modules.items():
            self.computer.add_module(name, source)
        if screen is not None:
            self.computer.add_monitor("right", screen)
        self.screen = screen or self.computer.terminal
        self.computer.run(DAMAGE)
        self.before = state_of(self.screen)
        self.shown: list[tuple[float, int | None]] = []
        self.ended_at = 0.0

    def play(self, watch: Callable[[], object] = lambda: None) -> None:
        """Run the player, and call `watch` at every wait. Raises lupa's LuaError as it does."""
        numbers = self.film.numbers

        def look() -> None:
            self.shown.append((self.computer.now, numbers.get(look_of(self.screen.screen))))
            watch()

        self.computer.on_wait = look
        try:
            self.computer.run(self._player)
        finally:
            self.computer.on_wait = lambda: None
            self.ended_at = self.computer.now
            self.computer.rest(3)

    @property
    def heard(self) -> array[int]:
        """All samples that were heard, in order."""
        return sum((piece.samples for piece in self.computer.speaker.heard), array("b"))

    @property
    def drawn(self) -> set[int]:
        """The numbers of all pictures that were shown."""
        return {number for _, number in self.shown if number is not None}

    def lags(self) -> tuple[list[float], list[float]]:
        """How far each picture was behind the sound when it had been drawn, and when the next one
        had been, in seconds."""
        drawn, replaced = [], []
        before = None
        for time, number in self.shown:
            heard = self.computer.speaker.position(time)
            if heard is not None and heard < self.film.seconds:
                assert number is not None, f"no picture of the film {heard} s after its start"
                if number != before:
                    drawn.append(heard - number / self.film.fps)
                if before is not None:
                    replaced.append(heard - before / self.film.fps)
            before = number
        return drawn, replaced

    def check_left_as_found(self) -> None:
        """The screen is as it was but empty, and the speaker is silent."""
        assert state_of(self.screen) == self.before
        assert set(self.screen.lines) == {""}
        assert self.computer.speaker.silent_from <= self.ended_at + 0.1
        assert self.computer.lost_events == 0
        assert self.computer.network.most_open <= 16


def state_of(screen: Terminal) -> list[Any]:
    """Palette, size, cursor and colours of a screen."""
    look = screen.functions()
    return [
        list(screen.palette),
        screen.scale,
        *(look[name]() for name in ("getSize", "getCursorPos", "getCursorBlink")),
        *(look[name]() for name in ("getTextColour", "getBackgroundColour")),
    ]
