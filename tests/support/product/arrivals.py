"""What is told and made of sources that are converted while they arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from gmapi.tools.base import Work
from support.product.works import Notes, Stopped


class Watched(Notes):
    """Notes of what is reported that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Condition()
        self._is_stopped = False

    def report(self, **told: Any) -> None:
        with self._news:
            super().report(**told)
            self._news.notify_all()

    def stop(self) -> None:
        """Let the work be cancelled."""
        self._is_stopped = True

    def check(self) -> None:
        if self._is_stopped:
            raise Stopped

    def wait(self, true: Callable[[dict[str, Any]], bool], running: Future[Any]) -> dict[str, Any]:
        """The first result of which it is `true`."""
        found: dict[str, Any] = self._first(lambda: self.results, true, running)
        return found

    def await_message(self, true: Callable[[str], bool], running: Future[Any]) -> None:
        """Until a message came of which it is `true`."""
        self._first(lambda: self.messages, true, running)

    def _first(
        self, told: Callable[[], Sequence[Any]], true: Callable[[Any], bool], running: Future[Any]
    ) -> Any:
        with self._news:
            while True:
                for each in told():
                    if true(each):
                        return each
                assert not running.done() or running.result() is None, "it was never true"
                assert self._news.wait(60), (self.messages[-3:], self.lines[-20:])


def made(folder: Path, work: Work) -> dict[str, bytes]:
    """The files that work in this folder has published."""
    files = sorted((folder / "files" / work.file_id).iterdir())
    return {path.name: path.read_bytes() for path in files if path.is_file()}


def same(one: Any, other: Any, but: Sequence[str] = ()) -> bool:
    """Whether two results say the same but for what is new in each run."""
    left_out = {"download_url", "file_id", "frame_pattern", "audio_urls", *but}
    first, second = one.values(), other.values()
    return {k: v for k, v in first.items() if k not in left_out} == {
        k: v for k, v in second.items() if k not in left_out
    }
