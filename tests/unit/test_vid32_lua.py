"""32vid files played in the game: a reader in Lua draws on the screens of the small computer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lupa import lua52

from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Film, Tally, TextEvent
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.options import Compression
from gmapi.computercraft.screen import Screen
from support.game.cc_emulator import Computer
from support.game.cc_terminal import Terminal
from support.screens.kernel_choices import NUMPY
from support.screens.strategies import screens, sizes

READER = (Path(__file__).parents[1] / "support/game/vid32_reader.lua").read_text("utf-8")
CODERS = [Compression.NONE, Compression.ANS, Compression.CUSTOM]
LARGEST = (133, 200)

PLAYER = """
local reader = require("vid32_reader")
local film = reader.open(file)
print(film.columns, film.rows, film.fps, film.wall_columns, film.wall_rows)
local monitor = peripheral.wrap("monitor")
for chunk in film.chunks() do
    if chunk.kind == reader.VIDEO then
        film.draw(chunk, monitor)
        sleep(1 / film.fps)
    elseif chunk.kind == reader.AUDIO then
        print("sound", film.dfpwm, #chunk.data, chunk.data:byte(1))
    elseif chunk.kind == reader.TEXT then
        print("text", chunk.start, chunk.length, chunk.x, chunk.y, chunk.colors, chunk.text)
    else
        film.draw(chunk, peripheral.wrap("monitor_" .. chunk.column .. "_" .. chunk.row))
    end
end
"""


def writer(film: Film, compression: Compression) -> Vid32Writer:
    return Vid32Writer(film, kernels=NUMPY, compression=compression, dfpwm=True)


def finished(subject: Vid32Writer, chunks: list[bytes], count: int) -> bytes:
    ending = subject.finish(Tally(1, count, sum(map(len, chunks))))
    data = bytearray(subject.header() + b"".join(chunks))
    for offset, patch in ending.patches:
        data[offset : offset + len(patch)] = patch
    return bytes(data)


def computer_with(data: bytes) -> Computer:
    computer = Computer(instant=True)
    computer.add_module("vid32_reader", READER)
    computer.lend("file", data)
    return computer


def shows(monitor: Terminal, screen: Screen) -> bool:
    """Whether a monitor shows the screen as the format keeps it."""
    drawn = monitor.screen
    return (
        np.array_equal(drawn.characters, 128 + (screen.characters & 31))
        and np.array_equal(drawn.colors, screen.colors)
        and np.array_equal(drawn.palette[: len(screen.palette)], screen.palette)
    )


@pytest.mark.parametrize("compression", CODERS)
@given(shown=sizes(LARGEST).flatmap(lambda size: st.lists(screens(size), min_size=1, max_size=2)))
@settings(max_examples=15, deadline=None)
def test_the_game_shows_every_cell(compression: Compression, shown: list[Screen]) -> None:
    film = Film(shown[0].columns, shown[0].rows, fps=20)
    subject = writer(film, compression)
    chunks = [subject.frame([screen], 0.05) for screen in shown]
    computer = computer_with(finished(subject, chunks, len(chunks)))
    monitor = Terminal(film.columns, film.rows)
    computer.add_monitor("monitor", monitor)
    seen: list[bool] = []
    computer.on_wait = lambda: seen.append(shows(monitor, shown[len(seen)]))
    computer.run(PLAYER)
    assert seen == [True] * len(shown)
    assert computer.printed == [f"{film.columns} {film.rows} 20 nil nil"]


def test_sound_and_subtitles_arrive() -> None:
    subject = writer(Film(1, 1, 20), Compression.ANS)
    event = TextEvent(start=2, length=7, x=34, y=36, colors=0xF9, text=b"Hello \x80 world")
    chunks = [subject.sound(b"\xaa" * 6000), subject.text(event)]
    computer = computer_with(finished(subject, chunks, 2))
    computer.run(PLAYER)
    assert computer.printed[1:] == [
        "sound true 6000 170",
        "text 2 7 34 36 249 Hello \x80 world",
    ]


@pytest.mark.parametrize("compression", CODERS)
def test_a_wall_is_drawn_monitor_by_monitor(compression: Compression) -> None:
    subject = writer(Film(9, 5, 20, wall=Wall(2, 3, 0.5)), compression)
    random = np.random.default_rng(5)
    shown = {}
    for row in range(3):
        for column in range(2):
            size = (2 if row < 2 else 1, 5 - column)
            characters, colors = random.integers(0, 256, (2, *size), np.uint8)
            palette = random.integers(0, 256, (16, 3), np.uint8)
            shown[f"monitor_{column}_{row}"] = Screen(characters, colors, palette)
    data = finished(subject, [subject.frame(list(shown.values()), 0.05)], 6)
    computer = computer_with(data)
    for name, screen in shown.items():
        computer.add_monitor(name, Terminal(screen.columns, screen.rows))
    computer.run(PLAYER)
    assert computer.printed == ["9 5 20 2 3"]
    for name, screen in shown.items():
        assert shows(computer.monitors[name], screen)


def test_a_growing_file_plays_so_far() -> None:
    subject = writer(Film(1, 1, 20), Compression.NONE)
    computer = computer_with(subject.header() + subject.sound(b"\x01\x02"))
    computer.run(PLAYER)
    assert computer.printed[1:] == ["sound true 2 1"]


def test_deflate_is_refused_by_name() -> None:
    subject = writer(Film(1, 1, 20), Compression.DEFLATE)
    with pytest.raises(lua52.LuaError, match="compression is not supported"):
        computer_with(subject.header()).run(PLAYER)
