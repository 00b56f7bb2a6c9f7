"""Songs of the `ffmpeg` tool that are read while they are converted: on a real server while
their source arrives, and from all kinds of sources, whose end is often made last."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from gmapi.tools import growing_output
from support.documents import README, ROOT, blocks
from support.game.cc_emulator import Computer
from support.game.dfpwm import Decoder
from support.http.origin import Origin
from support.http.raw_http import GameCall, Reply, game_call
from support.http.slow_origin import SlowFile
from support.media import readers, sounds
from support.media.making import Maker
from support.media.programs import make_media
from support.product.outcomes import daily
from support.product.server import GmapiServer, arguments, wait_for
from support.product.tools import Ran, Tools
from support.product.works import Notes

MUSIC = ROOT / "docs" / "play-music.md"
SECOND = 6_000
SECONDS = 30
BYTES_PER_SECOND = 40_000
COME = 12 * BYTES_PER_SECOND
"""How much of a song has come when it is half made."""


@dataclass
class Running:
    """A task whose source has come in part, and a reader that has had the beginning of its file."""

    server: GmapiServer
    source: SlowFile
    url: str
    task_id: str
    path: str
    reader: GameCall

    def task(self) -> dict[str, Any]:
        return self.server.task(self.task_id)

    def get(self, wanted: str) -> Reply:
        return game_call(self.server.port, "GET", self.path, headers={"Range": f"bytes={wanted}"})

    def signal(self, number: signal.Signals) -> None:
        """To the ffmpeg that makes the song."""
        (pid,) = (pid for pid in self.server.ffmpegs() if "-flush_packets" in arguments(pid))
        os.kill(pid, number)

    def left(self) -> list[Path]:
        """Its files."""
        folder = self.server.data_dir / "files" / self.path.split("/")[2]
        attempts = (self.server.data_dir / "attempts").glob("*")
        return [
            *(folder.iterdir() if folder.exists() else ()),
            *(path for path in attempts if self.task_id in path.name),
        ]

    def leaves_nothing(self) -> None:
        assert game_call(self.server.port, "GET", self.path).status == 404
        wait_for(lambda: not self.left(), 60, "the end of its files")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MP3, of which ffmpeg makes sound from the first bytes on."""
    path = make_media(
        tmp_path_factory.mktemp("songs") / "song.mp3",
        "-f", "lavfi", "-i", f"sine=440:r=48000:d={SECONDS}", "-b:a", "320k", "-write_xing", "0",
    )  # fmt: skip
    return path.read_bytes()


@contextmanager
def half_made(server: GmapiServer, origin: Origin, song: bytes) -> Iterator[Running]:
    """Submits a song, and goes on when there is an address for it and a second has been read."""
    source = SlowFile(song)
    url = origin.add(f"/{uuid4().hex}.mp3", source)
    source.release(COME)
    task_id = server.post("/api/ffmpeg/async", wishes(url)).json()["task_id"]

    def address() -> str | None:
        task = server.task(task_id)
        assert task["status"] in ("pending", "running"), str(task)
        found: str | None = task["result"].get("download_url")
        return found

    path = urlsplit(wait_for(address, 60, "the address of the growing song")).path
    with GameCall(server.port, "GET", path) as reader:
        reader.read_until(lambda: len(reader.received) > SECOND)
        yield Running(server, source, url, task_id, path, reader)
        source.release_all()


def wishes(url: str) -> dict[str, str]:
    return {"input_url": url, "output_format": "dfpwm"}


def test_a_song_is_read_from_its_first_second_on(
    server: GmapiServer, origin: Origin, song: bytes
) -> None:
    with half_made(server, origin, song) as running:
        task = running.task()
        assert task["status"] == "running"
        result = task["result"]
        assert result["growing"] is True
        assert result["download_url"] == server.base + running.path
        assert result["file_id"] == running.path.split("/")[2]
        assert result["file_name"] == "output.dfpwm"
        assert result["media_type"] == "application/octet-stream"
        assert SECOND <= result["size"] <= 12 * SECOND
        early = running.get(f"0-{SECOND - 1}")
        assert (early.status, len(early.body)) == (206, SECOND)
        assert early.headers["content-range"] == f"bytes 0-{SECOND - 1}/*"
        assert max(abs(readers.dfpwm(early.body).samples)) > 0.1
        announced = running.get(f"0-{result['size'] - 1}")
        assert len(announced.body) == result["size"]
        assert running.source.furthest <= COME
        # Who waits for the same notices nothing of it.
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(server.post, "/api/ffmpeg", wishes(running.url))
            running.source.release_all()
            waited = waiting.result(60).json()
        grown = running.reader.finish()
    assert (grown.status, grown.whole) == (200, True)
    task = server.wait_for_task(running.task_id)
    assert task["status"] == "completed", task
    result = task["result"]
    assert "growing" not in result
    assert result["duration"] == pytest.approx(SECONDS, abs=0.1)
    done = game_call(server.port, "GET", running.path)
    assert done.headers["content-length"] == str(result["size"])
    assert done.headers["etag"]
    assert done.body == grown.body
    assert done.body.startswith(announced.body)
    assert {key: waited[key] for key in result} == result
    assert waited.keys() - result.keys() == {"status", "task_id", "message"}


def test_it_is_the_song_of_a_complete_source(
    server: GmapiServer, origin: Origin, song: bytes
) -> None:
    whole = server.post("/api/ffmpeg", wishes(origin.add("/whole_song.mp3", song))).json()
    with half_made(server, origin, song) as running:
        running.source.release_all()
        grown = running.reader.finish()
    assert grown.whole
    assert grown.body == server.get(urlsplit(whole["download_url"]).path).body


