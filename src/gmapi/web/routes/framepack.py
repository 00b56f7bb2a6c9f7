"""Many frames in one binary answer, also while they are still being made (contract section 6)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Response, request
from flask_openapi3 import OpenAPI, Tag

from gmapi.errors import NotFoundError, RequestError, TooLargeError, UnavailableError
from gmapi.jobs.service import JobService
from gmapi.storage.framestore import parse_frame_name
from gmapi.web.address import addresses
from gmapi.web.application import describe_parameters
from gmapi.web.files import (
    LOOK_SECONDS,
    MEDIA_HEADERS,
    BrokenAnswer,
    binary_type,
    bodiless,
    body_answer,
)
from gmapi.web.frames import PACK_TYPE, pack_answer
from gmapi.web.gathering import Gathering
from gmapi.web.schemas import (
    FRAMES_MAX,
    Conditions,
    FramepackPath,
    FramepackRequest,
    Responses,
    binary,
    failures,
)

GRACE_SECONDS = 1.2
"""Clients give up after 2 to 3 s of silence; by then the answer must be on its way."""

DRIP_SECONDS = 1.2
PATIENCE_SECONDS = 30.0
RESERVE_BYTES = 256
FIRST_BYTE = b"\0"
TAG = Tag(name="files")
PACK = (
    "Big-endian u32 count, then for each frame big-endian u32 size and the PNG bytes. All frames "
    "or none: those that are not ready yet are waited for, and come as they are made."
)

_FRAME_URL = re.compile(r"/frames/([0-9a-f]{32})/([A-Za-z0-9_.]{1,40})")
_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


def register(app: OpenAPI, service: JobService) -> None:
    """Add the framepack routes; Flask answers HEAD by the view for GET."""
    not_sent: Responses = {"304": None, "412": None}

    @app.post(
        "/api/framepack",
        summary="Many frames in one answer",
        description=PACK,
        tags=[TAG],
        responses={
            "200": binary("The pack.", PACK_TYPE),
            **failures("400", "404", "408", "413", "503"),
        },
    )
    def framepack(body: FramepackRequest) -> Response:
        prefix = addresses().prefix(request.environ)
        return _gathered(service, [_parse(url, prefix) for url in body.urls], "urls")

    def framepack_range(task_id: str, frames: str) -> Response:
        numbers = parse_range(frames)
        answer = pack_answer(service, task_id, numbers, request.environ)
        if answer is not None:
            return answer.response()
        return _gathered(service, [(task_id, number) for number in numbers], "frames")

    describe_parameters(framepack_range, path=FramepackPath, header=Conditions)
    app.get(
        "/api/framepack/<task_id>/<frames>",
        summary="Frames that follow each other, in one answer that may be kept",
        description=f"{PACK} When all are there at once, the answer has an `ETag` and may be kept "
        "by browsers and caches. Needs no token: like those of single frames, the address is the "
        "right to them.",
        tags=[TAG],
        responses={
            "200": binary("The pack.", PACK_TYPE),
            **not_sent,
            **failures("400", "404", "413", "503"),
        },
    )(framepack_range)


def parse_range(text: str) -> range:
    """The numbers of the frames that `START-END` means. Raises RequestError."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise RequestError(
            "frames: give the numbers of the first and the last frame, such as 1-20.",
            field="frames",
        )
    first, last = int(match[1]), int(match[2])
    if first < 1:
        raise RequestError("frames: frames are counted from 1.", field="frames")
    if last < first:
        raise RequestError(
            f"frames: the first, {first}, comes after the last, {last}; give the smaller number "
            "first.",
            field="frames",
        )
    if last - first >= FRAMES_MAX:
        raise RequestError(
            f"frames: {last - first + 1} are too many for one answer; ask for at most "
            f"{FRAMES_MAX}.",
            field="frames",
        )
    return range(first, last + 1)


def _parse(url: str, prefix: str) -> tuple[str, int]:
    """Task id and frame number of a frame's path or absolute URL (rules R8 and K5), as this server
    knows it or with the prefix under which it was handed out."""
    try:
        path = urlsplit(url).path if "://" in url else url.partition("?")[0]
    except ValueError:
        path = ""
    match = _FRAME_URL.fullmatch(path.removeprefix(prefix))
    number = parse_frame_name(match[2]) if match else None
    if match is None or number is None:
        raise RequestError(
            "urls: each must be the address of a frame, such as "
            "/frames/<task_id>/frame_000001.png.",
            field="urls",
        )
    return match[1], number


def _gathered(service: JobService, wanted: list[tuple[str, int]], field: str) -> Response:
    gathering = Gathering(service, wanted, field)
    try:
        return _answer(gathering)
    except BaseException:
        gathering.close()
        raise


def _answer(gathering: Gathering) -> Response:
    deadline = time.monotonic() + GRACE_SECONDS
    while not gathering.look():
        left = deadline - time.monotonic()
        if left <= 0:
            break
        gathering.pause(min(left, LOOK_SECONDS))
    if gathering.complete:
        return body_answer(
            [gathering.header, *gathering.ready],
            len(gathering.header) + gathering.length,
            PACK_TYPE,
            gathering.close,
            gathering.touch,
        ).response()
    if not gathering.soon():
        raise UnavailableError(
            "These frames are not ready yet; ask again in a moment.", retry_after=1
        )
    if request.method == "HEAD":
        gathering.close()
        return bodiless(200)
    # Chunked: there is no telling the length. The generator closes what it reads from.
    return Response(_trickle(gathering), content_type=binary_type(PACK_TYPE), headers=MEDIA_HEADERS)


def _trickle(gathering: Gathering) -> Iterator[bytes]:
    """Send what is ready, and while waiting a byte now and then of a small reserve held back."""
    try:
        # A frame is smaller than 16 MiB: the first byte of its size is known before it comes.
        unsent = bytearray(gathering.header + FIRST_BYTE)
        known = len(FIRST_BYTE)
        news, drip = time.monotonic(), -DRIP_SECONDS
        while True:
            gathering.look()
            for part in gathering.take():
                unsent += part.read()[known:]
                known = 0
                news = time.monotonic()
            keep = 0 if gathering.complete else RESERVE_BYTES
            now = time.monotonic()
            if len(unsent) > keep:
                ready = bytes(unsent[: len(unsent) - keep])
            else:
                ready = bytes(unsent[:1]) if now - drip >= DRIP_SECONDS else b""
            if ready:
                del unsent[: len(ready)]
                drip = now
                yield ready
            if gathering.complete:
                return
            if now - news > PATIENCE_SECONDS:
                raise BrokenAnswer("the frames did not come")
            gathering.pause(LOOK_SECONDS)
    except (NotFoundError, TooLargeError) as error:
        raise BrokenAnswer(error.message) from error
    finally:
        gathering.close()
