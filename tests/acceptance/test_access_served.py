"""Who may do what, on real servers: tokens, callers without any, limits and fair turns."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket
from openapi_spec_validator import validate

from harness import SONG, Bench, SqliteBackend, held_source, serve_file
from support.http.origin import Origin
from support.product.command import Command
from support.product.server import Answer, GmapiServer, wait_for

ALICE, BOB = "alices-secret-0123456789", "bobs-secret-9876543210-x"
WRONG = "a-secret-of-nobody-here"
ID = "0123456789abcdef0123456789abcdef"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server with two tokens and one worker."""
    settings = {"workers": 1, "tokens": f"alice:{ALICE},bob:{BOB}", "queue_max_per_client": 4}
    with GmapiServer(tmp_path_factory.mktemp("closed"), **settings) as server:
        yield Bench(SqliteBackend(), server)


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server that listens to everybody and has no tokens, with low limits."""
    settings = {"workers": 2, "host": "0.0.0.0", "rate_limit": "6/hour"}
    settings |= {"running_max_per_client": 1}
    with GmapiServer(tmp_path_factory.mktemp("public"), **settings) as server:
        yield Bench(SqliteBackend(), server)


def song(origin: Origin, song_file: Path) -> dict[str, Any]:
    """A request that nobody has made before."""
    return {**SONG, "input_url": serve_file(origin, song_file)}


def refused(answer: Answer, status: int, code: str, phrase: str) -> None:
    """A refusal that also a game computer can read, which sees the reason phrase only."""
    assert (answer.status, answer.json()["error_code"]) == (status, code), answer
    assert answer.json()["error"] == answer.json()["message"]
    assert phrase in answer.reason
    assert phrase in answer.json()["error"]


# -- tokens -------------------------------------------------------------------------------------


def test_every_address_that_needs_a_token_says_so(closed: Bench) -> None:
    server = closed.server
    document = server.get("/openapi.json").json()
    validate(document)
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    locked = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            target = path.replace("{task_id}", ID).replace("{file_id}", ID).replace("{name}", "a.b")
            answers = [
                server.request(method.upper(), target),
                server.request(method.upper(), target, headers=bearer(WRONG)),
            ]
            if "security" in operation:
                locked.add((method, path))
                assert {next(iter(way)) for way in operation["security"]} == schemes.keys()
                assert "401" in operation["responses"]
                refused(answers[0], 401, "unauthorized", "An access token is needed")
                refused(answers[1], 401, "unauthorized", "This access token is not known here")
                for answer in answers:
                    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            else:
                assert all(answer.status != 401 for answer in answers), path
    tools = [f"/api/{tool}{way}" for tool in ("ffmpeg", "sanjuuni", "video_frame", "radio")
             for way in ("", "/async")]  # fmt: skip
    assert locked == {
        *(("post", path) for path in [*tools, "/api/framepack", "/api/task/{task_id}/cancel"]),
        ("delete", "/api/task/{task_id}"),
        ("get", "/api/tasks"),
    }
    assert server.get("/docs").status == 200
    preflight = server.request("OPTIONS", "/api/ffmpeg")
    assert preflight.status == 200
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]


def test_three_ways_to_give_a_token(closed: Bench, origin: Origin, song_file: Path) -> None:
    values = song(origin, song_file)
    closed.submit(values, headers=bearer(ALICE))
    task = closed.submit(values | {"token": BOB})  # joins the same job: a token is no part of it
    answer = closed.server.post(f"/api/ffmpeg?token={BOB}", values)
    assert answer.json()["task_id"] == task
    assert closed.record(task)["client"] == "token:alice"


def test_files_and_tasks_need_no_token_for_who_has_their_address(
    closed: Bench, origin: Origin, song_file: Path
) -> None:
    server = closed.server
    accepted = server.post("/api/ffmpeg/async", song(origin, song_file), headers=bearer(ALICE))
    task = closed.completed(accepted.json()["task_id"])  # polls and downloads without a token
    events = server.get(urlsplit(accepted.json()["events_url"]).path + f"?token={ALICE}")
    assert b"event: end" in events.body
    path = f"/api/task/{task['task_id']}/ws"
    for query in ("", f"?token={ALICE}"):
        address = f"ws://127.0.0.1:{server.port}{path}{query}"
        with contextlib.closing(websocket.create_connection(address, timeout=30)) as client:
            assert "event" in json.loads(client.recv())


def listed(server: GmapiServer, secret: str) -> list[str]:
    tasks = server.get("/api/tasks?limit=500", headers=bearer(secret)).json()["tasks"]
    return [each["task_id"] for each in tasks]


def test_a_token_lists_and_cancels_its_own_tasks_only(
    closed: Bench, origin: Origin, song_file: Path
) -> None:
    server = closed.server
    with held_source(origin, song_file) as source:
        task = closed.submit({**SONG, "input_url": source.url}, headers=bearer(ALICE))
        assert task in listed(server, ALICE)
        assert task not in listed(server, BOB)
        total = server.get(f"/api/tasks?token={BOB}").json()["total"]
        assert total == len(listed(server, BOB))
        for answer in (
            server.delete(f"/api/task/{task}", headers=bearer(BOB)),
            server.post(f"/api/task/{task}/cancel", {"token": BOB}),
        ):
            refused(answer, 403, "forbidden", "This task is another client's")
        refused(server.delete(f"/api/task/{task}"), 401, "unauthorized", "token is needed")
        assert server.task(task)["status"] in ("pending", "running")
        answer = server.post(f"/api/task/{task}/cancel", {"token": ALICE})
        assert (answer.status, answer.json()["status"]) == (200, "cancelled")


def test_a_shared_task_goes_on_until_the_last_has_taken_it_back(
    closed: Bench, origin: Origin, song_file: Path
) -> None:
    server = closed.server
    with held_source(origin, song_file) as source:
        values = {**SONG, "input_url": source.url}
        task = closed.submit(values, headers=bearer(ALICE))
        assert closed.submit(values, headers=bearer(BOB)) == task
        assert task in listed(server, ALICE)
        assert task in listed(server, BOB)
        for _ in range(2):  # to say it again changes nothing
            answer = server.delete(f"/api/task/{task}", headers=bearer(ALICE))
            assert answer.json()["status"] in ("pending", "running")
            assert "goes on for another caller" in answer.json()["message"]
        assert task not in listed(server, ALICE)
        assert server.task(task)["status"] in ("pending", "running")
        assert closed.submit(values, headers=bearer(ALICE)) == task  # and back again
        assert task in listed(server, ALICE)
        for secret, status in ((BOB, {"pending", "running"}), (ALICE, {"cancelled"})):
            answer = server.post(f"/api/task/{task}/cancel", {"token": secret})
            assert answer.json()["status"] in status
        assert server.task(task)["message"] == "The task was cancelled."


def test_health_tells_strangers_the_state_only(closed: Bench) -> None:
    server = closed.server
    for headers in ({}, bearer(WRONG)):
        answer = server.get("/health", headers=headers)
        assert (answer.status, answer.json()) == (200, {"status": "ok"})
    for answer in (server.get("/health", headers=bearer(BOB)), server.get(f"/health?token={BOB}")):
        assert answer.json()["workers"]["expected"] == 1


def test_a_body_that_is_no_json_needs_a_token_first(closed: Bench) -> None:
    server = closed.server
    refused(server.post("/api/ffmpeg", body=b"{"), 401, "unauthorized", "token is needed")
    answer = server.post(f"/api/ffmpeg?token={ALICE}", body=b"{")
    assert (answer.status, answer.json()["error_code"]) == (400, "bad_request")
    refused(server.post("/api/ffmpeg", body=b" " * 2**21), 413, "too_large", "larger than")


def test_clients_take_turns(closed: Bench, origin: Origin, song_file: Path) -> None:
    with held_source(origin, song_file) as source:
        first = closed.submit({**SONG, "input_url": source.url}, headers=bearer(ALICE))
        closed.wait_until_running(first)
        alice = [closed.submit(song(origin, song_file), headers=bearer(ALICE)) for _ in range(4)]
        bob = [closed.submit(song(origin, song_file), headers=bearer(BOB)) for _ in range(2)]
        places = [closed.server.task(task)["queue_position"] for task in (*alice, *bob)]
        # One of alice's runs already: her next one is of the rank of bob's second.
        assert places == [2, 4, 5, 6, 1, 3]
        full = closed.server.post("/api/ffmpeg/async", song(origin, song_file) | {"token": ALICE})
        refused(full, 429, "queue_full", "You have 4 jobs waiting")
        assert full.json()["waiting"] == 4
        assert int(full.headers["Retry-After"]) > 0
        source.release.set()
        for task in (first, *alice, *bob):
            closed.completed(task)
    started = sorted((closed.record(task)["started"], task) for task in (*alice, *bob))
    # Bob has been waiting when alice's first ended; then it is one after the other.
    assert [task for _, task in started] == [
        bob[0], alice[0], bob[1], alice[1], alice[2], alice[3],
    ]  # fmt: skip
    # Not one message was lost or taken for lost.
    assert "sent again" not in closed.server.log_text()


def test_secrets_stand_nowhere(closed: Bench, origin: Origin, song_file: Path) -> None:
    """After all the other tests of this server have sent them in every way."""
    server = closed.server
    values = song(origin, song_file) | {"token": ALICE}
    task = closed.completed(server.post("/api/ffmpeg/async", values).json()["task_id"])
    server.post(f"/api/ffmpeg?token={BOB}", {"output_format": 5, "token": ALICE})
    answer = server.post("/api/ffmpeg", {**SONG, "input_url": 5, "token": ALICE})
    assert answer.status == 400
    assert ALICE not in answer.body.decode() + answer.reason
    for line in (
        f"GET /api/tasks?token={ALICE} HTTP/9.9",
        f"GET/api/tasks?token={ALICE}",
        f'{{"token": "{ALICE}"}}',
        f"GET /api/tasks?token={ALICE} HTTP/1.1\r\nContent-Length: {ALICE}",
        f"GET /api/tasks HTTP/1.1\r\nAuthorization : Bearer {ALICE}",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(f"{line}\r\n\r\n".encode())
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    secrets = [secret.encode() for secret in (ALICE, BOB, WRONG)]
    told = [
        server.log_text().encode(),
        server.get(f"/api/task/{task['task_id']}?since=0").body,
        server.get("/api/tasks?limit=500", headers=bearer(ALICE)).body,
        server.get("/health", headers=bearer(ALICE)).body,
        server.get("/openapi.json").body,
    ]
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert any(path.name.startswith("gmapi.db") for path in files)
    told += [path.read_bytes() for path in files]
    assert b"alice" in b"".join(told)
    for secret in secrets:
        assert not any(secret in text for text in told)


# -- the command line ---------------------------------------------------------------------------


def test_the_command_line_sends_a_token(
    closed: Bench, here: Command, origin: Origin, song_file: Path
) -> None:
    base = closed.server.base
    for words, told in (((), "asks for a token"), (("--token", WRONG), "does not know this")):
        done = here.here("tasks", "--server", base, *words)
        assert done.returncode == 1
        assert told in done.stderr.decode()
        assert "--token or in GMAPI_TOKEN" in done.stderr.decode()
        assert WRONG.encode() not in done.stderr
    url = serve_file(origin, song_file)
    made = here("convert", url, "-f", "dfpwm", "--server", base, "-o", "song.dfpwm",
                 GMAPI_TOKEN=ALICE)  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert (here.folder / "song.dfpwm").stat().st_size > 0
    task = re.search(rb"Task ([0-9a-f]{32})", made.stderr)
    assert task is not None
    task_id = task[1].decode()
    assert closed.record(task_id)["client"] == "token:alice"
    theirs = here.here("tasks", "--server", base, "--token", BOB, "cancel", task_id)
    assert theirs.returncode == 1
    assert b"another client's" in theirs.stderr
    # On the server's own settings one of its tokens is taken.
    own = {"GMAPI_TOKENS": f"alice:{ALICE}", "GMAPI_PORT": str(closed.server.port)}
    assert task_id in here("tasks", "--json", **own).stdout.decode()


def test_doctor_tells_whom_the_server_lets_in(closed: Bench, here: Command) -> None:
    def checks(**settings: str) -> dict[str, dict[str, Any]]:
        done = here.here("doctor", "--json", "--server", closed.server.base, **settings)
        assert ALICE.encode() not in done.stdout + done.stderr
        return {each["name"]: each for each in json.loads(done.stdout)["checks"]}

    found = checks(GMAPI_TOKENS=f"alice:{ALICE}")
    assert found["access"]["text"] == "with a token only (alice)"
    assert "status ok" in found["server"]["text"]  # the settings' tokens are not sent elsewhere
    assert "1 workers" in checks(GMAPI_TOKEN=ALICE)["server"]["text"]


# -- without tokens, reachable for all ----------------------------------------------------------


def test_an_anonymous_server_says_so_and_what_to_do(public: Bench, closed: Bench) -> None:
    summary, log = (
        [line for line in public.server.log_text().splitlines() if word in line and mark in line]
        for word, mark in (("Access", "ANONYMOUS"), ("access: ", "ANONYMOUS"))
    )
    for (line,) in (summary, log):
        assert "6/hour submissions each" in line
        assert "GMAPI_TOKENS=name:secret" in line
    assert "ANONYMOUS" not in closed.server.log_text()
    assert "with a token only (alice, bob)" in closed.server.log_text()


def test_anonymous_callers_have_limits_and_see_their_own(
    public: Bench, origin: Origin, song_file: Path
) -> None:
    server, here, there = public.server, "127.0.0.1", "127.0.0.2"

    def submit(source: str, values: dict[str, Any] | None = None) -> Answer:
        body = values or song(origin, song_file)
        return server.post("/api/ffmpeg/async", body, source=source)

    with held_source(origin, song_file) as source:
        first = submit(here, {**SONG, "input_url": source.url}).json()["task_id"]
        public.wait_until_running(first)
        second = submit(here).json()["task_id"]
        # A worker is free, but not for this client; another one's job passes by.
        other = submit(there).json()["task_id"]
        public.completed(other)
        assert server.task(second)["status"] == "pending"
        assert public.record(first)["client"] == here
        assert public.record(other)["client"] == there
        assert server.get("/api/tasks", source=there).json()["total"] == 1
        assert {task["task_id"] for task in server.get("/api/tasks").json()["tasks"]} == {
            first, second,
        }  # fmt: skip
        answer = server.delete(f"/api/task/{first}", source=there)
        refused(answer, 403, "forbidden", "This task is another client's")
        assert server.get(f"/api/task/{first}", source=there).status == 200  # who knows the id
        source.release.set()
        public.completed(first)
        public.completed(second)  # at once, by the worker that looks for a next one
    # Polls, downloads and what is wrong count as nothing; six submissions an hour do.
    assert server.post("/api/ffmpeg", {"output_format": "mp9"}).status == 400
    for _ in range(4):
        assert submit(here).status == 202
    (web,) = server.children("web")
    for _ in range(2):
        late = submit(here)
        refused(late, 429, "rate_limited", "6 per hour are allowed")
        assert 500 <= int(late.headers["Retry-After"]) <= 600
        if server.children("web") == [web]:
            # What has been submitted is known to the next web process, too.
            os.kill(web, signal.SIGKILL)
            wait_for(lambda: server.children("web") not in ([], [web]), what="a new web process")
    assert submit(there).status == 202
    late = server.post("/api/ffmpeg", song(origin, song_file))
    refused(late, 429, "rate_limited", "Too many requests")
    own = server.delete(f"/api/task/{first}")
    assert own.status == 200


def test_health_tells_details_to_the_machine_itself(public: Bench) -> None:
    assert public.server.get("/health").json()["workers"]["expected"] == 2
