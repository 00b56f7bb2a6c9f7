"""The Lua output, run as a program on the small game computer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lupa import lua51, lua52

from gmapi.computercraft.formats.bimg import BimgWriter
from gmapi.computercraft.formats.lua import LuaWriter
from gmapi.computercraft.formats.writer import Film, Tally
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.screen import Screen
from support.game.cc_emulator import ENTER, TICK, Computer
from support.game.cc_terminal import Terminal, monitor, native_colour
from support.screens import decoders
from support.screens.strategies import screens

GOLDENS = Path(__file__).parents[1] / "goldens" / "sanjuuni" / "out"
LITTLE = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WALL_SETTING = "sanjuuni.multimonitor"


def script(pictures: list[list[Screen]], seconds: float = 0.05, wall: Wall | None = None) -> bytes:
    first = pictures[0][0]
    writer = LuaWriter(Film(first.columns, first.rows, 1 / seconds, title="a\nb'ö\"", wall=wall))
    chunks = [writer.frame(parts, seconds) for parts in pictures]
    body = b"".join(chunks)
    ending = writer.finish(Tally(len(pictures), len(chunks), len(body)))
    return writer.header() + body + ending.trailer


class Watcher:
    """Keeps what the terminals showed at every wait, and when."""

    def __init__(self, computer: Computer, *terminals: Terminal) -> None:
        self.times: list[float] = []
        self.shown: list[list[Screen]] = []
        self._computer = computer
        self._terminals = terminals or (computer.terminal,)
        computer.on_wait = self._look

    def _look(self) -> None:
        self.times.append(self._computer.now)
        self.shown.append([terminal.screen for terminal in self._terminals])


def assert_shows(shown: Screen, picture: Screen) -> None:
    """The picture lies in the top left corner, cut off where the terminal ends."""
    rows, columns = min(shown.rows, picture.rows), min(shown.columns, picture.columns)
    part = (slice(rows), slice(columns))
    assert np.array_equal(shown.characters[part], picture.characters[part])
    assert np.array_equal(shown.colors[part], picture.colors[part])
    assert np.array_equal(shown.palette[: len(picture.palette)], picture.palette)


def assert_restored(terminal: Terminal) -> None:
    assert terminal.palette == [native_colour(1 << number) for number in range(16)]
    assert set(terminal.lines) == {""}
    assert set(terminal.screen.colors.flat) == {0xF0}


@LITTLE
@given(screens())
def test_a_still_stays_until_enter(picture: Screen) -> None:
    computer = Computer(instant=True)
    watcher = Watcher(computer)
    computer.type_line("words")
    computer.run(script([[picture]]))
    for shown in watcher.shown:
        assert_shows(shown[0], picture)
    # A wait for the frame's time, then one for each key until Enter.
    assert len(watcher.shown) == 1 + len("words") + 1
    assert_restored(computer.terminal)


def test_a_still_does_not_end_by_itself() -> None:
    with pytest.raises(RuntimeError, match="never comes"):
        Computer(instant=True).run(script([[grey(0)]]))


def test_a_part_of_a_film_ends_by_itself_even_with_one_picture() -> None:
    writer = LuaWriter(Film(1, 1, 10.0, frames=200))
    chunk = writer.frame([grey(0)], 0.1)
    computer = Computer(instant=True)
    ending = writer.finish(Tally(1, 1, len(chunk)))
    computer.run(writer.header() + chunk + ending.trailer)
    assert computer.now == pytest.approx(0.1)


@LITTLE
@given(st.lists(screens(size=(4, 7)), min_size=2, max_size=5))
def test_a_film_plays_and_ends(pictures: list[Screen]) -> None:
    computer = Computer(instant=True)
    watcher = Watcher(computer)
    computer.run(script([[picture] for picture in pictures], 0.1))
    assert len(watcher.shown) == len(pictures)
    for shown, picture in zip(watcher.shown, pictures, strict=True):
        assert_shows(shown[0], picture)
    assert computer.now == pytest.approx(0.1 * len(pictures))
    assert_restored(computer.terminal)


@pytest.mark.parametrize("fps", [60.0, 30.0, 24.0, 15.0, 7.0])
def test_a_long_film_keeps_its_time(fps: float) -> None:
    """Faster than the game's steps: pictures are left out; slower: each is shown."""
    frames = round(fps * 10)
    computer = Computer(instant=True)
    watcher = Watcher(computer)
    computer.run(script([[grey(number % 256)] for number in range(frames)], 1 / fps))
    assert computer.now == pytest.approx(10, abs=2 * TICK)
    if fps <= 20:
        assert len(watcher.shown) == frames
    for time, (shown,) in zip(watcher.times, watcher.shown, strict=True):
        number = [n for n in range(frames) if n % 256 == shown.palette[0, 0]]
        assert min(abs(n / fps - time) for n in number) <= TICK + 1 / fps


