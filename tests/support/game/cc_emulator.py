"""A small game computer: runs Lua programs written for CC: Tweaked against a real server.

    computer = Computer()
    computer.run('print(http.get("http://127.0.0.1:5000/health").getResponseCode())')
    assert computer.printed == ["200 OK"]

Lua 5.2 by lupa; strings are bytes, as in the game. Modelled after the public documentation of
CC: Tweaked (tweaked.cc): `http` with its failure values, handles and limits, `textutils` JSON with
its quirks, events (256 at most) and timers, `parallel`, `peripheral` with one speaker and any
monitors, `term`, `settings`, `cc.audio.dfpwm`. Requests are answered by events, and the speaker
plays in real time. What is printed does not appear on the screen, programs take no time but for
what a test lets drawing cost, and the game's own refusal of private addresses is not modelled.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import websocket
from lupa import lua52

from support.game.cc_clock import TICK, TICKS_PER_SECOND, Clock
from support.game.cc_network import REPLY_MAX as REPLY_MAX
from support.game.cc_network import Network, Reply, Request
from support.game.cc_speaker import Speaker
from support.game.cc_terminal import Terminal, native_colour
from support.game.dfpwm import Decoder

WEBSOCKET_MESSAGE_MAX = 128 * 1024
EVENTS_MAX = 256
YIELD_SECONDS = 7.0
"""How long a program may run without waiting for an event."""

ENTER = 257
SYSTEM = Path(__file__).with_name("cc_emulator.lua")

LuaTable = Any


class Computer:
    """One computer. `printed` holds the lines that its programs have printed.

    Without `speaker` it has none. An `instant` one has a clock of its own, `now`, which jumps to
    the end of every wait. Its troubles: a world of fewer `ticks_per_second`; `draw_seconds`, which
    each `write` or `blit` on any screen takes; the outages of its `network`; `terminate_at`.
    `lost_events` is how many did not fit into the queue. `on_wait` is called before each wait. What
    the user does is done when the computer would otherwise wait for ever.
    """

    def __init__(
        self,
        *,
        instant: bool = False,
        ticks_per_second: float = TICKS_PER_SECOND,
        speaker: bool = True,
    ) -> None:
        self.clock = Clock(instant=instant, ticks_per_second=ticks_per_second)
        self.network = Network(self.clock)
        self.speaker = Speaker(self.clock, self._queue_event)
        self.printed: list[str] = []
        self.terminal = Terminal(51, 19)
        self.terminal.on_draw = self._draw
        self.monitors: dict[str, Terminal] = {}
        self.draw_seconds = 0.0
        self.lost_events = 0
        self.on_wait: Callable[[], None] = lambda: None
        self._inputs: deque[tuple[Any, ...]] = deque()
        self._events: deque[tuple[Any, ...]] = deque()
        self._resumed = 0.0
        self._timer_ids = 0
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
            "has_speaker": lambda: speaker,
            "play_audio": self.speaker.play_audio,
            "stop_audio": self.speaker.stop,
            "decoder": self._decoder,
            "queue_event": self._queue_event,
            "start_timer": self._start_timer,
            "next_event": self._next_event,
            "clock": lambda: round(self.clock.ticks * TICK, 2),
            "epoch": lambda: self.clock.epoch,
            "native_colour": native_colour,
        }
        start = self._lua.execute(SYSTEM.read_text("utf-8"))
        terminal = self._lua.table_from(self.terminal.functions())
        self._run, self._add_module, self._attach = start(self._lua.table_from(natives), terminal)

    @property
    def now(self) -> float:
        """Seconds since it was made."""
        return self.clock.now

    def add_module(self, name: str, source: str) -> None:
        """Put a file on the computer that its programs can `require` by `name`."""
        self._add_module(name, source.encode("utf-8").decode("latin-1"))

    def add_monitor(self, name: str, monitor: Terminal) -> None:
        """Connect a monitor."""
        monitor.on_draw = self._draw
        self.monitors[name] = monitor
        self._attach(name, self._lua.table_from(monitor.functions()), "monitor")

    def type_line(self, text: str = "") -> None:
        """Type a text and Enter."""
        self._inputs.extend(("char", char) for char in text)
        self._inputs.append(("key", ENTER, False))

    def touch(self, name: str) -> None:
        """Touch a monitor."""
        self._inputs.append(("monitor_touch", name, 1, 1))

    def terminate(self) -> None:
        """Hold Ctrl and T, now."""
        self._queue_event("terminate")

    def terminate_at(self, time: float) -> None:
        """Hold Ctrl and T at a time."""
        self.clock.at(time, self.terminate)

    def rest(self, seconds: float) -> None:
        """Let time pass after a program has ended."""
        until = self.now + seconds
        while self.now < until and self.clock.wait(until):
            self.clock.run_due()

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

    def _queue_event(self, *event: Any) -> None:
        if len(self._events) < EVENTS_MAX:
            self._events.append(event)
        else:
            self.lost_events += 1

    def _start_timer(self, seconds: float) -> int:
        self._timer_ids += 1
        timer = self._timer_ids
        ticks = max(1, math.ceil(round(seconds / TICK, 6)))
        self.clock.at(self.clock.tick_after(ticks), lambda: self._queue_event("timer", timer))
        return timer

    def _next_event(self) -> tuple[Any, ...]:
        self.clock.run_due()
        while not self._events:
            self.on_wait()
            if self._events:  # time was spent there
                break
            if self.clock.wait():
                self.clock.run_due()
            elif self._inputs:
                self._events.append(self._inputs.popleft())
            else:
                raise RuntimeError("the program waits for an event that never comes")
        self._resumed = self.now
        return self._events.popleft()

    def _draw(self) -> None:
        self.clock.spend(self.draw_seconds)
        if self.clock.instant and self.now - self._resumed > YIELD_SECONDS:
            raise RuntimeError("Too long without yielding")

    # -- network --------------------------------------------------------------------------------

    def _request(
        self,
        method: str,
        url: str,
        body: str | None,
        headers: LuaTable,
        timeout: float,
        binary: bool,
    ) -> None:
        """Queues `http_answer` later: the address and a table of `status`, `reason`, `headers`,
        `body` and `binary`, or of `failure` alone."""
        payload = body.encode("latin-1") if body is not None else None
        given = {name: str(value) for name, value in headers.items()} if headers else {}

        def deliver(reply: Reply | str) -> None:
            self._queue_event("http_answer", url, self._answer(reply, binary))

        self.network.send(Request(method, url, payload, given, timeout), deliver)

    def _answer(self, reply: Reply | str, binary: bool) -> LuaTable:
        if isinstance(reply, str):
            return self._lua.table(failure=reply)
        return self._lua.table(
            status=reply.status,
            reason=reply.reason,
            headers=self._lua.table_from(reply.headers),
            body=reply.body.decode("latin-1"),
            binary=binary,
        )

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
