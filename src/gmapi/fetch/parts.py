"""Parts of a source that is being fetched, ahead of their turn: its index, its end, its sound."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from gmapi.errors import SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.arrival import Beginning, changed
from gmapi.fetch.connection import NETWORK_ERRORS, Connection
from gmapi.fetch.fetcher import Cancelled, watched
from gmapi.fetch.headers import HARMLESS_HEADERS
from gmapi.fetch.ranges import Range, Span, cut_parts, multipart_boundary
from gmapi.fetch.redirects import Route
from gmapi.fetch.terms import FetchRules
from gmapi.fetch.transfer import Transfer, strong_etag

PART_BYTES_MAX = 20 * 1024**2
"""The longest part that is read at once."""

BATCH = 100
"""Parts that are asked for at once. More make a head that servers do not take (nginx: 8 KiB), or
get the whole file (Apache: above 200)."""

SINGLE_MAX = 300
"""So many are asked for one by one where the server does not send several together."""

PART_HEAD_BYTES_MAX = 1024

Wanted = TypeVar("Wanted")
Result = TypeVar("Result")


class Parts:
    """Reads parts of the version of a source that `beginning` is of.

    `asked` is the address that the caller gave, whose `headers` are for its origin. What is on its
    way is given up once all of the source `has_come`: a server may send parts more slowly than
    the rest.
    """

    def __init__(
        self,
        beginning: Beginning,
        asked: SourceUrl,
        headers: Mapping[str, str],
        rules: FetchRules,
        cancelled: Cancelled,
        has_come: Callable[[], bool] = lambda: False,
    ) -> None:
        self._beginning = beginning
        self._source = check_url(beginning.url)
        own = self._source.origin == asked.origin
        self._headers = {k: v for k, v in headers.items() if own or k.lower() in HARMLESS_HEADERS}
        self._rules = rules
        self._cancelled = cancelled
        self._has_come = has_come

    @property
    def are_exact(self) -> bool:
        """Whether the source names its versions, so that parts can be told to be of this one."""
        return self._beginning.etag is not None

    def read(self, first: int, length: int) -> bytes:
        """Bytes from `first` on, fewer where the source ends.

        Raises SourceError when its server does not send parts, or sends one of another version,
        or when all has come meanwhile, and whatever `cancelled` raises.
        """
        total = self._beginning.total or 0
        length = min(length, PART_BYTES_MAX, total - first)
        if length <= 0:
            return b""
        return self._watched(lambda connection: self._part(connection, first, length))

    def gather(self, ranges: Sequence[Range], connections: int) -> list[bytes]:
        """Many small parts, each from where to how many bytes, in their order: a hundred in one
        request where the server does that, else one by one over so many connections.

        Raises as `read` does.
        """
        batches = [ranges[at : at + BATCH] for at in range(0, len(ranges), BATCH)]
        if len(ranges) > connections:
            first = self._watched(lambda connection: self._batch(connection, batches[0]))
            if first is not None:
                rest = self._share(batches[1:], connections, self._whole_batch)
                return [part for batch in [first, *rest] for part in batch]
        if len(ranges) > SINGLE_MAX:
            raise SourceError(
                "The server of the source sends no several parts at once.", code="source_status"
            )
        return self._share(ranges, connections, lambda line, part: self._part(line, *part))

    def _share(
        self,
        wanted: Sequence[Wanted],
        connections: int,
        get: Callable[[Connection, Wanted], Result],
    ) -> list[Result]:
        """What `get` gives for each that is wanted, by several connections."""
        lines = [range(first, len(wanted), connections) for first in range(connections)]

        def run(line: range) -> list[Result]:
            return self._watched(lambda connection: [get(connection, wanted[at]) for at in line])

        with ThreadPoolExecutor(connections, thread_name_prefix="parts") as pool:
            found = list(pool.map(run, [line for line in lines if line]))
        return [found[at % connections][at // connections] for at in range(len(wanted))]

    def _watched(self, get: Callable[[Connection], Result]) -> Result:
        return watched(get, self._rules, cancelled=self._cancelled, tick=self._check_needed)

    def _check_needed(self) -> None:
        if self._has_come():
            raise SourceError(
                "All of the source came sooner than a part of it.", code="source_too_slow"
            )

    def _part(self, connection: Connection, first: int, length: int) -> bytes:
        body = io.BytesIO()
        transfer = Transfer(
            connection,
            self._source,
            self._rules,
            self._headers,
            span=Span(first, first + length - 1),
            version=self._beginning.etag,
        )
        transfer.begin()
        if transfer.save(body).etag != self._beginning.etag:
            raise changed()
        data = body.getvalue()
        if len(data) != length:
            raise _broken_off()
        return data

    def _whole_batch(self, connection: Connection, ranges: Sequence[Range]) -> list[bytes]:
        found = self._batch(connection, ranges)
        if found is None:
            raise _broken_off()
        return found

    def _batch(self, connection: Connection, ranges: Sequence[Range]) -> list[bytes] | None:
        """Parts that are sent together; None when the server answers in another way."""
        listed = ",".join(f"{first}-{first + length - 1}" for first, length in ranges)
        route = Route(connection, self._source, self._headers, self._rules.max_redirects)
        answer = route.ask({"Range": f"bytes={listed}", "If-Range": self._beginning.etag or ""})
        boundary = multipart_boundary(answer.headers)
        is_fit = answer.status == HTTPStatus.PARTIAL_CONTENT and boundary is not None
        if not is_fit or strong_etag(answer) != self._beginning.etag:
            connection.close()  # it may be sending all of the file
            return None
        most = sum(length for _, length in ranges) + PART_HEAD_BYTES_MAX * (len(ranges) + 1)
        data = bytearray()
        try:
            while chunk := answer.read1(most, decode_content=False):
                data += chunk
                if len(data) > most:
                    connection.close()
                    return None
            return cut_parts(bytes(data), boundary or b"", ranges)
        except (*NETWORK_ERRORS, ValueError) as error:
            raise _broken_off() from error


def _broken_off() -> SourceError:
    return SourceError("A part of the source broke off.", code="source_truncated")
