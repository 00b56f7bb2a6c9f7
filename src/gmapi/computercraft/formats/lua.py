"""A Lua program that shows pictures on the computer it runs on; formats document, 5.3.

Each frame is a function, called when it is due: one function of the game's Lua can hold 262,143
constants, which a video as one table exceeds. Frames whose time is over are left out, since the
game runs at 20 steps a second and a film must not fall behind its time.
"""

from __future__ import annotations

from collections.abc import Sequence

from gmapi import __version__
from gmapi.computercraft.formats import blit
from gmapi.computercraft.formats.writer import Ending, Film, Tally
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.screen import Screen

_ONE_SCREEN = b"""
local screens = {{term.current()}}
"""

_WALL = b"""
local COLUMNS, ROWS, SCALE = %d, %d, %b
local SETTING = "sanjuuni.multimonitor"

local function isMonitor(name)
    return type(name) == "string" and peripheral.getType(name) == "monitor"
end

local function fits(names)
    if type(names) ~= "table" or #names ~= ROWS then return false end
    for _, row in ipairs(names) do
        if type(row) ~= "table" or #row ~= COLUMNS then return false end
        for _, name in ipairs(row) do
            if not isMonitor(name) then return false end
        end
    end
    return true
end

local function label(name, text)
    local monitor = peripheral.wrap(name)
    monitor.setTextScale(SCALE)
    monitor.clear()
    monitor.setCursorPos(1, 1)
    monitor.write(text)
end

-- The name of a monitor that is not taken yet, touched or typed.
local function choose(taken)
    local chosen
    parallel.waitForAny(function()
        local name
        repeat
            name = select(2, os.pullEvent("monitor_touch"))
        until not taken[name]
        chosen = name
    end, function()
        local name
        repeat name = read() until isMonitor(name) and not taken[name]
        chosen = name
    end)
    return chosen
end

local function calibrate()
    for _, name in ipairs(peripheral.getNames()) do
        if isMonitor(name) then label(name, name) end
    end
    print("This picture needs " .. COLUMNS .. " x " .. ROWS .. " monitors.")
    print("Touch them one after another, from left to right, the top row first,")
    print("or type the name that a monitor shows.")
    local names, taken = {}, {}
    for row = 1, ROWS do
        names[row] = {}
        for column = 1, COLUMNS do
            print("Row " .. row .. ", column " .. column .. ":")
            local name = choose(taken)
            names[row][column], taken[name] = name, true
            label(name, row .. ", " .. column)
        end
    end
    settings.set(SETTING, names)
    settings.save(".settings")
    return names
end

local names = settings.get(SETTING)
if not fits(names) then names = calibrate() end
local screens = {}
for row = 1, ROWS do
    screens[row] = {}
    for column = 1, COLUMNS do
        local monitor = peripheral.wrap(names[row][column])
        monitor.setTextScale(SCALE)
        screens[row][column] = monitor
    end
end
"""

_PLAYER = b"""
local function eachScreen(action)
    for _, row in ipairs(screens) do
        for _, screen in ipairs(row) do action(screen) end
    end
end

local before = {}

local function clear(screen)
    screen.setBackgroundColour(colours.black)
    screen.setTextColour(colours.white)
    screen.setCursorPos(1, 1)
    screen.clear()
end

local function prepare(screen)
    local palette = {}
    for index = 0, 15 do palette[index] = {screen.getPaletteColour(2 ^ index)} end
    before[screen] = palette
    screen.setCursorBlink(false)
    clear(screen)
end

local function restore(screen)
    for index = 0, 15 do
        local colour = before[screen][index]
        if term.nativePaletteColour then colour = {term.nativePaletteColour(2 ^ index)} end
        screen.setPaletteColour(2 ^ index, colour[1], colour[2], colour[3])
    end
    clear(screen)
end

local function paint(row, column, rows, palette)
    local screen = screens[row][column]
    for index = 0, 15 do
        local colour = palette[index]
        if colour then screen.setPaletteColour(2 ^ index, colour[1], colour[2], colour[3]) end
    end
    for y = 1, #rows do
        screen.setCursorPos(1, y)
        screen.blit(rows[y][1], rows[y][2], rows[y][3])
    end
end

local due

local function show(seconds, draw)
    local now = os.epoch("utc")
    -- A second late: the game stood still. Go on from here instead of skipping.
    if not due or now - due > 1000 then due = now end
    local start = due
    due = due + seconds * 1000
    if now <= start or now < due then
        draw()
        sleep(math.max(0, (due - os.epoch("utc")) / 1000))
    end
end

local function waitForEnter()
    repeat
        local _, key, held = os.pullEvent("key")
    until not held and (key == keys.enter or key == keys.numPadEnter)
end

eachScreen(prepare)
local ok, problem = pcall(function()
"""

_END = b"""\
end)
eachScreen(restore)
if not ok then error(problem, 0) end
"""


class LuaWriter:
    """See `writer.Writer`. The program runs with any version of the game that has palettes; it
    needs no other file.

    One picture stays until Enter is pressed; after several the screen is cleared. Walls use the
    arrangement of monitors kept in the game's setting `sanjuuni.multimonitor`, rows of names; if
    there is none that fits, the user shows where each monitor is.
    """

    def __init__(self, film: Film) -> None:
        self._film = film

    def header(self) -> bytes:
        """The player, up to the first picture."""
        wall = self._film.wall
        about = f"{self._film.title}: made by GMapiServer {__version__}"
        screens = _ONE_SCREEN if wall is None else _wall(wall)
        return b"-- " + blit.escaped(about) + b"\n" + screens + _PLAYER

    def frame(self, screens: Sequence[Screen], seconds: float) -> bytes:
        """One function that paints all screens."""
        wall = self._film.wall
        if wall is None:
            (screen,) = screens
            painted = b"paint(1, 1, %b)\n" % blit.spread(screen)
        else:
            painted = b"".join(
                b"paint(%d, %d, %b)\n"
                % (part // wall.columns + 1, part % wall.columns + 1, blit.compact(screen))
                for part, screen in enumerate(screens)
            )
        return b"show(%b, function()\n%bend)\n" % (blit.number(seconds), painted)

    def finish(self, tally: Tally) -> Ending:
        """Clearing up."""
        # The last part of a film may have one picture only, and is none that stays.
        if tally.frames != 1 or (self._film.frames or 1) > 1:
            return Ending(_END)
        hint = b"" if self._film.wall is None else b'print("Press Enter to end.")\n'
        return Ending(hint + b"waitForEnter()\n" + _END)


def _wall(wall: Wall) -> bytes:
    return _WALL % (wall.columns, wall.rows, blit.number(wall.scale))
