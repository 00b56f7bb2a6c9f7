"""Errors with two faces: a public sentence for the caller and an internal cause for the log.

Every error a caller can meet is a `GmapiError`. Its class fixes the HTTP status (decision 14 of
the design: what is wrong with a request is a 4xx, a conversion that failed is an answer with
`status: "error"`), and `code` is a slug that programs may rely on and that is never renamed.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

_FIRST_WORD = re.compile(r"[a-z]+(?= )")


def _sentence(text: str, field: str | None) -> str:
    """`text` with a capital and a full stop; a field's or program's name at its head stays."""
    first = _FIRST_WORD.match(text)
    if first and first[0] not in (field, "ffmpeg"):
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


class GmapiError(Exception):
    """Base of all errors that reach a caller.

    `message` is one public sentence in plain words. `cause` is for the log only and may hold
    paths or addresses. `field` names the request field at fault, when there is one.
    """

    status: ClassVar[int] = 500
    code: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        cause: object = None,
        field: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.message = _sentence(message, field)
        super().__init__(self.message)
        self.cause = cause
        self.field = field
        self.retry_after = retry_after
        if code is not None:
            self.code = code


class RequestError(GmapiError):
    """The request itself is wrong: a field is missing, mistyped or out of its bounds."""

    status = 400
    code = "bad_request"


class UnauthorizedError(GmapiError):
    """The request needs an access token, and has none or a wrong one."""

    status = 401
    code = "unauthorized"


class RefusedError(GmapiError):
    """The request is understood and not allowed (an argument or an address)."""

    status = 403
    code = "refused"


class ForbiddenError(GmapiError):
    """The caller may not do this to a thing of somebody else."""

    status = 403
    code = "forbidden"


class NotFoundError(GmapiError):
    """No such task, file or frame, or it has expired."""

    status = 404
    code = "not_found"


class TooSlowError(GmapiError):
    """The request did not come in time."""

    status = 408
    code = "too_slow"


class HostError(GmapiError):
    """The request names a host that this server does not answer for, or comes from a page there."""

    status = 421
    code = "host_refused"


class TooLargeError(GmapiError):
    """The request, or the answer it asks for, is beyond a limit."""

    status = 413
    code = "too_large"


class QueueFullError(GmapiError):
    """Too many jobs are waiting, `waiting` of them; `retry_after` says when to come back."""

    status = 429
    code = "queue_full"

    def __init__(self, message: str, *, waiting: int | None = None, **options: Any) -> None:
        super().__init__(message, **options)
        self.waiting = waiting


class RateLimitedError(GmapiError):
    """The caller submits faster than it may; `retry_after` says when to come back."""

    status = 429
    code = "rate_limited"


class UnavailableError(GmapiError):
    """Not now: what was asked for will come, or the server is stopping."""

    status = 503
    code = "unavailable"


class StorageFullError(GmapiError):
    """The disk or its budget has no room for another job."""

    status = 507
    code = "storage_full"


class JobError(GmapiError):
    """A conversion that failed for good. Synchronous callers get it as 200 with `status: error`."""

    status = 200
    code = "conversion_failed"


class SourceError(JobError):
    """The source could not be fetched or is not media."""

    code = "source_failed"


class MediaError(JobError):
    """ffmpeg could not do what was asked with this source."""

    code = "media_failed"


class LimitError(JobError):
    """The job went beyond a limit of this server (time, size, files)."""

    code = "limit_exceeded"


class NoSpaceError(GmapiError):
    """The disk filled up while a job ran; the job is put back and tried again later."""

    status = 507
    code = "storage_full"


class JobCancelled(Exception):
    """Raised inside a running job whose caller cancelled it."""


class JobInterrupted(Exception):
    """Raised inside a running job when its worker stops and hands the job back."""


class LeaseLost(Exception):
    """Raised inside a running job that another worker has taken over: write nothing more."""


class SettingsError(Exception):
    """One or more settings are wrong; `problems` holds one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
