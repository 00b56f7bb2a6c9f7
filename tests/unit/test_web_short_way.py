"""The short way: it answers as the long one does, and no check is skipped on it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from gmapi.errors import TooSlowError
from gmapi.jobs.model import Fence
from gmapi.jobs.service import RECENT_LINES
from gmapi.web import admission, files
from gmapi.web.admission import Admission
from gmapi.web.gate import Gate
from gmapi.web.host_rule import HostRule
from support.product.application import RunningApplication, RunningJob, running_application

SECRET = "alices-secret-0123"
NOWHERE = "0" * 32
FRAMES = 230
VIDEO = {"video_url": "http://127.0.0.1:9/film.mp4"}
MODES: dict[str, dict[str, Any]] = {
    "open": {},
    "tokens": {"tokens": f"alice:{SECRET}"},
    "anonymous": {"host": "0.0.0.0"},
    "proxied": {"trusted_proxies": "127.0.0.1", "tokens": f"alice:{SECRET}"},
    "named": {"allowed_hosts": "media.lan"},
}


@dataclass
class Ways:
    """An application with a task of frames and a published file, and both ways through it."""

    running: RunningApplication
    task: str
    file: str
    waiting: str

    def environ(self, target: str, method: str = "GET", **options: Any) -> dict[str, Any]:
        path, _, query = target.partition("?")
        extra = options.pop("environ", {})
        options.setdefault("base_url", "http://localhost:5000")
        made = EnvironBuilder(path, method=method, query_string=query, **options).get_environ()
        return {**made, "REMOTE_ADDR": "127.0.0.1", **extra}

    def short(self, target: str, method: str = "GET", **options: Any) -> bool:
        """Whether the short way answers."""
        answer = self.running.app.short_way(self.environ(target, method, **options))
        if answer is not None:
            getattr(answer.body, "close", lambda: None)()
        return answer is not None

    def both(self, target: str, method: str = "GET", **options: Any) -> list[tuple[Any, ...]]:
        """Status, headers and body by the application as it is, and by Flask alone."""
        found = []
        short_way = self.running.app.short_way
        for way in (short_way, lambda _: None):
            self.running.app.short_way = way
            try:
                environ = self.environ(target, method, **options)
                body, status, headers = run_wsgi_app(self.running.app, environ)
                found.append((status, sorted(headers.items()), b"".join(body)))
                getattr(body, "close", lambda: None)()
            finally:
                self.running.app.short_way = short_way
        return found

    def pack(self, first: int = 95, last: int = 114, **fields: Any) -> bytes:
        urls = [f"/frames/{self.task}/frame_{n:06d}.png" for n in range(first, last + 1)]
        return json.dumps({"urls": urls, **fields}).encode()

    @property
    def frame(self) -> str:
        return f"/frames/{self.task}/frame_000007.png"


@contextmanager
def ways_through(folder: Path, **settings: Any) -> Iterator[Ways]:
    with running_application(folder, **settings) as running:
        headers = {"Authorization": f"Bearer {SECRET}", "Host": "localhost"}

        def submitted(path: str, values: dict[str, Any]) -> str:
            answer = running.post(path, values, headers=headers)
            return str(answer.get_json()["task_id"])

        task = submitted("/api/video_frame/async", VIDEO)
        job = running.store.claim(task, "worker", 60)
        assert job is not None
        assert job.file_id is not None
        video = RunningJob(running.store, Fence(job.id, "worker", job.attempt), job.file_id)
        with running.service.storage.frame_writer(job.file_id) as writer:
            for number in range(FRAMES):
                writer.append(bytes([number]) * (100 + number))
        sound = folder / "sound.dfpwm"
        sound.write_bytes(bytes(range(256)) * 100)
        running.service.storage.publish(job.file_id, "audio.dfpwm", sound)
        video.log("one", "two")
        video.finish({"current_frames": FRAMES, "total_frames": FRAMES})
        waiting = submitted("/api/video_frame/async", {**VIDEO, "fps": 5})
        ways = Ways(running, task, f"/download/{job.file_id}/audio.dfpwm", waiting)
        running.service.touch(running.service.job(task))  # the first access is written down
        yield ways


@pytest.fixture(scope="module", params=MODES)
def ways(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp(request.param)
    with ways_through(folder, **MODES[request.param]) as found:
        yield found


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Ways]:
    with ways_through(tmp_path) as found:
        yield found


def targets(ways: Ways) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests that players make, and others that look like them."""
    poll = f"/api/task/{ways.task}"
    polls = [poll, f"{poll}?since=0", f"/api/task/{ways.waiting}"]
    odd_polls = [
        f"{poll}?since=1e", f"{poll}?wait=0", f"{poll}?since=1&wait=x", f"{poll}?since=",
        f"{poll}?since=" + "9" * 30, f"{poll}?token=wrong", f"{poll}/", f"/{poll}",
        f"/api/task/{ways.task.upper()}", f"/api/task/{NOWHERE}",
        "/api/task/", "/api/task/..", "/api/tasks",
    ]  # fmt: skip
    gets = [
        ways.frame, ways.file, f"/api/framepack/{ways.task}/95-114",
        f"/api/framepack/{ways.task}/1-{FRAMES + 1}", f"/api/framepack/{ways.task}/0-5",
        f"/api/framepack/{ways.task}/9-5", f"/api/framepack/{ways.task}/1-257",
        f"/api/framepack/{NOWHERE}/1-2", f"/api/framepack/{ways.waiting}/x",
        f"/frames/{ways.task}/frame_999999.png", f"/frames/{ways.task}/frame_1.png",
        f"/frames/{ways.task}/..", f"/frames/{NOWHERE}/frame_000001.png",
        ways.file.replace("audio", "none"), ways.file + "/", ways.file.replace("/audio", "/../x"),
        f"/download/{NOWHERE}/audio.dfpwm", "/download/../../etc/passwd", "/", "/nothing",
    ]  # fmt: skip
    found: list[tuple[str, str, dict[str, Any]]] = [
        (target, method, {}) for target in [*polls, *odd_polls, *gets] for method in ("GET", "HEAD")
    ]
    found += [
        (target, method, {})
        for target in [poll, *gets[:3]]
        for method in ("POST", "PUT", "DELETE", "OPTIONS")
        if (target, method) != (poll, "DELETE")
    ]
    frame = ways.frame.encode()
    bodies = [
        ways.pack(), ways.pack(1, 1), ways.pack(FRAMES, FRAMES + 3), ways.pack(token="wrong"),
        ways.pack().replace(b'": [', b'"\n:\t[ '), ways.pack().replace(b"/frames", b"\\/frames"),
        ways.pack().replace(b"/frames", b"http://localhost:5000/frames"),
        ways.pack().replace(b"frame_000100", b"frame_000000"), ways.pack() + b"x", b"", b"{}",
        ways.pack().replace(ways.task.encode(), NOWHERE.encode(), 1), b'{"urls": []}',
        ways.pack().replace(ways.task.encode(), ways.waiting.encode()), ways.pack()[:-1],
        b'{"urls": {"1": "%s"}}' % frame, b'{"urls": ["%s", 1]}' % frame,
        json.dumps({"urls": [ways.frame] * 257}).encode(), b"\xff" + ways.pack(),
        json.dumps({"urls": [ways.frame] * 256}).encode(), ways.pack().replace(b'"urls"', b'"url"'),
    ]  # fmt: skip
    found += [("/api/framepack", "POST", {"data": body}) for body in bodies]
    return found


