"""What readers are shown of an output while it is written: never the end that may still change,
never more than there is, and what is finished is what was written last."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gmapi.errors import MediaError, NoSpaceError, NotFoundError
from gmapi.storage.growing import GrowingFile, GrowingReader, Growth, Stage
from gmapi.tools import growing_output
from gmapi.tools.base import Work
from gmapi.tools.growing_output import FIRST_BYTES, GrowingOutput
from support.product.server import wait_for
from support.product.works import Notes

NAME = "song.dfpwm"
HELD = 300


class Song:
    """A file that the test writes as ffmpeg does, its follower, and what readers get of it."""

    def __init__(self, work: Work, notes: Notes) -> None:
        self.work = work
        self.notes = notes
        self.path = work.outputs / NAME
        self.told: list[int] = []

    def follow(self, held: int = HELD) -> GrowingOutput:
        return GrowingOutput(self.work, self.path, NAME, held=held, announce=self.told.append)

    def write(self, data: bytes, mode: str = "ab") -> None:
        with open(self.path, mode) as file:
            file.write(data)

    def reader(self) -> GrowingReader:
        found = self.work.storage.open_growing(self.work.file_id, NAME)
        assert found is not None
        return found

    def has_begun(self) -> bool:
        found = self.work.storage.open_growing(self.work.file_id, NAME)
        if found is not None:
            found.close()
        return found is not None

    def shown(self) -> bytes:
        with self.reader() as reader:
            growth = reader.look()
            assert growth.stage is Stage.GROWING
            return reader.read(0, growth.size + 1)

    def wait_for(self, size: int) -> None:
        wait_for(lambda: self.has_begun() and len(self.shown()) >= size, 30, f"{size} bytes")

    def finished(self) -> bytes:
        with self.work.storage.open(self.work.file_id, NAME) as file:
            return file.read(0, file.stored.size)


@pytest.fixture
def song(fetching: Callable[..., Work]) -> Song:
    work = fetching("http://127.0.0.1:1/nothing")
    assert isinstance(work.reporter, Notes)
    return Song(work, work.reporter)


def sound(size: int, seed: int = 0) -> bytes:
    return bytes((n * n + seed) % 251 for n in range(size))


def test_all_but_the_end_is_shown_while_it_grows(song: Song) -> None:
    whole = sound(20_000)
    with song.follow() as growing:
        at = 0
        for size in (7_000, 7_001, 12_000):
            song.write(whole[at:size])
            at = size
            song.wait_for(size - HELD)
            assert song.shown() == whole[: size - HELD]
        song.write(whole[at:])
        # The end is cut, as that of a film's sound is.
        song.write(whole[: 20_000 - HELD], "wb")
        stored = growing.finish()
    assert stored.size == 20_000 - HELD
    assert song.finished() == whole[: 20_000 - HELD]
    assert not song.has_begun()


def test_nothing_is_shown_before_the_first_second(song: Song) -> None:
    with song.follow() as growing:
        song.write(sound(FIRST_BYTES + HELD - 1))
        song.write(sound(1))
        song.wait_for(FIRST_BYTES)
        assert song.told[0] == FIRST_BYTES
        growing.finish()


def test_what_is_shorter_than_a_second_is_published_at_once(song: Song) -> None:
    with song.follow() as growing:
        song.write(sound(FIRST_BYTES + HELD - 1))
        growing.finish()
    assert song.told == []
    assert song.finished() == sound(FIRST_BYTES + HELD - 1)


def test_the_end_that_nobody_saw_grow_is_there(song: Song) -> None:
    """Written within one look of the follower."""
    with song.follow() as growing:
        song.write(sound(9_000))
        song.wait_for(9_000 - HELD)
        song.write(sound(3_000_000, 1))
        growing.finish()
    assert song.finished() == sound(9_000) + sound(3_000_000, 1)


def test_readers_are_told_four_times_a_second(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing_output, "REPORT_SECONDS", 600.0)
    with song.follow() as growing:
        for number in range(5):
            song.write(sound(9_000))
            song.wait_for(9_000 * (number + 1) - HELD)
        growing.finish()
    assert song.told == [9_000 - HELD]


def test_what_is_written_anew_goes_on_behind_what_was_shown(song: Song) -> None:
    """Sound that changes on the way is made twice, and may be rounded otherwise then."""
    with song.follow() as growing:
        song.write(sound(10_000))
        song.wait_for(10_000 - HELD)
        again = sound(30_000, 7)
        song.write(again[:5_000], "wb")
        song.write(again[5_000:20_000])
        song.wait_for(20_000 - HELD)
        assert song.shown()[: 10_000 - HELD] == sound(10_000)[: 10_000 - HELD]
        assert song.shown()[10_000 - HELD :] == again[10_000 - HELD : 20_000 - HELD]
        song.write(again[20_000:])
        with song.reader() as reader:
            growing.finish()
            assert reader.look() == Growth(30_000, Stage.FINISHED)
    assert song.finished() == again
    assert "the output was written anew, with the same sound" in song.notes.lines


def test_nothing_shorter_than_what_was_shown_is_ever_done(song: Song) -> None:
    with song.follow() as growing:
        song.write(sound(20_000))
        song.wait_for(20_000 - HELD)
        reader = song.reader()
        song.write(sound(20_000 - HELD - 1), "wb")
        with pytest.raises(MediaError, match="became shorter"):
            growing.finish()
    with reader:
        assert reader.look().stage is Stage.ABANDONED
    with pytest.raises(NotFoundError):
        song.finished()


def test_what_is_not_finished_cuts_readers_off(song: Song) -> None:
    with song.follow():
        song.write(sound(20_000))
        song.wait_for(20_000 - HELD)
        reader = song.reader()
    with reader:
        assert reader.look().stage is Stage.ABANDONED
    assert not song.has_begun()


def test_a_full_disk_only_puts_off_what_is_shown(
    song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the work can go on is for the work to find out."""
    flush = GrowingFile.flush

    def full(file: GrowingFile) -> None:
        raise NoSpaceError("The disk is full.")

    with song.follow() as growing:
        song.write(sound(9_000))
        song.wait_for(9_000 - HELD)
        monkeypatch.setattr(GrowingFile, "flush", full)
        song.write(sound(9_000))
        wait_for(lambda: song.notes.lines, 30, "the end of the following")
        with pytest.raises(NoSpaceError):
            growing.finish()
        monkeypatch.setattr(GrowingFile, "flush", flush)
        growing.finish()
    assert song.finished() == sound(9_000) * 2


def test_work_that_must_stop_is_not_finished(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Exception):
        pass

    def check() -> None:
        raise Stopped

    with song.follow() as growing:
        song.write(sound(9_000))
        song.wait_for(9_000 - HELD)
        monkeypatch.setattr(song.work, "check", check)
        song.write(sound(9_000))
        with pytest.raises(Stopped):
            growing.finish()
    assert not song.has_begun()


def test_a_deleted_file_ends_it(song: Song) -> None:
    with song.follow() as growing:
        song.write(sound(9_000))
        song.wait_for(9_000 - HELD)
        song.work.storage.delete(song.work.file_id)
        song.write(sound(9_000))
        with pytest.raises(NotFoundError, match="deleted"):
            growing.finish()
