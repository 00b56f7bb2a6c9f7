"""One file from one source over one connection: redirects, status, size, resumption."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import urljoin

from urllib3 import HTTPResponse
from urllib3.exceptions import ReadTimeoutError

from gmapi import __version__
from gmapi.errors import RequestError, SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.connection import NETWORK_ERRORS, Connection
from gmapi.fetch.headers import HARMLESS_HEADERS
from gmapi.fetch.sniff import HEAD_BYTES, kind_of, not_media
from gmapi.hosts import AllowEntry, parse_allow
from gmapi.settings import Settings

USER_AGENT = f"GMapiServer/{__version__}"
MAX_RESUMES = 3

LIST_BYTES_MAX = 4 * 1024**2
"""Largest playlist or manifest that is read."""

_CHUNK = 256 * 1024
_LENGTH = re.compile(r"[0-9]++")
_PART = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/")
_PART_OF_KNOWN = re.compile(_PART.pattern + r"([0-9]{1,18})")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class FetchRules:
    """Limits of one download: sizes in bytes, times in seconds. `stall` is the longest silence,
    `deadline` the longest whole download with all its redirects and resumptions."""

    allow: tuple[AllowEntry, ...]
    max_bytes: int
    deadline: float
    stall: float
    max_redirects: int = 5

    @classmethod
    def from_settings(cls, settings: Settings) -> FetchRules:
        """The limits an operator has set."""
        return cls(
            parse_allow(settings.fetch_allow),
            int(settings.fetch_max_bytes),
            settings.fetch_deadline,
            settings.fetch_stall,
        )


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server named a version of a file by; sent to ask whether it is still current."""

    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class Download:
    """What came of a download. `url` is the address after redirects, `size` in bytes.

    With `not_modified` the server confirmed the validators and no file was written. `cacheable`
    is False when the server forbade to keep the answer. `kind` is what the text is where the
    caller takes text that is no media (`sniff.PLAYLISTS`); such an answer is not kept either.
    """

    url: str
    size: int
    etag: str | None
    last_modified: str | None
    content_type: str | None
    not_modified: bool
    cacheable: bool
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file: positions of its first and last byte."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class StatusError(SourceError):
    """A server answered with the status `answered` instead of the file."""

    code = "source_status"

    def __init__(self, status: int, url: str) -> None:
        try:
            phrase = f" {HTTPStatus(status).phrase}"
        except ValueError:
            phrase = ""
        super().__init__(
            f"The server of the source answered HTTP {status}{phrase}; check that input_url "
            "opens in a browser.",
            cause=url,
        )
        self.answered = status


