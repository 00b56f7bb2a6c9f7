"""Models of answers and of parameters, for the OpenAPI document; those of tasks stand apart."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, Field

from gmapi.error_codes import ERROR_CODES
from gmapi.tools.fields import LuaModel, LuaStrings, Sometimes

Responses = dict[str | int | HTTPStatus, type[BaseModel] | dict[Any, Any] | None]

FRAMES_MAX = 256
"""Frames in one pack (rule K4)."""

EXAMPLE_ID = "0123456789abcdef0123456789abcdef"
ID_PATTERN = "^[0-9a-f]{32}$"
WARNINGS = "Sentences about fields that are not known, and look like typing errors."
ALL_WARNINGS = f"{WARNINGS} Then those about the conversion, which the `result` of a task has, too."

# Of each status: what it means, and the sentence, code and field of an example.
_FAILURES: dict[str, tuple[str, str, str, str | None]] = {
    "400": (
        "The request is wrong; `field` names the field at fault.",
        'output_format is required; give for example "dfpwm".',
        "bad_request",
        "output_format",
    ),
    "401": (
        "An access token is needed.",
        "An access token is needed; send Authorization: Bearer TOKEN, ?token=TOKEN or the field "
        "token.",
        "unauthorized",
        None,
    ),
    "403": (
        "Not allowed: an argument, or a task of another client.",
        "args: -i is not allowed: give the address of a source in input_url; leave -i out.",
        "refused",
        "args",
    ),
    "404": (
        "There is no such thing, or it has expired.",
        "There is no task with this id; it never existed, was deleted, or its time has run out.",
        "not_found",
        None,
    ),
    "408": (
        "The request did not come in time.",
        "The request body did not come in time; send it at once, and without a long pause.",
        "too_slow",
        None,
    ),
    "413": (
        "The request, or the answer it asks for, is too large.",
        "The request body is larger than the 1,048,576 bytes that this server accepts; send less, "
        "or ask its operator for more.",
        "too_large",
        None,
    ),
    "421": (
        "This server does not go by the name in `Host`, or takes no requests from that web page.",
        "This server does not go by the name media.lan; use localhost or its address, or let its "
        "operator set GMAPI_ALLOWED_HOSTS=media.lan.",
        "host_refused",
        None,
    ),
    "429": (
        "Too many jobs are waiting, or requests came too fast; come back after `Retry-After` "
        "seconds.",
        "The queue is full: 1000 jobs are waiting. Try again in half a minute.",
        "queue_full",
        None,
    ),
    "503": (
        "Not now; come back after `Retry-After` seconds.",
        "Frame 7 is not ready yet.",
        "unavailable",
        None,
    ),
    "507": (
        "The disk of the server is full.",
        "The server's disk is full. Try again later.",
        "storage_full",
        None,
    ),
}
_REPEATABLE = ("429", "503", "507")


def failures(*codes: str) -> Responses:
    """What the document says of these status codes."""
    found: Responses = {}
    for code in codes:
        meaning, sentence, error_code, field = _FAILURES[code]
        example = {
            "status": "error",
            "error": sentence,
            "message": sentence,
            "error_code": error_code,
            **({"field": field} if field else {}),
        }
        schema = {"$ref": "#/components/schemas/Failure"}
        response: dict[str, Any] = {
            "description": meaning,
            "content": {"application/json": {"schema": schema, "example": example}},
        }
        if code in _REPEATABLE:
            response["headers"] = {"Retry-After": header("Seconds to wait.", "integer")}
        found[code] = response
    return found


def binary(description: str, *media_types: str, partial: bool = False) -> dict[str, Any]:
    """What the document says of an answer of bytes."""
    headers = {"Content-Length": header("Bytes.", "integer")}
    if partial:
        headers["Content-Range"] = header("Which bytes of how many.", "string")
    content = {"schema": {"type": "string", "format": "binary"}}
    return {
        "description": description,
        "headers": headers,
        "content": dict.fromkeys(media_types, content),
    }


def header(description: str, kind: str) -> dict[str, Any]:
    """What the document says of a header of an answer."""
    return {"description": description, "schema": {"type": kind}}


class Failure(BaseModel):
    """Any failure. The reason phrase of the status line carries the same sentence."""

    status: Literal["error"] = Field(description="That it failed.")
    error: str = Field(min_length=1, description="What is wrong and how to mend it.")
    message: str = Field(min_length=1, description="The same sentence.")
    error_code: str = Field(
        min_length=1,
        description="A word for programs; never renamed: " + ", ".join(ERROR_CODES),
    )
    field: Sometimes[str] = Field(None, description="The request field at fault.")
    task_id: Sometimes[str] = Field(None, description="The task that failed, if there was one.")
    warnings: Sometimes[list[str]] = Field(None, description=WARNINGS)
    waiting: Sometimes[int] = Field(
        None, description="When the queue is full: how many jobs wait, in all or of this client."
    )


class FramepackRequest(LuaModel):
    """Frames to pack."""

    urls: LuaStrings = Field(
        min_length=1,
        max_length=FRAMES_MAX,
        description="Addresses of frames, as paths or whole URLs, in the order wanted.",
        examples=[[f"/frames/{EXAMPLE_ID}/frame_000001.png"]],
    )


class FramepackPath(BaseModel):
    """Frames of a task that follow each other."""

    task_id: str = Field(
        description="The task's id.",
        json_schema_extra={"pattern": ID_PATTERN, "example": EXAMPLE_ID},
    )
    frames: str = Field(
        description=f"First and last frame, counted from 1; at most {FRAMES_MAX} frames.",
        json_schema_extra={"pattern": "^[0-9]{1,9}-[0-9]{1,9}$", "example": "1-20"},
    )


class Conditions(BaseModel):
    """On what conditions a file is wanted."""

    if_match: Sometimes[str] = Field(
        None, alias="If-Match", description="ETags; 412 when the file has another one."
    )
    if_none_match: Sometimes[str] = Field(
        None, alias="If-None-Match", description="ETags; 304 when the file has one of these."
    )
    if_modified_since: Sometimes[str] = Field(
        None, alias="If-Modified-Since", description="A time; 304 when the file is not newer."
    )
    if_unmodified_since: Sometimes[str] = Field(
        None, alias="If-Unmodified-Since", description="A time; 412 when the file is newer."
    )


class FileHeaders(Conditions):
    """What of a file is wanted, and on what conditions."""

    wanted: Sometimes[str] = Field(
        None, alias="Range", description="A range of bytes, such as bytes=0-1023."
    )
    if_range: Sometimes[str] = Field(
        None,
        alias="If-Range",
        description="The ETag or Last-Modified of the file that `Range` means; else all is sent.",
    )


class FilePath(BaseModel):
    """A published file."""

    file_id: str = Field(
        description="The id in a download_url.",
        json_schema_extra={"pattern": ID_PATTERN, "example": EXAMPLE_ID},
    )
    name: str = Field(
        description="The file's name in that address.",
        json_schema_extra={"example": "output.dfpwm"},
    )


class FramePath(BaseModel):
    """A frame of a task."""

    task_id: str = Field(
        description="The task's id.",
        json_schema_extra={"pattern": ID_PATTERN, "example": EXAMPLE_ID},
    )
    name: str = Field(
        description="frame_000001.png and so on; JPEG frames are called frame_000001.jpg, too.",
        json_schema_extra={
            "pattern": "^frame_[0-9]{6}\\.(png|jpg)$",
            "example": "frame_000001.png",
        },
    )


class SecondPath(BaseModel):
    """A second of a station's sound."""

    task_id: str = Field(
        description="The task's id.",
        json_schema_extra={"pattern": ID_PATTERN, "example": EXAMPLE_ID},
    )
    number: str = Field(
        description="Its number, from `first` to `last` of the task's result.",
        json_schema_extra={"pattern": "^[1-9][0-9]{0,11}$", "example": "1"},
    )
    channel: Literal["mono", "left", "right"] = Field(description="Which channel of it.")


