"""A web server at the end of a slow line, in a process of its own: 2 MB/s and 30 ms before each
answer.

`python slow_origin.py FOLDER` serves the files of a folder and prints its port. All connections
share the line, or have one each with `--each`. It knows ranges, up to 100 in one request, strong
ETags and HEAD. An address's query changes what it says: `plain` for no ranges and no ETag;
anything else makes another address of the same file. `/station/NAME` sends an MP3 over and over at
128 kbit/s, as an ICY station does, after a burst of `burst` seconds. `/_log` tells what has been
asked for; its times are those of `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.http.byte_ranges import Part, Piece, Unsatisfiable, asked_parts, partial

RATE = 2_000_000.0
LATENCY = 0.03
PIECE = 8192
MOST_PARTS = 100
TYPES = {
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".mp3": "audio/mpeg",
    ".ts": "video/mp2t",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
}
STATION_RATE = 16_000
STATION_PIECE = STATION_RATE // 10
TITLES_EVERY = 16_000
TITLE_SECONDS = 20


@dataclass
class Request:
    """What was asked for, and how it went; times are seconds of `time.monotonic`."""

    path: str
    range: str
    came: float
    first: float = 0.0
    sent: int = 0
    ended: float = 0.0


class Line:
    """A line of so many bytes a second, shared by all who send over it, in small pieces in turn."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0
        self._lock = threading.Lock()

    def wait(self, size: int) -> None:
        """Until `size` bytes may go."""
        with self._lock:
            # What was slept too long is caught up with, up to 20 ms of it.
            begin = max(self._free, time.monotonic() - 0.02)
            self._free = begin + size / self._rate
        pause = begin - time.monotonic()
        if pause > 0:
            time.sleep(pause)


