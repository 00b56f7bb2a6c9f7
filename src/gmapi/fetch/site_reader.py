"""The program that looks for media in a web page with yt-dlp; run as a process of its own.

It has no door outwards: every request is a message to the process that started it (see
`site_door`), which makes it or refuses. Sockets, other programs and the writing of files are
refused by Python itself here, whatever yt-dlp wishes; the sandbox does the same from outside.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import os
import struct
import sys
from typing import Any, BinaryIO
from urllib.parse import urljoin

REDIRECTS_MAX = 5
HEIGHT_MAX = 1080
_LENGTH = struct.Struct("!I")
_FORBIDDEN = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "os.startfile", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink",
    "os.truncate", "os.chmod", "os.chown", "os.kill", "ctypes.dlopen", "pty.spawn",
    "webbrowser.open", "shutil.", "sqlite3.connect",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def forbid() -> None:
    """Let this process do no more than compute and read files. Cannot be undone."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            _, mode, flags = arguments
            writes = isinstance(mode, str) and set(mode) & set("wax+")
            if writes or (isinstance(flags, int) and flags & _WRITING):
                raise PermissionError("no file is written here")
        elif event.startswith(_FORBIDDEN) and event != "socket.__new__":
            raise PermissionError(f"{event} is not allowed here")

    sys.addaudithook(hook)


class Line:
    """The messages to and from the process that started this one."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer

    def receive(self) -> Any:
        (length,) = _LENGTH.unpack(self._reader.read(_LENGTH.size))
        return json.loads(self._reader.read(length))

    def send(self, message: Any) -> None:
        data = json.dumps(message).encode()
        self._writer.write(_LENGTH.pack(len(data)) + data)
        self._writer.flush()

    def ask(self, message: Any) -> Any:
        self.send({"request": message})
        return self.receive()


def find(page: str, line: Line) -> dict[str, Any]:
    """Address and headers of the media in a page. Raises what yt-dlp raises."""
    import yt_dlp
    from yt_dlp.networking.common import RequestHandler, Response
    from yt_dlp.networking.exceptions import HTTPError, TransportError

    class DoorRH(RequestHandler):  # type: ignore[misc]
        """All requests of yt-dlp go this way."""

        _SUPPORTED_URL_SCHEMES = ("http", "https")

        def _check_extensions(self, extensions: dict[str, Any]) -> None:
            super()._check_extensions(extensions)
            for name in ("cookiejar", "timeout", "legacy_ssl", "keep_header_casing"):
                extensions.pop(name, None)

        def _send(self, request: Any) -> Any:
            request = request.copy()
            jar = self._get_cookiejar(request)
            data = request.data
            body = data if data is None or isinstance(data, bytes) else b"".join(data)
            method = request.method
            for _ in range(REDIRECTS_MAX + 1):
                headers = self._get_headers(request)
                cookie = jar.get_cookie_header(request.url)
                if cookie and "cookie" not in {name.lower() for name in headers}:
                    headers["Cookie"] = cookie
                answer = line.ask(
                    {
                        "method": method,
                        "url": request.url,
                        "headers": list(headers.items()),
                        "body": None if body is None else base64.b64encode(body).decode(),
                    }
                )
                if "refused" in answer:
                    raise TransportError(answer["refused"])
                response = Response(
                    io.BytesIO(base64.b64decode(answer["body"])),
                    answer["url"],
                    {},
                    answer["status"],
                )
                for name, value in answer["headers"]:
                    response.headers.add_header(name, value)
                location = response.get_header("Location")
                if answer["status"] in (301, 302, 303, 307, 308) and location:
                    if answer["status"] not in (307, 308) and method == "POST":
                        method, body = "GET", None
                    request.url = urljoin(answer["url"], location)
                    continue
                if not 200 <= answer["status"] < 300:
                    raise HTTPError(response)
                return response
            raise HTTPError(response, redirect_loop=True)

    class Reader(yt_dlp.YoutubeDL):  # type: ignore[misc]
        @functools.cached_property
        def _request_director(self) -> Any:
            return self.build_request_director([DoorRH])

    options = {
        "quiet": True,
        "no_warnings": True,
        "logger": _Silence(),
        "cachedir": False,
        "color": "never",
        "simulate": True,
        "skip_download": True,
        "noplaylist": True,
        "playlist_items": "1",
        "ignore_no_formats_error": True,
        "check_formats": False,
        "retries": 1,
        "extractor_retries": 1,
        "usenetrc": False,
        "proxy": "",
    }
    with Reader(options) as reader:
        info = reader.extract_info(page, download=False)
        info = reader.sanitize_info(info)
    while info and info.get("entries") is not None:
        info = next((entry for entry in info["entries"] if entry), None)
    return choose(info or {})


def choose(info: dict[str, Any]) -> dict[str, Any]:
    """The best format that is one file or one playlist. Raises ValueError when there is none."""
    formats = info.get("formats") or [info]

    def rank(number: int) -> tuple[int, int]:
        item = formats[number]
        protocol = str(item.get("protocol") or "")
        streams = [item.get("vcodec") != "none", item.get("acodec") != "none"]
        if protocol in ("http", "https"):
            kind = 4 if all(streams) else 2 if any(streams) else 0
        elif protocol in ("m3u8", "m3u8_native", "http_dash_segments") and _manifest(item):
            kind = 3 if protocol.startswith("m3u8") else 1
        else:
            kind = 0
        height = item.get("height") or 0
        if kind and height > HEIGHT_MAX:
            return kind, -height
        # yt-dlp lists the best last.
        return kind, number

    best = max(range(len(formats)), key=rank, default=0)
    if not rank(best)[0]:
        raise ValueError("no format of one file or one playlist")
    item = formats[best]
    plain = item.get("protocol") in ("http", "https")
    headers = item.get("http_headers") or {}
    return {"url": item["url"] if plain else _manifest(item), "headers": headers}


def _manifest(item: dict[str, Any]) -> str | None:
    """Where the whole playlist is: of HLS also the playlist of one quality will do."""
    found = item.get("manifest_url")
    if found is None and str(item.get("protocol")).startswith("m3u8"):
        found = item.get("url")
    return found


class _Silence:
    def debug(self, text: str) -> None:
        pass

    info = warning = error = debug


def main() -> None:
    """Read one page's address from standard input, answer on standard output."""
    line = Line(os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb"))
    # What anybody prints must not get among the messages.
    os.dup2(2, 1)
    page = line.receive()["page"]
    try:
        os.environ["YTDLP_NO_PLUGINS"] = "1"
        forbid()
        found = find(page, line)
    except Exception as error:
        line.send({"failed": f"{type(error).__name__}: {error}"[:2000]})
    else:
        line.send({"found": found})
