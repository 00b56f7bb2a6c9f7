"""One file from one source over one connection: redirects, status, size, resumption."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import BinaryIO

from urllib3 import HTTPResponse
from urllib3.exceptions import ReadTimeoutError

from gmapi.errors import SourceError
from gmapi.fetch import icy
from gmapi.fetch.address import SourceUrl
from gmapi.fetch.arrival import changed
from gmapi.fetch.codings import compression, is_packed
from gmapi.fetch.connection import NETWORK_ERRORS, Connection, Stopped
from gmapi.fetch.ranges import Span, sent_part, whole_size
from gmapi.fetch.redirects import Route
from gmapi.fetch.sniff import HEAD_BYTES, kind_of, not_media
from gmapi.fetch.terms import LIST_BYTES_MAX, Download, FetchRules, StatusError, Validators

MAX_RESUMES = 3


_CHUNK = 256 * 1024
_LENGTH = re.compile(r"[0-9]++")


class Transfer:
    """The state of one transfer, owned by its thread; another may look at `received`, `total`,
    `is_radio` and `is_untold`, and may call `finish`.

    With a `span` only this part is asked for, of no other `version` if one is given. Text of one of
    the kinds `wanted` is taken as if it were media, up to LIST_BYTES_MAX; media then too. With
    `parts_do` media of untold length may end where no more may be fetched, or where a station
    breaks off. `on_begin` is told the address, the length and the exact version, where there is
    one, of media that begins to come.
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
        version: str | None = None,
        wanted: frozenset[str] = frozenset(),
        parts_do: bool = False,
        on_title: icy.OnTitle = icy.nobody_listens,
        on_begin: Callable[[str, int, str | None], None] | None = None,
    ) -> None:
        self.received = 0
        self.total: int | None = None
        self.kind: str | None = None
        self.is_radio = False
        self._connection = connection
        self._route = Route(connection, source, headers, rules.max_redirects)
        self._rules = rules
        self._validators = validators
        self._span = span
        self._version = version
        self._wanted = wanted
        self._parts_do = parts_do
        self._on_title = on_title
        self._on_begin = on_begin
        self._has_begun = False
        self._known_bytes = 0
        self._head = bytearray()
        self._head_checked = False
        self._compression: str | None = None
        self._titles: icy.Titles | None = None
        self._titles_bytes = 0
        self._finished = False
        self._is_part = False
        self.failure: SourceError | None = None
        """Why it ended before its end; to be raised unless what has come is worth taking."""
        self._answer: HTTPResponse | None = None

    @property
    def source(self) -> SourceUrl:
        """Where the file is, as far as is known by now."""
        return self._route.source

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the answer, once `begin` has returned None."""
        return self._answer.headers if self._answer is not None else {}

    @property
    def is_untold(self) -> bool:
        """Whether this is media whose server does not tell its length."""
        return self._head_checked and self.kind is None and self.total is None

    def finish(self) -> None:
        """End it, as if there were no more to come; for the watching thread."""
        self._finished = True
        self._connection.stop()

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
        if self._version:
            conditions["If-Range"] = self._version
        answer = self._route.ask(conditions)
        if answer.status == HTTPStatus.NOT_MODIFIED and self._validators:
            return self._outcome(answer, not_modified=True)
        if self._span:
            self._check_part(answer, self._span)
        else:
            self._check_answer(answer)
        self._answer = answer
        return None

    def end_here(self, failure: SourceError) -> Download:
        """What has come of an answer that its thread has been stopped from saving, with the reason
        for that."""
        assert self._answer is not None
        self._is_part = True
        self.failure = failure
        return self._outcome(self._answer, not_modified=False)

    def save(self, file: BinaryIO) -> Download:
        """Write the body to `file`, from where it stands. Raises SourceError and OSError."""
        start = file.tell()
        answer = self._answer
        assert answer is not None
        resumes = 0
        while (broken := self._read_body(answer, file)) is not None:
            if self._may_break_off():
                self._is_part = True
                self.failure = (
                    broken if isinstance(broken, SourceError) else self._truncated(broken)
                )
                break
            etag = strong_etag(answer)
            hopeless = resumes == MAX_RESUMES or self._span is not None
            if hopeless or etag is None or not self.received:
                raise self._truncated(broken)
            try:
                self._connection.close()
                self._connection.pause(0.1 * 4**resumes)
                resumes += 1
                answer = self._resume(etag, file, start, answer)
            except Stopped:
                if not self._finished:
                    raise
                self._is_part = True
                break
        if not self.received:
            raise self._error("source_empty", "The source is an empty file; check the address.")
        if not self._head_checked:
            self._judge(answer)
        return self._outcome(answer, not_modified=False)

    def _may_break_off(self) -> bool:
        """Whether this is a station's broadcast, which may as well end here as elsewhere."""
        return self._parts_do and self._is_broadcast

    @property
    def _is_broadcast(self) -> bool:
        return self.is_radio and self.is_untold

    def _truncated(self, cause: object) -> SourceError:
        return self._error(
            "source_truncated",
            f"The source broke off after {self.received} bytes; try again later.",
            cause,
        )

    def _judge(self, answer: HTTPResponse) -> None:
        """Look at the first bytes. Raises SourceError for what nobody wants."""
        head, content_type = bytes(self._head), answer.headers.get("Content-Type")
        if self._compression and is_packed(self._compression, head):
            raise self._compressed(answer)
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
            and not self._is_part
            and not self._is_broadcast
            and "no-store" not in (directive.strip() for directive in directives),
            kind=self.kind,
            untold=self.is_untold,
            is_part=self._is_part,
        )

    def _error(self, code: str, message: str, cause: object = None) -> SourceError:
        return SourceError(message, code=code, cause=cause or self.source.url)

    def _check_answer(self, answer: HTTPResponse) -> None:
        """Accept a whole answer within the limits and set `total`."""
        told = None
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            told = self._whole_size(answer)
        elif answer.status not in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
            raise StatusError(answer.status, self.source.url)
        self._check_coding(answer)
        length = answer.headers.get("Content-Length", "").strip()
        # Twenty digits are more than any cap.
        chunked = answer.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
        self.total = int(length[:20]) if _LENGTH.fullmatch(length) and not chunked else told
        self.is_radio = icy.is_radio(answer.headers)
        every = icy.titles_every(answer.headers.get("icy-metaint"))
        self._titles = icy.Titles(every, self._on_title) if every else None
        # What is sent with titles is more than what is kept.
        if self._titles or (self._parts_do and icy.is_length_made_up(answer.headers)):
            self.total = None
        if self.total is not None and self.total > self._rules.max_bytes:
            raise self._too_large()

    def _whole_size(self, answer: HTTPResponse) -> int | None:
        """The size of what was sent as a part although nobody asked for one."""
        try:
            return whole_size(answer.headers)
        except ValueError as error:
            raise self._error(
                "source_truncated",
                "The server of the source sent a part of the file although all of it was asked "
                "for; use another address.",
                error,
            ) from None

    def _check_part(self, answer: HTTPResponse, span: Span) -> None:
        """Accept an answer that begins with the part asked for, and set `total`."""
        if span.size > self._rules.max_bytes:
            raise self._too_large()
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            part = sent_part(answer.headers)
            if part is None or part.span != span:
                raise self._error(
                    "source_truncated",
                    f"The server of the source sent another part than the {span.size} bytes from "
                    f"{span.first} on; use another address.",
                    f"Content-Range {answer.headers.get('Content-Range')!r}",
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
        """Accept how it was sent, or leave that to the first bytes."""
        transfer = answer.headers.get("Transfer-Encoding", "").strip().lower()
        if transfer not in ("", "chunked", "identity"):
            raise self._compressed(answer)
        packed = compression(answer.headers.get("Content-Encoding", ""))
        # What a file begins with is not seen in its middle; the rest of one that was judged is.
        if packed and packed != self._compression and (self._head_checked or self._is_middle):
            raise self._compressed(answer)
        self._compression = packed

    @property
    def _is_middle(self) -> bool:
        return self._span is not None and self._span.first > 0

    def _compressed(self, answer: HTTPResponse) -> SourceError:
        codings = [answer.headers.get(f"{of}-Encoding") for of in ("Content", "Transfer")]
        return self._error(
            "source_refused",
            "The source was sent compressed although it was asked for as it is; such answers are "
            "not unpacked, so use another address.",
            f"Content-Encoding and Transfer-Encoding {codings}",
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
                too_slow = self._connection.too_slow(error)
                if self._may_break_off():
                    return too_slow
                raise too_slow from None
            except NETWORK_ERRORS as error:
                if not self._finished:
                    return error
                chunk = b""
            if self._finished:
                self._is_part = True
                return None
            if not chunk:
                break
            if self._titles:
                kept = self._titles.strip(chunk)
                self._titles_bytes += len(chunk) - len(kept)
                chunk = kept
            if self._known_bytes:
                known = min(self._known_bytes, len(chunk))
                self._known_bytes -= known
                chunk = chunk[known:]
            if self._span:
                # A server that sends the whole file for its first part.
                chunk = chunk[: self._span.size - self.received]
            if self.received + self._titles_bytes + len(chunk) > self._rules.max_bytes:
                self.failure = self._too_large()
                if not (self._parts_do and self.is_untold):
                    raise self.failure
                self._is_part = True
                room = self._rules.max_bytes - self.received - self._titles_bytes
                file.write(chunk[: max(0, room)])
                self.received += max(0, room)
                return None
            if not self._head_checked:
                self._head += chunk[: HEAD_BYTES - len(self._head)]
                if len(self._head) == HEAD_BYTES:
                    self._judge(answer)
            file.write(chunk)
            file.flush()  # somebody may be reading or measuring it
            self.received += len(chunk)
            self._tell_begin(answer)
            if self._span and self.received == self._span.size:
                return None
        if self.total is not None and self.received < self.total:
            return EOFError(f"{self.received} of {self.total} bytes")
        return None

    def _tell_begin(self, answer: HTTPResponse) -> None:
        if self._on_begin is None or self._has_begun or not self._head_checked:
            return
        if self.kind is None and self.total is not None:
            self._has_begun = True
            self._on_begin(self.source.url, self.total, strong_etag(answer))

    def _resume(self, etag: str, file: BinaryIO, start: int, broken: HTTPResponse) -> HTTPResponse:
        """Ask for the rest of the same version; a whole answer instead is read on from there, and
        one of another version starts the file again."""
        answer = self._route.ask({"Range": f"bytes={self.received}-", "If-Range": etag})
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            total = self.total
            self._check_answer(answer)
            if strong_etag(answer) == etag and self.total == total:
                self._known_bytes = self.received
                return answer
            if self._has_begun:  # what has come may have been used
                raise changed()
            file.seek(start)
            file.truncate()
            self.received = 0
            self._head.clear()
            self._head_checked = False
            return answer
        self._check_coding(answer)
        part = sent_part(answer.headers)
        if (
            part is None
            or part.of is None
            or part.span.first != self.received
            or not part.to_the_end
            or self.total not in (None, part.of)
            or answer.headers.get("ETag", etag) != etag
        ):
            raise self._error(
                "source_truncated",
                f"The source broke off after {self.received} bytes and its server does not "
                "continue it; try again later.",
                f"Content-Range {answer.headers.get('Content-Range')!r}",
            )
        self.total = part.of
        if self.total > self._rules.max_bytes:
            raise self._too_large()
        # A partial answer need not repeat these; the version is the same.
        for name in ("ETag", "Last-Modified", "Content-Type", "Cache-Control"):
            if name in broken.headers and name not in answer.headers:
                answer.headers[name] = broken.headers[name]
        return answer


def strong_etag(answer: HTTPResponse) -> str | None:
    """What an answer names its version by, where two of the same name are equal in each byte."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else None
