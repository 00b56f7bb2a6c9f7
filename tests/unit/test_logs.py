"""The log: whoever chooses a name or an address cannot forge entries or speak to the terminal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi import logs

HOSTILE = "a\r\n2026-01-01 [info] forged\x1b[2J\x1b]0;title\x07\x00\x7f\x85\x9b31m\u2028\u202eb"
RAW = "\r\x1b\x07\x00\x7f\x85\x9b\u2028\u202e"


Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Puts the root logger back, which the tests set up anew."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def entries(capsys: Capture) -> list[str]:
    """The lines since the last call."""
    return capsys.readouterr().err.splitlines()


def test_control_characters_are_escaped_in_text(capsys: Capture) -> None:
    logs.configure("text", process="web")
    logging.getLogger("gmapi.x").warning("asked for %s", HOSTILE)
    (line,) = entries(capsys)
    assert not set(line) & set(RAW)
    assert r"asked for a\r\n2026-01-01 [info] forged\x1b[2J" in line
    assert r"\x07\x00\x7f\x85\x9b31m\u2028\u202eb" in line


def test_control_characters_are_escaped_in_json(capsys: Capture) -> None:
    logs.configure("json", process="web")
    logging.getLogger("gmapi.x").warning("asked for %s", HOSTILE)
    (line,) = entries(capsys)
    assert not set(json.loads(line)["event"]) & set(RAW + "\n")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_keeps_its_lines_and_forges_none(
    capsys: Capture, log_format: Literal["text", "json"]
) -> None:
    logs.configure(log_format, process="web")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("gmapi.x").exception("it broke")
    first, *others = entries(capsys)
    text = json.loads(first)["exception"] if log_format == "json" else "\n".join(others)
    assert len(text.splitlines()) >= 4
    assert all(line.startswith("    ") for line in text.splitlines())
    assert "forged" in text
    assert not set(text) & set(RAW)


def test_each_entry_is_one_line_whatever_is_logged(capsys: Capture) -> None:
    logs.configure("text", process="web")

    @given(st.text(max_size=60))
    def check(text: str) -> None:
        logging.getLogger("gmapi.x").warning("%s", text)
        assert len(entries(capsys)) == 1

    check()
