"""The client of a server, against servers that behave and servers that do not."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from gmapi.cli import main
from gmapi.terminal import client as client_module
from gmapi.terminal.client import ServerClient
from gmapi.terminal.failures import ClientError
from support.http.origin import Exchange, Origin, content, status


@pytest.fixture
def strange() -> Iterator[Origin]:
    with Origin() as found:
        yield found


def as_json(value: Any, code: int = 200) -> Any:
    body = json.dumps(value).encode()
    return lambda exchange: exchange.send(code, {"Content-Type": "application/json"}, body)


def task(**values: Any) -> dict[str, Any]:
    return {
        "task_id": "t",
        "tool": "ffmpeg",
        "status": "running",
        "progress": 5,
        "message": "Converting.",
        "created_at": 1,
        "new_logs": [],
        "next_since": 0,
        **values,
    }


@pytest.mark.parametrize(
    "answer",
    [content(b"hello"), content(b"[1]"), as_json({"name": "other"}), as_json({}), status(404)],
)
def test_other_programs_are_no_server(strange: Origin, answer: Any) -> None:
    strange.add("/", answer)
    with ServerClient(strange.url("")) as client, pytest.raises(ClientError) as caught:
        client.version()
    assert strange.url("") in caught.value.message


def test_nobody_there() -> None:
    with Origin() as gone:
        base = gone.url("")
    with ServerClient(base) as client, pytest.raises(ClientError, match="gmapi serve") as caught:
        client.version()
    assert caught.value.status_code is None


def test_refusals_carry_the_servers_words(strange: Origin) -> None:
    refusal = {"error": "args: no\x1b[2J.", "error_code": "refused", "field": "args"}
    strange.add("/api/task/x", as_json(refusal, 403))
    with ServerClient(strange.url("")) as client, pytest.raises(ClientError) as caught:
        client.task("x")
    error = caught.value
    assert (error.message, error.code, error.field) == ("args: no [2J.", "refused", "args")
    assert error.status_code == 403


def test_a_token_goes_with_each_request_and_into_no_message(strange: Origin) -> None:
    secret = "alices-secret-0123456789"
    strange.add("/api/task/x", status(401))
    for token, told in ((secret, "does not know this access token"), (None, "asks for a token")):
        client = ServerClient(strange.url(""), token)
        with client, pytest.raises(ClientError, match=told) as caught:
            next(client.follow("x"))
        assert (caught.value.status_code, caught.value.code) == (401, "unauthorized")
        assert "GMAPI_TOKEN" in caught.value.message
        assert secret not in caught.value.message
    sent = [request.headers.get("authorization") for request in strange.requests]
    assert sent == [f"Bearer {secret}", None]


@pytest.mark.parametrize("token", ["", "two words", "a\r\nX-Other: 1", "g\u00e9heim-0123456789"])
def test_what_no_header_can_carry_is_no_token(token: str) -> None:
    with pytest.raises(ClientError, match="access token is empty or has characters") as caught:
        ServerClient("http://127.0.0.1:1", token)
    assert not token or token not in caught.value.message


def test_ids_cannot_lead_elsewhere(strange: Origin) -> None:
    with ServerClient(strange.url("")) as client, pytest.raises(ClientError):
        client.task("../../x?y")
    assert strange.requests[0].path.startswith("/api/task/..%2F..%2Fx%3Fy?")


def test_answers_that_are_no_tasks(strange: Origin) -> None:
    strange.add("/api/task/t", as_json({"status": "running"}))
    with ServerClient(strange.url("")) as client, pytest.raises(ClientError, match="not a GMapi"):
        next(client.follow("t"))
    assert strange.count("/api/task/t") == 1


def test_a_task_is_followed_through_a_restart(strange: Origin) -> None:
    """Two answers are lost; log lines are asked for once, from the last cursor on."""
    answers = iter(
        [
            as_json(task(new_logs=["one"], next_since=7)),
            lambda exchange: exchange.raw(b""),
            status(503),
            as_json(task(status="completed", new_logs=["two"], next_since=8, more_logs=True)),
            as_json(task(status="completed", new_logs=["three"], next_since=9)),
        ]
    )
    strange.add("/api/task/t", lambda exchange: next(answers)(exchange))
    with ServerClient(strange.url("")) as client:
        seen = list(client.follow("t"))
    assert [line for each in seen for line in each.lines] == ["one", "two", "three"]
    assert seen[-1].status == "completed"
    cursors = [request.path.partition("since=")[2].split("&")[0] for request in strange.requests]
    assert cursors == ["0", "7", "7", "7", "8"]


def test_patience_ends(strange: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PATIENCE_SECONDS", 0.0)
    strange.add("/api/task/t", status(503))
    with ServerClient(strange.url("")) as client, pytest.raises(ClientError) as caught:
        list(client.follow("t"))
    assert caught.value.status_code == 503


def test_a_download_is_whole_or_an_error(strange: Origin) -> None:
    strange.add("/download/a/whole.bin", b"x" * 600_000)

    def broken(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": "1000"})
        exchange.raw(b"x" * 10)

    strange.add("/download/a/broken.bin", broken)
    told: list[tuple[int, int | None]] = []
    with ServerClient(strange.url("")) as client:
        into = io.BytesIO()
        size = client.download("a", "whole.bin", into, lambda *now: told.append(now))
        assert (size, into.getvalue()) == (600_000, b"x" * 600_000)
        assert told[-1] == (600_000, 600_000)
        with pytest.raises(ClientError, match="broke off"):
            client.download("a", "broken.bin", io.BytesIO())
        with pytest.raises(ClientError) as caught:
            client.download("a", "none.bin", io.BytesIO())
    assert caught.value.status_code == 404


def test_cancelling_what_others_share_says_that_it_goes_on(strange: Origin) -> None:
    strange.add("/", as_json({"name": "GMapiServer", "version": "0"}))
    goes_on = task(message="The task goes on for another caller.")
    strange.add("/api/task/t/cancel", as_json(goes_on))
    strange.add("/api/task/u/cancel", as_json(task(task_id="u", status="cancelled")))
    done = CliRunner().invoke(main, ["tasks", "--server", strange.url(""), "cancel", "t", "u"])
    assert done.output == "t: running. The task goes on for another caller.\nu: cancelled\n"
    # DELETE would take the outputs of a task that has just ended.
    assert [r.method for r in strange.requests if r.path.endswith("/cancel")] == ["POST", "POST"]
