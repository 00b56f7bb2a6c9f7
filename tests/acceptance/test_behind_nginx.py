"""Behind a real nginx with the documented configuration, at the root of a host and under a path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import websocket

from support.http.nginx import PROGRAM, Nginx, documented
from support.http.origin import Origin
from support.product.server import Answer, GmapiServer, call

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed here")

PREFIXES = ["", "/gm"]
ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    settings = {"trusted_proxies": "127.0.0.1", "rate_limit": "off", "workers": 1}
    with GmapiServer(tmp_path_factory.mktemp("behind"), **settings) as made:
        yield made


@pytest.fixture(scope="module")
def nginx(server: GmapiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx") / "run", server.port, documented()) as made:
        yield made


@pytest.fixture(params=PREFIXES, ids=["root", "path"])
def base(request: pytest.FixtureRequest, nginx: Nginx) -> str:
    """The address that callers know the server by."""
    return nginx.base + str(request.param)


def get(url: str, **options: Any) -> Answer:
    return call("GET", url, **options)


def finished(url: str) -> dict[str, Any]:
    """A task when it has ended, by long polls at the address it was handed out with."""
    while True:
        task: dict[str, Any] = get(url + "?wait=5").json()
        if task["status"] not in ("pending", "running"):
            return task


def addresses_in(value: Any) -> Iterator[str]:
    """All addresses anywhere in an answer."""
    if isinstance(value, dict):
        for item in value.values():
            yield from addresses_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from addresses_in(item)
    elif isinstance(value, str) and re.match(r"https?://", value):
        yield value


def test_all_addresses_in_answers_lead_back_through_the_proxy(
    base: str, nginx: Nginx, origin: Origin
) -> None:
    index = get(base + "/").json()
    for url in addresses_in(index):
        assert url.startswith(base + "/"), url
    assert get(index["documentation"]).status == 200
    request = {"video_url": origin.url("/clip.mp4"), "w": 64, "h": 48, "fps": 4, "no_cache": True}
    accepted = call("POST", base + "/api/video_frame/async", json_body=request)
    begun = accepted.json()
    assert accepted.headers["Location"] == begun["status_url"]
    task = finished(begun["status_url"])
    assert task["status"] == "completed", task
    found = list(addresses_in({**begun, **task, "input_url": ""}))
    assert begun["events_url"] in found
    assert all(url.startswith(base + "/") for url in found), found
    # Paths stay without the prefix: players put the address they know the server by in front.
    bare = [task["result"]["frame_pattern"] % number for number in (1, 2, 3)]
    whole = [base + path for path in bare]
    singles = [get(url).body for url in whole]
    assert all(png.startswith(b"\x89PNG") for png in singles)
    pack = b"\0\0\0\3" + b"".join(len(png).to_bytes(4) + png for png in singles)
    # Framepack takes its own addresses, whole, as paths with the prefix, and without.
    for urls in (whole, [urlsplit(url).path for url in whole], bare):
        answer = call("POST", base + "/api/framepack", json_body={"urls": urls})
        assert (answer.status, answer.body) == (200, pack), answer.body[:200]
    foreign = [f"/other{path}" for path in bare]
    assert call("POST", base + "/api/framepack", json_body={"urls": foreign}).status == 400


def test_waiting_downloads_events_and_websockets(base: str, origin: Origin) -> None:
    request = {"input_url": origin.url("/song.mp3"), "output_format": "dfpwm", "no_cache": True}
    done = call("POST", base + "/api/ffmpeg", json_body=request).json()
    assert done["status"] == "success", done
    assert done["download_url"].startswith(base + "/download/")
    whole = get(done["download_url"])
    part = get(done["download_url"], headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole.body[10:20])
    begun = call("POST", base + "/api/ffmpeg/async", json_body=request).json()
    events = get(begun["events_url"]).body.decode()
    end = json.loads(re.findall(r"event: end\n(?:id: .*\n)?data: (.*)\n", events)[0])
    assert end["status"] == "completed"
    address = begun["status_url"].replace("http://", "ws://") + "/ws"
    socket = websocket.create_connection(address, timeout=30)
    said = []
    while not said or said[-1]["event"] != "end":
        said.append(json.loads(socket.recv()))
    socket.close()
    for told in (end, said[-1]["data"]):
        assert told["result"]["download_url"].startswith(base + "/download/")
        assert get(told["result"]["download_url"]).body == whole.body


def test_the_documentation_finds_its_parts_and_the_server(base: str) -> None:
    for page in (base + "/docs", base + "/docs/"):
        answer = get(page)
        assert answer.status == 200
        parts = re.findall(r'(?:href|src|data-document)="([^"]+)"', answer.body.decode())
        for part in parts:
            if not part.startswith("data:"):
                assert get(urljoin(page, part)).status == 200, part
    for place in ("/openapi.json", "/docs/openapi.json"):
        servers = get(base + place).json()["servers"]
        assert [urljoin(base + place, entry["url"]).rstrip("/") for entry in servers] == [base]


def test_nobody_behind_the_proxy_is_the_operator(
    base: str, server: GmapiServer, origin: Origin
) -> None:
    request = {"input_url": origin.url("/song.mp3"), "output_format": "wav", "no_cache": True}
    own = call("POST", base + "/api/ffmpeg/async", json_body=request).json()["task_id"]
    finished(f"{base}/api/task/{own}")
    assert set(get(base + "/health").json()) == {"status"}
    # Neither is who calls the server itself from where the proxy is, whatever is sent along.
    for told in ({}, {"X-Forwarded-For": "9.9.9.9:51234"}, {"X-Forwarded-For": "9.9.9.9, unknown"}):
        assert server.get("/api/tasks", headers=told).json()["total"] == 0
        assert server.delete(f"/api/task/{own}", headers=told).status == 403
        assert set(server.get("/health", headers=told).json()) == {"status"}
    listed = get(base + "/api/tasks?limit=200").json()["tasks"]
    assert own in [task["task_id"] for task in listed]


def test_pages_of_other_sites_are_refused_and_those_of_the_host_are_not(base: str) -> None:
    own = "{0.scheme}://{0.netloc}".format(urlsplit(base))
    for origin, status in ((own, 400), ("https://evil.example", 421), ("null", 421)):
        headers = {"Origin": origin}
        answer = call("POST", base + "/api/ffmpeg", json_body={}, headers=headers)
        assert answer.status == status, answer.body


def test_a_caller_cannot_make_up_a_prefix(base: str) -> None:
    index = get(base + "/", headers={"X-Forwarded-Prefix": "/evil"}).json()
    assert all(url.startswith(base + "/") for url in addresses_in(index))
