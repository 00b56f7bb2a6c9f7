"""HTTP of the small game computer: requests that are answered later, or not at all.

They go to real servers at once; when the answer comes to the program is a matter of the
computer's own clock, and of the outages that a test has ordered.
"""

from __future__ import annotations

import http.client
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from support.game.cc_clock import Clock

REPLY_MAX = 16 * 1024**2
UPLOAD_MAX = 4 * 1024**2
USER_AGENT = "computercraft/1.113.1"
FORM = "application/x-www-form-urlencoded; charset=utf-8"

UNREACHABLE = "Could not connect"
TIMED_OUT = "Timed out"


@dataclass(frozen=True)
class Reply:
    """What a server said."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]
    timeout: float


@dataclass(frozen=True)
class Outage:
    """A time without a server: connections are refused, or `silent`: nothing ever comes of them."""

    start: float
    end: float
    silent: bool = False


class Network:
    """The way to the servers. Tests set `latency` (seconds), `bytes_per_second` and `outages`;
    `sent` are the addresses asked for, `lost` is how many requests an outage took, `most_open` how
    many there were at once."""

    def __init__(self, clock: Clock) -> None:
        self.latency = 0.0
        self.bytes_per_second = math.inf
        self.outages: list[Outage] = []
        self.sent: list[str] = []
        self.lost = 0
        self.most_open = 0
        self._open = 0
        self._clock = clock

    def send(self, request: Request, deliver: Callable[[Reply | str], None]) -> None:
        """Call `deliver` with the reply, or with the reason why there is none, when it comes."""
        self.sent.append(request.url)
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        due, found = self._outcome(request)

        def arrive() -> None:
            self._open -= 1
            deliver(found)

        if due <= self._clock.now:
            arrive()
        else:
            self._clock.at(due, arrive)

    def _outcome(self, request: Request) -> tuple[float, Reply | str]:
        """When something comes of a request, and what."""
        now = self._clock.now
        due, found = now + self.latency, self._outage(now, now)
        if found is None:
            reply = fetch(request)
            if isinstance(reply, Reply):
                due += len(reply.body) / self.bytes_per_second
            found = self._outage(now, due) or reply
        if isinstance(found, Outage):
            self.lost += 1
            if found.silent:
                return now + request.timeout, TIMED_OUT
            return max(found.start, now + self.latency), UNREACHABLE
        return due, found

    def _outage(self, first: float, last: float) -> Outage | None:
        return next(
            (each for each in self.outages if each.start <= last and first < each.end), None
        )


def fetch(request: Request) -> Reply | str:
    """Ask a server as the game does."""
    parts = urlsplit(request.url)
    if parts.scheme != "http" or not parts.hostname:
        return "URL malformed"
    if request.body is not None and len(request.body) > UPLOAD_MAX:
        return "Request body is too large"
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=request.timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(request.method, target, request.body, _headers(request))
        response = connection.getresponse()
        data = response.read(REPLY_MAX + 1)
    except TimeoutError:
        return TIMED_OUT
    except (OSError, http.client.HTTPException):
        return UNREACHABLE
    finally:
        connection.close()
    if len(data) > REPLY_MAX:
        return "Response is too large"
    return Reply(response.status, response.reason, dict(response.headers.items()), data)


def _headers(request: Request) -> dict[str, str]:
    sent = {"User-Agent": USER_AGENT, "Accept-Charset": "UTF-8", "Connection": "close"}
    if request.body is not None:
        sent["Content-Type"] = FORM
    for name, value in request.headers.items():
        sent = {kept: text for kept, text in sent.items() if kept.lower() != name.lower()}
        sent[name] = value
    return sent
