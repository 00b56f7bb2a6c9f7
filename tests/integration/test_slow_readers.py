"""What a process has written is read to its end, however long that takes us."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.media import process
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.limits import Limits

WRITTEN = 60_000
"""Fits into any pipe, so that the process ends before it is read."""


def _run(script: Path, words: str, take: Callable[[bytes], None], cwd: Path) -> process.Finished:
    script.write_text(f"#!/bin/sh\n{words}\n")
    script.chmod(0o755)
    with Launcher(locks=frozenset()) as launcher:  # the script starts other programs
        return process.run(
            launcher, [str(script)], cwd=cwd, limits=Limits(), watch=None, stdout=take
        )


def test_all_is_taken_by_one_who_is_slower_than_a_pipe_is_let_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_READ_BYTES", 100)
    monkeypatch.setattr(process, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(process, "_DRAIN_SECONDS", 0.0)
    written, looks = tmp_path / "written", threading.Event()
    taken = 0

    def take(data: bytes) -> None:
        nonlocal taken
        taken += len(data)
        while not written.exists():
            looks.wait(0.01)

    words = f"head -c {WRITTEN} /dev/zero; : > {written}"
    assert _run(tmp_path / "writes", words, take, tmp_path).returncode == 0
    assert taken == WRITTEN


def test_who_has_escaped_and_holds_a_pipe_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_DRAIN_SECONDS", 0.1)
    monkeypatch.setattr(process, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(process, "PIPE_BYTES", 1 << 16)
    # It writes for ever, and would for 20 s.
    words = "setsid timeout 20 cat /dev/zero &\necho begun"
    finished = _run(tmp_path / "escapes", words, lambda data: None, tmp_path)
    assert finished.returncode == 0