def test_a_film_goes_on_where_the_game_stood_still() -> None:
    computer = Computer(instant=True)
    watcher = Watcher(computer)
    look = computer.on_wait

    def pause() -> None:
        look()
        if len(watcher.shown) == 3:
            computer.clock.spend(60)

    computer.on_wait = pause
    computer.run(script([[grey(number)] for number in range(6)], 0.1))
    assert [int(shown[0].palette[0, 0]) for shown in watcher.shown] == [0, 1, 2, 3, 4, 5]
    assert computer.now == pytest.approx(60.5, abs=0.1)


def test_a_film_of_no_duration_yields_and_ends() -> None:
    computer = Computer(instant=True)
    watcher = Watcher(computer)
    writer = LuaWriter(Film(1, 1, 20.0))
    chunks = [writer.frame([grey(number)], 0.0) for number in range(3)]
    computer.run(writer.header() + b"".join(chunks) + writer.finish(Tally(3, 3, 1)).trailer)
    assert int(watcher.shown[0][0].palette[0, 0]) == 0


def test_the_terminal_is_restored_when_the_user_ends_the_program() -> None:
    computer = Computer(instant=True)
    computer.on_wait = computer.terminate
    with pytest.raises(lua52.LuaError, match="Terminated"):
        computer.run(script([[grey(7)], [grey(8)]]))
    assert_restored(computer.terminal)


def test_the_script_is_printable_ascii() -> None:
    data = script([[Screen(every_code(), every_code(), np.zeros((3, 3), np.uint8))]])
    assert set(data) <= {10, *range(32, 127)}


# -- walls --------------------------------------------------------------------------------------


def wall_of(columns: int, rows: int) -> tuple[Computer, dict[str, Terminal], list[Screen]]:
    """A computer with the monitors of a wall, wired in no order, and a picture for them."""
    computer = Computer(instant=True)
    names = [f"monitor_{number * 7 % 11}" for number in range(columns * rows)]
    for name in sorted(names):
        computer.add_monitor(name, monitor(1, 1))
    monitors = {name: computer.monitors[name] for name in names}
    return computer, monitors, [grey(number + 1) for number in range(columns * rows)]


def place(computer: Computer, rows: list[list[str]]) -> None:
    table = ",".join("{" + ",".join(f'"{name}"' for name in row) + "}" for row in rows)
    computer.run(f'settings.set("{WALL_SETTING}", {{{table}}})')


def test_a_known_wall_shows_its_parts() -> None:
    computer, monitors, parts = wall_of(3, 2)
    names = list(monitors)
    place(computer, [names[:3], names[3:]])
    watcher = Watcher(computer, *monitors.values())
    computer.type_line()
    computer.run(script([parts], wall=Wall(3, 2, 0.5)))
    for shown, part in zip(watcher.shown[0], parts, strict=True):
        assert_shows(shown, part)
    for terminal in monitors.values():
        assert (terminal.scale, terminal.columns, terminal.rows) == (0.5, 15, 10)
        assert_restored(terminal)
    assert computer.printed == ["Press Enter to end."]


@pytest.mark.parametrize(
    "known", [None, [["monitor_0"]], [["monitor_0", "monitor_7", "monitor_3"], ["left", "x", "y"]]]
)
def test_an_unknown_wall_is_arranged_first(known: list[list[str]] | None) -> None:
    computer, monitors, parts = wall_of(3, 2)
    if known is not None:
        place(computer, known)
    names = list(monitors)
    watcher = Watcher(computer, *monitors.values())
    for number, name in enumerate(names):
        if number % 2:
            computer.touch(names[0])  # taken: does not count
            computer.touch(name)
        else:
            computer.type_line("back")
            computer.type_line(name)
    computer.type_line()
    data = script([parts], wall=Wall(3, 2, 0.5))
    computer.run(data)
    for shown, part in zip(watcher.shown[-1], parts, strict=True):
        assert_shows(shown, part)
    assert "3 x 2 monitors" in computer.printed[0]
    asked = len(computer.printed)
    # The arrangement is kept: the next film starts at once.
    computer.type_line()
    computer.run(f"settings.clear() settings.load() print(#settings.get('{WALL_SETTING}'))")
    computer.run(data)
    assert computer.printed[asked:] == ["2", "Press Enter to end."]


