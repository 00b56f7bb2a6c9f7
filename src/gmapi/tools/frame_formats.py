"""The kinds of files that frames can be, and how they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from gmapi.media.formats import media_type_of

FrameFormat = Literal["png", "png8", "gray", "jpeg"]


def ending(kind: FrameFormat) -> str:
    """Of the names of such frames, without the dot."""
    return "jpg" if kind == "jpeg" else "png"


def media_type(request: Mapping[str, Any]) -> str:
    """Of the frames that a `video_frame` request, as it is stored, asks for."""
    return media_type_of(f"frame.{ending(request.get('frame_format', 'png'))}")
