"""Sources whose servers send parts worse than the whole: what comes anyway is enough."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gmapi.tools import arrival_plan
from gmapi.tools.base import Work
from support.http.origin import Exchange, Origin
from support.media.programs import make_media
from support.product.works import Notes, run_tool


@pytest.mark.timeout(60)
def test_an_index_that_trickles_is_not_waited_for(
    own_origin: Origin,
    fetching: Callable[..., Work],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=4", "-c:v", "mpeg4", "-q:v", "2"]
    film = make_media(tmp_path / "film.mp4", *words).read_bytes()
    monkeypatch.setattr(arrival_plan, "WORTH_BYTES", 0)
    monkeypatch.setattr(arrival_plan, "NEAR_BYTES", 0)
    asked = threading.Event()

    def handle(exchange: Exchange) -> None:
        told = {"ETag": '"1"', "Content-Type": "video/mp4"}
        wanted = exchange.request.headers.get("range")
        if wanted is None:
            exchange.head(200, {**told, "Content-Length": str(len(film))})
            exchange.raw(film[:70_000])
            asked.wait(20)
            exchange.raw(film[70_000:])
            return
        span = wanted.removeprefix("bytes=")
        exchange.head(206, {**told, "Content-Range": f"bytes {span}/{len(film)}"})
        asked.set()
        with suppress(OSError):
            while not exchange.origin.closing.is_set():
                exchange.raw(b"\0")
                exchange.wait(0.2)

    notes = Notes()
    url = own_origin.add("/film", handle)
    work = fetching(url, notes=notes, fetch_deadline=20)
    result = run_tool(work, "video_frame", video_url=url, w=32, h=24, fps=5)
    assert result.total_frames == 20
    assert any("came sooner" in line for line in notes.lines), notes.lines
