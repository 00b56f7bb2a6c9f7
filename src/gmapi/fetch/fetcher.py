"""Downloading one source to a file, within limits of size and time.

The transfer runs in a thread of its own while the caller's thread watches the clock and the
cancel flag, and shuts the socket down when either runs out. Read timeouts alone do not do: they
start again with each byte, so a trickling source would hold a worker for hours. All callbacks
run in the caller's thread.
"""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

from urllib3 import HTTPResponse
from urllib3.exceptions import ReadTimeoutError

from gmapi import __version__
from gmapi.errors import JobCancelled, NoSpaceError, RequestError, SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.connection import NETWORK_ERRORS, Connection
from gmapi.fetch.headers import HARMLESS_HEADERS, check_headers
from gmapi.fetch.sniff import HEAD_BYTES, check_first_bytes
from gmapi.hosts import AllowEntry, parse_allow
from gmapi.settings import Settings

__all__ = [
    "Cancelled", "Download", "FetchRules", "Progress", "Validators", "check_headers",
    "disk_errors", "download",
]  # fmt: skip

Cancelled = Callable[[], bool]
Progress = Callable[[int, int | None], None]

USER_AGENT = f"GMapiServer/{__version__}"
MAX_RESUMES = 3

_POLL = 0.2  # seconds between two looks at the clock and the cancel flag
_CHUNK = 256 * 1024
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
    is False when the server forbade to keep the answer.
    """

    url: str
    size: int
    etag: str | None
    last_modified: str | None
    content_type: str | None
    not_modified: bool
    cacheable: bool


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full disk or quota into NoSpaceError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpaceError(
            "The disk of the server is full; try again later.", cause=error
        ) from error


def download(
    source_url: SourceUrl,
    target: Path,
    rules: FetchRules,
    *,
    headers: Mapping[str, str] | None = None,
    cancelled: Cancelled,
    on_progress: Progress,
    validators: Validators | None = None,
) -> Download:
    """Fetch a source into `target`, which is replaced, and removed again when this fails.

    `cancelled` is asked and `on_progress(received, total or None)` told five times a second.
    Raises SourceError (codes `source_unreachable`, `source_refused`, `source_status`,
    `source_too_large`, `source_too_slow`, `source_truncated`, `source_empty`,
    `source_not_media`), RequestError for bad headers, NoSpaceError, JobCancelled, and whatever
    the callbacks raise.
    """
    checked = check_headers(headers or {})
    if cancelled():
        raise JobCancelled
    transfer = _Transfer(source_url, target, rules, checked, validators)
    deadline = time.monotonic() + rules.deadline
    thread = threading.Thread(target=transfer.run, name="gmapi-fetch", daemon=True)
    thread.start()
    try:
        while not transfer.finished.wait(max(0.0, min(_POLL, deadline - time.monotonic()))):
            if cancelled():
                raise JobCancelled
            if time.monotonic() >= deadline:
                raise SourceError(
                    f"The source took longer than the {rules.deadline:g} seconds a download may "
                    "take; use a smaller or faster source.",
                    code="source_too_slow",
                )
            on_progress(transfer.received, transfer.total)
        thread.join()
        if transfer.failure is not None:
            raise transfer.failure
        assert transfer.result is not None
        on_progress(transfer.received, transfer.total)
    except BaseException:
        transfer.connection.stop()
        # Only a name look-up can outlast this; it touches no file and ends by itself.
        thread.join(1)
        with suppress(OSError):
            target.unlink(missing_ok=True)
        raise
    return transfer.result


class _Transfer:
    """The state of one download, owned by its thread; `received`, `total` and
    `connection.stop` are for the watching thread."""

    def __init__(
        self,
        source: SourceUrl,
        target: Path,
        rules: FetchRules,
        headers: dict[str, str],
        validators: Validators | None,
    ) -> None:
        self.received = 0
        self.total: int | None = None
        self.result: Download | None = None
        self.failure: BaseException | None = None
        self.finished = threading.Event()
        self.connection = Connection(rules.allow, rules.stall)
        self._source = source
        self._target = target
        self._rules = rules
        names = {name.lower() for name in headers}
        defaults = {"User-Agent": USER_AGENT, "Accept": "*/*"}
        self._headers = {k: v for k, v in defaults.items() if k.lower() not in names} | headers
        self._validators = validators
        self._head = bytearray()
        self._head_checked = False

    def run(self) -> None:
        try:
            with disk_errors():
                self.result = self._transfer()
        except BaseException as error:
            self.failure = error
        finally:
            self.connection.close()
            self.finished.set()

    def _transfer(self) -> Download:
        conditions = {}
        if self._validators and self._validators.etag:
            conditions["If-None-Match"] = self._validators.etag
        if self._validators and self._validators.last_modified:
            conditions["If-Modified-Since"] = self._validators.last_modified
        answer = self._open(conditions)
        if answer.status == HTTPStatus.NOT_MODIFIED and conditions:
            return self._outcome(answer, not_modified=True)
        self._check_answer(answer)
        with self._target.open("wb") as file:
            resumes = 0
            while (broken := self._read_body(answer, file)) is not None:
                etag = answer.headers.get("ETag", "")
                if resumes == MAX_RESUMES or not etag.startswith('"') or not self.received:
                    raise self._error(
                        "source_truncated",
                        f"The source broke off after {self.received} bytes; try again later.",
                        broken,
                    )
                self.connection.close()
                self.connection.pause(0.1 * 4**resumes)
                resumes += 1
                answer = self._resume(etag, file, answer)
        if not self.received:
            raise self._error("source_empty", "The source is an empty file; check the address.")
        if not self._head_checked:
            check_first_bytes(bytes(self._head), answer.headers.get("Content-Type"))
        return self._outcome(answer, not_modified=False)

    def _outcome(self, answer: HTTPResponse, *, not_modified: bool) -> Download:
        directives = answer.headers.get("Cache-Control", "").lower().split(",")
        return Download(
            url=self._source.url,
            size=self.received,
            etag=answer.headers.get("ETag"),
            last_modified=answer.headers.get("Last-Modified"),
            content_type=answer.headers.get("Content-Type"),
            not_modified=not_modified,
            cacheable="no-store" not in (directive.strip() for directive in directives),
        )

    def _error(self, code: str, message: str, cause: object = None) -> SourceError:
        return SourceError(message, code=code, cause=cause or self._source.url)

    def _open(self, extra: Mapping[str, str]) -> HTTPResponse:
        """Send the request and follow redirects; the answer may have any status."""
        for _ in range(self._rules.max_redirects + 1):
            answer = self.connection.request(self._source, {**self._headers, **extra})
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            self._redirect(location)
            self.connection.close()
        raise self._error(
            "source_status",
            f"The source redirects more than {self._rules.max_redirects} times; "
            "give the address it should lead to.",
        )

    def _redirect(self, location: str) -> None:
        before = self._source
        # http.client reads header bytes as Latin-1; servers mean UTF-8 and often forget %20.
        with suppress(UnicodeError):
            location = location.encode("latin-1").decode("utf-8")
        try:
            self._source = check_url(urljoin(before.url, location.strip().replace(" ", "%20")))
        except (RequestError, ValueError) as error:
            raise self._error(
                "source_refused",
                "The source redirects to an address that is not valid or not allowed; "
                "give the direct address of the file.",
                f"{before.url} to {location!r}: {error}",
            ) from None
        if before.scheme == "https" and self._source.scheme == "http":
            raise self._error(
                "source_refused",
                "The source redirects from https to http, which is not followed; "
                "give the address it redirects to if you trust it.",
            )
        if self._source.origin != before.origin:
            self._headers = {
                name: value
                for name, value in self._headers.items()
                if name.lower() in HARMLESS_HEADERS
            }

    def _check_answer(self, answer: HTTPResponse) -> None:
        """Accept a whole answer within the limits and set `total`."""
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
            raise self._bad_status(answer.status)
        self._check_coding(answer)
        length = answer.headers.get("Content-Length", "").strip()
        # Twenty digits are more than any cap.
        chunked = "Transfer-Encoding" in answer.headers
        self.total = int(length[:20]) if re.fullmatch(r"[0-9]+", length) and not chunked else None
        if self.total is not None and self.total > self._rules.max_bytes:
            raise self._too_large()

    def _bad_status(self, status: int) -> SourceError:
        try:
            phrase = f" {HTTPStatus(status).phrase}"
        except ValueError:
            phrase = ""
        return self._error(
            "source_status",
            f"The server of the source answered HTTP {status}{phrase}; check that input_url "
            "opens in a browser.",
        )

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
                raise self.connection.too_slow(error) from None
            except NETWORK_ERRORS as error:
                return error
            if not chunk:
                break
            if self.received + len(chunk) > self._rules.max_bytes:
                raise self._too_large()
            if not self._head_checked:
                self._head += chunk[: HEAD_BYTES - len(self._head)]
                if len(self._head) == HEAD_BYTES:
                    check_first_bytes(bytes(self._head), answer.headers.get("Content-Type"))
                    self._head_checked = True
            file.write(chunk)
            self.received += len(chunk)
        if self.total is not None and self.received < self.total:
            return EOFError(f"{self.received} of {self.total} bytes")
        return None

    def _resume(self, etag: str, file: BinaryIO, broken: HTTPResponse) -> HTTPResponse:
        """Ask for the rest of the same version; a whole answer instead starts the file again."""
        answer = self._open({"Range": f"bytes={self.received}-", "If-Range": etag})
        if answer.status != HTTPStatus.PARTIAL_CONTENT:
            self._check_answer(answer)
            file.seek(0)
            file.truncate()
            self.received = 0
            self._head.clear()
            self._head_checked = False
            return answer
        self._check_coding(answer)
        content_range = answer.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", content_range)
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
