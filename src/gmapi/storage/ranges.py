"""Conditional and range requests for one representation (RFC 9110, sections 13 and 14).

No stock sender gets all of it right, and one that ignores If-Range corrupts resumed downloads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import Literal

# Longer headers are ignored, so that no number in them is costly to parse.
_MAX_RANGE_CHARS = 200
_MAX_DATE_CHARS = 64
_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')


@dataclass(frozen=True)
class Choice:
    """What to answer: status, the bytes to send (none at 304, 412 and 416), and Content-Range."""

    status: Literal[200, 206, 304, 412, 416]
    offset: int
    length: int
    content_range: str | None = None


@dataclass(frozen=True)
class OpenRange:
    """A byte range of something whose length is not known yet: from position `first` to `last`,
    which is None for the end to come."""

    first: int
    last: int | None

    @classmethod
    def parse(cls, range_header: str | None, if_range: str | None) -> OpenRange | None:
        """The range that the headers ask for; None when they ask for the whole.

        They do with If-Range, for what is still made has no validator, with a range counted from
        the end, and with whatever is not a single well-formed byte range.
        """
        if range_header is None or if_range is not None:
            return None
        first, last = _positions(range_header) or (None, None)
        return None if first is None else cls(first, last)

    def choose(self, size: int, most: int) -> Choice | None:
        """The answer when `size` bytes are there: what they hold of the range, at most `most`
        bytes of it; None while they hold nothing of it."""
        if self.first >= size:
            return None
        end = size - 1 if self.last is None else min(self.last, size - 1)
        length = min(end - self.first + 1, most)
        content_range = f"bytes {self.first}-{self.first + length - 1}/*"
        return Choice(206, self.first, length, content_range)


def http_date(modified: float) -> str:
    """Last-Modified for a Unix time, in whole seconds as `choose` compares them."""
    return _date(int(modified))


@lru_cache(256)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def choose(
    size: int,
    etag: str,
    modified: float,
    *,
    method: str,
    range_header: str | None = None,
    if_range: str | None = None,
    if_match: str | None = None,
    if_unmodified_since: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: str | None = None,
) -> Choice:
    """Decide the answer for `size` bytes with a strong `etag` (quoted) changed at Unix time.

    First 412, then 304, then If-Range, then one range; whatever is not a single well-formed byte
    range is ignored (200, whole). A range is for GET only. Content never changes, so an exactly
    equal date in If-Range is as good as the ETag.
    """
    whole = Choice(200, 0, size)
    if method not in ("GET", "HEAD"):
        return whole
    if _changed(etag, modified, if_match, if_unmodified_since):
        return Choice(412, 0, 0)
    if _not_modified(etag, modified, if_none_match, if_modified_since):
        return Choice(304, 0, 0)
    if method == "HEAD" or range_header is None or not _same(etag, modified, if_range):
        return whole
    return _one_range(size, range_header) or whole


def _one_range(size: int, header: str) -> Choice | None:
    positions = _positions(header)
    if positions is None:
        return None
    first, last = positions
    if first is not None:
        if first >= size:
            return Choice(416, 0, 0, f"bytes */{size}")
        start, end = first, size - 1 if last is None else min(last, size - 1)
    elif not last:
        return Choice(416, 0, 0, f"bytes */{size}")
    elif size == 0:
        return None  # the whole of nothing: Content-Range has no words for it
    else:
        start, end = max(0, size - last), size - 1
    return Choice(206, start, end - start + 1, f"bytes {start}-{end}/{size}")


def _positions(header: str) -> tuple[int | None, int | None] | None:
    """The two numbers of a single well-formed byte range, of which one may be missing."""
    match = _RANGE.fullmatch(header) if len(header) <= _MAX_RANGE_CHARS else None
    if match is None:
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is None and last is None:
        return None
    if first is not None and last is not None and last < first:
        return None
    return first, last


def is_match(etag: str | None, if_match: str) -> bool:
    """Whether If-Match means what has this ETag, None for what has none; strong comparison."""
    if if_match.strip() == "*":
        return True
    wanted = {tag for weak, tag in _ENTITY_TAG.findall(if_match) if not weak}
    return etag is not None and etag in wanted


def _changed(
    etag: str, modified: float, if_match: str | None, if_unmodified_since: str | None
) -> bool:
    if if_match is not None:
        return not is_match(etag, if_match)
    if if_unmodified_since is not None:
        since = _parse_date(if_unmodified_since)
        return since is not None and int(modified) > since
    return False


def _not_modified(
    etag: str, modified: float, if_none_match: str | None, if_modified_since: str | None
) -> bool:
    if if_none_match is not None:
        opaque = etag.removeprefix("W/")
        tags = [tag for _, tag in _ENTITY_TAG.findall(if_none_match)]
        return if_none_match.strip() == "*" or opaque in tags
    if if_modified_since is not None:
        since = _parse_date(if_modified_since)
        return since is not None and int(modified) <= since
    return False


def _same(etag: str, modified: float, if_range: str | None) -> bool:
    """Whether If-Range allows a range; strong comparison."""
    if if_range is None:
        return True
    value = if_range.strip()
    if value.startswith(('"', "W/")):
        return value == etag and not etag.startswith("W/")
    return _parse_date(value) == int(modified)


def _parse_date(text: str) -> int | None:
    """Unix time of an HTTP date; None for anything else."""
    if len(text) > _MAX_DATE_CHARS:
        return None
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return int(date.timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
