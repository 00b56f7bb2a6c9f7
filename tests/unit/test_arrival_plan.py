"""How a source can be read while it arrives, found out from bytes that make that hard."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.fetch.address import check_url
from gmapi.fetch.arrival import Arrival, Beginning
from gmapi.fetch.parts import Parts
from gmapi.fetch.terms import FetchRules
from gmapi.media import xing
from gmapi.tools.arrival_plan import WORTH_BYTES, Opening
from support.media.timed_titles import syncsafe

URL = "http://127.0.0.1/song"
# MPEG-1 layer III, 1441 bytes: where another one would begin there is none.
FRAME = b"\xff\xfb\xea\0"


@pytest.mark.parametrize("cover", [100, 7 << 20])
def test_a_song_that_seems_to_begin_everywhere_is_looked_at_a_few_times(
    tmp_path: Path, cover: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"ID3\3\0\0" + syncsafe(cover) + bytes(cover) + FRAME * 17_000
    body += bytes(2 * WORTH_BYTES)
    looks: list[int] = []
    look = xing.unpromised

    def counted(head: bytes, total: int | None) -> bytes | None:
        looks.append(len(head))
        return look(head, total)

    monkeypatch.setattr(xing, "unpromised", counted)
    growing = tmp_path / "growing"
    growing.write_bytes(body)
    beginning = Beginning(growing, URL, len(body) + 1, None)

    def fetch(arrival: Arrival) -> None:
        arrival.begin(beginning)
        while not arrival.is_stopped:
            arrival.wait(len(body), 0.02)

    arrival = Arrival(tmp_path / "input", fetch)
    arrival.start()
    parts = Parts(beginning, check_url(URL), {}, FetchRules((), 10**8, 5.0, 5.0), lambda: False)
    try:
        assert arrival.wait_to_begin(lambda: None) == beginning
        opening = Opening(arrival, beginning, parts, lambda: None, lambda line: None)
        assert opening.plan(lambda kind: kind == "mp3") is not None
    finally:
        arrival.stop()
    assert len(looks) < 5
