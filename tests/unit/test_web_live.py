"""Following a task live: what is sent, in how many messages, and how a listener goes on."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import create_environ
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from gmapi.jobs.model import LogLine
from gmapi.web import websocket
from gmapi.web.events import LogPush, Mark, StatePush
from support.product.application import RunningApplication, running_application

GAME_MESSAGE_MAX = 128 * 1024
GOOD, RESTART = 1000, 1012


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningApplication]:
    with running_application(tmp_path) as found:
        yield found


# -- marks and messages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("0", Mark()),
        ("19", Mark(19)),
        ("19.end", Mark(19, end=True)),
        ("9" * 30, Mark(2**62)),
        ("", None),
        (".end", None),
        ("19.END", None),
        ("19.end.end", None),
        ("-1", None),
        ("1.5", None),
        ("\u0661", None),
        ("x", None),
    ],
)
def test_an_id_says_how_far_a_listener_has_come(text: str, mark: Mark | None) -> None:
    assert Mark.parse(text) == mark
    if mark is not None and len(text) < 20:
        assert str(mark) == text


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(number, 1.0 + number, text) for number, text in enumerate(texts, 1)]


def test_events_have_a_line_each_and_the_end_an_id_of_its_own() -> None:
    assert LogPush(lines("one", "two")).sse().decode().split("\n\n")[:2] == [
        'event: log\nid: 1\ndata: {"time":2.0,"line":"one"}',
        'event: log\nid: 2\ndata: {"time":3.0,"line":"two"}',
    ]
    assert StatePush("state", 2, "{}").sse() == b"event: state\nid: 2\ndata: {}\n\n"
    assert StatePush("end", 2, "{}").sse() == b"event: end\nid: 2.end\ndata: {}\n\n"
    assert list(StatePush("end", 2, "{}").websocket()) == ['{"event":"end","id":2,"data":{}}']


@pytest.mark.parametrize(
    "text", ["frame= 100 fps=25", "\u97f3" * 1000, "\U0001f600" * 1000, "\x00" * 1000]
)
def test_a_burst_of_lines_is_few_messages_that_the_game_takes(text: str) -> None:
    sent = lines(*(f"{number} {text}" for number in range(2000)))
    messages = list(LogPush(sent).websocket())
    assert len(messages) < (10 if len(text) < 100 else len(sent) / 3)
    got: list[dict[str, Any]] = []
    for message in messages:
        assert len(message.encode()) < GAME_MESSAGE_MAX
        parsed = json.loads(message)
        assert parsed["event"] == "log"
        data = parsed["data"]
        # What older programs print is all of it.
        assert data["line"].split("\n") == [line["line"] for line in data["lines"]]
        got += data["lines"]
        assert parsed["id"] == sent[len(got) - 1].id
    assert got == [{"time": line.time, "line": line.line} for line in sent]


def test_one_line_is_a_message_like_ever() -> None:
    (message,) = LogPush(lines("one")).websocket()
    parsed = json.loads(message)
    assert (parsed["event"], parsed["id"]) == ("log", 1)
    assert parsed["data"].items() >= {"time": 2.0, "line": "one"}.items()


# -- Server-Sent Events ------------------------------------------------------------------------


def events(running: RunningApplication, task_id: str, **options: Any) -> list[tuple[str, str]]:
    """Kind and id of each event of a finished task."""
    answer = running.client.get(f"/api/task/{task_id}/events", **options)
    assert answer.status_code == 200, answer.status
    found = [dict(field.split(": ", 1) for field in part.split("\n")) for part in _parts(answer)]
    return [(event["event"], event["id"]) for event in found]


def _parts(answer: Any) -> list[str]:
    return [part for part in answer.text.split("\n\n") if part.startswith("event: ")]


def test_who_lost_the_connection_just_before_the_end_gets_it(running: RunningApplication) -> None:
    job = running.run()
    job.log("one", "two")
    job.finish()
    whole = events(running, job.id)
    last_line = whole[-2][1]
    assert [kind for kind, _ in whole] == ["log", "log", "end"]
    end = f"{last_line}.end"
    assert whole[-1] == ("end", end)
    assert events(running, job.id, headers={"Last-Event-ID": last_line}) == [("end", end)]
    # Older clients know the numbers only, wherever they give them.
    assert events(running, job.id, query_string={"since": last_line}) == [("end", end)]
    path = f"/api/task/{job.id}/events"
    seen = running.client.get(path, headers={"Last-Event-ID": end})
    assert (seen.status_code, seen.data) == (204, b"")
    assert running.client.get(path, query_string={"since": end}).status_code == 204


def test_a_task_without_a_line_has_an_end_too(running: RunningApplication) -> None:
    task_id = running.submit()
    running.service.cancel(task_id)
    assert events(running, task_id) == [("end", "0.end")]
    assert events(running, task_id, headers={"Last-Event-ID": "0"}) == [("end", "0.end")]
    path = f"/api/task/{task_id}/events"
    assert running.client.get(path, headers={"Last-Event-ID": "0.end"}).status_code == 204


def test_lines_that_come_after_a_seen_end_are_not_lost(running: RunningApplication) -> None:
    job = running.run()
    job.log("one")
    job.finish()
    end = events(running, job.id)[-1][1]
    # The mark of an end before this line, as a clock or a restored database may leave one.
    early = f"{int(end.removesuffix('.end')) - 1}.end"
    assert [kind for kind, _ in events(running, job.id, headers={"Last-Event-ID": early})] == [
        "log",
        "end",
    ]


@pytest.mark.parametrize("mark", ["nonsense", "12.5", ".end", "-3.end"])
def test_a_last_event_id_that_is_none_is_no_reason_to_refuse(
    running: RunningApplication, mark: str
) -> None:
    job = running.run()
    job.log("one")
    job.finish()
    assert len(events(running, job.id, headers={"Last-Event-ID": mark})) == 2


# -- WebSocket ---------------------------------------------------------------------------------


class Listener:
    """A WebSocket client of a view that runs in a thread of this process."""

    def __init__(self, running: RunningApplication, task_id: str) -> None:
        ours, self.plain = socket.socketpair()
        self.plain.settimeout(30)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        path = f"/api/task/{task_id}/ws"
        asked = self._protocol.send(Request(host="localhost", target=path)).decode("ascii")
        pairs = (line.split(": ") for line in asked.split("\r\n")[1:-2])
        environ = create_environ(
            path, headers=list(pairs), environ_overrides={"werkzeug.socket": ours}
        )
        # By hand: the answer of HTTP that a test client waits for never comes.
        self._thread = threading.Thread(
            target=lambda: list(running.app(environ, lambda *_: pytest.fail("answered by HTTP")))
        )
        self._thread.start()
        self.messages: list[dict[str, Any]] = []
        self.close_code = 0
        self._pieces: list[str] = []

    def read(self) -> bool:
        """Take what has come; False at the end of the connection."""
        data = self.plain.recv(65536)
        self._protocol.receive_data(data or None)
        for event in self._protocol.events():
            if isinstance(event, TextMessage):
                self._pieces.append(event.data)
                if event.message_finished:
                    self.messages.append(json.loads("".join(self._pieces)))
                    self._pieces.clear()
            elif isinstance(event, CloseConnection):
                self.close_code = self.close_code or event.code
            else:
                assert isinstance(event, AcceptConnection), event
        return bool(data)

    def read_until(self, kind: str) -> None:
        while not (self.messages and self.messages[-1]["event"] == kind):
            assert self.read()

    def close(self) -> None:
        """Answer the end, which a server that has said it may not wait for."""
        with contextlib.suppress(BrokenPipeError):
            self.plain.sendall(self._protocol.send(CloseConnection(GOOD)))
        while self.read():
            pass

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.plain.close()


def test_a_burst_reaches_a_websocket_in_few_messages(running: RunningApplication) -> None:
    job = running.run()
    for part in range(4):
        job.log(*(f"line {part * 400 + number}" for number in range(400)))
    job.finish()
    listener = Listener(running, job.id)
    listener.read_until("end")
    listener.close()
    listener.join()
    assert len(listener.messages) < 20
    told = [line for m in listener.messages[:-1] for line in m["data"]["line"].split("\n")]
    assert told == [f"line {number}" for number in range(1600)]
    assert [m["id"] for m in listener.messages] == sorted(m["id"] for m in listener.messages)


def test_after_the_end_the_client_closes_first(running: RunningApplication) -> None:
    job = running.run()
    job.finish()
    listener = Listener(running, job.id)
    listener.read_until("end")
    # In the game nothing that waits could be received once the server had closed.
    listener.plain.settimeout(1.5)
    with pytest.raises(TimeoutError):
        listener.read()
    listener.plain.settimeout(30)
    listener.close()
    listener.join()
    assert listener.close_code == GOOD


def test_a_client_that_never_closes_is_left(
    running: RunningApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "END_SECONDS", 0.3)
    monkeypatch.setattr(websocket, "CLOSE_SECONDS", 0.3)
    job = running.run()
    job.finish()
    listener = Listener(running, job.id)
    while listener.read():
        pass
    listener.join()
    assert listener.messages[-1]["event"] == "end"
    assert listener.close_code == GOOD


def test_a_server_that_restarts_says_so(running: RunningApplication) -> None:
    job = running.run()
    listener = Listener(running, job.id)
    listener.read_until("state")
    running.service.events.end_streams()
    while not listener.close_code:
        assert listener.read()
    listener.close()
    listener.join()
    assert listener.close_code == RESTART
    assert [message["event"] for message in listener.messages] == ["state"]


def test_a_server_that_restarts_does_not_wait_for_who_was_told_all(
    running: RunningApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "END_SECONDS", 600.0)
    job = running.run()
    job.finish()
    listener = Listener(running, job.id)
    listener.read_until("end")
    running.service.events.end_streams()
    while not listener.close_code:
        assert listener.read()
    listener.close()
    listener.join()
    assert listener.close_code == GOOD
