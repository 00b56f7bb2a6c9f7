"""Streams of segments that are cut and converted while their segments come, against the same ones
fetched as a whole before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import SourceError
from gmapi.media.binaries import Ffmpeg
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.base import Work
from support.http.held_streams import HeldStream
from support.http.origin import Exchange, Origin, content
from support.media.programs import BUNDLED, ffmpeg_output
from support.product.arrivals import Watched, made, same
from support.product.works import Stopped, make_work, run_tool

SECONDS = 16
FPS = 20
FRAMES = SECONDS * FPS

_HLS = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "0"]
_APART = ["-var_stream_map", "v:0,agroup:s a:0,agroup:s", "-master_pl_name", "master.m3u8"]
_DASH = ["-f", "dash", "-seg_duration", "2"]
KINDS: dict[str, tuple[str, str, list[str], str]] = {
    "ts": ("index.m3u8", "index.m3u8", _HLS, "index7.ts"),
    "mute": ("index.m3u8", "index.m3u8", [*_HLS, "-an"], "index7.ts"),
    "fmp4": ("index.m3u8", "index.m3u8", [*_HLS, "-hls_segment_type", "fmp4"], "index7.m4s"),
    "apart": ("stream%v.m3u8", "master.m3u8", [*_HLS, *_APART], "stream06.ts"),
    "apart_fmp4": (
        "stream%v.m3u8", "master.m3u8", [*_HLS, "-hls_segment_type", "fmp4", *_APART],
        "stream06.m4s",
    ),
    "packed": (
        "part%d.aac", "index.m3u8",
        ["-vn", "-f", "segment", "-segment_time", "2", "-segment_format", "adts",
         "-segment_list", "{folder}/index.m3u8", "-segment_list_type", "m3u8"],
        "part7.aac",
    ),
    "dash": ("index.mpd", "index.mpd", _DASH, "chunk-stream0-00007.m4s"),
    "numbers": (
        "index.mpd", "index.mpd", [*_DASH, "-use_timeline", "0"], "chunk-stream0-00007.m4s",
    ),
}  # fmt: skip
"""What ffmpeg writes, what is asked for, how it is made, and the segment of the pictures that is
held back: of tracks that come apart the last but one, as the last one tells when they end."""


SLOW = ("apart_fmp4", "numbers")
one_ffmpeg = pytest.mark.parametrize("ffmpeg", [BUNDLED], indirect=True)
"""Where both do the same with what they are given."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    film = tmp_path_factory.mktemp("film") / "film.mp4"
    ffmpeg_output(
        "-f", "lavfi", "-i", f"testsrc2=s=160x120:r=24:d={SECONDS},noise=alls=9:allf=t",
        "-f", "lavfi", "-i", f"sine=440:r=48000:d={SECONDS}",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "48", "-bf", "2",
        "-c:a", "aac", str(film),
    )  # fmt: skip
    return film


