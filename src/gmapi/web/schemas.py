"""Models of answers and of parameters, for the OpenAPI document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, Field

from gmapi.tools.fields import LuaModel, LuaStrings

Responses = dict[str | int | HTTPStatus, type[BaseModel] | dict[Any, Any] | None]
TaskStatus = Literal["pending", "running", "completed", "error", "cancelled"]


class Failure(BaseModel):
    """Any failure."""

    status: Literal["error"]
    error: str = Field(description="What is wrong and how to mend it.")
    message: str = Field(description="The same sentence.")
    error_code: str = Field(description="A word for programs; never renamed.")
    field: str | None = Field(None, description="The request field at fault.")


class Accepted(BaseModel):
    """A task was made or joined."""

    status: Literal["success"]
    task_id: str
    status_url: str
    events_url: str
    message: str


class TaskAnswer(BaseModel):
    """The state of a task."""

    task_id: str
    tool: str
    status: TaskStatus
    progress: float = Field(description="0 to 100; never falls.")
    message: str
    result: dict[str, Any] = Field(description="Always an object.")
    attempt: int
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    eta_seconds: float | None = None
    queue_position: int | None = None
    error: str | None = None
    error_code: str | None = None
    new_logs: list[str] = Field(default_factory=list)
    next_since: int = 0


class TaskPath(BaseModel):
    """A task."""

    task_id: str = Field(description="The task's id.")


class TaskQuery(BaseModel):
    """How to ask for a task."""

    since: int | None = Field(
        None, ge=0, description="Log lines after this cursor (next_since of the answer before)."
    )
    wait: float | None = Field(
        None, ge=0, description="Wait up to so many seconds (at most 25) for a change."
    )


class TasksQuery(BaseModel):
    """Which tasks to list."""

    state: TaskStatus | None = Field(None, description="Only tasks in this state.")
    tool: str | None = Field(None, description="Only tasks of this tool.")
    limit: int = Field(50, ge=1, le=500, description="At most so many.")
    offset: int = Field(0, ge=0, le=2**62, description="Leave out so many of the newest.")


class TasksAnswer(BaseModel):
    """A page of tasks, newest first."""

    status: Literal["success"]
    tasks: list[TaskAnswer]
    total: int
    limit: int
    offset: int


class FramepackRequest(LuaModel):
    """Frames to pack."""

    urls: LuaStrings = Field(
        min_length=1,
        max_length=256,
        description="Addresses of frames, as paths or whole URLs, in the order wanted.",
        examples=[["/frames/0123456789abcdef0123456789abcdef/frame_000001.png"]],
    )


class FilePath(BaseModel):
    """A published file."""

    file_id: str
    name: str


class FramePath(BaseModel):
    """A frame of a task."""

    task_id: str
    name: str = Field(description="frame_000001.png and so on.")


class HealthAnswer(BaseModel):
    """How the server fares."""

    status: Literal["ok", "error"]
    version: str
    ffmpeg: str | None = None
    problems: list[str]
    queue: dict[str, int]
    workers: dict[str, Any]
    disk: dict[str, int]
    database: str
    sandbox: dict[str, Any]
