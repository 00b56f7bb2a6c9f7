"""Parts of a source that is being fetched, ahead of their turn: its index, its end, its sound."""

from __future__ import annotations

import io
from collections.abc import Mapping

from gmapi.errors import SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.arrival import Beginning, changed
from gmapi.fetch.connection import Connection
from gmapi.fetch.fetcher import Cancelled, watched
from gmapi.fetch.headers import HARMLESS_HEADERS
from gmapi.fetch.ranges import Span
from gmapi.fetch.terms import FetchRules
from gmapi.fetch.transfer import Transfer

PART_BYTES_MAX = 20 * 1024**2
"""The longest part that is read at once."""


class Parts:
    """Reads parts of the version of a source that `beginning` is of.

    `asked` is the address that the caller gave, whose `headers` are for its origin.
    """

    def __init__(
        self,
        beginning: Beginning,
        asked: SourceUrl,
        headers: Mapping[str, str],
        rules: FetchRules,
        cancelled: Cancelled,
    ) -> None:
        self._beginning = beginning
        self._source = check_url(beginning.url)
        own = self._source.origin == asked.origin
        self._headers = {k: v for k, v in headers.items() if own or k.lower() in HARMLESS_HEADERS}
        self._rules = rules
        self._cancelled = cancelled

    @property
    def are_exact(self) -> bool:
        """Whether the source names its versions, so that parts can be told to be of this one."""
        return self._beginning.etag is not None

    def read(self, first: int, length: int) -> bytes:
        """Bytes from `first` on, fewer where the source ends.

        Raises SourceError when its server does not send parts, or sends one of another version,
        and whatever `cancelled` raises.
        """
        total = self._beginning.total or 0
        last = min(first + min(length, PART_BYTES_MAX), total) - 1
        if last < first:
            return b""
        body = io.BytesIO()

        def fetch(connection: Connection) -> str | None:
            transfer = Transfer(
                connection,
                self._source,
                self._rules,
                self._headers,
                span=Span(first, last),
                version=self._beginning.etag,
            )
            transfer.begin()
            return transfer.save(body).etag

        etag = watched(fetch, self._rules, cancelled=self._cancelled, tick=_nothing)
        if etag != self._beginning.etag:
            raise changed()
        data = body.getvalue()
        if len(data) != last + 1 - first:
            raise SourceError("A part of the source broke off.", code="source_truncated")
        return data


def _nothing() -> None:
    pass
