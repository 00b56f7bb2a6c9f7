"""Songs of the `ffmpeg` tool that are read while they are converted: on a real server whose ffmpeg
goes on step by step, and from all kinds of sources, whose end is often made last."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gmapi.tools import growing_output
from support.documents import README, ROOT, blocks
from support.game.cc_emulator import Computer
from support.game.dfpwm import Decoder
from support.http.origin import Origin
from support.http.raw_http import GameCall, Reply, game_call
from support.media import readers, sounds
from support.media.programs import make_media
from support.product.server import GmapiServer, alive, arguments, frozen, wait_for
from support.product.tools import Ran, Tools
from support.product.works import Notes

MUSIC = ROOT / "docs" / "play-music.md"
SECOND = 6_000
SECONDS = 600
WORD = "-flush_packets"
"""What only the command has that makes the song."""

_STEP_SECONDS = 0.002
"""How long ffmpeg runs before the test looks again: a few seconds of sound."""


@dataclass
class Running:
    """A task whose ffmpeg stands still, and a reader that has had the beginning of its file."""

    server: GmapiServer
    task_id: str
    path: str
    reader: GameCall
    ffmpegs: list[int]

    def task(self) -> dict[str, Any]:
        return self.server.task(self.task_id)

    def get(self, wanted: str) -> Reply:
        return game_call(self.server.port, "GET", self.path, headers={"Range": f"bytes={wanted}"})

    def signal(self, number: signal.Signals) -> None:
        for pid in self.ffmpegs:
            os.kill(pid, number)


@pytest.fixture(scope="module")
def song_url(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> str:
    return origin.add("/long_song.wav", sine(tmp_path_factory.mktemp("songs"), SECONDS))


def sine(folder: Path, seconds: int) -> bytes:
    wave = f"sine=440:r=8000:d={seconds}"
    path = make_media(folder / "sine.wav", "-f", "lavfi", "-i", wave, "-c:a", "pcm_alaw")
    return path.read_bytes()


def wishes(url: str, name: str = "output") -> dict[str, str]:
    """A request of which there is one alone for each `name`."""
    named = {"output_name": name} if name != "output" else {}
    return {"input_url": url, "output_format": "dfpwm", **named}


@contextmanager
def half_made(server: GmapiServer, values: dict[str, str]) -> Iterator[Running]:
    with frozen(server, WORD) as caught:
        task_id = server.post("/api/ffmpeg/async", values).json()["task_id"]
        assert caught.wait(30)
        pids = [pid for pid in server.ffmpegs() if WORD in arguments(pid)]

        def address() -> str | None:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            time.sleep(_STEP_SECONDS)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            task = server.task(task_id)
            assert task["status"] == "running", str(task)
            found: str | None = task["result"].get("download_url")
            return found

        path = urlsplit(wait_for(address, 60, "the address of the growing song")).path
        with GameCall(server.port, "GET", path) as reader:
            reader.read_until(lambda: len(reader.received) > SECOND)
            yield Running(server, task_id, path, reader, pids)


def test_a_song_is_read_from_its_first_second_on(server: GmapiServer, song_url: str) -> None:
    with half_made(server, wishes(song_url, "grown")) as running:
        task = running.task()
        result = task["result"]
        assert result["growing"] is True
        assert result["download_url"] == server.base + running.path
        assert result["file_id"] == running.path.split("/")[2]
        assert result["file_name"] == "grown.dfpwm"
        assert result["media_type"] == "application/octet-stream"
        assert SECOND <= result["size"] < SECONDS * SECOND
        early = running.get(f"0-{SECOND - 1}")
        assert (early.status, len(early.body)) == (206, SECOND)
        assert early.headers["content-range"] == f"bytes 0-{SECOND - 1}/*"
        assert max(abs(readers.dfpwm(early.body).samples)) > 0.1
        announced = running.get(f"0-{result['size'] - 1}")
        assert len(announced.body) == result["size"]
        running.signal(signal.SIGCONT)
        grown = running.reader.finish()
    assert (grown.status, grown.whole) == (200, True)
    task = server.wait_for_task(running.task_id)
    assert task["status"] == "completed", task
    result = task["result"]
    assert "growing" not in result
    assert result["size"] == SECONDS * SECOND
    assert result["duration"] == SECONDS
    done = game_call(server.port, "GET", running.path)
    assert done.headers["content-length"] == str(result["size"])
    assert done.headers["etag"]
    assert done.body == grown.body
    assert done.body.startswith(announced.body)
    # Who waited for it, and so saw nothing of it grow, has the same file and no more fields.
    waited = server.post("/api/ffmpeg", wishes(song_url, "grown")).json()
    assert waited["download_url"] == result["download_url"]
    assert waited.keys() - result.keys() == {"status", "task_id", "message"}


def test_the_documented_program_plays_a_song_while_it_is_made(
    server: GmapiServer, origin: Origin, tmp_path: Path
) -> None:
    url = origin.add("/short_song.wav", sine(tmp_path, 30))
    computer = Computer(instant=True)
    (module,) = (block for block in blocks(README) if block.file == "gmapi.lua")
    computer.add_module("gmapi", module.body.replace("http://127.0.0.1:5000", server.base))
    (program,) = (b for b in blocks(MUSIC) if b.language == "lua" and "/async" in b.body)
    with half_made(server, wishes(url)) as running, ThreadPoolExecutor(1) as pool:
        text = program.body.replace("https://media.example.org/song.mp3", url)
        playing = pool.submit(computer.run, text)
        wait_for(lambda: len(computer.speaker.samples) >= 8 * SECOND, 30, "a second of sound")
        assert running.task()["status"] == "running"
        running.signal(signal.SIGCONT)
        playing.result(60)
    assert computer.printed == ["played 30 seconds"]
    done = game_call(server.port, "GET", running.path)
    assert computer.speaker.samples == Decoder().decode(done.body)


def left(server: GmapiServer, running: Running) -> list[Path]:
    folder = server.data_dir / "files" / running.path.split("/")[2]
    attempts = (server.data_dir / "attempts").glob("*")
    return [
        *(folder.iterdir() if folder.exists() else ()),
        *(path for path in attempts if running.task_id in path.name),
    ]


def assert_nothing_is_left(server: GmapiServer, running: Running) -> None:
    assert game_call(server.port, "GET", running.path).status == 404
    wait_for(lambda: not left(server, running), 10, "the end of its files")


def test_a_cancelled_song_breaks_off_and_leaves_nothing(server: GmapiServer, song_url: str) -> None:
    with half_made(server, wishes(song_url, "cancelled")) as running:
        assert left(server, running)
        assert server.delete(f"/api/task/{running.task_id}").json()["status"] == "cancelled"
        torn = running.reader.finish()
        for pid in running.ffmpegs:
            wait_for(lambda pid=pid: not alive(pid), 10, "the end of ffmpeg")
    assert not torn.whole
    assert_nothing_is_left(server, running)


def test_a_song_that_fails_is_never_a_short_one(server: GmapiServer, song_url: str) -> None:
    with half_made(server, wishes(song_url, "failed")) as running:
        running.signal(signal.SIGKILL)
        torn = running.reader.finish()
    assert not torn.whole
    task = server.wait_for_task(running.task_id)
    assert (task["status"], task["result"]) == ("error", {})
    assert_nothing_is_left(server, running)


# -- all kinds of sources, in this process --------------------------------------------------------

SLOW = ",".join(["afftdn"] * 4)
"""Filters that take their time, and leave the sound as long as it is."""


class Reader(Notes):
    """Reads the growing file whenever one is announced."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.seen: list[bytes] = []

    def report(self, *, result: dict[str, Any] | None = None, **values: Any) -> None:
        super().report(result=result, **values)
        if result is not None:
            assert result["growing"] is True
            (part,) = (self._folder / result["file_id"]).glob(".*.part")
            data = part.read_bytes()
            assert len(data) >= result["size"] >= SECOND
            self.seen.append(data)


