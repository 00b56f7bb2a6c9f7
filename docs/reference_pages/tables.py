"""The pages of error codes, formats, settings and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import groupby
from typing import Any

from pydantic import ByteSize

from gmapi.access import ANONYMOUS_RATE
from gmapi.computercraft.ass import CUES_MAX
from gmapi.computercraft.monitor import MONITOR_COLUMNS_MAX, MONITOR_ROWS_MAX, PIXELS_MAX, SIDE_MAX
from gmapi.error_codes import ERROR_CODES
from gmapi.fetch.segments import SEGMENTS_MAX
from gmapi.fetch.terms import LIST_BYTES_MAX, FetchRules
from gmapi.jobs.logbook import READ_MAX
from gmapi.jobs.model import MAX_ATTEMPTS
from gmapi.media.arguments import ARGUMENT_BYTES_MAX, ARGUMENTS_MAX
from gmapi.media.formats import OUTPUT_FORMATS, OutputFormat
from gmapi.settings import ENV_ALIASES, ENV_PREFIX, Settings
from gmapi.tools.ffmpeg import ARGUMENTS_MAX_BYTES, INPUTS_MAX
from gmapi.tools.results import GAME_REPLY_MAX
from gmapi.tools.screens.output import PICTURES_MAX
from gmapi.tools.screens.plan import FORMATS, PREVIEWS
from gmapi.tools.subtitle_encoding import SUBTITLE_BYTES_MAX
from gmapi.tools.video_frame import SIDE_MAX as FRAME_SIDE_MAX
from gmapi.web.admission import ADMITTED
from gmapi.web.body import DEPTH_MAX, VALUES_MAX
from gmapi.web.limits import CONNECTIONS_MAX
from gmapi.web.request_stream import HEAD_MAX_BYTES
from gmapi.web.routes.tasks import WAIT_MAX_SECONDS
from gmapi.web.schemas import FramepackRequest
from gmapi.web.websocket import FRAMES_MAX as WEBSOCKET_FRAMES_MAX
from gmapi.web.websocket import FRAMES_SECONDS
from reference_pages.markdown import code, page, table

DEFAULTS_IN_WORDS = {"data_dir": "the user's data folder", "workers": "cores"}
_KINDS = {"audio": "sound", "video": "video", "image": "picture", "subtitle": "subtitles"}


def error_codes_page() -> str:
    """All error codes."""
    rows = [(code(name), str(each.status), each.meaning) for name, each in ERROR_CODES.items()]
    rows.append(("`http_404`, `http_405`, ...", "the same", "No such address or method."))
    return page(
        "Error codes",
        "`error_code` of a failure. Codes are never renamed. With HTTP 200 it is a conversion that "
        "failed; in a task's state the code stands beside `error`. "
        "[Errors](../errors.md) has the cause and the remedy of each.",
        table(["code", "HTTP", "meaning"], rows),
    )


def formats_page() -> str:
    """The output formats."""
    parts = []
    for kind, group in groupby(OUTPUT_FORMATS.values(), key=lambda each: each.kind):
        parts.append(f"## {_KINDS.get(kind, kind).capitalize()}")
        rows = []
        for names in _same(list(group)):
            first = OUTPUT_FORMATS[names[0]]
            added = code(" ".join(first.default_args)) if first.default_args else "none"
            rows.append(
                (
                    " = ".join(map(code, names)),
                    code(f".{first.extension}"),
                    code(first.media_type),
                    added,
                )
            )
        parts.append(table(["`output_format`", "file", "media type", "options added"], rows))
    screens = ", ".join(map(code, FORMATS))
    previews = " and ".join(map(code, PREVIEWS))
    return page(
        "Formats",
        f"The `output_format` of `/api/ffmpeg`, {number_of_formats()} in all; names with `=` are "
        "the same. An option of yours takes the place of one that is added.",
        *parts,
        "## For the game's screens",
        f"`/api/sanjuuni` makes {screens}, and {previews} as previews: "
        "[which is for what](../pictures-and-videos.md#which-format).",
    )


def number_of_formats() -> int:
    """How many there are, each counted once however many names it has."""
    return len({_identity(each) for each in OUTPUT_FORMATS.values()})


def _identity(each: OutputFormat) -> tuple[object, ...]:
    return each.extension, each.muxer, each.default_args


def _same(formats: list[OutputFormat]) -> list[list[str]]:
    """Names that mean the same, in order."""
    found: dict[tuple[object, ...], list[str]] = {}
    for each in formats:
        found.setdefault(_identity(each), []).append(each.name)
    return list(found.values())


def settings_page() -> str:
    """All settings."""
    rows = [
        (code(ENV_PREFIX + name.upper()), _default(name, info.default), info.description or "")
        for name, info in Settings.model_fields.items()
    ]
    aliases = " and ".join(map(code, ENV_ALIASES))
    return page(
        "Settings",
        "From flags (`--fetch-allow`), the environment (`GMAPI_FETCH_ALLOW`) and `gmapi.toml` "
        "(`fetch_allow`), in this order of precedence: [how](../run-a-server.md#settings). Sizes "
        "are bytes or like `2GiB`, times are seconds. A setting that does not exist or does not "
        "fit keeps the server from starting, and it says which one.",
        table(["setting", "default", "meaning"], rows),
        f"The names {aliases} of older documents work in the environment.",
    )


def _default(name: str, value: Any) -> str:
    if name in DEFAULTS_IN_WORDS:
        return DEFAULTS_IN_WORDS[name]
    if value in (None, ()):
        return "none"
    if isinstance(value, ByteSize):
        return code(size(value))
    return code(int(value) if isinstance(value, int | float) else value)


def size(count: int, between: str = "") -> str:
    """Bytes as a setting may be written; `between` number and unit."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit}{between}{name}"
    return str(int(count))