@pytest.fixture(scope="module")
def folders(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder with a stream of this kind, made when it is first asked for."""
    root = tmp_path_factory.mktemp("streams")

    def folder(kind: str) -> Path:
        found = root / kind
        if not found.exists():
            found.mkdir()
            name, _, words, _ = KINDS[kind]
            words = [word.format(folder=found) for word in words]
            ffmpeg_output("-i", str(film), "-map", "0", "-c", "copy", *words, str(found / name))
        return found

    return folder


class Bench:
    """Runs tools on streams, while they come and when they are there."""

    def __init__(
        self,
        folder: Path,
        launcher: Launcher,
        ffmpeg: Ffmpeg,
        origin: Origin,
        folders: Callable[[str], Path],
    ) -> None:
        self._folder = folder
        self._launcher = launcher
        self._ffmpeg = ffmpeg
        self._folders = folders
        self.origin = origin
        self.notes = Watched()

    def stream(self, kind: str) -> HeldStream:
        return HeldStream(self.origin, f"/{kind}", self._folders(kind))

    def work(self, **options: Any) -> Work:
        return make_work(
            self._folder / "coming", self._launcher, self._ffmpeg, notes=self.notes,
            fetch_allow=self.origin.authority, **options,
        )  # fmt: skip

    def files(self, work: Work) -> dict[str, bytes]:
        return made(self._folder / "coming", work)

    def whole(self, url: str, tool: str, **fields: Any) -> tuple[Any, dict[str, bytes]]:
        """Result and files of a run on what was fetched as a whole."""
        folder = self._folder / "whole"
        work = make_work(
            folder, self._launcher, self._ffmpeg, arriving=False,
            fetch_allow=self.origin.authority,
        )  # fmt: skip
        field = "video_url" if tool == "video_frame" else "input_url"
        result = run_tool(work, tool, **{field: url}, **fields)
        return result, made(folder, work)


@pytest.fixture
def bench(
    tmp_path: Path,
    launcher: Launcher,
    ffmpeg: Ffmpeg,
    own_origin: Origin,
    folders: Callable[[str], Path],
) -> Bench:
    return Bench(tmp_path, launcher, ffmpeg, own_origin, folders)


@pytest.mark.parametrize(
    "kind",
    [
        *("ts", "mute", "fmp4", "apart", "dash"),
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW),
    ],
)
def test_frames_and_sound_are_those_of_the_whole_stream(
    kind: str, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    _, entry, _, last = KINDS[kind]
    stream, work = bench.stream(kind), bench.work()
    url = stream.url(entry)
    stream.hold(lambda name: name == last)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    is_muxed = kind in ("ts", "fmp4")
    early = bench.notes.wait(
        lambda result: result["current_frames"] >= (199 if is_muxed else 200), running
    )
    # V3: all of the sound is there with the 200th frame, though pictures are still to come.
    assert ("audio_urls" in early) == (kind not in ("ts", "fmp4", "mute"))
    # V1: the total is known early, and what is told in vain are at most ten.
    assert FRAMES - 3 <= early["total_frames"] <= FRAMES + 3
    assert "total_is_estimate" not in early
    stream.release()
    result = running.result(60)
    whole, files = bench.whole(url, "video_frame", w=96)
    assert bench.files(work) == files
    assert same(result, whole)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("dash", {"output_format": "32vid", "width": 40}),
    ],
)
def test_screens_are_those_of_the_whole_stream(
    kind: str, fields: dict[str, Any], bench: Bench, pool: ThreadPoolExecutor
) -> None:
    _, entry, _, last = KINDS[kind]
    stream, work = bench.stream(kind), bench.work()
    url = stream.url(entry)
    stream.hold(lambda name: name == last)
    running = pool.submit(run_tool, work, "sanjuuni", input_url=url, **fields)
    bench.notes.wait(lambda result: result["frames"] >= 1, running)
    stream.release()
    result = running.result(60)
    whole, files = bench.whole(url, "sanjuuni", **fields)
    assert bench.files(work) == files
    assert same(result, whole)


@one_ffmpeg
@pytest.mark.parametrize("kind", ["fmp4", "apart", "packed"])
def test_a_song_is_made_while_its_segments_come(
    kind: str, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    _, entry, _, last = KINDS[kind]
    stream, work = bench.stream(kind), bench.work()
    url = stream.url(entry)
    stream.hold(lambda name: name == last)
    running = pool.submit(run_tool, work, "ffmpeg", input_url=url, output_format="dfpwm")
    bench.notes.await_message(lambda text: "Converting: " in text, running)
    stream.release()
    result = running.result(60)
    whole, files = bench.whole(url, "ffmpeg", output_format="dfpwm")
    assert bench.files(work) == files
    assert same(result, whole)


@one_ffmpeg
@pytest.mark.parametrize(("kind", "missing"), [("mute", "index7.ts"), ("dash", "")])
def test_a_segment_that_is_missing_is_never_called_done(
    kind: str, missing: str, bench: Bench, pool: ThreadPoolExecutor
) -> None:
    _, entry, _, last = KINDS[kind]
    stream, work = bench.stream(kind), bench.work()
    stream.hold(lambda name: name == last)
    stream.fail(missing or last)
    running = pool.submit(run_tool, work, "video_frame", video_url=stream.url(entry), w=96)
    bench.notes.wait(lambda result: result["current_frames"] >= 100, running)
    stream.release()
    with pytest.raises(SourceError, match=r"but not segment [78]: The server .* HTTP 404"):
        running.result(60)
    assert not list((work.folder.parent.parent / "sources").glob("*.tmp"))


@one_ffmpeg
def test_what_is_not_needed_is_not_waited_for(bench: Bench, pool: ThreadPoolExecutor) -> None:
    _, entry, _, last = KINDS["dash"]
    stream, work = bench.stream("dash"), bench.work()
    stream.hold(lambda name: name == last)
    fields = {"output_format": "wav", "args": ["-t", "3"]}
    running = pool.submit(run_tool, work, "ffmpeg", input_url=stream.url(entry), **fields)
    assert running.result(30).duration == pytest.approx(3, abs=0.01)
    kept = [path.name for path in (work.folder.parent.parent / "sources").glob("*.data")]
    assert len(kept) == 1  # the sound, which was there
    assert not list((work.folder.parent.parent / "sources").glob("*.tmp"))


@one_ffmpeg
def test_a_second_job_reads_what_the_first_one_fetches(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    _, entry, _, last = KINDS["dash"]
    stream, work, other = bench.stream("dash"), bench.work(), bench.work()
    url = stream.url(entry)
    stream.hold(lambda name: name == last)
    first = pool.submit(run_tool, work, "sanjuuni", input_url=url, output_format="32vid", width=40)
    bench.notes.wait(lambda result: result["frames"] >= 1, first)
    with ThreadPoolExecutor(1) as another:
        second = another.submit(run_tool, other, "video_frame", video_url=url, w=96)
        bench.notes.wait(lambda result: result.get("current_frames", 0) >= 200, second)
        stream.release()
        second.result(60)
    first.result(60)
    _, files = bench.whole(url, "video_frame", w=96)
    assert bench.files(other) == files
    assert bench.origin.count(f"/dash/{last}") == 2  # one for both, one for the whole


@one_ffmpeg
def test_a_cancelled_job_leaves_nothing(bench: Bench, pool: ThreadPoolExecutor) -> None:
    _, entry, _, last = KINDS["apart"]
    stream, work = bench.stream("apart"), bench.work()
    stream.hold(lambda name: name == last)
    running = pool.submit(run_tool, work, "video_frame", video_url=stream.url(entry), w=96)
    bench.notes.wait(lambda result: result["current_frames"] >= 200, running)
    bench.notes.stop()
    with pytest.raises(Stopped):
        running.result(30)
    assert not list((work.folder.parent.parent / "sources").glob("*.tmp"))
    ours = ("gmapi-arrival", "gmapi-feeder", "gmapi-fetch")
    assert not [thread.name for thread in threading.enumerate() if thread.name in ours]


@one_ffmpeg
def test_clocks_that_leap_are_mended_before_anything_is_made(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    stream, work = bench.stream("mute"), bench.work()
    stream.hold(lambda name: name == "index1.ts")
    parts = ["index0.ts", "index1.ts", "index2.ts", "index7.ts"]
    lines = "".join(f"#EXTINF:2.0,\n{name}\n" for name in parts[:-1])
    text = f"#EXTM3U\n{lines}#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\n{parts[-1]}\n#EXT-X-ENDLIST\n"
    url = bench.origin.add("/mute/leap.m3u8", text.encode())
    running = pool.submit(run_tool, work, "video_frame", video_url=url, w=96)
    stream.await_asked("index1.ts")
    stream.release()
    result = running.result(60)
    whole, files = bench.whole(url, "video_frame", w=96)
    assert bench.files(work) == files
    assert same(result, whole)
    assert result.total_frames == pytest.approx(8 * FPS, abs=3)


def test_a_live_stream_is_converted_while_it_is_recorded(
    bench: Bench, pool: ThreadPoolExecutor
) -> None:
    stream, work = bench.stream("ts"), bench.work()
    stream.hold(lambda name: name == "index6.ts")
    fields: dict[str, Any] = {"w": 96, "max_duration": 10}
    looks = iter((5, 5, 8, 8))

    def live(exchange: Exchange) -> None:
        lines = "".join(f"#EXTINF:2.0,\nindex{number}.ts\n" for number in range(next(looks)))
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:0\n{lines}"
        content(text.encode())(exchange)

    url = bench.origin.add("/ts/live.m3u8", live)
    running = pool.submit(run_tool, work, "video_frame", video_url=url, **fields)
    held = bench.notes.wait(lambda result: result["current_frames"] >= 100, running)
    assert held["total_is_estimate"] is True
    stream.release()
    result = running.result(60)
    looks = iter((5, 5, 8, 8))
    whole, files = bench.whole(url, "video_frame", **fields)
    assert bench.files(work) == files
    assert same(result, whole)
    assert result.total_frames == pytest.approx(10 * FPS, abs=2)
