"""A short way for the requests that come again and again: polls, packs, frames and downloads.

A player polls and fetches a pack each second, and what Flask does for any request took several
times as long as these answers. Here the same checks are asked in the same order, and the same
functions make the answers. Only what is plain and goes well is answered. All else goes the long
way, with nothing decided yet: what a check refuses or charges for, what is not there, what is
waited for, and whatever is not written as programs write it. So no refusal is worded here.
"""

from __future__ import annotations

import logging
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

from gmapi.errors import GmapiError
from gmapi.jobs.service import JobService
from gmapi.web.address import Addresses
from gmapi.web.admission import price
from gmapi.web.answers import JSON_TYPE
from gmapi.web.files import Answer
from gmapi.web.frames import frame_answer, pack_answer
from gmapi.web.gate import Gate
from gmapi.web.host_rule import HostRule
from gmapi.web.polls import Polls
from gmapi.web.routes.downloads import published_answer
from gmapi.web.routes.framepack import parse_range
from gmapi.web.schemas import FRAMES_MAX

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

GETS = frozenset({"GET", "HEAD"})
POLL = "/api/task/<task_id>"
FRAME = "/frames/<task_id>/<name>"
DOWNLOAD = "/download/<file_id>/<name>"
PACK = "/api/framepack"
PACK_BY_ADDRESS = "/api/framepack/<task_id>/<frames>"

_SINCE = re.compile(r"since=([0-9]{1,15})")
_LENGTH = re.compile(r"[0-9]{1,5}")

# A body as players write it: frames of one task, by their paths.
_FIRST = rb'[ \t\r\n]*+\{[ \t\r\n]*+"urls"[ \t\r\n]*+:[ \t\r\n]*+\[[ \t\r\n]*+'
_URL = rb'"/frames/[0-9a-f]{32}/frame_[0-9]{6}\.png"[ \t\r\n]*+'
_BODY = re.compile(_FIRST + _URL + rb"(?:,[ \t\r\n]*+" + _URL + rb")*+\][ \t\r\n]*+\}[ \t\r\n]*+")
_TASK = re.compile(rb"/frames/([0-9a-f]{32})/")
_NUMBER = re.compile(rb"/frame_([0-9]{6})\.")

log = logging.getLogger(__name__)


class ShortWay:
    """Answers what can be answered at once, on behalf of the routes that are named above."""

    def __init__(
        self,
        service: JobService,
        polls: Polls,
        addresses: Addresses,
        host_rule: HostRule,
        gate: Gate,
    ) -> None:
        self._service = service
        self._polls = polls
        self._addresses = addresses
        self._host_rule = host_rule
        self._gate = gate

    def answer(self, environ: WSGIEnvironment) -> Answer | None:
        """The answer; None where the long way has to be gone, for which `environ` is as before."""
        if "HTTP_UPGRADE" in environ:
            return None
        try:
            return self._answer(environ)
        except (GmapiError, OSError):
            return None
        except Exception:
            log.exception("the short way of a request broke; the long way is gone")
            return None

    def _answer(self, environ: WSGIEnvironment) -> Answer | None:
        service = self._service
        match environ["PATH_INFO"].split("/"):
            case ["", "api", "task", task_id]:
                if self._may_read(environ, POLL):
                    return self._poll(environ, task_id)
            case ["", "frames", task_id, name]:
                if self._may_read(environ, FRAME):
                    return frame_answer(service, environ, task_id, name)
            case ["", "download", file_id, name]:
                if self._may_read(environ, DOWNLOAD):
                    return published_answer(service, environ, file_id, name)
            case ["", "api", "framepack", task_id, frames]:
                if self._may_read(environ, PACK_BY_ADDRESS):
                    return pack_answer(service, task_id, parse_range(frames), environ)
            case ["", "api", "framepack"]:
                if environ["REQUEST_METHOD"] == "POST":
                    return self._pack(environ)
        return None

    def _may_read(self, environ: WSGIEnvironment, rule: str) -> bool:
        method = environ["REQUEST_METHOD"]
        if method not in GETS:
            return False
        self._host_rule.check(environ)
        return not self._gate.needs_token(method, rule)

    def _poll(self, environ: WSGIEnvironment, task_id: str) -> Answer | None:
        query = environ.get("QUERY_STRING")
        asked = _SINCE.fullmatch(query) if query else None
        if query and asked is None:
            return None
        job = self._service.job(task_id)
        if job.is_labelled:
            return None  # each caller may have a label of its own
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        since, base = int(asked[1]) if asked else None, self._addresses.base(environ)
        body = self._polls.latest(job, since, base, handed_out=not is_head)
        headers = [("Content-Type", JSON_TYPE), ("Content-Length", str(len(body)))]
        return Answer("200 OK", headers, () if is_head else (body,))

    def _pack(self, environ: WSGIEnvironment) -> Answer | None:
        length = environ.get("CONTENT_LENGTH") or ""
        if _LENGTH.fullmatch(length) is None or "HTTP_TRANSFER_ENCODING" in environ:
            return None
        self._host_rule.check(environ)
        if price(PACK, int(length)) or self._gate.needs_token("POST", PACK):
            return None
        body = _read(environ, int(length))
        if _BODY.fullmatch(body) is None:
            return None
        task, numbers = _TASK.findall(body, 0, 200)[0], [*map(int, _NUMBER.findall(body))]
        if len(numbers) > FRAMES_MAX or 0 in numbers or body.count(task) != len(numbers):
            return None
        return pack_answer(self._service, task.decode("ascii"), numbers)


def _read(environ: WSGIEnvironment, length: int) -> bytes:
    """The body, which can be read once more afterwards, with the same end."""
    stream: Any = environ["wsgi.input"]
    try:
        body: bytes = stream.read(length)
    except Exception as error:
        environ["wsgi.input"] = _Broken(error)
        raise
    environ["wsgi.input"] = BytesIO(body)
    return body


class _Broken:
    """A body that could not be read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int = -1) -> bytes:
        raise self._error

    readline = read