HEADERS: list[dict[str, str]] = [
    {},
    {"Host": "evil.example"},
    {"Host": "MEDIA.lan:80"},
    {"Host": "a b"},
    {"Host": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:5000"},
    {"Origin": "null"},
    {"Authorization": f"Bearer {SECRET}"},
    {"Authorization": "Bearer wrong-wrong-wrong"},
    {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "cdn.example"},
    {"X-Forwarded-For": "nonsense", "X-Forwarded-Prefix": "/gm", "X-Forwarded-Proto": "https"},
    {"Connection": "Upgrade", "Upgrade": "websocket"},
    {"Range": "bytes=1-5"},
    {"Range": "bytes=999999-"},
    {"If-None-Match": "*"},
    {"If-Match": '"x"'},
    {"If-Modified-Since": "Mon, 01 Jan 2035 00:00:00 GMT"},
    {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "gzip"},
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that are not there are not waited for."""
    monkeypatch.setattr("gmapi.web.routes.framepack.GRACE_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_both_ways_answer_all_addresses_and_bodies_alike(ways: Ways) -> None:
    for target, method, options in targets(ways):
        short, long = ways.both(target, method, **options)
        assert short == long, (target, method)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("headers", HEADERS, ids=lambda found: "-".join(found) or "none")
def test_both_ways_answer_all_callers_alike(ways: Ways, headers: dict[str, str]) -> None:
    asked = [
        (f"/api/task/{ways.task}", "GET", b""),
        (ways.frame, "GET", b""),
        (ways.frame, "HEAD", b""),
        (ways.file, "GET", b""),
        (f"/api/framepack/{ways.task}/95-114", "GET", b""),
        (f"/api/framepack/{ways.task}/1-999", "GET", b""),
        ("/api/framepack", "POST", ways.pack()),
        (f"/api/framepack?token={SECRET}", "POST", ways.pack()),
    ]
    for target, method, body in asked:
        for peer in ("127.0.0.1", "203.0.113.5"):
            environ = {"REMOTE_ADDR": peer}
            short, long = ways.both(target, method, headers=headers, environ=environ, data=body)
            assert short == long, (target, method, peer)


def test_what_players_ask_for_goes_the_short_way(plain: Ways) -> None:
    paths = [f"/api/task/{plain.task}", f"/api/task/{plain.waiting}", plain.frame, plain.file]
    for path in [*paths, f"/api/task/{plain.task}?since=1", f"/api/framepack/{plain.task}/1-20"]:
        for method in ("GET", "HEAD"):
            assert plain.short(path, method), path
    assert plain.short("/api/framepack", "POST", data=plain.pack())
    # R3, R2 of the contract: a query and a Content-Type that mean nothing.
    assert plain.short(f"/api/framepack?{plain.frame}", "POST", data=plain.pack())
    assert plain.short(plain.frame + "?x", headers={"Content-Type": "application/json"})


def test_every_check_is_asked_on_the_short_way(
    plain: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = [f"/api/task/{plain.task}", plain.frame, plain.file, f"/api/framepack/{plain.task}/1-2"]
    asked = [(path, "GET", {}) for path in reads]
    asked.append(("/api/framepack", "POST", {"data": plain.pack()}))
    for path, method, options in asked:
        assert plain.short(path, method, **options)
        for page in ("http://evil.example", "null"):
            assert not plain.short(path, method, headers={"Origin": page}, **options)
        assert not plain.short(path, method, base_url="http://evil.example", **options)
    with monkeypatch.context() as patch:
        patch.setattr(Gate, "needs_token", lambda self, method, rule: True)
        assert not any(plain.short(path, method, **options) for path, method, options in asked)
    rules: list[tuple[str, str]] = []
    routes = {rule.rule for rule in plain.running.app.url_map.iter_rules()}
    with monkeypatch.context() as patch:
        patch.setattr(Gate, "needs_token", lambda self, method, rule: rules.append((method, rule)))
        for path, method, options in asked:
            assert plain.short(path, method, **options)
            # The same rule that Flask would find, by which the gate decides.
            adapter = plain.running.app.url_map.bind("localhost")
            found = adapter.match(path, method, return_rule=True)[0]
            assert rules[-1] == (method, found.rule)
            assert found.rule in routes
    with monkeypatch.context() as patch:
        patch.setattr(HostRule, "check", lambda self, environ: 1 / 0)
        assert not any(plain.short(path, method, **options) for path, method, options in asked)


def test_what_costs_something_is_charged_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ways_through(tmp_path, host="0.0.0.0") as ways:
        charged: list[int] = []
        monkeypatch.setattr(Admission, "_take", lambda self, client, cost: charged.append(cost))
        spaces = b" " * admission.OTHER_BYTES
        assert not ways.short("/api/framepack", "POST", data=ways.pack() + spaces)
        short, long = ways.both("/api/framepack", "POST", data=ways.pack() + spaces)
        assert short == long
        assert charged == [1, 1]
        assert ways.short("/api/framepack", "POST", data=ways.pack())
        assert charged == [1, 1]


def test_with_tokens_packs_by_post_are_for_the_long_way_alone(tmp_path: Path) -> None:
    with ways_through(tmp_path, tokens=f"alice:{SECRET}") as ways:
        bearer = {"Authorization": f"Bearer {SECRET}"}
        assert not ways.short("/api/framepack", "POST", data=ways.pack(), headers=bearer)
        for headers, status in ((bearer, "200 OK"), ({}, "401")):
            short, long = ways.both("/api/framepack", "POST", data=ways.pack(), headers=headers)
            assert short == long
            assert short[0].startswith(status)


class Stream:
    """A request body that breaks."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.reads = 0

    def read(self, size: int = -1) -> bytes:
        self.reads += 1
        raise self.error


def test_a_body_that_does_not_come_is_not_waited_for_twice(plain: Ways) -> None:
    for error, status in ((TooSlowError("The request body did not come in time."), "408"),):
        stream = Stream(error)
        environ = plain.environ("/api/framepack", "POST", data=plain.pack())
        environ |= {"wsgi.input": stream, "wsgi.input_terminated": True}
        _, found, _ = run_wsgi_app(plain.running.app, environ)
        assert found.startswith(status)
        assert stream.reads == 1


def test_what_is_read_for_the_short_way_is_there_for_the_long_one(plain: Ways) -> None:
    body = plain.pack() + b'  {"x"'
    environ = plain.environ("/api/framepack", "POST", data=body)
    environ["wsgi.input"] = io.BytesIO(body)
    assert plain.running.app.short_way(environ) is None
    assert environ["wsgi.input"].read() == body


def test_a_broken_short_way_is_no_broken_answer(
    plain: Ways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gmapi.web.short_way.frame_answer", lambda *_: 1 / 0)
    with plain.running.client.get(plain.frame) as answer:
        assert answer.status_code == 200
    assert "short way" in caplog.text


def test_every_file_is_closed(plain: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Any] = []
    kept = files.FileBody.close
    monkeypatch.setattr(files.FileBody, "close", lambda self: (closed.append(self), kept(self))[1])
    for target in (plain.frame, plain.file, f"/api/framepack/{plain.task}/1-20"):
        answer = plain.running.app.short_way(plain.environ(target))
        assert answer is not None
        (source,) = {part.source for part in answer.body.parts if not isinstance(part, bytes)}
        answer.body.close()
        assert source.closed
    assert len(closed) == 3


def test_a_poll_shows_each_change_and_hands_out_lines_as_before(plain: Ways) -> None:
    running = plain.running
    job = running.run(label="")
    path = f"/api/task/{job.id}"
    assert running.get(path)["new_logs"] == []
    texts = [f"line {number}" for number in range(RECENT_LINES + 15)]
    job.log(*texts)
    assert plain.short(path, "HEAD")  # hands out nothing
    assert running.get(path)["new_logs"] == texts
    assert running.get(path)["new_logs"] == texts[-RECENT_LINES:]
    assert running.get(path)["new_logs"] == texts[-RECENT_LINES:]
    job.log("more")
    assert running.get(path)["new_logs"] == [*texts[-RECENT_LINES + 1 :], "more"]
    cursor = running.get(path)["next_since"]
    assert running.get(f"{path}?since={cursor}")["new_logs"] == []
    job.log("last")
    assert running.get(f"{path}?since={cursor}")["new_logs"] == ["last"]
    assert running.get(f"{path}?since=0")["new_logs"] == [*texts, "more", "last"]
    job.finish({"download_url": "/download/x/y.ogg"})
    done = running.get(path)
    assert (done["status"], done["progress"]) == ("completed", 100.0)
    for host in ("localhost:81", "127.0.0.1"):
        shown = running.get(path, base_url=f"http://{host}")["result"]["download_url"]
        assert shown.startswith(f"http://{host}")


def test_a_task_that_waits_shows_its_present_place(plain: Ways) -> None:
    running = plain.running
    ids = [running.submit(no_cache=True) for _ in range(3)]
    places = [running.get(f"/api/task/{task}")["queue_position"] for task in ids]
    assert places == sorted(places)
    running.service.cancel(ids[0])
    running.service._places_read = -1e9  # what is kept for half a second is old
    assert running.get(f"/api/task/{ids[2]}")["queue_position"] == places[2] - 1


def test_each_caller_sees_its_own_label(tmp_path: Path) -> None:
    with ways_through(tmp_path, tokens=f"alice:{SECRET}") as ways:
        bearer = {"Authorization": f"Bearer {SECRET}"}
        task = ways.running.post(
            "/api/video_frame/async", {**VIDEO, "fps": 3, "label": "mine"}, headers=bearer
        ).get_json()["task_id"]
        path = f"/api/task/{task}"
        assert not ways.short(path)
        assert ways.running.get(path, headers=bearer)["label"] == "mine"
        assert "label" not in ways.running.get(path)
