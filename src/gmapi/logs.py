"""Logging: one line for each entry, as text for people or as JSON for machines.

Written with the standard library alone: each process of a server loads this when it starts.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import datetime
from typing import Literal

# Control characters, and the marks that turn text around: a name or an address that somebody else
# chose must not forge lines, nor speak to the terminal that shows the log.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_CONTROL_IN_TRACEBACK = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_INDENT = "    "
_EVENT_WIDTH = 30
_LEVEL_WIDTH = 9

_RESET, _BRIGHT, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
_RED, _GREEN, _YELLOW, _BLUE = (f"\x1b[{color}m\x1b[1m" for color in (31, 32, 33, 34))
_KEY, _VALUE = "\x1b[36m", "\x1b[35m"
_LEVEL_COLORS = {"info": _GREEN, "warning": _YELLOW, "error": _RED, "critical": _RED}


def configure(log_format: Literal["text", "json"], *, process: str) -> None:
    """Send all log records of this process to standard error; `process` names it in each line."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(_JsonFormatter(process))
    else:
        handler.setFormatter(_TextFormatter(process, colors=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("huey", "alembic", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _Formatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        """What an entry says, by the names it has in JSON; nothing in it can forge another."""
        found = {
            "event": _escaped(_CONTROL, record.getMessage()),
            "level": record.levelname.lower(),
            "logger": _escaped(_CONTROL, record.name),
            "timestamp": datetime.fromtimestamp(record.created).isoformat(timespec="microseconds"),
            "process": self._process,
        }
        if record.exc_info and record.exc_info[0] is not None:
            # Only these lines stay lines, set in, so that none of them looks like an entry.
            text = _escaped(_CONTROL_IN_TRACEBACK, self.formatException(record.exc_info))
            found["exception"] = _INDENT + text.replace("\n", "\n" + _INDENT)
        return found


class _JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record))


class _TextFormatter(_Formatter):
    def __init__(self, process: str, *, colors: bool) -> None:
        super().__init__(process)
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        said = self.fields(record)
        level = self._in(_LEVEL_COLORS.get(said["level"], ""), said["level"].ljust(_LEVEL_WIDTH))
        words = [
            self._in(_DIM, said["timestamp"]),
            f"[{level}]",
            self._in(_BRIGHT, said["event"].ljust(_EVENT_WIDTH)),
            f"[{self._in(_BLUE, said['logger'])}]",
            f"{self._in(_KEY, 'process')}={self._in(_VALUE, said['process'])}",
        ]
        line = " ".join(words)
        return f"{line}\n{said['exception']}" if "exception" in said else line

    def _in(self, color: str, text: str) -> str:
        return f"{color}{text}{_RESET}" if self._colors and color else text


def _escaped(controls: re.Pattern[str], text: str) -> str:
    return controls.sub(lambda match: repr(match[0])[1:-1], text)
