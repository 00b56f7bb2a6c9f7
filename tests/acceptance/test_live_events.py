"""Following a task: long polls, log cursors, Server-Sent Events, WebSocket, cancelling."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
import websocket

from support.http.origin import Exchange, Origin
from support.product.server import GmapiServer, call, wait_for

GAME_MESSAGE_MAX = 128 * 1024


class Gate:
    """A source at `url` that is held back half-way until `open` is called."""

    def __init__(self, origin: Origin, path: str, data: bytes) -> None:
        self._opened = threading.Event()
        self.reached = threading.Event()
        self._data = data
        self.url = origin.add(path, self._serve)

    def _serve(self, exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(self._data))})
        exchange.raw(self._data[: len(self._data) // 2])
        self.reached.set()
        self._opened.wait(60)
        exchange.raw(self._data[len(self._data) // 2 :])

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def gate(request: pytest.FixtureRequest, origin: Origin, media_dir: Any) -> Iterator[Gate]:
    found = Gate(origin, f"/gate-{request.node.name}", (media_dir / "song.mp3").read_bytes())
    yield found
    found.open()


def start(server: GmapiServer, url: str) -> str:
    values = {"input_url": url, "args": ["-vn"], "output_format": "wav"}
    return str(server.post("/api/ffmpeg/async", values).json()["task_id"])


@contextmanager
def listening(
    server: GmapiServer, path: str, headers: dict[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers=headers or {})
        yield connection.getresponse()
    finally:
        connection.close()


def events(stream: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The events of a stream: kind, id and parsed data."""
    fields: dict[str, Any] = {}
    for line in stream:
        text = line.decode().rstrip("\n")
        if not text:
            if "data" in fields:
                yield {**fields, "data": json.loads(fields["data"])}
            fields = {}
        else:
            name, _, value = text.partition(": ")
            fields[name] = value


def test_events_push_states_and_lines_until_the_end(server: GmapiServer, gate: Gate) -> None:
    task_id = start(server, gate.url)
    with listening(server, f"/api/task/{task_id}/events") as stream:
        assert stream.getheader("Content-Type", "").startswith("text/event-stream")
        feed = events(stream)
        first = next(event for event in feed if event["event"] == "state")
        assert first["data"]["task_id"] == task_id
        assert first["data"]["result"] == {}
        gate.reached.wait(30)
        gate.open()
        rest = list(feed)
    assert rest[-1]["event"] == "end"
    assert rest[-1]["data"]["status"] == "completed"
    lines = [event["data"]["line"] for event in rest if event["event"] == "log"]
    assert any("source fetched" in line for line in lines)
    ids = [int(event["id"].removesuffix(".end")) for event in rest]
    assert ids == sorted(ids)
    assert [event["id"].endswith(".end") for event in rest] == [False] * (len(rest) - 1) + [True]
    progress = [e["data"]["progress"] for e in [first, *rest] if e["event"] != "log"]
    assert progress == sorted(progress)
    assert progress[-1] == 100


def test_a_broken_stream_resumes_after_the_last_event_id(server: GmapiServer, gate: Gate) -> None:
    gate.open()
    task_id = start(server, gate.url)
    server.wait_for_task(task_id)
    path = f"/api/task/{task_id}/events"
    with listening(server, path) as stream:
        whole = [event for event in events(stream) if event["event"] == "log"]
    assert len(whole) > 5
    seen = whole[2]["id"]
    with listening(server, path, {"Last-Event-ID": seen}) as stream:
        resumed = [event for event in events(stream) if event["event"] == "log"]
    assert resumed == whole[3:]
    with listening(server, path, {"Last-Event-ID": whole[-1]["id"]}) as stream:
        (end,) = events(stream)
    assert end["event"] == "end"
    with listening(server, path, {"Last-Event-ID": end["id"]}) as stream:
        assert stream.status == 204


