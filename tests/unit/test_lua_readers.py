"""What programs of the game see in our BIMG, raw and NFP files: readers in Lua, written from the
formats document, draw them on the small game computer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lupa import lua51, lua52, lua54, luajit21

from gmapi.computercraft.formats.bimg import BimgWriter
from gmapi.computercraft.formats.nfp import NfpWriter
from gmapi.computercraft.formats.raw import RawWriter
from gmapi.computercraft.formats.writer import Film, Tally, Writer
from gmapi.computercraft.screen import Screen
from support.game.cc_emulator import Computer
from support.game.cc_terminal import Terminal
from support.screens import decoders
from support.screens.strategies import PATTERNS, screens

LITTLE = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LUAS = {"5.1": lua51, "5.2": lua52, "5.4": lua54, "JIT": luajit21}

BIMG = """
    local image = textutils.unserialize(data)
    for _, frame in ipairs(image) do
        for index, color in pairs(frame.palette) do
            term.setPaletteColor(2 ^ index, table.unpack(color))
        end
        for y, row in ipairs(frame) do
            term.setCursorPos(1, y)
            term.blit(table.unpack(row))
        end
        sleep(frame.duration or image.secondsPerFrame)
    end
    print(image.title, image.animation, image.creator)
"""

NFP = """
    local y = 0
    for line in data:gmatch("([^\\n]*)\\n") do
        y = y + 1
        for x = 1, #line do
            term.setCursorPos(x, y)
            term.setBackgroundColor(2 ^ tonumber(line:sub(x, x), 16))
            term.write(" ")
        end
    end
    sleep(0)
