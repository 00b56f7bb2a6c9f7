"""`warnings` from the conversion to the caller: waiting, joining, in a task, at the terminal."""

from __future__ import annotations

from typing import Any

from support.http.origin import Origin
from support.product.command import Command
from support.product.server import GmapiServer


def stereo(origin: Origin, **fields: Any) -> dict[str, Any]:
    address = origin.url("/stereo.wav")
    args = ["-t", "2", "-ac", "2"]
    return {"input_url": address, "output_format": "dfpwm", "args": args, **fields}


def test_a_conversion_warns_all_who_ask_for_it(server: GmapiServer, origin: Origin) -> None:
    first = server.post("/api/ffmpeg", stereo(origin, outputname="x")).json()
    misspelt, warning = first["warnings"]
    assert "did you mean output_name?" in misspelt
    assert "one channel at 48,000 Hz" in warning
    assert first["duration"] == 2.0
    second = server.post("/api/ffmpeg", stereo(origin)).json()
    assert second["task_id"] == first["task_id"]
    assert second["warnings"] == [warning]
    task = server.get(f"/api/task/{first['task_id']}?since=0").json()
    assert task["result"]["warnings"] == [warning]
    assert f"warning: {warning}" in task["new_logs"]
    events = server.get(f"/api/task/{first['task_id']}/events").body.decode()
    assert '"warnings":["The game plays DFPWM' in events.partition("event: end")[2]


def test_the_terminal_shows_what_a_server_warns_of(
    server: GmapiServer, origin: Origin, here: Command
) -> None:
    url = origin.url("/stereo.wav")
    args = "--args=-t 2 -ac 2"
    done = here.here("convert", url, "-f", "dfpwm", args, "--server", server.base, "-o", "x.dfpwm")
    assert done.returncode == 0, done.stderr
    assert "warning: The game plays DFPWM of one channel" in done.stderr.decode()
    assert "x.dfpwm: 24,000 bytes, 2.0 s" in done.stderr.decode()
    (task,) = server.get("/api/tasks?limit=1").json()["tasks"]
    shown = here.here("tasks", "--server", server.base, "show", task["task_id"]).stdout.decode()
    assert "Warning  The game plays DFPWM of one channel" in shown


def closing(server: GmapiServer, url: str) -> str:
    answer = server.post("/api/video_frame", {"video_url": url, "w": 32, "h": 24}).json()
    assert answer["status"] == "success", answer
    return str(answer["message"])


def test_a_photo_is_one_frame_and_needs_no_advice(server: GmapiServer, origin: Origin) -> None:
    assert closing(server, origin.url("/picture.png")) == "Done: 1 frame, no sound."


def test_a_short_film_is_advised_of(server: GmapiServer, origin: Origin) -> None:
    message = closing(server, origin.url("/silent.mp4"))
    assert message.startswith("Done: 60 frames, no sound. Some players wait for 200 frames")
