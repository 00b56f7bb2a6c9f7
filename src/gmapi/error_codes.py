"""Every error code a caller can meet. Programs rely on them: none is ever renamed.

`errors` has the classes that raise them, with the HTTP status of each class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ErrorCode:
    """The HTTP status it comes with (200: in the answer of a conversion), and what it means."""

    status: int
    meaning: str


_OF_REQUESTS = {
    "bad_request": ErrorCode(400, "A field is missing, mistyped or out of bounds."),
    "unauthorized": ErrorCode(401, "No access token, or one that is not known."),
    "refused": ErrorCode(403, "An argument that is not allowed."),
    "forbidden": ErrorCode(403, "Cancelling or deleting a task that this client never asked for."),
    "not_found": ErrorCode(404, "No such task, file or frame, or it has expired."),
    "too_slow": ErrorCode(408, "The request's body did not come in time."),
    "too_large": ErrorCode(413, "The body, or the answer asked for, is beyond a limit."),
    "host_refused": ErrorCode(
        421, "A host name that this server does not go by, or a page of another site."
    ),
}
_OF_THE_SERVER = {
    "queue_full": ErrorCode(
        429, "Too many jobs are waiting, `waiting` of them; see `Retry-After`."
    ),
    "rate_limited": ErrorCode(429, "Too many requests of this client; see `Retry-After`."),
    "internal": ErrorCode(500, "A fault of this server; its log says more."),
    "unavailable": ErrorCode(
        503, "Not yet, or the server is restarting or too busy; see `Retry-After`."
    ),
    "storage_full": ErrorCode(507, "No disk space for another job."),
}
_OF_SOURCES = {
    "source_unreachable": ErrorCode(200, "The source's host is unknown or does not answer."),
    "source_refused": ErrorCode(200, "A private address, or a redirect that is not followed."),
    "source_status": ErrorCode(200, "The source's server answered with an error."),
    "source_empty": ErrorCode(200, "The source has no bytes."),
    "source_too_large": ErrorCode(200, "Beyond `GMAPI_FETCH_MAX_BYTES`."),
    "source_too_slow": ErrorCode(200, "Beyond `GMAPI_FETCH_STALL` or `GMAPI_FETCH_DEADLINE`."),
    "source_truncated": ErrorCode(200, "The source broke off for good, or came in part."),
    "source_changed": ErrorCode(
        200, "The source became another file while it was being converted."
    ),
    "source_not_media": ErrorCode(
        200, "A web page, document, archive, program or another file that is no media."
    ),
    "source_playlist": ErrorCode(200, "A playlist that cannot be used; the message says why."),
    "source_not_live": ErrorCode(200, "A file, where a station was asked for."),
    "source_page": ErrorCode(200, "A web page in which no media was found."),
    "source_failed": ErrorCode(200, "Another trouble with the source."),
}
_OF_CONVERSIONS = {
    "no_video": ErrorCode(200, "A picture or video was needed and there is none."),
    "corrupt_media": ErrorCode(200, "Nothing of the picture or video could be read."),
    "media_failed": ErrorCode(200, "FFmpeg could not do it; the message says why."),
    "limit_exceeded": ErrorCode(200, "The job went beyond a limit of time, size or memory."),
    "worker_died": ErrorCode(200, "The conversion made its worker die three times."),
    "cancelled": ErrorCode(200, "The task was cancelled."),
    "conversion_failed": ErrorCode(200, "Another failure."),
}
ERROR_CODES: Mapping[str, ErrorCode] = MappingProxyType(
    _OF_REQUESTS | _OF_THE_SERVER | _OF_SOURCES | _OF_CONVERSIONS
)
"""By their names. Beside these there is `http_` and a status, for what never reached a route."""
