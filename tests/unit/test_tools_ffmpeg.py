"""What the `ffmpeg` tool says while it runs."""

from __future__ import annotations

from typing import Any

from gmapi.media.progress import Progress
from gmapi.tools.ffmpeg import CONVERTED, FETCHED, progress_reports


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    def report(self, **values: Any) -> None:
        self.reports.append(values)

    def log(self, line: str) -> None:
        raise AssertionError(line)

    def check(self) -> None:
        raise AssertionError


def at(seconds: float | None, speed: float | None = None) -> Progress:
    return Progress(seconds, frame=None, speed=speed, total_size=None, finished=False)


def test_a_time_that_ffmpeg_no_longer_knows_takes_nothing_back() -> None:
    told = Told()
    report = progress_reports(told, total=10.0)
    report(at(None))
    assert told.reports == []
    report(at(5.0, speed=2.0))
    report(at(None))
    assert len(told.reports) == 1
    assert told.reports[0]["progress"] == FETCHED + (CONVERTED - FETCHED) / 2
    assert told.reports[0]["message"] == "Converting: 5.0 s done at 2.0 times real time."


def test_without_a_known_length_there_is_no_percentage() -> None:
    told = Told()
    progress_reports(told, total=None)(at(5.0))
    assert told.reports == [{"progress": None, "message": "Converting: 5.0 s done.", "eta": None}]


def test_a_source_that_arrives_tells_by_its_bytes_how_far_it_is() -> None:
    told = Told()
    progress_reports(told, None, lambda: 0.5)(at(5.0))
    assert told.reports[0]["progress"] == FETCHED + (CONVERTED - FETCHED) / 2
    progress_reports(told, None, lambda: None)(at(5.0))
    assert told.reports[1]["progress"] is None