def test_a_websocket_says_the_same(server: GmapiServer, gate: Gate) -> None:
    task_id = start(server, gate.url)
    address = f"ws://127.0.0.1:{server.port}/api/task/{task_id}/ws"
    connection = websocket.create_connection(address, timeout=30)
    try:
        first = json.loads(connection.recv())
        assert first["event"] == "state"
        assert first["data"]["task_id"] == task_id
        gate.open()
        messages = [first]
        while messages[-1]["event"] != "end":
            text = connection.recv()
            assert len(text) < GAME_MESSAGE_MAX
            messages.append(json.loads(text))
    finally:
        connection.close()
    assert messages[-1]["data"]["status"] == "completed"
    assert any(m["event"] == "log" and "line" in m["data"] for m in messages)


def test_a_websocket_is_closed_when_its_client_closes_after_the_end(
    server: GmapiServer, gate: Gate
) -> None:
    gate.open()
    task_id = start(server, gate.url)
    server.wait_for_task(task_id)
    address = f"ws://127.0.0.1:{server.port}/api/task/{task_id}/ws"
    # Far less than a silent connection of HTTP may live; one that never closes is the business
    # of the unit tests.
    connection = websocket.create_connection(address, timeout=20)
    try:
        own_port = connection.sock.getsockname()[1]
        while json.loads(connection.recv())["event"] != "end":
            pass
        connection.send_close()
        assert connection.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_CLOSE
        assert connection.sock.recv(1) == b""
        wait_for(lambda: own_port not in _peers(server), 20, "the end of the connection")
    finally:
        connection.shutdown()


def test_a_client_that_leaves_in_mid_course_is_no_error(server: GmapiServer, gate: Gate) -> None:
    task_id = start(server, gate.url)
    wait_for(gate.reached.is_set)
    address = f"ws://127.0.0.1:{server.port}/api/task/{task_id}/ws"
    connection = websocket.create_connection(address, timeout=20)
    own_port = connection.sock.getsockname()[1]
    assert json.loads(connection.recv())["event"] in ("state", "log")
    connection.shutdown()
    gate.open()
    server.wait_for_task(task_id)
    wait_for(lambda: own_port not in _peers(server), 20, "the end of the connection")
    assert "Traceback" not in server.log_text()


def _peers(server: GmapiServer) -> set[int]:
    """The ports of those whom the web process is connected with."""
    connections = psutil.Process(server.children("web")[0]).net_connections("tcp")
    return {connection.raddr.port for connection in connections if connection.raddr}


def test_a_websocket_address_asked_for_plainly_says_what_it_is(
    server: GmapiServer, gate: Gate
) -> None:
    gate.open()
    task_id = start(server, gate.url)
    answer = server.get(f"/api/task/{task_id}/ws")
    assert answer.status == 400
    assert "WebSocket" in answer.json()["error"]
    assert server.get(f"/api/task/{'0' * 32}/events").status == 404
    assert server.get(f"/api/task/{'0' * 32}/ws").status == 404


def test_a_long_poll_waits_for_a_change(server: GmapiServer, gate: Gate) -> None:
    task_id = start(server, gate.url)
    wait_for(lambda: server.task(task_id)["status"] == "running")
    wait_for(gate.reached.is_set)
    # Ask until the task is quiet: then a wait of nearly nothing brings nothing new.
    wait_for(lambda: _quiet(server, task_id))
    answers: list[dict[str, Any]] = []
    waiter = threading.Thread(
        target=lambda: answers.append(server.get(f"/api/task/{task_id}?wait=25").json())
    )
    waiter.start()
    gate.open()
    waiter.join(30)
    assert answers
    assert answers[0]["progress"] > 0 or answers[0]["status"] == "completed"


def _quiet(server: GmapiServer, task_id: str) -> bool:
    before = server.task(task_id)
    after = server.get(f"/api/task/{task_id}?wait=0.6").json()
    return bool(before["message"] == after["message"])


