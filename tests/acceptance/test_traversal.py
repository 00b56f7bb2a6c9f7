"""Paths that lead out of a task's folder, in eighteen encodings, on every route that names one."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.http.origin import Origin
from support.http.raw_http import game_call
from support.product.server import GmapiServer

CANARY = b"the-canary-sings-only-outside"
SECRETS = (CANARY, b"root:x:0:0", b"SQLite format 3", b"PATH=")

# One step up and the divider behind it, each in another disguise.
STEPS = {
    "plain": "../",
    "encoded dots": "%2e%2e/",
    "encoded divider": "..%2f",
    "all encoded": "%2e%2e%2f",
    "all encoded, capitals": "%2E%2E%2F",
    "encoded twice": "%252e%252e%252f",
    "encoded thrice": "%25252e%25252e%25252f",
    "backslash": "..\\",
    "encoded backslash": "..%5c",
    "doubled": "....//",
    "doubled backslash": "..\\/..\\/",
    "with a dot between": ".././",
    "double divider": "..//",
    "overlong dot": "%c0%ae%c0%ae/",
    "overlong divider": "..%c0%af",
    "full-width": "%ef%bc%8e%ef%bc%8e%ef%bc%8f",
    "sixteen bits": "%u002e%u002e%u2215",
    "semicolon": "..;/",
}
DEPTHS = (1, 2, 3, 8)
TARGETS = ("canary.txt", "gmapi.db", "etc/passwd", "proc/self/environ")
TAILS = ("", "%00.png", "?.png", "#.png", "/.")


@pytest.fixture(scope="module")
def ids(server: GmapiServer, origin: Origin) -> Iterator[dict[str, str]]:
    """A task with frames and the id of its files; canaries are all around these."""
    values = {"video_url": origin.url("/clip.mp4"), "w": 32, "h": 32}
    done: dict[str, Any] = server.post("/api/video_frame", values).json()
    assert done["status"] == "success", done
    audio = urlsplit(done["audio_urls"]["audio_dfpwm_url"]).path
    found = {"task": done["task_id"], "file": audio.split("/")[2], "audio": audio}
    folders = (server.data_dir.parent, server.data_dir, server.data_dir / "files")
    canaries = [folder / "canary.txt" for folder in folders]
    for canary in canaries:
        canary.write_bytes(CANARY)
    yield found
    for canary in canaries:
        canary.unlink()


def ways_out() -> Iterator[str]:
    for step in STEPS.values():
        for depth in DEPTHS:
            for target in TARGETS:
                yield step * depth + target
        yield step + "canary.txt" + TAILS[len(step) % len(TAILS)]
    for tail in TAILS:
        yield f"canary.txt{tail}"
    yield from ("/etc/passwd", "%2fetc%2fpasswd", "C:%5cWindows%5cwin.ini", "file:///etc/passwd")
    yield from (".", "..", "%2e", "canary.txt", "CANARY.TXT", "./canary.txt", "canary.txt::$DATA")


def answers(port: int, targets: list[str]) -> Iterator[tuple[str, int, bytes]]:
    """Target, status and body of GETs sent byte for byte on one connection."""
    left = list(targets)
    while left:
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            stream = connection.makefile("rb")
            while left:
                head = f"GET {left[0]} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(head.encode("latin-1"))
                line = stream.readline()
                assert line, left[0]
                length, closing = 0, False
                while (header := stream.readline().lower()) not in (b"\r\n", b""):
                    name, _, value = header.partition(b":")
                    length = int(value) if name == b"content-length" else length
                    closing |= name == b"connection" and b"close" in value
                yield left.pop(0), int(line.split()[1]), stream.read(length)
                if closing:
                    break


BASES = [
    "/download/{file}/", "/download/", "/download/../", "/frames/{task}/", "/frames/", "/docs/",
    "/api/task/", "/api/task/{task}/", "/", "//",
]  # fmt: skip


@pytest.mark.parametrize("base", BASES)
def test_no_address_leads_out(server: GmapiServer, ids: dict[str, str], base: str) -> None:
    targets = [base.format(**ids) + way for way in ways_out()]
    assert len(STEPS) == 18
    for target, status, body in answers(server.port, targets):
        assert not any(secret in body for secret in SECRETS), target
        # What only looks like a way out is the index, the page or the task itself.
        assert status in (400, 404, 405, 414) or json_or_page(body), (target, status, body[:200])


def json_or_page(body: bytes) -> bool:
    if body.startswith(b"<!doctype html>"):
        return True
    fields = json.loads(body)
    return fields.get("name") == "GMapiServer" or "openapi" in fields or "task_id" in fields


def test_no_frame_of_a_pack_leads_out(server: GmapiServer, ids: dict[str, str]) -> None:
    bases = ["/frames/{task}/", "/download/{file}/", "", "http://127.0.0.1:1/frames/{task}/"]
    for base in bases:
        for way in ways_out():
            url = base.format(**ids) + way
            reply = game_call(server.port, "POST", "/api/framepack", {"urls": [url]})
            assert reply.status == 400, (url, reply.body[:200])
            assert reply.json()["field"] == "urls"


def test_what_is_published_is_served_all_the_same(server: GmapiServer, ids: dict[str, str]) -> None:
    for path in (ids["audio"], f"/frames/{ids['task']}/frame_000001.png"):
        assert game_call(server.port, "GET", path).status == 200
    assert "Traceback" not in server.log_text()
