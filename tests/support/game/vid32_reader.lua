-- A reader of 32vid films for computers in the game, Lua 5.2: combined streams whose pictures are
-- packed, ANS or Huffman coded. Written from the formats document, section 5.7.
--
--   local film = reader.open(data)
--   for chunk in film.chunks() do
--       if chunk.kind == reader.VIDEO then film.draw(chunk, term) end
--   end

local reader = {VIDEO = 0, AUDIO = 1, TEXT = 8, FIRST_MONITOR = 64, LAST_MONITOR = 127}

local PACKED, ANS, CUSTOM = 0, 1, 3
local COMBINED, UNKNOWN = 12, 0xFFFFFFFF

local function number(data, at, bytes)
    local value = 0
    for offset = bytes - 1, 0, -1 do value = value * 256 + data:byte(at + offset) end
    return value
end

-- Bits, most significant first. `place` is the byte after those that were touched.
local function bits_of(data, at)
    local held, count = 0, 0
    local function read(wanted)
        while count < wanted do
            held = bit32.bor(bit32.lshift(held, 8), data:byte(at))
            at, count = at + 1, count + 8
        end
        count = count - wanted
        local value = bit32.rshift(held, count)
        held = bit32.band(held, 2 ^ count - 1)
        return value
    end
    return read, function() return at end
end

local function nibbles_of(data, at, symbols)
    local found, any = {}, false
    for symbol = 0, symbols - 1, 2 do
        local byte = data:byte(at + symbol / 2)
        found[symbol], found[symbol + 1] = bit32.rshift(byte, 4), bit32.band(byte, 15)
        any = any or byte ~= 0
    end
    return found, any
end

local function single(data, at)
    local symbol = data:byte(at)
    return function() return symbol end, function() return at + 1 end
end

-- These two return a function that gives the next symbol, and one that gives the end.

local function open_custom(data, at, symbols)
    local lengths, any = nibbles_of(data, at, symbols)
    at = at + symbols / 2
    if not any then return single(data, at) end
    local by_length, code = {}, 0
    for length = 1, 15 do
        by_length[length], code = {}, code * 2
        for symbol = 0, symbols - 1 do
            if lengths[symbol] == length then
                by_length[length][code], code = symbol, code + 1
            end
        end
    end
    local read, place = bits_of(data, at)
    return function()
        local value = 0
        for length = 1, 15 do
            value = value * 2 + read(1)
            local symbol = by_length[length][value]
            if symbol then return symbol end
        end
        error("no such code", 0)
    end, place
end

local function open_ans(data, at, symbols)
    local log = data:byte(at)
    local nibbles = nibbles_of(data, at + 1, symbols)
    at = at + 1 + symbols / 2
    if log == 0 then return single(data, at) end
    local size = 2 ^ log
    local step, slot, owners = math.floor(size * 5 / 8) + 3, 0, {}
    local next_count = {}
    for symbol = 0, symbols - 1 do
        local count = nibbles[symbol] > 0 and 2 ^ (nibbles[symbol] - 1) or 0
        next_count[symbol] = count
        for _ = 1, count do
            while owners[slot] do slot = (slot + 1) % size end
            owners[slot] = symbol
            slot = (slot + step) % size
        end
    end
    local takes, bases = {}, {}
    for x = 0, size - 1 do
        local symbol = owners[x]
        local count, take = next_count[symbol], log
        next_count[symbol] = count + 1
        while 2 ^ (log - take + 1) <= count do take = take - 1 end
        takes[x], bases[x] = take, count * 2 ^ take - size
    end
    local read, place = bits_of(data, at)
    local state = read(log)
    return function()
        local symbol = owners[state]
        state = bases[state] + read(takes[state])
        return symbol
    end, place
end

local function read_plane(next_symbol, cells)
    local plane, filled, color = {}, 0, nil
    while filled < cells do
        local symbol, count = next_symbol(), 1
        if symbol < 16 then
            color = symbol
        else
            count = symbol == 23 and 256 or 2 ^ (symbol - 15)
        end
        for _ = 1, math.min(count, cells - filled) do
            filled = filled + 1
            plane[filled] = color
        end
    end
    return plane
end

