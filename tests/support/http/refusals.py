"""What every refusal has to be, and the requests that tests of refusals begin with."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from support.product.server import Answer, GmapiServer, wait_for

POST_ROUTES = [
    f"/api/{tool}{suffix}"
    for tool in ("ffmpeg", "sanjuuni", "video_frame")
    for suffix in ("", "/async")
] + ["/api/framepack"]
FFMPEG_ROUTES = POST_ROUTES[:2]
FRAME_ROUTES = POST_ROUTES[4:6]

SMALL_FETCH = 300_000
"""Bytes that the server `strict` fetches at most."""
UNKNOWN_ID = "0123456789abcdef" * 2
URL = "http://127.0.0.1:1/x.mp3"
FFMPEG = {"input_url": URL, "output_format": "mp3"}
VIDEO = {"video_url": URL}


def assert_no_files(server: GmapiServer) -> None:
    """Nothing was published, and no work folder is left behind."""

    def leftovers() -> list[str]:
        return [
            os.path.join(folder, name)
            for top in ("files", "attempts")
            for folder, _, names in os.walk(server.data_dir / top)
            for name in names
        ]

    wait_for(lambda: not leftovers(), 10, f"a folder without {leftovers()}")


def assert_one_sentence(fields: Mapping[str, Any], field: str | None, words: str) -> None:
    """`error` and `message` are the same public sentence; it holds `words`, a pattern."""
    assert fields["status"] == "error"
    message = fields["error"]
    assert message == fields["message"]
    assert re.search(words, message), message
    assert message.endswith((".", "?", "!")), message
    assert "\n" not in message
    assert 15 < len(message) < 400
    assert "/tmp" not in message
    assert "Traceback" not in message
    if field is not None:
        assert fields["field"] == field
        assert field in message


def assert_refused(
    answer: Answer, code: int, error_code: str, field: str | None, words: str
) -> None:
    """A refusal with this status; the reason phrase is the sentence's beginning in ASCII."""
    assert answer.status == code, answer.body
    fields = answer.json()
    assert fields["error_code"] == error_code
    assert_one_sentence(fields, field, words)
    assert answer.reason.isascii()
    start = answer.reason.removesuffix("...").rstrip(".")
    assert fields["error"].encode("ascii", "replace").decode().startswith(start)
    assert answer.headers["Content-Type"] == "application/json"