def convert(tools: Tools, source: Path, *args: str, **fields: Any) -> tuple[Ran, list[bytes]]:
    reader = Reader(tools.published)
    made = tools.ffmpeg(source, "dfpwm", args, notes=reader, **fields)
    assert reader.seen, "nothing was shown while it was made"
    return made, reader.seen


CODED = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")


def film(folder: Path, pictures: float, sound: float, *before: str) -> Path:
    return make_media(
        folder / "film.mp4", *sounds.film(pictures), *before, *sounds.tone(440, sound), *CODED
    )


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize(
    ("pictures", "sound"), [(8, 5), (5, 5.03), (4, 6)], ids=lambda value: str(value)
)
def test_the_sound_of_a_film_is_shown_but_for_its_end(
    tools: Tools, tmp_path: Path, pictures: float, sound: float
) -> None:
    """It is lengthened by silence, or loses the silence that was encoded behind it."""
    made, seen = convert(tools, film(tmp_path, pictures, sound), "-af", SLOW)
    assert all(made.data.startswith(data) for data in seen)
    assert len(made.data) == pytest.approx(max(pictures, sound) * SECOND, abs=SECOND / 8)


@pytest.mark.parametrize(
    "args",
    [
        ("-af", SLOW, "-ac", "2"),
        ("-af", SLOW, "-ar", "96000"),
        ("-af", SLOW, "-flush_packets", "0"),
        ("-filter_complex", f"[0:a]{SLOW}[all]", "-map", "[all]"),
        ("-filter_complex", f"pan=mono|c0=c0,{SLOW}"),
        ("-af", f"{SLOW},atempo=0.5"),
        ("-af", SLOW, "-t", "5"),
    ],
    ids=" ".join,
)
def test_a_caller_s_own_words(tools: Tools, tmp_path: Path, args: Sequence[str]) -> None:
    made, seen = convert(tools, film(tmp_path, 8, 8), *args)
    assert all(made.data.startswith(data) for data in seen)


