"""The door for a program that reads web pages: it asks for requests, this side makes them.

Each address is checked as that of a source, and what one page may cost is bounded: requests,
bytes, time. The program itself needs no network.

Wire, both ways: u32 length in network order, then JSON. From the program come `request` (method,
url, headers as pairs, body in base64) or at the end `found` (url, headers) or `failed` (a text).
The answer is status, url, headers as pairs and body, or `refused` (a text).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from urllib3.exceptions import ReadTimeoutError

from gmapi.errors import RequestError, SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.connection import NETWORK_ERRORS, Connection
from gmapi.fetch.fetcher import Cancelled, watched
from gmapi.fetch.headers import RESERVED_HEADERS
from gmapi.fetch.terms import FetchRules

MESSAGE_BYTES_MAX = 2 * 1024**2
"""Longest message from the program."""

_METHODS = frozenset({"GET", "HEAD", "POST"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_TOLD_HEADERS = frozenset({"content-type", "location", "set-cookie", "last-modified", "etag"})


@dataclass(frozen=True)
class PageLimits:
    """What reading one page may cost: requests, bytes of one answer and of all, seconds."""

    requests: int = 60
    answer_bytes: int = 16 * 1024**2
    all_bytes: int = 64 * 1024**2
    seconds: float = 60.0


class SiteDoor:
    """Makes the requests of one page's program, one after another."""

    def __init__(
        self, rules: FetchRules, limits: PageLimits, until: float, cancelled: Cancelled
    ) -> None:
        self._rules = replace(rules, deadline=limits.seconds)
        self._limits = limits
        self._until = until
        self._cancelled = cancelled
        self._requests = 0
        self._received = 0

    def answer(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Make one request and return what to tell the program.

        Raises SourceError `source_too_slow` when the time is up, JobCancelled, and ValueError,
        TypeError or KeyError for a message of another form.
        """
        method, url = str(message["method"]), str(message["url"])
        body = base64.b64decode(message["body"]) if message.get("body") is not None else None
        headers = {}
        for name, value in message["headers"]:
            sent_by_itself = name.lower() in RESERVED_HEADERS - {"content-type"}
            if _NAME.fullmatch(name) and _VALUE.fullmatch(value) and not sent_by_itself:
                headers[name] = value
        self._requests += 1
        if method not in _METHODS or self._requests > self._limits.requests:
            return {"refused": f"{method} is not allowed, or too many requests"}
        try:
            source = check_url(url)
            return watched(
                lambda connection: self._exchange(connection, source, method, headers, body),
                self._rules,
                cancelled=self._cancelled,
                tick=lambda: None,
                until=self._until,
            )
        except RequestError as error:
            return {"refused": error.message}
        except SourceError as error:
            if error.code == "source_too_slow":
                raise
            return {"refused": error.message}

    def _exchange(
        self,
        connection: Connection,
        source: SourceUrl,
        method: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> dict[str, Any]:
        answer = connection.request(source, headers, method=method, body=body)
        if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            return {"refused": "the answer is compressed"}
        data = bytearray()
        most = min(self._limits.answer_bytes, self._limits.all_bytes - self._received)
        try:
            while chunk := answer.read1(65536, decode_content=False):
                data += chunk
                if len(data) > most:
                    return {"refused": "the answer is too large"}
        except (TimeoutError, ReadTimeoutError) as error:
            raise connection.too_slow(error) from None
        except NETWORK_ERRORS as error:
            return {"refused": f"the answer broke off: {error}"}
        self._received += len(data)
        return {
            "status": answer.status,
            "url": source.url,
            "headers": [
                [name, value]
                for name, value in answer.headers.items()
                if name.lower() in _TOLD_HEADERS
            ],
            "body": base64.b64encode(data).decode("ascii"),
        }


@dataclass(frozen=True)
class Found:
    """What a page leads to: the address of media or of a playlist, and headers that its server
    wants."""

    url: str
    headers: dict[str, str]


def talk(
    receive: Callable[[], bytes | None], send: Callable[[bytes], None], door: SiteDoor, page: str
) -> Found:
    """Hold the whole conversation with a program that has been started for `page`.

    `receive` returns the next message, None at the end. Raises SourceError `source_page` when it
    finds nothing, and what `answer` and the two functions raise.
    """
    send(json.dumps({"page": page}).encode())
    while (raw := receive()) is not None:
        try:
            message = json.loads(raw)
            if "found" in message:
                found = message["found"]
                headers = {str(name): str(value) for name, value in found["headers"].items()}
                return Found(str(found["url"]), headers)
            if "failed" in message:
                raise nothing_found(message["failed"])
            answer = door.answer(message["request"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise nothing_found(error) from error
        send(json.dumps(answer).encode())
    raise nothing_found("the program ended without an answer")


def nothing_found(cause: object) -> SourceError:
    """The error for a page that leads to no media."""
    return SourceError(
        "The source is a web page, and no media that this server can fetch was found in it; give "
        "the direct address of the media file itself.",
        code="source_page",
        cause=str(cause)[:2000],
    )
