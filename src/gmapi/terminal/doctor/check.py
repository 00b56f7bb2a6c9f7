"""What the doctor finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Check:
    """One thing looked at: its name, how it is, what was found, and what helps."""

    name: str
    state: State
    text: str
    remedy: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The same for machines; `remedy` is absent when there is none."""
        return {key: value for key, value in asdict(self).items() if value is not None}
