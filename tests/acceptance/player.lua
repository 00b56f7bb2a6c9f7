-- A video player as the client contract describes it: its polling, its sound, its frame packs.
-- The host gives: request(url, body, headers, timeout), which reports later by
-- pull() -> "http_success", url, body | "http_failure", url, reason; print, sleep, play, draw.
local host = ...

local PACK, AHEAD, TRIES = 20, 400, 3

-- JSON ---------------------------------------------------------------------------------------

local function decode(text)
  local at = 1
  local value

  local function skip()
    at = text:find("[^ \t\r\n]", at) or #text + 1
  end

  local function expect(char)
    skip()
    if text:sub(at, at) ~= char then
      error("Malformed JSON at " .. at .. ": " .. char .. " expected", 0)
    end
    at = at + 1
  end

  local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

  local function utf8(code)
    if code < 0x80 then return string.char(code) end
    if code < 0x800 then
      return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
    end
    return string.char(
      0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64
    )
  end

  local function text_value()
    local parts = {}
    expect('"')
    while true do
      local stop = text:find('["\\]', at) or error("Malformed JSON: open text", 0)
      parts[#parts + 1] = text:sub(at, stop - 1)
      at = stop + 1
      if text:sub(stop, stop) == '"' then return table.concat(parts) end
      local kind = text:sub(at, at)
      at = at + 1
      if kind == "u" then
        parts[#parts + 1] = utf8(tonumber(text:sub(at, at + 3), 16))
        at = at + 4
      else
        parts[#parts + 1] = escapes[kind] or kind
      end
    end
  end

  local function list(close, item)
    local found = {}
    at = at + 1
    skip()
    if text:sub(at, at) == close then
      at = at + 1
      return found
    end
    while true do
      item(found)
      skip()
      local char = text:sub(at, at)
      at = at + 1
      if char == close then return found end
      if char ~= "," then error("Malformed JSON at " .. at, 0) end
    end
  end

  function value()
    skip()
    local char = text:sub(at, at)
    if char == "{" then
      return list("}", function(found)
        skip()
        local key = text_value()
        expect(":")
        found[key] = value()
      end)
    elseif char == "[" then
      return list("]", function(found) found[#found + 1] = value() end)
    elseif char == '"' then
      return text_value()
    end
    local word = text:match("^[%w%.%+%-]+", at) or error("Malformed JSON at " .. at, 0)
    at = at + #word
    if word == "true" then return true end
    if word == "false" then return false end
    if word == "null" then return nil end
    return tonumber(word) or error("Malformed JSON: " .. word, 0)
  end

  local found = value()
  skip()
  if at <= #text then error("Malformed JSON: text after the end", 0) end
  return found
end

local function encode(value)
  if type(value) == "table" then
    local parts = {}
    if #value > 0 then
      for _, item in ipairs(value) do parts[#parts + 1] = encode(item) end
      return "[" .. table.concat(parts, ",") .. "]"
    end
    for key, item in pairs(value) do parts[#parts + 1] = encode(key) .. ":" .. encode(item) end
    return "{" .. table.concat(parts, ",") .. "}"
  elseif type(value) == "string" then
    local escaped = value:gsub('[%c"\\\127-\255]', function(char)
      return ("\\u%04X"):format(char:byte())
    end)
    return '"' .. escaped .. '"'
  end
  return tostring(value)
end

-- HTTP ---------------------------------------------------------------------------------------

local function wait_for(url)
  while true do
    local event, from, content = host.pull()
    if from == url then
      if event == "http_success" then return content end
      return nil, content
    end
  end
end

local function get(url)
  host.request(url, nil, { ["Content-Type"] = "application/json" }, 30)
  return wait_for(url)
end

local function post(url, values)
  host.request(url, encode(values), { ["Content-Type"] = "application/json" }, 30)
  return wait_for(url)
end

-- frames -------------------------------------------------------------------------------------

local function u32(data, at)
  local a, b, c, d = data:byte(at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function unpack_frames(data, frames, first)
  local at = 5
  for index = first, first + u32(data, 1) - 1 do
    local size = u32(data, at)
    frames[index] = data:sub(at + 4, at + 3 + size)
    at = at + 4 + size
  end
end

local function frame_path(task_id, number)
  return ("/frames/%s/frame_%06d.png"):format(task_id, number)
end

local Loader = {}
Loader.__index = Loader

function Loader.new(server, task_id, last)
  return setmetatable({
    server = server, task_id = task_id, last = last,
    frames = {}, asked = 0, waiting = {}, in_flight = 0, failures = 0,
  }, Loader)
end

function Loader:send(first, timeout, tries)
  local urls = {}
  for number = first, math.min(first + PACK - 1, self.last) do
    urls[#urls + 1] = frame_path(self.task_id, number)
  end
  -- The query makes the address unlike all others, so that its reply can be told apart.
  local url = self.server .. "/api/framepack?" .. urls[1]
  self.waiting[url] = { first = first, timeout = timeout, tries = tries, count = #urls }
  self.in_flight = self.in_flight + 1
  host.request(url, encode({ urls = urls }), { ["Content-Type"] = "application/json" }, timeout)
end

function Loader:ask_until(number, timeout)
  while self.asked < math.min(number, self.last) do
    self:send(self.asked + 1, timeout, TRIES)
    self.asked = self.asked + PACK
  end
end

function Loader:take_event()
  local event, url, content = host.pull()
  local pack = self.waiting[url]
  if not pack then return end
  self.waiting[url] = nil
  self.in_flight = self.in_flight - 1
  if event == "http_success" then
    assert(u32(content, 1) == pack.count, "a short pack")
    unpack_frames(content, self.frames, pack.first)
  else
    self.failures = self.failures + 1
    if pack.tries == 0 then error("Failed to load frames: " .. tostring(content), 0) end
    self:send(pack.first, pack.timeout, pack.tries - 1)
  end
end

-- the player ---------------------------------------------------------------------------------

local player = {}

-- Starts a conversion; its task id, or nil and the message.
function player.start(server, video, w, h)
  local body, reason = post(server .. "/api/video_frame/async", {
    video_url = video, w = w, h = h, force_resolution = false, pad_to_target = true, fps = 20,
  })
  if not body then return nil, reason end
  local answer = decode(body)
  if answer.status ~= "success" then return nil, answer.message end
  return answer.task_id, answer.status_url
end

-- Polls until playback may start; the result, or nil and the message of a task that failed.
function player.wait(status_url)
  while true do
    local body, reason = get(status_url)
    if not body then return nil, reason end
    local task = decode(body)
    host.print(task.status .. " " .. task.progress .. "%")
    if task.message then host.print(task.message) end
    for _, line in ipairs(task.new_logs or {}) do host.print(line) end
    if task.status == "error" then return nil, task.message end
    if task.result.current_frames and task.result.current_frames >= 200 then
      return task.result
    end
    host.sleep(0.1)
  end
end

-- Plays a task; the number of frames drawn, frames that were missing, and failed requests.
function player.play(server, task_id, result)
  local last = result.total_frames - 10
  if result.audio_urls then
    local mono = get(server .. result.audio_urls.audio_dfpwm_url)
    host.play("length", #mono * 8 / 48000)
    host.play("left", get(server .. result.audio_urls.audio_dfpwm_left_url))
    host.play("right", get(server .. result.audio_urls.audio_dfpwm_right_url))
  end
  local loader = Loader.new(server, task_id, last)
  loader:ask_until(AHEAD, 3)
  while loader.in_flight > 0 do loader:take_event() end
  local drawn, missing = 0, 0
  for number = 1, last do
    loader:ask_until(number + AHEAD - 1, 2)
    while not loader.frames[number] and loader.in_flight > 0 do loader:take_event() end
    if loader.frames[number] then
      host.draw(number, loader.frames[number])
      drawn = drawn + 1
    else
      missing = missing + 1
    end
    loader.frames[number] = nil
  end
  return drawn, missing, loader.failures
end

return player
