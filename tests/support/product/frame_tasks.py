"""Tasks that cut a video into frames, and packs of these."""

from __future__ import annotations

import fcntl
import struct
import sys
import termios
from typing import Any

from support.http.raw_http import game_call
from support.product.server import GmapiServer, runs_with, thread_states, wait_for

PLAYER_PATIENCE = 2.0
"""Seconds of silence after which the player gives up, once it plays."""

MANY = 100
"""Frames that a conversion has made when it is looked at in the middle of its work."""


def urls_of(task_id: str, numbers: Any) -> list[str]:
    return [f"/frames/{task_id}/frame_{number:06d}.png" for number in numbers]


def unpack(data: bytes) -> list[bytes]:
    """The frames of a pack, which must end with the last one."""
    (count,) = struct.unpack_from(">I", data)
    frames, at = [], 4
    for _ in range(count):
        (size,) = struct.unpack_from(">I", data, at)
        frames.append(data[at + 4 : at + 4 + size])
        assert len(frames[-1]) == size > 0
        at += 4 + size
    assert at == len(data)
    return frames


def single(server: GmapiServer, task_id: str, number: int) -> bytes:
    reply = game_call(server.port, "GET", urls_of(task_id, [number])[0])
    assert reply.status == 200
    return reply.body


def begin(server: GmapiServer, url: str, **values: Any) -> str:
    asked = {"video_url": url, "w": 64, "h": 64, "pad_to_target": True, "fps": 20} | values
    return str(server.post("/api/video_frame/async", asked).json()["task_id"])


def ready_frames(server: GmapiServer, task_id: str) -> int:
    return int(server.task(task_id)["result"].get("current_frames", 0))


def last_ready(server: GmapiServer, task_id: str) -> int:
    """The last frame of a frozen task that can be fetched, when nothing is under way any more."""

    def at_rest() -> bool:
        # What ffmpeg has written is read, and those who have read it have nothing more to do.
        (ffmpeg,) = (pid for pid in server.ffmpegs() if runs_with(pid, "rawvideo"))
        if thread_states(ffmpeg) != {"T"} or unread(ffmpeg) > 0:
            return False
        return all(thread_states(worker) == {"S"} for worker in server.children("worker"))

    wait_for(at_rest, what="a frozen task")
    known = MANY
    while game_call(server.port, "HEAD", urls_of(task_id, [known + 1])[0]).status == 200:
        known += 1
    return known


def unread(pid: int) -> int:
    """Bytes of a program's standard output, a pipe, that nobody has read yet."""
    with open(f"/proc/{pid}/fd/1", "rb", buffering=0) as pipe:
        return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