class SlowOrigin:
    """The server as a process; a context manager. With `plain` no address knows ranges or ETags."""

    def __init__(self, folder: Path, *, each: bool = False, plain: bool = False) -> None:
        command = [sys.executable, __file__, str(folder)]
        self._command = [*command, *(["--each"] if each else [])]
        self._count = itertools.count(1)
        self._options = {"plain": ""} if plain else {}
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def new(self, path: str) -> str:
        """An address of this file that nobody has asked for yet."""
        query = urlencode({"n": next(self._count), **self._options})
        return f"http://127.0.0.1:{self.port}/{path}?{query}"

    def log(self, url: str = "") -> list[Request]:
        """Requests so far, for one address or for all."""
        wanted = url and urlsplit(url).path + "?" + urlsplit(url).query
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/_log")
            found = [Request(**each) for each in json.load(connection.getresponse())]
        finally:
            connection.close()
        return [each for each in found if not wanted or each.path == wanted]

    def settle(self) -> None:
        """Wait until the line is free. Fails after a minute."""
        until = time.monotonic() + 60
        while any(not each.ended for each in self.log()):
            assert time.monotonic() < until, "the line does not get free"
            time.sleep(0.02)

    def download(self, url: str, size: int | None = None) -> float:
        """Seconds that a plain client needs for the first `size` bytes, or for all."""
        parts = urlsplit(url)
        started = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {} if size is None else {"Range": f"bytes=0-{size - 1}"}
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
            answer = connection.getresponse()
            while answer.read(65536):
                pass
        finally:
            connection.close()
        return time.monotonic() - started


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = Path(options.folder)
        self.options = options
        self.log: list[Request] = []
        self._shared = Line(options.rate)

    def line(self) -> Line:
        """The line for one more answer."""
        return Line(self.options.rate) if self.options.each else self._shared

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients here leave whenever they have enough."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path == "/_log":
            self._answer(200, {}, json.dumps([asdict(each) for each in self.server.log]).encode())
            return
        log = Request(self.path, self.headers.get("Range", ""), time.monotonic())
        self.server.log.append(log)
        try:
            time.sleep(self.server.options.latency)
            url = urlsplit(self.path)
            options = parse_qs(url.query, keep_blank_values=True)
            station = url.path.startswith("/station/")
            file = self.server.folder / url.path.removeprefix("/station").lstrip("/")
            if not file.resolve().is_relative_to(self.server.folder) or not file.is_file():
                self._answer(404, {})
            elif station:
                self._station(log, file.read_bytes(), float(options.get("burst", ["0"])[0]))
            else:
                self._file(log, file, plain="plain" in options)
        except OSError:
            self.close_connection = True
        finally:
            log.ended = time.monotonic()

    do_HEAD = do_GET

    def _file(self, log: Request, file: Path, *, plain: bool) -> None:
        size = file.stat().st_size
        etag = f'"{hashlib.md5(file.name.encode()).hexdigest()}-{size}"'
        kind = TYPES.get(file.suffix, "application/octet-stream")
        headers = {"Content-Type": kind}
        if not plain:
            headers |= {"ETag": etag, "Accept-Ranges": "bytes"}
        if not plain and self.headers.get("If-None-Match") == etag:
            self._head(304, headers)
            return
        parts = None
        if not plain and self.command == "GET" and self.headers.get("If-Range", etag) == etag:
            try:
                parts = asked_parts(log.range, size) if log.range else None
            except Unsatisfiable:
                self._answer(416, {"Content-Range": f"bytes */{size}"})
                return
        pieces: list[Piece] = [Part(0, size)]
        if parts is not None and len(parts) <= MOST_PARTS:
            more, pieces = partial(parts, size, kind)
            self._head(206, {**headers, **more})
        else:
            self._head(200, {**headers, "Content-Length": str(size)})
        if self.command == "GET":
            self._send(log, file, pieces)

    def _send(self, log: Request, file: Path, pieces: list[Piece]) -> None:
        line = self.server.line()
        with file.open("rb") as data:
            for chunk in _chunks(data, pieces):
                line.wait(len(chunk))
                log.first = log.first or time.monotonic()
                self.wfile.write(chunk)
                log.sent += len(chunk)

    def _station(self, log: Request, song: bytes, burst: float) -> None:
        titles = self.headers.get("Icy-MetaData") == "1"
        words = ["ICY 200 OK", "icy-name: Slow", "icy-br: 128", "Content-Type: audio/mpeg"]
        words += [f"icy-metaint: {TITLES_EVERY}"] if titles else []
        self.wfile.write("\r\n".join([*words, "", ""]).encode())
        self.close_connection = True
        began, said = time.monotonic(), -1
        while True:
            ahead = began + log.sent / STATION_RATE - burst - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            log.first = log.first or time.monotonic()
            at = log.sent % (len(song) // STATION_PIECE * STATION_PIECE)
            self.wfile.write(song[at : at + STATION_PIECE])
            log.sent += STATION_PIECE
            if titles and log.sent % TITLES_EVERY == 0:
                number = log.sent // (TITLE_SECONDS * STATION_RATE)
                title = b"" if number == said else b"StreamTitle='Song %d';" % number
                said = number
                blocks = -(-len(title) // 16)
                self.wfile.write(bytes([blocks]) + title.ljust(16 * blocks, b"\0"))

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self._head(status, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers.items())]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _chunks(data: Any, pieces: list[Piece]) -> Iterator[bytes]:
    """The bytes of an answer as a line carries them: many small parts in one packet."""
    gathered = bytearray()
    for piece in pieces:
        if isinstance(piece, bytes):
            gathered += piece
            continue
        data.seek(piece.first)
        left = piece.length
        while left:
            chunk = data.read(min(left, PIECE - len(gathered) % PIECE))
            left -= len(chunk)
            gathered += chunk
            while len(gathered) >= PIECE:
                yield bytes(gathered[:PIECE])
                del gathered[:PIECE]
    if gathered:
        yield bytes(gathered)


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--latency", type=float, default=LATENCY)
    parser.add_argument("--each", action="store_true")
    server = _Server(parser.parse_args())
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