class IndexAnswer(BaseModel):
    """What this server is, and where things are."""

    status: Literal["success"] = Field(description="That it went well.")
    name: str = Field(description="GMapiServer.")
    version: str = Field(description="Of this server.")
    documentation: str = Field(description="Address of the documentation page.")
    openapi: str = Field(description="Address of the OpenAPI document.")
    health: str = Field(description="Address of its health.")
    tools: list[str] = Field(description="The kinds of jobs it knows.")


class Kernels(BaseModel):
    """What converts pictures for ComputerCraft."""

    name: Literal["native", "numpy", "unknown"] = Field(description="Which they are.")
    detail: str = Field(description="Why these.")


class Reuse(BaseModel):
    """How often something was there already."""

    hits: int = Field(description="It was there.")
    joins: int = Field(description="It was being made for somebody else.")
    misses: int = Field(description="It was made or fetched.")


class Caches(BaseModel):
    """What was asked for since the processes started."""

    results: Reuse = Field(description="Requests to tools, of this web process.")
    sources: Reuse = Field(description="Sources, of all workers.")


class HealthAnswer(BaseModel):
    """How the server fares. Strangers see the status only: those without a token or, where the
    server has none, from elsewhere."""

    status: Literal["ok", "error"] = Field(description="Whether it can work.")
    version: Sometimes[str] = Field(None, description="Of this server.")
    ffmpeg: Sometimes[str] = Field(None, description="Its version.")
    problems: Sometimes[list[str]] = Field(
        None, description="Why the server cannot work; empty when it can."
    )
    queue: Sometimes[dict[str, int]] = Field(None, description="Number of tasks by state.")
    workers: Sometimes[dict[str, Any]] = Field(
        None, description="How many are alive, how many there should be, how many work."
    )
    disk: Sometimes[dict[str, int]] = Field(None, description="Bytes; a budget of 0 is none.")
    cache: Sometimes[Caches] = Field(None, description="What did not have to be done again.")
    database: Sometimes[str] = Field(None, description="Whether it answers.")
    sandbox: Sometimes[dict[str, Any]] = Field(None, description="How conversions are locked in.")
    kernels: Sometimes[Kernels] = Field(None, description="What converts pictures.")