def test_the_documented_program_plays_a_song_while_it_is_made(
    server: GmapiServer, origin: Origin, song: bytes
) -> None:
    computer = Computer(instant=True)
    (module,) = (block for block in blocks(README) if block.file == "gmapi.lua")
    computer.add_module("gmapi", module.body.replace("http://127.0.0.1:5000", server.base))
    (program,) = (b for b in blocks(MUSIC) if b.language == "lua" and "/async" in b.body)
    with half_made(server, origin, song) as running, ThreadPoolExecutor(1) as pool:
        text = program.body.replace("https://media.example.org/song.mp3", running.url)
        playing = pool.submit(computer.run, text)
        wait_for(lambda: len(computer.speaker.samples) >= 8 * SECOND, 60, "a second of sound")
        assert running.task()["status"] == "running"
        running.source.release_all()
        playing.result(60)
    done = game_call(server.port, "GET", running.path)
    assert computer.speaker.samples == Decoder().decode(done.body)
    assert computer.printed == [f"played {len(done.body) / SECOND:g} seconds"]


def test_a_cancelled_song_breaks_off_and_leaves_nothing(
    server: GmapiServer, origin: Origin, song: bytes
) -> None:
    with half_made(server, origin, song) as running:
        assert running.left()
        assert server.delete(f"/api/task/{running.task_id}").json()["status"] == "cancelled"
        torn = running.reader.finish()
        assert not torn.whole
        running.leaves_nothing()


def test_a_song_whose_source_changes_is_never_a_short_one(
    server: GmapiServer, origin: Origin, song: bytes
) -> None:
    with half_made(server, origin, song) as running:
        running.source.change(song[::-1], etag='"2"')
        running.source.break_off()
        torn = running.reader.finish()
        assert not torn.whole
        assert len(torn.body) < SECONDS * SECOND
        task = server.wait_for_task(running.task_id)
        assert (task["status"], task["result"]) == ("error", {})
        assert task["error_code"] == "source_changed"
        running.leaves_nothing()


def test_a_song_that_fails_is_never_a_short_one(
    server: GmapiServer, origin: Origin, song: bytes
) -> None:
    with half_made(server, origin, song) as running:
        running.signal(signal.SIGKILL)
        torn = running.reader.finish()
        assert not torn.whole
        task = server.wait_for_task(running.task_id)
        assert (task["status"], task["result"]) == ("error", {})
        running.leaves_nothing()


def test_a_song_goes_on_when_its_ffmpeg_dies(
    server: GmapiServer, origin: Origin, song: bytes
) -> None:
    """It is made again, of all of the source, and goes on behind what its readers have."""
    with half_made(server, origin, song) as running:
        running.signal(signal.SIGSEGV)
        running.source.release_all()
        grown = running.reader.finish()
        task = server.wait_for_task(running.task_id)
    assert task["status"] == "completed", str(task)
    assert grown.whole
    assert grown.body == game_call(server.port, "GET", running.path).body


# -- all kinds of sources, in this process --------------------------------------------------------

SLOW = ",".join(["afftdn"] * 3)
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


@pytest.fixture
def film(make: Maker) -> Callable[[float, float], Path]:
    def made(pictures: float, sound: float) -> Path:
        return make("film.mp4", *sounds.film(pictures), *sounds.tone(440, sound), *CODED)

    return made


@pytest.mark.both_ffmpegs(pictures=4)
@pytest.mark.parametrize(
    ("pictures", "sound"), [(8, 5), (5, 5.03), (4, 6)], ids=lambda value: str(value)
)
def test_the_sound_of_a_film_is_shown_but_for_its_end(
    tools: Tools, film: Callable[[float, float], Path], pictures: float, sound: float
) -> None:
    """It is lengthened by silence, or loses the silence that was encoded behind it."""
    made, seen = convert(tools, film(pictures, sound), "-af", SLOW)
    assert all(made.data.startswith(data) for data in seen)
    assert len(made.data) == pytest.approx(max(pictures, sound) * SECOND, abs=SECOND / 8)


@pytest.mark.parametrize(
    "args",
    daily(
        [
            ("-af", SLOW, "-ac", "2"),
            ("-af", SLOW, "-ar", "96000"),
            ("-af", SLOW, "-flush_packets", "0"),
            ("-filter_complex", f"[0:a]{SLOW}[all]", "-map", "[all]"),
            ("-filter_complex", f"pan=mono|c0=c0,{SLOW}"),
            ("-af", f"{SLOW},atempo=0.5"),
            ("-af", SLOW, "-t", "5"),
        ],
        ("-af", SLOW, "-flush_packets", "0"),
        ("-filter_complex", f"[0:a]{SLOW}[all]", "-map", "[all]"),
        ("-af", SLOW, "-t", "5"),
    ),
    ids=" ".join,
)
def test_a_caller_s_own_words(
    tools: Tools, film: Callable[[float, float], Path], args: Sequence[str]
) -> None:
    made, seen = convert(tools, film(5, 8), *args)
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


def test_sound_that_changes_on_the_way_goes_on(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sounds.changing(tmp_path, "ac3", [(48000, "stereo"), (48000, "5.1")], seconds=6)
    # No two samples are rounded alike.
    wavering = "tremolo=f=0.31:d=0.7,afftdn"
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


def test_other_formats_do_not_grow(tools: Tools, film: Callable[[float, float], Path]) -> None:
    notes = Notes()
    made = tools.ffmpeg(film(4, 4), "wav", ["-af", SLOW], notes=notes)
    assert made.result.growing is None
    assert notes.results == []
