"""Models of what is said about tasks, and of how they are asked for, for the OpenAPI document."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, create_model
from pydantic_core import PydanticKnownError

from gmapi.tools.fields import LABEL_MAX, Sometimes
from gmapi.tools.registry import TOOLS
from gmapi.tools.results import ToolResult
from gmapi.web.schemas import ALL_WARNINGS, EXAMPLE_ID, ID_PATTERN, WARNINGS, Failure

TaskStatus = Literal["pending", "running", "completed", "error", "cancelled"]

_TOOL_NAMES = " or ".join(", ".join(map(repr, TOOLS)).rsplit(", ", 1))


def _known_tool(name: str) -> str:
    if name not in TOOLS:
        raise PydanticKnownError("literal_error", {"expected": _TOOL_NAMES})
    return name


ToolName = Annotated[
    str, AfterValidator(_known_tool), Field(json_schema_extra={"enum": list(TOOLS)})
]


def _without_null(schema: dict[str, Any]) -> None:
    """Say of a parameter what it is when it is given: a query has no null."""
    (kind,) = (one for one in schema.pop("anyOf") if one.get("type") != "null")
    del schema["default"]
    schema.update(kind)


class NoResult(BaseModel):
    """There is nothing yet, or nothing any more."""

    model_config = ConfigDict(extra="forbid")


def _most_special_first() -> list[type[BaseModel]]:
    """The results of all tools: readers take the first that fits."""
    results = {tool.result for tool in TOOLS.values()}
    return sorted(results, key=lambda result: (-len(result.__mro__), result.__name__))


AnyResult: Any = reduce(or_, [*_most_special_first(), NoResult])


class Accepted(BaseModel):
    """A task was made or joined."""

    status: Literal["success"] = Field(description="That it went well.")
    task_id: str = Field(pattern=ID_PATTERN, examples=[EXAMPLE_ID], description="The task's id.")
    status_url: str = Field(description="Where to ask for the task.")
    events_url: str = Field(description="Where its Server-Sent Events are.")
    message: str = Field(description="A sentence for people.")
    warnings: Sometimes[list[str]] = Field(None, description=WARNINGS)


class TaskAnswer(BaseModel):
    """The state of a task."""

    task_id: str = Field(pattern=ID_PATTERN, examples=[EXAMPLE_ID], description="The task's id.")
    tool: ToolName = Field(description="What kind of job it is.")
    label: Sometimes[str] = Field(
        None, max_length=LABEL_MAX, description="What its caller calls it."
    )
    output_format: Sometimes[str] = Field(None, description="The format that was asked for.")
    status: TaskStatus = Field(description="Where it stands.")
    progress: float = Field(ge=0, le=100, description="Percent; never falls.")
    message: str = Field(description="Where it stands in words, or why it failed.")
    result: AnyResult = Field(
        description="What there is so far; always an object, filled when completed."
    )
    attempt: int = Field(
        ge=0,
        description="How many times the task has been started: 2 or more when it had to run again.",
    )
    created_at: float = Field(description="Unix time in seconds.")
    started_at: Sometimes[float] = Field(None, description="Unix time in seconds.")
    finished_at: Sometimes[float] = Field(None, description="Unix time in seconds.")
    expires_at: Sometimes[float] = Field(
        None,
        description="When the task and its outputs may go, in Unix seconds, if nobody fetches them "
        "until then.",
    )
    deleted: Sometimes[bool] = Field(
        None, description="The task and its outputs are gone, as you asked."
    )
    eta_seconds: Sometimes[float] = Field(None, description="Estimate of the time left.")
    queue_position: Sometimes[int] = Field(None, description="Place among the waiting, from 1.")
    error: Sometimes[str] = Field(None, description="Why the task failed.")
    error_code: Sometimes[str] = Field(None, description="Why, as a word for programs.")
    new_logs: list[str] = Field(
        default_factory=list, description="Log lines after `since`, or the latest ones."
    )
    next_since: int = Field(0, description="The cursor for the next poll.")
    more_logs: Sometimes[bool] = Field(
        None, description="There are more lines after these already: ask again at once."
    )


class _Success(BaseModel):
    status: Literal["success"] = Field(description="That it went well.")
    task_id: str = Field(pattern=ID_PATTERN, examples=[EXAMPLE_ID], description="The task's id.")
    warnings: Sometimes[list[str]] = Field(None, description=ALL_WARNINGS)


def success_model(result: type[ToolResult]) -> type[BaseModel]:
    """The answer of a call that waits: the tool's result, or the failure."""
    name = result.__name__.removesuffix("Result")
    good = create_model(f"{name}Success", __base__=(_Success, result), __doc__=result.__doc__)
    answer: type[BaseModel] = create_model(
        f"{name}Answer",
        __base__=RootModel[good | Failure],  # type: ignore[valid-type]
        __doc__='The result, or with `status: "error"` why there is none.',
    )
    return answer


class TaskPath(BaseModel):
    """A task."""

    task_id: str = Field(
        description="The task's id.",
        json_schema_extra={"pattern": ID_PATTERN, "example": EXAMPLE_ID},
    )


class TaskQuery(BaseModel):
    """How to ask for a task."""

    since: Sometimes[int] = Field(
        None, ge=0, description="Log lines after this cursor (next_since of the answer before)."
    )
    wait: Sometimes[float] = Field(
        None, ge=0, description="Wait up to so many seconds (at most 25) for a change."
    )


class LogQuery(BaseModel):
    """From where to follow a task."""

    since: Sometimes[int] = Field(None, ge=0, description="Log lines after this one.")


class EventsHeaders(BaseModel):
    """What a browser's EventSource sends after a broken connection."""

    last_event_id: Sometimes[str] = Field(
        None,
        alias="Last-Event-ID",
        description="The `id` of the last event that came. Goes before `since`.",
        pattern=r"^[0-9]+(\.end)?$",
    )


class TasksQuery(BaseModel):
    """Which tasks to list."""

    state: TaskStatus | None = Field(
        None, description="Only tasks in this state.", json_schema_extra=_without_null
    )
    tool: ToolName | None = Field(
        None, description="Only tasks of this tool.", json_schema_extra=_without_null
    )
    limit: int = Field(50, ge=1, le=500, description="At most so many.")
    offset: int = Field(0, ge=0, le=2**62, description="Leave out so many of the newest.")


class TasksAnswer(BaseModel):
    """A page of tasks, newest first."""

    status: Literal["success"] = Field(description="That it went well.")
    tasks: list[TaskAnswer] = Field(description="Newest first.")
    total: int = Field(description="How many there are in all.")
    limit: int = Field(description="As asked for.")
    offset: int = Field(description="As asked for.")