def test_several_sources_one_behind_the_other(tools: Tools, tmp_path: Path) -> None:
    songs = [
        make_media(tmp_path / f"{hertz}.flac", *sounds.tone(hertz, 5, layout="mono"))
        for hertz in (440, 880)
    ]
    reader = Reader(tools.published)
    joined = f"[0:a][1:a]concat=n=2:v=0:a=1,{SLOW}"
    made = tools.ffmpeg(songs, "dfpwm", ["-filter_complex", joined], notes=reader)
    assert reader.seen
    assert all(made.data.startswith(data) for data in reader.seen)
    assert readers.dfpwm(made.data).tones(2, 7) == [440, 880]


@pytest.mark.both_ffmpegs
def test_sound_that_changes_on_the_way_goes_on(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sounds.changing(tmp_path, "ac3", [(48000, "stereo"), (48000, "5.1")], seconds=6)
    # No two samples are rounded alike.
    wavering = f"tremolo=f=0.31:d=0.7,{SLOW}"
    monkeypatch.setattr(growing_output, "_LOOK_SECONDS", 0.005)
    made, seen = convert(tools, source, "-af", wavering)
    assert len(seen[0]) < 6 * SECOND
    assert all(len(made.data) >= len(data) for data in seen)
    assert made.notes.lines.count("the output was written anew, with the same sound") == 1
    # What was shown earlier is the same sound, and the finished file that of a caller who waited.
    assert readers.dfpwm(seen[0]).tones(0.7) == [sounds.TONES[0]]
    monkeypatch.setattr(growing_output, "FIRST_BYTES", 1 << 30)
    waited = tools.ffmpeg(source, "dfpwm", ["-af", wavering])
    assert waited.data == made.data
    assert waited.notes.results == []


def test_other_formats_do_not_grow(tools: Tools, tmp_path: Path) -> None:
    notes = Notes()
    made = tools.ffmpeg(film(tmp_path, 4, 4), "wav", ["-af", SLOW], notes=notes)
    assert made.result.growing is None
    assert notes.results == []