class Transfer:
    """The state of one transfer, owned by its thread; another may look at `received` and `total`.

    With a `span` only this part is asked for. Text of one of the kinds `wanted` is taken as if it
    were media, up to LIST_BYTES_MAX; media then too.
    """

    def __init__(
        self,
        connection: Connection,
        source: SourceUrl,
        rules: FetchRules,
        headers: Mapping[str, str],
        *,
        validators: Validators | None = None,
        span: Span | None = None,
        wanted: frozenset[str] = frozenset(),
    ) -> None:
        self.received = 0
        self.total: int | None = None
        self.kind: str | None = None
        self._connection = connection
        self.source = source
        self._rules = rules
        names = {name.lower() for name in headers}
        defaults = {"User-Agent": USER_AGENT, "Accept": "*/*"}
        self._headers = {k: v for k, v in defaults.items() if k.lower() not in names} | dict(
            headers
        )
        self._validators = validators
        self._span = span
        self._wanted = wanted
        self._head = bytearray()
        self._head_checked = False
        self._answer: HTTPResponse | None = None

    def begin(self) -> Download | None:
        """Send the request and accept the answer's head, or return that nothing has changed.

        Raises SourceError.
        """
        conditions = {}
        if self._validators and self._validators.etag:
            conditions["If-None-Match"] = self._validators.etag
        if self._validators and self._validators.last_modified:
            conditions["If-Modified-Since"] = self._validators.last_modified
        if self._span:
            conditions["Range"] = f"bytes={self._span.first}-{self._span.last}"
        answer = self._open(conditions)
        if answer.status == HTTPStatus.NOT_MODIFIED and self._validators:
            return self._outcome(answer, not_modified=True)
        if self._span:
            self._check_part(answer, self._span)
        else:
            self._check_answer(answer)
        self._answer = answer
        return None

    def save(self, file: BinaryIO) -> Download:
        """Write the body to `file`, from where it stands. Raises SourceError and OSError."""
        start = file.tell()
        answer = self._answer
        assert answer is not None
        resumes = 0
        while (broken := self._read_body(answer, file)) is not None:
            etag = answer.headers.get("ETag", "")
            hopeless = resumes == MAX_RESUMES or self._span is not None
            if hopeless or not etag.startswith('"') or not self.received:
                raise self._error(
                    "source_truncated",
                    f"The source broke off after {self.received} bytes; try again later.",
                    broken,
                )
            self._connection.close()
            self._connection.pause(0.1 * 4**resumes)
            resumes += 1
            answer = self._resume(etag, file, start, answer)
        if not self.received:
            raise self._error("source_empty", "The source is an empty file; check the address.")
        if not self._head_checked:
            self._judge(answer)
        return self._outcome(answer, not_modified=False)

    def _judge(self, answer: HTTPResponse) -> None:
        """Look at the first bytes. Raises SourceError for what nobody wants."""
        head, content_type = bytes(self._head), answer.headers.get("Content-Type")
        self._head_checked = True
        self.kind = kind_of(head, content_type)
        if self.kind is None:
            return
        if self.kind not in self._wanted:
            raise not_media(self.kind, head, content_type)
        self._rules = replace(self._rules, max_bytes=min(self._rules.max_bytes, LIST_BYTES_MAX))
        if max(self.received, self.total or 0) > self._rules.max_bytes:
            raise self._too_large()

    def _outcome(self, answer: HTTPResponse, *, not_modified: bool) -> Download:
        directives = answer.headers.get("Cache-Control", "").lower().split(",")
        return Download(
            url=self.source.url,
            size=self.received,
            etag=answer.headers.get("ETag"),
            last_modified=answer.headers.get("Last-Modified"),
            content_type=answer.headers.get("Content-Type"),
            not_modified=not_modified,
            cacheable=self.kind is None
            and "no-store" not in (directive.strip() for directive in directives),
            kind=self.kind,
        )

    def _error(self, code: str, message: str, cause: object = None) -> SourceError:
        return SourceError(message, code=code, cause=cause or self.source.url)

    def _open(self, extra: Mapping[str, str]) -> HTTPResponse:
        """Send the request and follow redirects; the answer may have any status."""
        for _ in range(self._rules.max_redirects + 1):
            answer = self._connection.request(self.source, {**self._headers, **extra})
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            self._redirect(location)
            self._connection.close()
        raise self._error(
            "source_status",
            f"The source redirects more than {self._rules.max_redirects} times; "
            "give the address it should lead to.",
        )

    def _redirect(self, location: str) -> None:
        before = self.source
        # http.client reads header bytes as Latin-1; servers mean UTF-8 and often forget %20.
        with suppress(UnicodeError):
            location = location.encode("latin-1").decode("utf-8")
        try:
            self.source = check_url(urljoin(before.url, location.strip().replace(" ", "%20")))
        except (RequestError, ValueError) as error:
            raise self._error(
                "source_refused",
                "The source redirects to an address that is not valid or not allowed; "
                "give the direct address of the file.",
                f"{before.url} to {location[:200]!r}: {error}",
            ) from None
        if before.scheme == "https" and self.source.scheme == "http":
            raise self._error(
                "source_refused",
                "The source redirects from https to http, which is not followed; "
                "give the address it redirects to if you trust it.",
            )
        if self.source.origin != before.origin:
            self._headers = {
                name: value
                for name, value in self._headers.items()
                if name.lower() in HARMLESS_HEADERS
            }

    def _check_answer(self, answer: HTTPResponse) -> None:
        """Accept a whole answer within the limits and set `total`."""
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
            raise StatusError(answer.status, self.source.url)
        self._check_coding(answer)
        length = answer.headers.get("Content-Length", "").strip()
        # Twenty digits are more than any cap.
        chunked = "Transfer-Encoding" in answer.headers
        self.total = int(length[:20]) if _LENGTH.fullmatch(length) and not chunked else None
        if self.total is not None and self.total > self._rules.max_bytes:
            raise self._too_large()

    def _check_part(self, answer: HTTPResponse, span: Span) -> None:
        """Accept an answer that begins with the part asked for, and set `total`."""
        if span.size > self._rules.max_bytes:
            raise self._too_large()
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            content_range = answer.headers.get("Content-Range", "")
            match = _PART.match(content_range)
            if match is None or (int(match[1]), int(match[2])) != (span.first, span.last):
                raise self._error(
                    "source_truncated",
                    f"The server of the source sent another part than the {span.size} bytes from "
                    f"{span.first} on; use another address.",
                    f"Content-Range {content_range!r}",
                )
            self._check_coding(answer)
        elif answer.status == HTTPStatus.OK and span.first == 0:
            self._check_coding(answer)
        elif answer.status == HTTPStatus.OK:
            raise self._error(
                "source_status",
                "The server of the source does not send parts of files, which its playlist needs; "
                "use another address.",
            )
        else:
            raise StatusError(answer.status, self.source.url)
        self.total = span.size

    def _check_coding(self, answer: HTTPResponse) -> None:
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        transfer = answer.headers.get("Transfer-Encoding", "chunked").strip().lower()
        if coding not in ("identity", "") or transfer != "chunked":
            raise self._error(
                "source_refused",
                "The source was sent compressed although it was asked for as it is; such answers "
                "are not unpacked, so use another address.",
                f"Content-Encoding {coding}, Transfer-Encoding {transfer}",
            )

    def _too_large(self) -> SourceError:
        return self._error(
            "source_too_large",
            f"The source is larger than the {self._rules.max_bytes} bytes this server fetches; "
            "use a smaller file.",
        )

    def _read_body(self, answer: HTTPResponse, file: BinaryIO) -> Exception | None:
        """Read to the end of this answer; returns what broke it off, None when it is whole."""
        while True:
            try:
                chunk = answer.read1(_CHUNK, decode_content=False)
            except (TimeoutError, ReadTimeoutError) as error:
                raise self._connection.too_slow(error) from None
            except NETWORK_ERRORS as error:
                return error
            if not chunk:
                break
            if self._span:
                # A server that sends the whole file for its first part.
                chunk = chunk[: self._span.size - self.received]
            if self.received + len(chunk) > self._rules.max_bytes:
                raise self._too_large()
            if not self._head_checked:
                self._head += chunk[: HEAD_BYTES - len(self._head)]
                if len(self._head) == HEAD_BYTES:
                    self._judge(answer)
            file.write(chunk)
            self.received += len(chunk)
            if self._span and self.received == self._span.size:
                return None
        if self.total is not None and self.received < self.total:
            return EOFError(f"{self.received} of {self.total} bytes")
        return None

    def _resume(self, etag: str, file: BinaryIO, start: int, broken: HTTPResponse) -> HTTPResponse:
        """Ask for the rest of the same version; a whole answer instead starts the file again."""
        answer = self._open({"Range": f"bytes={self.received}-", "If-Range": etag})
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            self._check_answer(answer)
            file.seek(start)
            file.truncate()
            self.received = 0
            self._head.clear()
            self._head_checked = False
            return answer
        self._check_coding(answer)
        content_range = answer.headers.get("Content-Range", "")
        match = _PART_OF_KNOWN.fullmatch(content_range)
        if (
            match is None
            or int(match[1]) != self.received
            or int(match[2]) + 1 != int(match[3])
            or self.total not in (None, int(match[3]))
            or answer.headers.get("ETag", etag) != etag
        ):
            raise self._error(
                "source_truncated",
                f"The source broke off after {self.received} bytes and its server does not "
                "continue it; try again later.",
                f"Content-Range {content_range!r}",
            )
        self.total = int(match[3])
        if self.total > self._rules.max_bytes:
            raise self._too_large()
        # A partial answer need not repeat these; the version is the same.
        for name in ("ETag", "Last-Modified", "Content-Type", "Cache-Control"):
            if name in broken.headers and name not in answer.headers:
                answer.headers[name] = broken.headers[name]
        return answer