def test_monitors_show_their_names_and_then_their_places() -> None:
    computer, monitors, parts = wall_of(2, 1)
    seen: list[list[str]] = []
    computer.on_wait = lambda: seen.append([one.lines[0] for one in monitors.values()])
    for name in monitors:
        computer.touch(name)
    computer.type_line()
    computer.run(script([parts], wall=Wall(2, 1, 0.5)))
    assert seen[:2] == [["monitor_0", "monitor_7"], ["1, 1", "monitor_7"]]


# -- the game's Lua is of version 5.1 in its limits -----------------------------------------------


class OldComputer:
    """Lua 5.1 with just what the script uses. It does not wait: time passes when it sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.terminal = Terminal(51, 19)
        self.shown: list[Screen] = []
        self.lua = lua51.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
        table = self.lua.table_from
        terminal = table(self.terminal.functions())
        api = table({"current": lambda: terminal})
        self.lua.globals()["term"] = api
        self.lua.globals()["colours"] = table({"black": 1 << 15, "white": 1})
        self.lua.globals()["keys"] = table({"enter": ENTER})
        self.lua.globals()["sleep"] = self._sleep
        self.lua.globals()["os"] = table(
            {"epoch": lambda _: self.now * 1000, "pullEvent": lambda _: ("key", ENTER, False)}
        )

    def _sleep(self, seconds: float) -> None:
        self.shown.append(self.terminal.screen)
        self.now += seconds

    def load(self, data: bytes) -> tuple[object, str | None]:
        """A function, or nil and what is wrong."""
        found = self.lua.globals().loadstring(data.decode("latin-1"))
        return found if isinstance(found, tuple) else (found, None)


@pytest.mark.parametrize(
    "name", ["anim_48x36.pt.lua.lua", "text_120x45.t.lua.lua", "gradient_80x60.def.lua.N.lua"]
)
def test_goldens_play_on_both_versions(name: str) -> None:
    pictures = decoders.lua_tables((GOLDENS / name).read_bytes())
    data = script([[picture] for picture in pictures], 0.125)
    old, new = OldComputer(), Computer(instant=True)
    program, mistake = old.load(data)
    assert mistake is None
    program()  # type: ignore[operator]
    watcher = Watcher(new)
    new.type_line()
    new.run(data)
    for one, two, picture in zip(old.shown, watcher.shown, pictures, strict=False):
        assert_shows(one, picture)
        assert_shows(two[0], picture)
    assert len(old.shown) == len(pictures)
    # Without `term.nativePaletteColour` it is the palette from before.
    assert_restored(old.terminal)


def test_a_long_film_is_within_the_limits_of_one_function() -> None:
    """262,143 constants: more distinct strings than that, which one table cannot hold."""
    rng = np.random.default_rng(1)
    pictures = []
    for _ in range(310):
        cells = rng.integers(0, 256, (2, 300, 6), np.uint8)
        pictures.append([Screen(cells[0] | 128, cells[1], np.zeros((1, 3), np.uint8))])
    program, mistake = OldComputer().load(script(pictures))
    assert mistake is None
    assert program is not None
    writer = BimgWriter(Film(6, 300, 20.0), binary=True)
    table = writer.header() + b"".join(writer.frame(parts, 0.05) for parts in pictures)
    program, mistake = OldComputer().load(b"return " + table + b"}")
    assert program is None
    assert "constant table overflow" in str(mistake)


def every_code() -> np.ndarray:
    return np.arange(256, dtype=np.uint8).reshape(2, 128)


def grey(shade: int) -> Screen:
    plane = np.full((1, 1), 32, np.uint8)
    return Screen(plane, np.zeros_like(plane), np.full((1, 3), shade, np.uint8))