def limits_page() -> str:
    """Everything that has a bound."""

    def of(field: str, show: Callable[[Any], str] = "{:,}".format) -> tuple[str, str]:
        return show(Settings.model_fields[field].default), code(ENV_PREFIX + field.upper())

    def seconds(value: float) -> str:
        for unit, name in ((3600, "hours"), (60, "minutes")):
            if value >= unit:
                return f"{value / unit:g} {name}" if value > unit else f"1 {name[:-1]}"
        return f"{value:g} seconds"

    def large(value: int) -> str:
        return size(value, " ")

    def fixed(text: object) -> tuple[str, str]:
        return str(text), "fixed"

    (redirects,) = (each.default for each in fields(FetchRules) if each.name == "max_redirects")
    (frames_max,) = (
        each.max_length
        for each in FramepackRequest.model_fields["urls"].metadata
        if hasattr(each, "max_length")
    )
    rows = {
        "sources of one request": fixed(INPUTS_MAX),
        "words of `args` or `input_args`": fixed(
            f"{ARGUMENTS_MAX}, of {large(ARGUMENT_BYTES_MAX)} each"
        ),
        "all arguments of a request together": fixed(large(ARGUMENTS_MAX_BYTES)),
        "request body": of("body_max_bytes", large),
        "nesting of a body": fixed(f"{DEPTH_MAX} levels"),
        "commas and brackets of a body": fixed(f"{VALUES_MAX:,}"),
        "headers of a request": fixed(large(HEAD_MAX_BYTES)),
        "source": of("fetch_max_bytes", large),
        "download of a source": of("fetch_deadline", seconds),
        "silence of a source": of("fetch_stall", seconds),
        "redirects of a source": fixed(redirects),
        "playlist or manifest": fixed(f"{large(LIST_BYTES_MAX)}, {SEGMENTS_MAX:,} segments"),
        "run of one job": of("job_timeout", seconds),
        "starts of a job whose worker dies": fixed(MAX_ATTEMPTS),
        "memory of a worker itself, and more for each core": of("worker_memory", large),
        "output of one job": of("output_max_bytes", large),
        "picture that is decoded, pixels": of("picture_max_pixels"),
        "frame of `/api/video_frame`": fixed(f"{FRAME_SIDE_MAX} x {FRAME_SIDE_MAX} pixels"),
        "picture for the game's screens": fixed(f"{PIXELS_MAX:,} pixels, {SIDE_MAX:,} a side"),
        "pictures of a film for the game's screens": fixed(f"{PICTURES_MAX:,}"),
        "blocks of one monitor": fixed(f"{MONITOR_COLUMNS_MAX} x {MONITOR_ROWS_MAX}"),
        "subtitles": fixed(f"{large(SUBTITLE_BYTES_MAX)}, {CUES_MAX:,} cues"),
        "log lines kept of one job": of("log_max_lines"),
        "log lines in one answer": fixed(READ_MAX),
        "`?wait=` of a task": fixed(seconds(WAIT_MAX_SECONDS)),
        "waiting jobs": of("queue_max"),
        "waiting jobs of one client": of("queue_max_per_client"),
        "radio stations played at once": of("radio_max"),
        "requests for conversions of one client": (
            f"{ANONYMOUS_RATE} from elsewhere without a token, else none",
            code("GMAPI_RATE_LIMIT"),
        ),
        "requests to tools of one client, right or wrong": fixed(
            f"{ADMITTED.count / ADMITTED.seconds:g} a second, {ADMITTED.count} at once"
        ),
        "connections of one address": of("connections_per_address"),
        "all connections": fixed(f"{CONNECTIONS_MAX:,}"),
        "messages and pings of a WebSocket's client": fixed(
            f"{WEBSOCKET_FRAMES_MAX} in {seconds(FRAMES_SECONDS)}"
        ),
        "frames in one `/api/framepack`": fixed(frames_max),
        "bytes of a framepack, or of one range of a growing file": fixed(large(GAME_REPLY_MAX)),
        "life of outputs after the end or the last access": of("file_expiry", seconds),
        "age of a result that answers equal requests": of("result_max_age", seconds),
    }
    return page(
        "Limits",
        "What has a bound, how large it is by default, and which setting changes it. What happens "
        "beyond a limit is told by the sentence of the failure; see [errors](../errors.md).",
        table(["what", "limit", "setting"], ((what, *pair) for what, pair in rows.items())),
    )