"""

RAW = """
    local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    local function base64(text)
        local bytes, bits, count = {}, 0, 0
        for char in text:gmatch("[^=]") do
            bits, count = bits * 64 + alphabet:find(char, 1, true) - 1, count + 6
            if count >= 8 then
                count = count - 8
                bytes[#bytes + 1] = string.char(math.floor(bits / 2 ^ count))
                bits = bits % 2 ^ count
            end
        end
        return table.concat(bytes)
    end

    local function crc(text)
        local value = 0xFFFFFFFF
        for byte = 1, #text do
            value = bit32.bxor(value, text:byte(byte))
            for _ = 1, 8 do
                local odd = value % 2 == 1
                value = math.floor(value / 2)
                if odd then value = bit32.bxor(value, 0xEDB88320) end
            end
        end
        return ("%08x"):format(bit32.bxor(value, 0xFFFFFFFF))
    end

    local lines = {}
    for line in data:gmatch("([^\\n]*)\\n") do lines[#lines + 1] = line end
    assert(lines[1] == "32Vid 1.1")
    local fps = tonumber(lines[2])
    for number = 3, #lines do
        local long = lines[number]:sub(1, 4) == "!CPD"
        assert(long or lines[number]:sub(1, 4) == "!CPC")
        local start = long and 17 or 9
        local stop = start + tonumber(lines[number]:sub(5, start - 1), 16)
        local packet = base64(lines[number]:sub(start, stop - 1))
        assert(crc(packet) == lines[number]:sub(stop))
        assert(packet:sub(1, 4) == "\\0\\0\\0\\0" and packet:sub(9, 16) == ("\\0"):rep(8))
        local width = packet:byte(5) + packet:byte(6) * 256
        local height = packet:byte(7) + packet:byte(8) * 256
        local at = 17
        local function plane()
            local runs, cells = {}, 0
            while cells < width * height do
                local value, count = packet:byte(at, at + 1)
                runs[#runs + 1], cells, at = string.char(value):rep(count), cells + count, at + 2
            end
            return table.concat(runs)
        end
        local characters, colors = plane(), plane()
        local function digits(scale)
            return (colors:gsub(".", function(color)
                return ("%x"):format(math.floor(color:byte() / scale) % 16)
            end))
        end
        local foreground, background = digits(1), digits(16)
        for index = 0, 15 do
            local red, green, blue = packet:byte(at + index * 3, at + index * 3 + 2)
            term.setPaletteColor(2 ^ index, red / 255, green / 255, blue / 255)
        end
        for y = 1, height do
            local first, last = (y - 1) * width + 1, y * width
            term.setCursorPos(1, y)
            term.blit(characters:sub(first, last), foreground:sub(first, last),
                background:sub(first, last))
        end
        sleep(fps > 0 and 1 / fps or 0)
    end
"""


def file_of(writer: Writer, pictures: list[Screen], seconds: float = 0.1) -> bytes:
    chunks = [writer.frame([screen], seconds) for screen in pictures]
    body = b"".join(chunks)
    return writer.header() + body + writer.finish(Tally(len(chunks), 1, len(body))).trailer


def play(
    reader: str, data: bytes, size: tuple[int, int] = (51, 19)
) -> tuple[Computer, list[Screen]]:
    """The computer afterwards, and what it showed at each wait."""
    computer = Computer(instant=True)
    shown: list[Screen] = []
    computer.on_wait = lambda: shown.append(computer.terminal.screen)
    computer.lend("data", data)
    computer.run(reader)
    return computer, shown


def assert_cells(shown: Screen, picture: Screen) -> None:
    part = (slice(min(19, picture.rows)), slice(min(51, picture.columns)))
    assert np.array_equal(shown.characters[part], picture.characters[part])
    assert np.array_equal(shown.colors[part], picture.colors[part])
    assert np.array_equal(shown.palette[: len(picture.palette)], picture.palette)


def film(fps: float = 10.0, title: str = "") -> Film:
    return Film(7, 4, fps, title=title)


@LITTLE
@given(st.lists(screens(size=(4, 7)), min_size=1, max_size=4), st.booleans(), st.text(max_size=9))
def test_bimg_by_unserialize(pictures: list[Screen], binary: bool, title: str) -> None:
    writer = BimgWriter(film(title=title), binary=binary)
    computer, shown = play(BIMG, file_of(writer, pictures, 0.25))
    for one, two in zip(shown, pictures, strict=True):
        assert_cells(one, two)
    assert computer.now == pytest.approx(0.25 * len(pictures))
    told = title.encode("utf-8", "replace").decode("latin-1")
    assert computer.printed == [f"{told} {'true' if len(pictures) > 1 else 'false'} GMapiServer"]


@LITTLE
@given(st.lists(screens(size=(4, 7)), min_size=1, max_size=4))
def test_raw(pictures: list[Screen]) -> None:
    computer, shown = play(RAW, file_of(RawWriter(film()), pictures))
    for one, two in zip(shown, pictures, strict=True):
        assert_cells(one, two)
    assert computer.now == pytest.approx(0.1 * len(pictures))


def test_raw_of_a_large_screen() -> None:
    cells = np.random.default_rng(3).integers(0, 256, (2, 81, 164), np.uint8)
    picture = Screen(cells[0], cells[1], np.full((16, 3), 77, np.uint8))
    data = file_of(RawWriter(film()), [picture])
    assert b"!CPD" in data
    _, (shown,) = play(RAW, data)
    assert_cells(shown, picture)


@LITTLE
@given(screens(size=(5, 9), characters=PATTERNS))
def test_nfp_as_the_paint_program_shows_it(picture: Screen) -> None:
    _, (shown,) = play(NFP, file_of(NfpWriter(film()), [picture]))
    assert np.array_equal(shown.background[:15, :18], decoders.pixels(picture))


@pytest.mark.parametrize("version", LUAS)
@pytest.mark.parametrize("binary", [False, True])
def test_bimg_loads_in_every_version_of_lua(version: str, binary: bool) -> None:
    """All 256 characters: line ends and NUL among them."""
    every = np.arange(256, dtype=np.uint8).reshape(2, 128)
    picture = Screen(every, every[::-1].copy(), np.arange(48, dtype=np.uint8).reshape(16, 3))
    title = "a'b\"c\\d\ne\0f\x7fgö音\ud800"
    data = file_of(BimgWriter(film(title=title), binary=binary), [picture] * 2)
    lua = LUAS[version].LuaRuntime(encoding="latin-1")
    lua.globals()["data"] = data.decode("latin-1")
    read = plain(lua.execute('return assert((loadstring or load)("return " .. data))()'))
    mine = decoders.bimg(data)
    assert read.pop("title") == mine.fields["title"] == "a'b\"c\\d\ne\0f\x7fgö音?".encode()
    for number in (1, 2):
        frame = read.pop(number)
        loaded = decoders.screen_of(frame, frame.pop("palette"))
        assert np.array_equal(loaded.characters, picture.characters)
        assert np.array_equal(loaded.colors, picture.colors)
        assert np.array_equal(loaded.palette, picture.palette)
    assert set(read) == {"creator", "version", "secondsPerFrame", "animation"}


def plain(value: Any) -> Any:
    """Lua's value with dicts for tables and bytes for strings."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    return value


def test_the_terminal_cuts_at_its_edges() -> None:
    """The emulator's own: blit and write as in the game."""
    terminal = Terminal(4, 2)
    call = terminal.functions()
    call["setCursorPos"](-1, 2)
    call["blit"]("abcdefg", "0123456", "fedcba9")
    assert terminal.lines == ["", "cdef"]
    assert terminal.screen.colors[1].tolist() == [0xD2, 0xC3, 0xB4, 0xA5]
    assert call["getCursorPos"]() == (6, 2)
    call["setCursorPos"](1, 3)
    call["write"]("below")
    assert terminal.lines == ["", "cdef"]
    with pytest.raises(ValueError, match="same length"):
        call["blit"]("a", "00", "f")
    with pytest.raises(ValueError, match="Invalid color"):
        call["setPaletteColour"](3, 0, 0, 0)
