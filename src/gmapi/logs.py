"""Logging: structlog renders everything, as text for people or as JSON lines for machines."""

from __future__ import annotations

import logging
import re
import sys
from typing import Literal

import structlog

# Control characters, and the marks that turn text around: a name or an address that somebody else
# chose must not forge lines, nor speak to the terminal that shows the log.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_CONTROL_IN_TRACEBACK = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_TRACEBACK = "exception"
_INDENT = "    "


def configure(log_format: Literal["text", "json"], *, process: str) -> None:
    """Send all log records of this process to standard error; `process` names it in each line."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=False),
        _name_process(process),
    ]
    renderer: structlog.typing.Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _escape_controls,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("huey", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _name_process(name: str) -> structlog.typing.Processor:
    def add(
        _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["process"] = name
        return event

    return add


def _escape_controls(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Write control characters as escapes; only lines of a traceback stay lines, set in, so that
    none of them looks like an entry."""
    for key, value in event.items():
        if not isinstance(value, str):
            continue
        if key == _TRACEBACK:
            text = _CONTROL_IN_TRACEBACK.sub(_escaped, value)
            event[key] = _INDENT + text.replace("\n", "\n" + _INDENT)
        else:
            event[key] = _CONTROL.sub(_escaped, value)
    return event


def _escaped(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]