local function decode(data, at, cells, compression)
    local codes, foreground, background = {}, {}, {}
    if compression == PACKED then
        local read = bits_of(data, at)
        for cell = 1, cells do codes[cell] = read(5) end
        at = at + math.ceil(cells / 8) * 5
        for cell = 1, cells do
            local byte = data:byte(at + cell - 1)
            foreground[cell], background[cell] = byte % 16, math.floor(byte / 16)
        end
        return codes, foreground, background, at + cells
    end
    local open = compression == ANS and open_ans or open_custom
    local next_symbol, place = open(data, at, 32)
    for cell = 1, cells do codes[cell] = next_symbol() end
    next_symbol, place = open(data, place(), 24)
    if compression == ANS then
        background = read_plane(next_symbol, cells)
        foreground = read_plane(next_symbol, cells)
    else
        foreground = read_plane(next_symbol, cells)
        background = read_plane(next_symbol, cells)
    end
    return codes, foreground, background, place()
end

local DIGITS = "0123456789abcdef"

local function digits_of(plane, first, last)
    local found = {}
    for cell = first, last do
        found[#found + 1] = DIGITS:sub(plane[cell] + 1, plane[cell] + 1)
    end
    return table.concat(found)
end

local function draw(data, chunk, compression, terminal)
    local cells = chunk.columns * chunk.rows
    local codes, foreground, background, at = decode(data, chunk.at, cells, compression)
    for slot = 0, 15 do
        local red, green, blue = data:byte(at + 3 * slot, at + 3 * slot + 2)
        terminal.setPaletteColour(2 ^ slot, red / 255, green / 255, blue / 255)
    end
    for row = 1, chunk.rows do
        local first, last = (row - 1) * chunk.columns + 1, row * chunk.columns
        local text = {}
        for cell = first, last do text[#text + 1] = string.char(128 + codes[cell]) end
        terminal.setCursorPos(1, row)
        terminal.blit(table.concat(text), digits_of(foreground, first, last),
            digits_of(background, first, last))
    end
    return at + 48
end

-- A film: columns and rows of cells, fps, and for walls columns and rows of monitors. Each of its
-- chunks has a kind; sound also `data`; subtitles start, length, x, y, colors and text; pictures
-- are for `film.draw`, those of a wall with the monitor's column and row from 0.
function reader.open(data)
    if data:sub(1, 4) ~= "32VD" then error("this is no 32vid film", 0) end
    local flags = number(data, 11, 2)
    local compression = flags % 4
    if compression ~= PACKED and compression ~= ANS and compression ~= CUSTOM then
        error("this film's compression is not supported", 0)
    end
    local size, kind = number(data, 13, 4), data:byte(21)
    if kind ~= COMBINED then error("only combined streams are supported", 0) end
    local stop = size == UNKNOWN and #data or 21 + size

    local film = {
        columns = number(data, 5, 2), rows = number(data, 7, 2), fps = data:byte(9),
        dfpwm = bit32.extract(flags, 2, 2) == 1,
    }
    if bit32.btest(flags, 32) then
        film.wall_columns = bit32.extract(flags, 6, 3) + 1
        film.wall_rows = bit32.extract(flags, 9, 3) + 1
    end

    function film.chunks()
        local at = 22
        return function()
            if at > stop then return nil end
            local chunk = {
                kind = data:byte(at + 4), size = number(data, at, 4), at = at + 5,
                columns = film.columns, rows = film.rows,
            }
            if chunk.kind >= reader.FIRST_MONITOR and chunk.kind <= reader.LAST_MONITOR then
                local monitor = chunk.kind - reader.FIRST_MONITOR
                chunk.column, chunk.row = math.floor(monitor / 8), monitor % 8
                chunk.columns, chunk.rows = number(data, at + 5, 2), number(data, at + 7, 2)
                chunk.at = at + 9
            elseif chunk.kind == reader.AUDIO then
                chunk.data = data:sub(chunk.at, chunk.at + chunk.size - 1)
            elseif chunk.kind == reader.TEXT then
                chunk.start, chunk.length = number(data, at + 5, 4), number(data, at + 9, 4)
                chunk.x, chunk.y = number(data, at + 13, 2), number(data, at + 15, 2)
                chunk.colors = data:byte(at + 17)
                chunk.text = data:sub(at + 21, at + 20 + number(data, at + 19, 2))
            end
            at = chunk.at + chunk.size
            return chunk
        end
    end

    -- Shows a picture from the terminal's upper left corner on.
    function film.draw(chunk, terminal)
        local stopped = draw(data, chunk, compression, terminal)
        if stopped ~= chunk.at + chunk.size then error("the picture has another size", 0) end
    end

    return film
end

return reader
