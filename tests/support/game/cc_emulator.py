"""A small game computer: runs Lua programs written for CC: Tweaked against a real server.

    computer = Computer()
    computer.run('print(http.get("http://127.0.0.1:5000/health").getResponseCode())')
    assert computer.printed == ["200 OK"]

Lua 5.2 by lupa; strings are bytes, as in the game. Modelled after the public documentation of
CC: Tweaked (tweaked.cc): `http` with its failure values, handles and limits, `textutils` JSON with
its quirks, events, timers, `parallel`, `peripheral` with one speaker and any monitors, `term`,
`settings`, `cc.audio.dfpwm`. Requests run at once instead of in the background, the speaker takes
no time, and what is printed does not appear on the screen. The game's own refusal of private
addresses is not modelled.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import json
import math
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import websocket
from lupa import lua52

from support.game.cc_terminal import Terminal, native_colour
from support.game.dfpwm import Decoder

REPLY_MAX = 16 * 1024**2
UPLOAD_MAX = 4 * 1024**2
WEBSOCKET_MESSAGE_MAX = 128 * 1024
SPEAKER_SAMPLES_MAX = 128 * 1024
USER_AGENT = "computercraft/1.113.1"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
TICK = 0.05
ENTER = 257
SYSTEM = Path(__file__).with_name("cc_emulator.lua")

LuaTable = Any


class Speaker:
    """The speaker beside the computer; keeps all samples it was given."""

    name = "left"

    def __init__(self) -> None:
        self.samples: list[int] = []
        self.full = False

    def play_audio(self, buffer: LuaTable) -> bool:
        """Take a buffer, or return False while the one before is still playing."""
        samples = list(buffer.values())
        if not 0 < len(samples) <= SPEAKER_SAMPLES_MAX:
            raise ValueError(f"a buffer must have 1 to {SPEAKER_SAMPLES_MAX} samples")
        if not all(isinstance(sample, int) and -128 <= sample <= 127 for sample in samples):
            raise ValueError("samples must be whole numbers from -128 to 127")
        if self.full:
            return False
        self.samples += samples
        self.full = True
        return True


class Computer:
    """One computer. `printed` holds the lines that its programs have printed.

    An `instant` one has a clock of its own, `now`, which goes in the game's steps of 50 ms and
    jumps to the end of every wait. `on_wait` is called before each wait. What the user does is
    done when the computer would otherwise wait for ever.
    """

    def __init__(self, *, instant: bool = False) -> None:
        self.printed: list[str] = []
        self.terminal = Terminal(51, 19)
        self.monitors: dict[str, Terminal] = {}
        self.now = 0.0
        self.on_wait: Callable[[], None] = lambda: None
        self._instant = instant
        self._inputs: deque[tuple[Any, ...]] = deque()
        self.speaker = Speaker()
        self.requests = 0
        self._events: deque[tuple[Any, ...]] = deque()
        self._timers: list[tuple[float, int]] = []
        self._timer_ids = itertools.count(1)
        self._sockets: list[websocket.WebSocket] = []
        self._lua = lua52.LuaRuntime(
            encoding="latin-1",
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
        )
        natives: dict[str, Callable[..., Any]] = {
            "request": self._request,
            "websocket": self._websocket,
            "parse_json": self._parse_json,
            "print": self.printed.append,
            "play_audio": self.speaker.play_audio,
            "decoder": self._decoder,
            "queue_event": lambda *event: self._events.append(event),
            "start_timer": self._start_timer,
            "next_event": self._next_event,
            "clock": self._clock,
            "epoch": lambda: self.now * 1000 if instant else time.time() * 1000,
            "native_colour": native_colour,
        }
        start = self._lua.execute(SYSTEM.read_text("utf-8"))
        terminal = self._lua.table_from(self.terminal.functions())
        self._run, self._add_module, self._attach = start(self._lua.table_from(natives), terminal)

    def add_module(self, name: str, source: str) -> None:
        """Put a file on the computer that its programs can `require` by `name`."""
        self._add_module(name, source.encode("utf-8").decode("latin-1"))

    def add_monitor(self, name: str, monitor: Terminal) -> None:
        """Connect a monitor."""
        self.monitors[name] = monitor
        self._attach(name, self._lua.table_from(monitor.functions()))

    def type_line(self, text: str = "") -> None:
        """Type a text and Enter."""
        self._inputs.extend(("char", char) for char in text)
        self._inputs.append(("key", ENTER, False))

    def touch(self, name: str) -> None:
        """Touch a monitor."""
        self._inputs.append(("monitor_touch", name, 1, 1))

    def terminate(self) -> None:
        """Hold Ctrl and T, now."""
        self._events.append(("terminate",))

    def lend(self, name: str, data: bytes) -> None:
        """Give programs a string as a global variable."""
        self._lua.globals()[name] = data.decode("latin-1")

    def run(self, program: str | bytes) -> None:
        """Run a program to its end. Raises lupa's LuaError when it fails."""
        source = program if isinstance(program, bytes) else program.encode("utf-8")
        try:
            self._run(source.decode("latin-1"))
        finally:
            for socket in self._sockets:
                socket.close()

    # -- events ---------------------------------------------------------------------------------

    def _start_timer(self, seconds: float) -> int:
        timer = next(self._timer_ids)
        if self._instant:
            seconds = max(1, math.ceil(round(seconds / TICK, 6))) * TICK
        heapq.heappush(self._timers, (self._clock() + seconds, timer))
        return timer

    def _clock(self) -> float:
        return self.now if self._instant else time.monotonic()

    def _next_event(self) -> tuple[Any, ...]:
        if self._events:
            return self._events.popleft()
        if self.speaker.full:
            self.speaker.full = False
            return "speaker_audio_empty", self.speaker.name
        self.on_wait()
        if not self._timers:
            if self._inputs:
                return self._inputs.popleft()
            raise RuntimeError("the program waits for an event that never comes")
        due, timer = heapq.heappop(self._timers)
        if self._instant:
            self.now = max(self.now, due)
        else:
            time.sleep(max(0.0, due - time.monotonic()))
        return "timer", timer

    # -- network --------------------------------------------------------------------------------

    def _request(
        self, method: str, url: str, body: str | None, headers: LuaTable, timeout: float
    ) -> LuaTable:
        """A table of `status`, `reason`, `headers`, `body`, or of `failure` alone."""
        self.requests += 1
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            return self._lua.table(failure="URL malformed")
        payload = body.encode("latin-1") if body is not None else None
        if payload is not None and len(payload) > UPLOAD_MAX:
            return self._lua.table(failure="Request body is too large")
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, payload, self._headers(headers, payload))
            response = connection.getresponse()
            data = response.read(REPLY_MAX + 1)
        except TimeoutError:
            return self._lua.table(failure="Timed out")
        except (OSError, http.client.HTTPException):
            return self._lua.table(failure="Could not connect")
        finally:
            connection.close()
        if len(data) > REPLY_MAX:
            return self._lua.table(failure="Response is too large")
        return self._lua.table(
            status=response.status,
            reason=response.reason,
            headers=self._lua.table_from(dict(response.headers.items())),
            body=data.decode("latin-1"),
        )

    @staticmethod
    def _headers(given: LuaTable, payload: bytes | None) -> dict[str, str]:
        sent = {"User-Agent": USER_AGENT, "Accept-Charset": "UTF-8", "Connection": "close"}
        if payload is not None:
            sent["Content-Type"] = FORM
        for name, value in given.items() if given is not None else ():
            sent = {kept: text for kept, text in sent.items() if kept.lower() != name.lower()}
            sent[name] = str(value)
        return sent

    def _websocket(self, url: str, timeout: float) -> LuaTable:
        """A table of functions `receive`, `send` and `close`, or of `failure` alone."""
        try:
            socket = websocket.create_connection(url, timeout=timeout)
        except (OSError, websocket.WebSocketException):
            return self._lua.table(failure="Could not connect")
        self._sockets.append(socket)

        def receive(seconds: float | None) -> LuaTable:
            socket.settimeout(seconds)
            try:
                opcode, data = socket.recv_data()
            except (OSError, websocket.WebSocketException):
                return self._lua.table()
            if opcode == websocket.ABNF.OPCODE_CLOSE or len(data) > WEBSOCKET_MESSAGE_MAX:
                socket.close()
                return self._lua.table()
            binary = opcode == websocket.ABNF.OPCODE_BINARY
            return self._lua.table(text=data.decode("latin-1"), binary=binary)

        def send(text: str, binary: bool) -> None:
            kind = websocket.ABNF.OPCODE_BINARY if binary else websocket.ABNF.OPCODE_TEXT
            socket.send(text.encode("latin-1"), kind)

        return self._lua.table(receive=receive, send=send, close=lambda: socket.close())

    # -- data -----------------------------------------------------------------------------------

    def _parse_json(self, text: str) -> LuaTable:
        """A table of `value`, or of `failure` for what is no JSON."""
        try:
            value = json.loads(text.encode("latin-1").decode("utf-8", "surrogateescape"))
        except ValueError as error:
            return self._lua.table(failure=f"Malformed JSON: {error}")
        return self._lua.table(value=self._to_lua(value))

    def _to_lua(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape").decode("latin-1")
        if isinstance(value, list):
            return self._lua.table_from([self._to_lua(item) for item in value])
        if isinstance(value, dict):
            pairs = {self._to_lua(key): self._to_lua(item) for key, item in value.items()}
            return self._lua.table_from({k: v for k, v in pairs.items() if v is not None})
        return value

    def _decoder(self) -> Callable[[str], LuaTable]:
        decoder = Decoder()
        return lambda chunk: self._lua.table_from(decoder.decode(chunk.encode("latin-1")))
