"""Stations with titles, live streams that go on, and work that plays them beside a test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

from gmapi.tools.base import Work
from gmapi.tools.radio import RADIO, RadioRequest, RadioResult
from support.http.origin import Exchange, Handler
from support.product.server import wait_for
from support.product.works import Notes

EVERY = 4096


def titled(song: bytes, title: Callable[[], bytes]) -> Handler:
    """A station that mixes the present title into its sound, if it is asked to."""

    def handle(exchange: Exchange) -> None:
        mixed = exchange.request.headers.get("icy-metadata") == "1"
        told = f"icy-metaint:{EVERY}\r\n" if mixed else ""
        exchange.raw(
            b"ICY 200 OK\r\nicy-name: Radio \xc3\xa9t\xc3\xa9\x1b[0m\r\nContent-Type:audio/mpeg\r\n"
            + told.encode() + b"\r\n"
        )  # fmt: skip
        at = 0
        while not exchange.origin.closing.is_set():
            exchange.raw((song * 2)[at : at + EVERY])
            at = (at + EVERY) % len(song)
            if mixed:
                text = b"StreamTitle='" + title() + b"';StreamUrl='';"
                size = -(-len(text) // 16)
                exchange.raw(bytes([size]) + text.ljust(16 * size, b"\0"))
            exchange.wait(0.1)

    return handle


def breaking(song: bytes, head: bytes, *, after: int) -> Handler:
    """A station that breaks off after so many bytes, each time."""

    def handle(exchange: Exchange) -> None:
        exchange.raw(head + song[:after])
        exchange.hang_up()

    return handle


class LiveList:
    """A live HLS playlist of at most four segments of `seconds` each, which grows by one whenever
    `add` is called."""

    def __init__(self, name: str = "part", *, seconds: float = 1.0, header: str = "") -> None:
        self.names: list[str] = []
        self.ended = False
        self._name = name
        self._seconds = seconds
        self._header = header

    def add(self, tag: str = "") -> None:
        self.names.append(f"{tag}#EXTINF:{self._seconds},\n{self._name}{len(self.names) + 1}\n")

    def __call__(self, exchange: Exchange) -> None:
        shown = self.names[-4:]
        text = (
            f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{self._header}"
            f"#EXT-X-MEDIA-SEQUENCE:{len(self.names) - len(shown)}\n{''.join(shown)}"
        )
        text += "#EXT-X-ENDLIST\n" if self.ended else ""
        exchange.send(200, {"Content-Type": "application/vnd.apple.mpegurl"}, text.encode())


class Listeners:
    """Who is there for the work of a test; without `present` the last one left long ago."""

    def __init__(self) -> None:
        self.present = True
        self.prolonged = 0

    def unused(self) -> float:
        return 0.0 if self.present else 1e6

    def prolong(self) -> None:
        self.prolonged += 1


class Playing:
    """A station being played by the tool in a thread; a context manager, which switches it off
    at the end as a listener's leaving does."""

    def __init__(self, work: Work, url: str, **fields: Any) -> None:
        self.work = work
        self.notes: Notes = work.reporter  # type: ignore[assignment]
        self.listeners = Listeners()
        work._attendance = self.listeners
        self._request = RadioRequest.model_validate({"input_url": url, **fields})
        self.result: RadioResult | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            result = RADIO.run(self.work, self._request)
            assert isinstance(result, RadioResult)
            self.result = result
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """The last listener goes, and a minute passes."""
        self.listeners.present = False
        self._thread.join(60)
        assert not self._thread.is_alive()

    @property
    def told(self) -> dict[str, Any]:
        """The result so far."""
        return self.notes.results[-1] if self.notes.results else {}

    def until(self, true: Callable[[dict[str, Any]], Any], seconds: float = 60.0) -> dict[str, Any]:
        """The first result of which that is true."""

        def found() -> dict[str, Any]:
            assert self.error is None, self.error
            return self.told if self.told and true(self.told) else {}

        return dict(wait_for(found, seconds, f"the result wanted, not {self.told}"))

    def failed(self, seconds: float = 60.0) -> BaseException:
        """The error it ends with."""
        wait_for(lambda: self.error or self.result, seconds, "an end")
        assert self.error is not None, self.result
        return self.error

    def seconds(self, first: int, last: int) -> dict[str, bytes]:
        """The sound of these seconds, by channel."""
        found = {"mono": b"", "left": b"", "right": b""}
        with self.work.storage.part_reader(self.work.file_id, "sound") as reader:
            for number in range(first, last + 1):
                data = reader.part(number).read()
                assert len(data) == 18_000
                for at, name in enumerate(found):
                    found[name] += data[6000 * at : 6000 * (at + 1)]
        return found
