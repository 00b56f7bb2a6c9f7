"""How the command line tells what went wrong, and whose fault it is."""

from __future__ import annotations

import re
from typing import Any

from gmapi.errors import GmapiError, RefusedError, RequestError

_OPTIONS = {
    "output_format": "--format",
    "args": "--args",
    "input_args": "--input-args",
    "max_duration": "--max-duration",
    "audio_track": "--audio-track",
    "video_track": "--video-track",
    "input_url": "INPUT",
    "subtitle_url": "--subtitles",
    "subtitles": "--burn",
    **{name: f"--{name}" for name in (
        "width", "height", "monitor", "fit", "quality", "dither", "palette", "colors",
        "compression", "audio", "fps", "background", "index",
    )},
}  # fmt: skip


class ClientError(GmapiError):
    """The server does not answer, answers with an error, or is none.

    `status_code` is that of its answer; None when there was none.
    """

    code = "server_failed"

    def __init__(self, message: str, *, status_code: int | None = None, **options: Any) -> None:
        super().__init__(message, **options)
        self.status_code = status_code


def is_usage(error: GmapiError) -> bool:
    """Whether the command line is at fault rather than the world."""
    if isinstance(error, ClientError):
        return error.status_code in (400, 403) and error.field is not None
    return isinstance(error, RequestError | RefusedError)


def sentence(error: GmapiError) -> str:
    """An error in the words of the command line."""
    text = re.sub(r"\binput_url\b", _OPTIONS["input_url"], error.message)
    name = (error.field or "").partition("[")[0]
    if name in _OPTIONS:
        text = re.sub(rf"^{re.escape(name)}\b", _OPTIONS[name], text)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."
