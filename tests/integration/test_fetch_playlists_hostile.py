"""Hostile playlists: they lead to no forbidden address, and those without end or sense are
refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmapi.fetch.segments import SEGMENTS_MAX
from gmapi.fetch.terms import LIST_BYTES_MAX
from support.http.canary import Canary
from support.http.origin import Exchange, Origin, redirect
from support.http.playlist_rooms import Room, media, segments_origin, sound_apart


@pytest.fixture
def origin() -> Iterator[Origin]:
    with segments_origin() as started:
        yield started


@pytest.fixture
def room(tmp_path: Path, origin: Origin) -> Room:
    return Room(tmp_path, (origin.authority,))


def _hls(address: str) -> bytes:
    return media("1.ts", address)


def _header(address: str) -> bytes:
    return f'#EXTM3U\n#EXT-X-MAP:URI="{address}"\n#EXTINF:1,\n1.ts\n#EXT-X-ENDLIST\n'.encode()


def _master(address: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{address}\n".encode()


def _live(address: str) -> bytes:
    return media("1.ts", address, end=False)


def _list(address: str) -> bytes:
    return f"#EXTM3U\n#EXTINF:-1,x\n{address}\n".encode()


def _pls(address: str) -> bytes:
    return f"[playlist]\nFile1={address}\n".encode()


def _mpd(address: str) -> bytes:
    return (
        '<MPD mediaPresentationDuration="PT4S"><Period><AdaptationSet mimeType="video/mp4">'
        f"<Representation><BaseURL>{address}</BaseURL></Representation></AdaptationSet></Period>"
        "</MPD>"
    ).encode()


def _template(address: str) -> bytes:
    return _mpd("").replace(
        b"<BaseURL></BaseURL>",
        f'<SegmentTemplate media="{address}" duration="2"/>'.encode(),
    )


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:{port}/x", "http://localhost:{port}/x", "http://[::1]:{port}/x",
     "http://[::ffff:127.0.0.1]:{port}/x", "http://2130706433:{port}/x",
     "http://a.example@127.0.0.1:{port}/x", "//127.0.0.1:{port}/x", "ftp://127.0.0.1:{port}/x",
     "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/x", "http://192.168.1.1/x",
     "http://[fd00::1]/x", "http://0.0.0.0:{port}/x", "file:///etc/passwd", "data:video/mp2t,x",
     "concat:http://127.0.0.1:{port}/x", "/moved"],
)  # fmt: skip
@pytest.mark.parametrize(
    "form", [_hls, _header, _master, sound_apart, _live, _list, _pls, _mpd, _template]
)
def test_no_playlist_leads_to_a_forbidden_address(
    origin: Origin, room: Room, form: Callable[[str], bytes], address: str
) -> None:
    with Canary() as canary:
        target = address.format(port=canary.port)
        origin.add("/good.m3u8", media("1.ts"))
        origin.add("/moved", redirect(f"http://127.0.0.1:{canary.port}/x"))
        url = origin.add("/x", form(target))
        # As itself, and named by a master playlist where it can be.
        message = room.refused(url, "source_refused", seconds=10)
        assert message.endswith(".")
        if form in (_hls, _header, _live):
            outer = origin.add("/outer", _master("/x"))
            room.refused(outer, "source_refused", seconds=10)
        assert canary.visits() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_master("/x"), "names other playlists more than once"),
        (media(*["1.ts"] * (SEGMENTS_MAX + 1)), "more than the 20,000 segments"),
        (
            b"#EXTM3U\n#EXT-X-VERSION:3\n" + b"#EXTINF:1,\n1\n" * 300_000,
            "more than the 20,000 segments",
        ),
        (media("1.ts").replace(b"INF:2", b"INF:999999999"), "longer than the 7 days"),
        (media("1.ts").replace(b"#EXTINF", b"#EXT-X-BYTERANGE:-9@0\n#EXTINF"), "impossible part"),
        (media("1.ts").replace(b"#EXTINF", b"#EXT-X-BYTERANGE:9@-9\n#EXTINF"), "impossible part"),
        (b'<!DOCTYPE MPD [<!ENTITY a "aaaa">]><MPD>&a;</MPD>', "document type"),
        (b'<!DOCTYPE MPD SYSTEM "http://127.0.0.1:1/x"><MPD/>', "document type"),
        (_mpd("a").replace(b"<MPD", b'<MPD type="dynamic"'), "live DASH manifest"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_end_or_sense_is_refused(
    origin: Origin, room: Room, text: bytes, words: str
) -> None:
    url = origin.add("/x", text)
    assert words in room.refused(url, "source_playlist", max_bytes=10**7)
    assert origin.count("/1.ts") == 0


def test_a_playlist_has_a_size_of_its_own(origin: Origin, room: Room) -> None:
    text = b"#EXTM3U\n" + b"# comment\n" * (LIST_BYTES_MAX // 10)
    url = origin.add("/x.m3u8", text)
    message = room.refused(url, "source_too_large", max_bytes=10**9)
    assert f"{LIST_BYTES_MAX} bytes" in message
    inner = origin.add("/m.m3u8", _master("/x.m3u8"))
    assert "a playlist that it names" in room.refused(inner, "source_too_large", max_bytes=10**9)

    def endless(exchange: Exchange) -> None:
        exchange.head(200, {})
        while not exchange.origin.closing.is_set():
            exchange.raw(b"#EXTM3U\n" + b"# comment\n" * 1000)

    room.refused(origin.add("/endless", endless), "source_too_large", max_bytes=10**9)
