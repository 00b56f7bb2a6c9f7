"""Real HLS and DASH streams from a loopback origin through the tools, with real ffmpeg."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import MediaError
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.base import Work
from gmapi.tools.ffmpeg import FFMPEG
from gmapi.tools.results import FileResult
from gmapi.tools.video_frame import VideoFrameResult
from support.http.origin import Exchange, Origin, content
from support.media import streams
from support.media.programs import SYSTEM
from support.product.works import Notes, run_tool


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streams.make_film(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def site(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Gives the address of a stream, made and served when it is first asked for."""
    folder = tmp_path_factory.mktemp("streams")
    known: dict[str, str] = {}
    with Origin() as origin:

        def address(kind: str) -> str:
            if kind not in known:
                name = streams.make_stream(kind, film, folder / kind)
                known[kind] = origin.add_folder(f"/{kind}", folder / kind) + name
            return known[kind]

        yield address


@pytest.mark.parametrize("kind", streams.STREAMS)
def test_each_kind_of_stream_is_the_film(
    kind: str, site: Callable[[str], str], fetching: Callable[..., Work], film: Path
) -> None:
    url = site(kind)
    work = fetching(url)
    path = work.fetch(url, field="input_url")
    assert streams.picture_hashes(path) == streams.picture_hashes(film)
    info = work.probe(path)
    assert [stream.kind for stream in info.streams] == ["video", "audio"]
    assert info.duration == pytest.approx(streams.SECONDS, abs=0.2)
    assert streams.sound_starts(path) == pytest.approx(streams.sound_starts(film), abs=0.05)
    # Only the source itself is left in the folders of the job.
    assert [p.name for p in (*work.inputs.iterdir(), *work.outputs.iterdir())] == ["input"]


@pytest.mark.skipif(SYSTEM is None, reason="there is no ffmpeg of the system")
@pytest.mark.parametrize("kind", ["sound_apart", "timeline"])
def test_the_system_s_ffmpeg_joins_as_well(
    kind: str,
    site: Callable[[str], str],
    fetching: Callable[..., Work],
    launcher: Launcher,
    film: Path,
) -> None:
    url = site(kind)
    work = fetching(url, program=SYSTEM)
    path = work.fetch(url, field="input_url")
    assert streams.picture_hashes(path) == streams.picture_hashes(film)
    assert streams.sound_starts(path) == pytest.approx(streams.sound_starts(film), abs=0.05)


@pytest.mark.parametrize("kind", ["sound_apart", "timeline"])
def test_sound_that_starts_late_stays_late(
    kind: str, fetching: Callable[..., Work], tmp_path: Path
) -> None:
    film = streams.make_film(tmp_path, sound_delay=1.0)
    name = streams.make_stream(kind, film, tmp_path / kind)
    with Origin() as origin:
        url = origin.add_folder("/late", tmp_path / kind) + name
        path = fetching(url).fetch(url, field="input_url")
    assert streams.sound_starts(path) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(
    ("kind", "tool", "fields"),
    [
        ("ts", "ffmpeg", {"output_format": "dfpwm"}),
        ("timeline", "ffmpeg", {"output_format": "mp4"}),
        ("sound_apart", "sanjuuni", {"output_format": "32vid", "width": 16, "height": 12}),
    ],
)
def test_tools_take_streams(
    kind: str,
    tool: str,
    fields: dict[str, Any],
    site: Callable[[str], str],
    fetching: Callable[..., Work],
) -> None:
    url = site(kind)
    work = fetching(url)
    result = run_tool(work, tool, input_url=url, **fields)
    assert isinstance(result, FileResult)
    assert result.duration == pytest.approx(streams.SECONDS, abs=0.2)
    assert result.size > 0
    notes = work.reporter
    assert isinstance(notes, Notes)
    # What is told is how far the conversion is, as soon as it has begun beside the fetch.
    told = ("4 of 4 segments", "5 of 5 segments", "Converting: ")
    assert any(words in text for text in notes.messages for words in told)
    assert notes.percents == sorted(notes.percents)


def test_frames_are_cut_from_a_stream_with_its_sound(
    site: Callable[[str], str], fetching: Callable[..., Work]
) -> None:
    url = site("fmp4")
    result = run_tool(fetching(url), "video_frame", video_url=url, fps=10)
    assert isinstance(result, VideoFrameResult)
    assert result.total_frames in (streams.PICTURES, streams.PICTURES + 1)
    assert (result.width, result.height) == (64, 48)
    assert result.audio_urls


def test_max_duration_takes_the_beginning_of_a_stream(
    site: Callable[[str], str], fetching: Callable[..., Work]
) -> None:
    for kind in ("ts", "sound_apart", "single"):
        url = site(kind)
        work = fetching(url)
        path = work.fetch(url, field="input_url", max_duration=2)
        assert len(streams.picture_hashes(path)) == streams.PICTURES // 2


def test_a_live_stream_is_recorded(
    film: Path, fetching: Callable[..., Work], tmp_path: Path
) -> None:
    streams.make_stream("ts", film, tmp_path / "ts")
    with Origin() as origin:
        url = origin.add_folder("/live", tmp_path / "ts") + "live.m3u8"
        looks = iter(range(2, 100))

        def live(exchange: Exchange) -> None:
            shown = min(4, next(looks))
            text = "#EXTM3U\n#EXT-X-TARGETDURATION:0\n"
            text += "".join(f"#EXTINF:1,\nindex{n}.ts\n" for n in range(shown))
            content(text.encode())(exchange)

        origin.add("/live/live.m3u8", live)
        work = fetching(url)
        result = run_tool(work, "ffmpeg", input_url=url, output_format="dfpwm", max_duration=3)
        assert result.duration == pytest.approx(3, abs=0.15)
        assert origin.count("/live/index3.ts") + origin.count("/live/index0.ts") == 1


def test_a_second_job_takes_a_finished_stream_from_the_cache(
    site: Callable[[str], str], fetching: Callable[..., Work]
) -> None:
    url = site("sound_apart")
    first, second = fetching(url), fetching(url)
    paths = [work.fetch(url, field="input_url") for work in (first, second)]
    assert streams.picture_hashes(paths[0]) == streams.picture_hashes(paths[1])
    notes = second.reporter
    assert isinstance(notes, Notes)
    assert any("taken from the cache" in line for line in notes.lines)


def test_segments_that_are_playlists_do_not_reach_ffmpeg(
    fetching: Callable[..., Work], tmp_path: Path
) -> None:
    """Hidden behind bytes that look like media, a playlist names files; ffmpeg must not read it."""
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"secret")
    with Origin() as origin:
        hidden = (
            b"\x00\n#EXTM3U\n#EXTINF:1,\nfile://" + str(secret).encode() + b"\n#EXT-X-ENDLIST\n"
        )
        origin.add("/hidden.ts", hidden)
        url = origin.add(
            "/x.m3u8", b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nhidden.ts\n#EXT-X-ENDLIST\n"
        )
        work = fetching(url)
        request = FFMPEG.request.model_validate({"input_url": url, "output_format": "wav"})
        with pytest.raises(MediaError):
            FFMPEG.run(work, request)