def test_a_cursor_gives_each_line_once(server: GmapiServer, gate: Gate) -> None:
    gate.open()
    task_id = start(server, gate.url)
    cursor, gathered = 0, list[str]()
    while True:
        answer = server.get(f"/api/task/{task_id}?since={cursor}&wait=5").json()
        gathered += answer["new_logs"]
        assert answer["next_since"] >= cursor
        cursor = answer["next_since"]
        if answer["status"] == "completed" and not answer["new_logs"]:
            break
    whole = server.get(f"/api/task/{task_id}?since=0").json()
    assert gathered == whole["new_logs"]
    assert len(gathered) > 5


def test_without_a_cursor_the_latest_lines_are_repeated(server: GmapiServer, gate: Gate) -> None:
    gate.open()
    task_id = start(server, gate.url)
    server.wait_for_task(task_id)
    whole = server.get(f"/api/task/{task_id}?since=0").json()["new_logs"]
    server.task(task_id)
    again = server.task(task_id)["new_logs"]
    assert again == whole[-len(again) :]
    assert len(again) >= min(10, len(whole))


@pytest.mark.parametrize("query", ["since=x", "since=-1", "wait=x", "wait=-1", "wait=nan"])
def test_a_bad_cursor_or_wait_names_itself(server: GmapiServer, gate: Gate, query: str) -> None:
    gate.open()
    task_id = start(server, gate.url)
    answer = server.get(f"/api/task/{task_id}?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.json()["error"]


@pytest.mark.parametrize("how", ["DELETE", "POST"])
def test_cancelling_ends_a_running_task_at_once(server: GmapiServer, gate: Gate, how: str) -> None:
    task_id = start(server, gate.url)
    wait_for(gate.reached.is_set)
    with listening(server, f"/api/task/{task_id}/events") as stream:
        if how == "DELETE":
            answer = _delete(server, f"/api/task/{task_id}")
        else:
            answer = server.post(f"/api/task/{task_id}/cancel").json()
        last = list(events(stream))[-1]
    assert answer["status"] == "cancelled"
    assert answer["error"] == answer["message"]
    assert last["event"] == "end"
    assert last["data"]["status"] == "cancelled"
    assert server.task(task_id)["status"] == "cancelled"


def test_a_caller_who_waits_and_leaves_cancels_nothing(server: GmapiServer, gate: Gate) -> None:
    values = {"input_url": gate.url, "args": ["-vn"], "output_format": "wav"}
    caller = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    caller.request("POST", "/api/ffmpeg", json.dumps(values))
    assert gate.reached.wait(30)
    caller.close()
    gate.open()
    # The same request is answered by what has been made since.
    again = server.post("/api/ffmpeg", values).json()
    assert again["status"] == "success"
    assert server.task(again["task_id"])["attempt"] == 1
    listed = server.get("/api/tasks?limit=20").json()["tasks"]
    urls = [task["result"].get("download_url") for task in listed]
    assert urls.count(again["download_url"]) == 1
    assert len(server.get(again["download_url"]).body) == again["size"]


def _delete(server: GmapiServer, path: str) -> dict[str, Any]:
    found: dict[str, Any] = call("DELETE", server.base + path).json()
    return found


def test_the_list_is_filtered_and_paged(server: GmapiServer, gate: Gate) -> None:
    gate.open()
    task_id = start(server, gate.url)
    server.wait_for_task(task_id)
    page = server.get("/api/tasks?state=completed&tool=ffmpeg&limit=1").json()
    assert page["status"] == "success"
    assert len(page["tasks"]) == 1
    assert page["total"] >= 1
    assert page["tasks"][0]["status"] == "completed"
    assert server.get("/api/tasks?tool=none").status == 400
    assert (
        server.get(f"/api/tasks?offset={page['total']}&state=completed&tool=ffmpeg").json()["tasks"]
        == []
    )
    assert server.get("/api/tasks?state=odd").status == 400
