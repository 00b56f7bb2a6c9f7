"""A picture that changes: how old a result may be that is handed out again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness import Bench, fresh
from support.http.origin import Origin

NAMES = {"output_format": "png", "args": ["-vf", "scale=8:8", "-frames:v", "1"]}


def test_a_picture_that_changes_is_fetched_again(
    bench: Bench, origin: Origin, media_dir: Path
) -> None:
    server = bench.server
    body = (media_dir / "picture.png").read_bytes()
    path = fresh(Path("camera.png"))
    url = origin.add(path, body, etag='"1"')

    def ask(**fields: Any) -> dict[str, Any]:
        return bench.completed(bench.submit({**NAMES, "input_url": url, **fields}))

    first = ask()
    assert ask()["task_id"] == first["task_id"]
    assert ask(max_age=300)["task_id"] == first["task_id"]
    origin.add(path, body + b"\0" * 10, etag='"2"')
    second = ask(max_age=0)
    assert second["task_id"] != first["task_id"]
    assert second["result"]["file_id"] != first["result"]["file_id"]
    # What was handed out lives on, and its successor is what others get now.
    assert len(server.get(first["result"]["download_url"]).body) == first["result"]["size"]
    assert ask()["task_id"] == second["task_id"]
    third = ask(no_cache=True)
    assert ask()["task_id"] == third["task_id"]
    shutil.rmtree(server.data_dir / "files" / third["result"]["file_id"])
    assert ask()["task_id"] not in {task["task_id"] for task in (first, second, third)}
    # A run without cache fetches all anew; the others ask whether there is something new.
    asked = [r.headers.get("if-none-match") for r in origin.requests if r.path == path]
    assert asked == [None, '"1"', None, '"2"']
