-- The system of the small game computer in cc_emulator.py. Gets the functions that Python lends
-- it and its terminal; returns those that run a program, add a module and connect a monitor.

return function(native, terminal)
    local system_os = os
    io, debug, dofile, loadfile = nil, nil, nil, nil
    os = {}

    -- Events ---------------------------------------------------------------------------------

    function os.pullEventRaw(filter) return coroutine.yield(filter) end
    function os.pullEvent(filter)
        local event = table.pack(os.pullEventRaw(filter))
        if event[1] == "terminate" then error("Terminated", 0) end
        return table.unpack(event, 1, event.n)
    end
    function os.queueEvent(name, ...) native.queue_event(name, ...) end
    function os.startTimer(seconds) return native.start_timer(seconds) end
    function os.clock() return native.clock() end
    function os.epoch(kind)
        if kind ~= "utc" then error("only the real time is known here: utc", 2) end
        return native.epoch()
    end
    os.time, os.date = system_os.time, system_os.date

    function sleep(seconds)
        local timer = os.startTimer(seconds or 0)
        repeat local _, id = os.pullEvent("timer") until id == timer
    end
    os.sleep = sleep

    parallel = {}

    local function run_together(needed, ...)
        local routines, filters, ended = {}, {}, 0
        for number, task in ipairs({...}) do routines[number] = coroutine.create(task) end
        local event = {n = 0}
        while true do
            for number, routine in ipairs(routines) do
                local alive = coroutine.status(routine) ~= "dead"
                local wanted = filters[number] == nil or filters[number] == event[1]
                    or event[1] == "terminate"
                if alive and wanted then
                    local ok, result = coroutine.resume(routine, table.unpack(event, 1, event.n))
                    if not ok then error(result, 0) end
                    filters[number] = result
                    if coroutine.status(routine) == "dead" then
                        ended = ended + 1
                        if ended >= needed then return number end
                    end
                end
            end
            event = table.pack(os.pullEventRaw())
        end
    end

    function parallel.waitForAny(...) return run_together(1, ...) end
    function parallel.waitForAll(...) run_together(select("#", ...), ...) end

    -- Terminal -------------------------------------------------------------------------------

    local shown = terminal
    term = setmetatable({}, {__index = function(_, name) return shown[name] end})
    function term.current() return shown end
    function term.native() return terminal end
    function term.redirect(target)
        local before = shown
        shown = target
        return before
    end
    function term.nativePaletteColour(colour) return native.native_colour(colour) end
    term.nativePaletteColor = term.nativePaletteColour

    local names = {
        "white", "orange", "magenta", "lightBlue", "yellow", "lime", "pink", "gray",
        "lightGray", "cyan", "purple", "blue", "brown", "green", "red", "black",
    }
    colors, colours = {}, {}
    for number, name in ipairs(names) do
        colors[name] = 2 ^ (number - 1)
        colours[name:gsub("ray$", "rey")] = colors[name]
    end

    keys = {enter = 257, numPadEnter = 335}

    function read()
        local line = ""
        while true do
            local event, what = os.pullEvent()
            if event == "char" then line = line .. what end
            if event == "key" and what == keys.enter then return line end
        end
    end

    function print(...)
        local words = table.pack(...)
        for number = 1, words.n do words[number] = tostring(words[number]) end
        native.print(table.concat(words, " ", 1, words.n))
    end
    printError = print

    -- Settings -------------------------------------------------------------------------------

    local values, saved = {}, {}
    settings = {}
    function settings.get(name, default)
        if values[name] == nil then return default end
        return values[name]
    end
    function settings.set(name, value) values[name] = value end
    function settings.save(path)
        for name, value in pairs(values) do saved[name] = value end
        return true
    end
    function settings.load(path)
        for name, value in pairs(saved) do values[name] = value end
        return true
    end
    function settings.clear() values = {} end

    -- Lua tables as text ---------------------------------------------------------------------

    textutils = {}

    function textutils.unserialize(text)
        local chunk = load("return " .. text, "unserialize", "t", {})
        if not chunk then return nil end
        local ok, value = pcall(chunk)
        if not ok then return nil end
        return value
    end
    textutils.unserialise = textutils.unserialize

    -- JSON -----------------------------------------------------------------------------------

    local function read_only(name)
        return setmetatable({}, {__newindex = function() error("attempt to mutate " .. name, 2) end})
    end

    textutils.empty_json_array = read_only("textutils.empty_json_array")
    textutils.json_null = read_only("textutils.json_null")

    local function quoted(text)
        return '"' .. text:gsub('[%c"\\\127-\255]', function(char)
            if char == '"' or char == "\\" then return "\\" .. char end
            if char == "\n" then return "\\n" end
            return ("\\u%04X"):format(char:byte())
        end) .. '"'
    end

    local function encode(value)
        local kind = type(value)
        if value == textutils.empty_json_array then return "[]" end
        if value == textutils.json_null then return "null" end
        if kind == "string" then return quoted(value) end
        if kind == "number" or kind == "boolean" then return tostring(value) end
        if kind ~= "table" then error("Cannot serialize type " .. kind, 0) end
        local items, count = {}, 0
        for _ in pairs(value) do count = count + 1 end
        if count > 0 and count == #value then
            for number, item in ipairs(value) do items[number] = encode(item) end
            return "[" .. table.concat(items, ",") .. "]"
        end
        for key, item in pairs(value) do
            if type(key) ~= "string" then error("a table with keys of two kinds", 0) end
            items[#items + 1] = quoted(key) .. ":" .. encode(item)
        end
        return "{" .. table.concat(items, ",") .. "}"
    end

    function textutils.serializeJSON(value) return encode(value) end
    textutils.serialiseJSON = textutils.serializeJSON

    function textutils.unserializeJSON(text)
        local parsed = native.parse_json(text)
        if parsed.failure then return nil, parsed.failure end
        return parsed.value
    end
    textutils.unserialiseJSON = textutils.unserializeJSON

    -- HTTP -----------------------------------------------------------------------------------

    http = {}

    local function handle_of(answer, binary)
        local at, closed = 1, false
        local function check() if closed then error("attempt to use a closed file", 3) end end
        local handle = {}
        function handle.readAll()
            check()
            local rest = answer.body:sub(at)
            at = #answer.body + 1
            return rest
        end
        function handle.read(count)
            check()
            if at > #answer.body then return nil end
            local part = answer.body:sub(at, at + (count or 1) - 1)
            at = at + #part
            if binary and count == nil then return part:byte() end
            return part
        end
        function handle.readLine(with_end)
            check()
            if at > #answer.body then return nil end
            local stop = answer.body:find("\n", at, true) or #answer.body
            local line = answer.body:sub(at, stop)
            at = stop + 1
            return with_end and line or (line:gsub("\n$", ""))
        end
        function handle.getResponseCode() return answer.status, answer.reason end
        function handle.getResponseHeaders() return answer.headers end
        function handle.close() closed = true end
        return handle
    end

    -- The event by which a program learns of an answer.
    local function told(url, answer)
        if answer.failure then return "http_failure", url, answer.failure end
        local handle = handle_of(answer, answer.binary)
        if answer.status >= 400 then return "http_failure", url, answer.reason, handle end
        return "http_success", url, handle
    end

    local function request_of(url, body, headers, binary)
        if type(url) == "table" then return url end
        return {url = url, body = body, headers = headers, binary = binary}
    end

    local function send(request)
        local method = request.method or (request.body and "POST" or "GET")
        native.request(method, request.url, request.body, request.headers, request.timeout or 30,
            request.binary or false)
        return true
    end

    -- The first answer from the address, whoever asked for it.
    local function wait_for(request)
        send(request)
        while true do
            local event, url, answer, failed = os.pullEvent()
            if url == request.url and event == "http_success" then return answer end
            if url == request.url and event == "http_failure" then
                if failed then return nil, answer, failed end
                return nil, answer
            end
        end
    end

    function http.get(url, headers, binary)
        return wait_for(request_of(url, nil, headers, binary))
    end

    function http.post(url, body, headers, binary)
        return wait_for(request_of(url, body, headers, binary))
    end

    function http.request(url, body, headers, binary)
        return send(request_of(url, body, headers, binary))
    end

    function http.checkURL(url) return url:find("^https?://") ~= nil end

    function http.websocket(url)
        local timeout = 30
        if type(url) == "table" then url, timeout = url.url, url.timeout or timeout end
        local socket = native.websocket(url, timeout)
        if socket.failure then return false, socket.failure end
        local handle = {}
        function handle.receive(seconds)
            local message = socket.receive(seconds)
            if message.text == nil then return nil end
            return message.text, message.binary
        end
        function handle.send(text, binary) socket.send(text, binary or false) end
        function handle.close() socket.close() end
        return handle
    end

    -- Peripherals ----------------------------------------------------------------------------

    local attached, kinds, order = {}, {}, {}

    local function attach(name, wrapped, kind)
        attached[name], kinds[name] = wrapped, kind
        order[#order + 1] = name
    end

    if native.has_speaker() then
        attach("left", {
            playAudio = function(buffer) return native.play_audio(buffer) end,
            stop = function() native.stop_audio() end,
        }, "speaker")
    end

    peripheral = {}
    function peripheral.find(kind)
        local found = {}
        for _, name in ipairs(order) do
            if kinds[name] == kind then found[#found + 1] = attached[name] end
        end
        return table.unpack(found)
    end
    function peripheral.wrap(name) return attached[name] end
    function peripheral.getNames() return {table.unpack(order)} end
    function peripheral.isPresent(name) return attached[name] ~= nil end
    function peripheral.getType(name) return kinds[name] end
    function peripheral.getName(wrapped)
        for name, object in pairs(attached) do
            if object == wrapped then return name end
        end
    end

    package.preload["cc.audio.dfpwm"] = function()
        return {make_decoder = function() return native.decoder() end}
    end

    -- Programs -------------------------------------------------------------------------------

    local function next_event(name, ...)
        if name == "http_answer" then return told(...) end
        return name, ...
    end

    local function run(source)
        local program, mistake = load(source, "=program")
        if not program then error(mistake, 0) end
        local routine, filter = coroutine.create(program), nil
        local event = {n = 0}
        while true do
            if filter == nil or event[1] == filter or event[1] == "terminate" then
                local ok, result = coroutine.resume(routine, table.unpack(event, 1, event.n))
                if not ok then error(result, 0) end
                if coroutine.status(routine) == "dead" then return end
                filter = result
            end
            event = table.pack(next_event(native.next_event()))
        end
    end

    local function add_module(name, source)
        local module, mistake = load(source, "=" .. name)
        if not module then error(mistake, 0) end
        package.preload[name] = module
    end

    return run, add_module, attach
end
