"""What a tool is: one kind of job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gmapi.fetch.address import check_url
from gmapi.tools.base import Work
from gmapi.tools.fields import ToolRequest
from gmapi.tools.results import ToolResult


@dataclass(frozen=True)
class Tool:
    """One kind of job.

    `check` refuses a request before it is queued (RequestError, RefusedError); `run` does the
    work and returns the result, or raises a JobError.
    """

    name: str
    summary: str
    description: str
    request: type[ToolRequest]
    result: type[ToolResult]
    check: Callable[[Any], None]
    run: Callable[[Work, Any], ToolResult]
    is_live: bool = False
    """Whether its work goes on for as long as somebody uses it. Then it runs beside the jobs of
    its worker, and who asks for the same later shares it only while it goes on."""

    def accept(self, request: ToolRequest) -> None:
        """Check everything about a request that can be told without fetching its source."""
        for field, url in request.sources():
            check_url(url, field)
        self.check(request)
