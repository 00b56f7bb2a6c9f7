"""A place to bring what playlists name, and an origin that has segments for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.source_cache import SourceCache
from gmapi.fetch.sources import Source, bring
from gmapi.fetch.unending import Portion
from gmapi.hosts import parse_allow
from support.http.origin import Origin


def segment(number: int, size: int = 100) -> bytes:
    """Bytes that are no text."""
    return bytes([0x47, number, 0, 255]) * (size // 4)


def media(*names: str, end: bool = True, sequence: int = 0, target: float = 0.05) -> bytes:
    """A playlist of segments, which goes on without `end`."""
    lines = [
        "#EXTM3U",
        f"#EXT-X-TARGETDURATION:{target:g}",
        f"#EXT-X-MEDIA-SEQUENCE:{sequence}",
    ]
    for name in names:
        lines += ["#EXTINF:2,", name]
    return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if end else [])]).encode()


def sound_apart(address: str) -> bytes:
    """A list of one film whose sound is at an address of its own."""
    return (
        f'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",URI="{address}"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="s"\ngood.m3u8\n'
    ).encode()


@contextmanager
def segments_origin() -> Iterator[Origin]:
    """An origin with segments at `/1.ts` to `/9.ts`."""
    with Origin() as started:
        for number in range(1, 10):
            started.add(f"/{number}.ts", segment(number))
        yield started


@dataclass
class Room:
    """A cache, a folder to bring sources into, and what was told."""

    folder: Path
    allow: tuple[str, ...]
    told: list[tuple[float, str]] = field(default_factory=list)

    def bring(self, url: str, **options: Any) -> Source:
        limits = {"max_bytes": 10**6, "deadline": 20.0, "stall": 10.0}
        limits |= {name: options.pop(name) for name in list(options) if name in limits}
        cache = SourceCache(self.folder / "cache", FetchRules(parse_allow(self.allow), **limits))  # type: ignore[arg-type]
        options.setdefault("cancelled", lambda: False)
        if "seconds" in options:
            options["portion"] = Portion(options.pop("seconds"))
        return bring(
            cache,
            check_url(url),
            self.folder / "source",
            on_progress=lambda part, text: self.told.append((part, text)),
            **options,
        )

    def refused(self, url: str, code: str, **options: Any) -> str:
        with pytest.raises(SourceError) as caught:
            self.bring(url, **options)
        assert caught.value.code == code, caught.value.message
        return caught.value.message

    @property
    def data(self) -> bytes:
        return (self.folder / "source").read_bytes()
