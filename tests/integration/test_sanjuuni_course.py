"""The course of a `sanjuuni` conversion: what is told meanwhile, its limits, and how it stops."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from gmapi.errors import LimitError
from gmapi.tools.screens import output
from support.http.origin import Origin
from support.product.server import GmapiServer, fork_servers, wait_for
from support.product.works import Notes, Stopped
from support.screens.golden_cases import FOLDER
from support.screens.studio import Studio

Media = Callable[[str], Path]

PLASMA = FOLDER / "in" / "plasma_102x96.png"


def running() -> list[psutil.Process]:
    """The ffmpeg programs that this process runs now."""
    found = []
    for each in fork_servers():
        try:
            found += [child for child in each.children(recursive=True) if child.is_running()]
        except psutil.NoSuchProcess:
            continue
    return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]


# -- what is told --------------------------------------------------------------------------------


def test_progress_goes_up_and_the_file_grows(studio: Studio, screen_media: Media) -> None:
    # Slow enough for more than one report.
    made = studio.convert(
        screen_media("large.mkv"), output_format="32vid", width=800, height=600,
        settings={"kernels": "numpy"},
    )  # fmt: skip
    notes = made.notes
    assert notes.percents == sorted(notes.percents)
    assert all(0 <= percent <= 99.9 for percent in notes.percents)
    counts = [result["frames"] for result in notes.results]
    assert counts == sorted(set(counts))
    assert counts[0] == 1
    assert len(counts) > 1
    sizes = [result["size"] for result in notes.results]
    assert sizes == sorted(set(sizes))
    for result in notes.results:
        assert result["growing"] is True
        assert result["download_url"] == made.result.download_url
        assert (result["columns"], result["rows"]) == (400, 200)
    counted = [re.fullmatch(r"Converting: (\d+) of (\d+) pictures are ready\.", text)
               for text in notes.messages]  # fmt: skip
    assert [int(match[1]) for match in counted if match] == counts
    assert {int(match[2]) for match in counted if match} == {made.result.frames} == {32}
    assert made.result.growing is False
    assert made.result.message == (
        f"Done: output.32v, 32 pictures of 400 x 200 cells, {made.result.size:,} bytes."
    )


def test_the_log_says_what_was_done_with_what(studio: Studio) -> None:
    lines = studio.convert(PLASMA, output_format="bimg", width=51, args=["-k"]).notes.lines
    assert re.fullmatch(
        r"converting to 51 x 48 pixels in exact quality with (native code|NumPy, .*)", lines[0]
    )
    numpy = studio.convert(PLASMA, output_format="bimg", settings={"kernels": "numpy"})
    assert "in best quality with NumPy, as the settings ask" in numpy.notes.lines[0]


def test_what_is_left_out_is_told(studio: Studio, tmp_path: Path) -> None:
    text = tmp_path / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:09,000\nHello\n")
    for fields, where in (
        ({"output_format": "bimg", "args": ["-M1x1@0.5"]}, "on several monitors"),
        ({"output_format": "nfp"}, "in nfp"),
    ):
        made = studio.convert(PLASMA, subtitle_file=text, **fields)
        assert f"warning: Subtitles are not shown {where}." in made.notes.lines


def test_a_source_is_fetched_once_for_all_that_is_made_of_it(
    server: GmapiServer, origin: Origin, screen_media: Media
) -> None:
    url = origin.add("/once.mkv", screen_media("sounding.mkv").read_bytes(), etag='"once"')
    answers = []
    for fields in ({"output_format": "32vid"}, {"output_format": "bimg", "args": ["-p"]}):
        answer = server.post("/api/sanjuuni", {"input_url": url, **fields}).json()
        assert answer["status"] == "success", answer
        answers.append(answer)
    whole = [r for r in origin.requests if r.path == "/once.mkv"]
    assert len([r for r in whole if "if-none-match" not in r.headers]) == 1
    assert [answer["format"] for answer in answers] == ["32vid", "bimg"]
    # The same request again is not even run.
    again = server.post("/api/sanjuuni", {"input_url": url, "output_format": "32vid"}).json()
    assert again["download_url"] == answers[0]["download_url"]
    assert origin.count("/once.mkv") == len(whole)


# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["32vid", "bimg", "gif"])
def test_an_output_beyond_the_limit_is_given_up(
    studio: Studio, screen_media: Media, kind: str
) -> None:
    with pytest.raises(LimitError, match="takes more space than this server allows"):
        studio.convert(
            screen_media("large.mkv"), output_format=kind, width=640, height=480,
            args=["-cnone", "-m"], settings={"output_max_bytes": "300kB"},
        )  # fmt: skip
    assert studio.left() == []
    assert running() == []


def test_a_film_of_too_many_pictures_is_given_up(
    studio: Studio, screen_media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each one lies is kept, which small pictures made at thousands a second let grow."""
    monkeypatch.setattr(output, "PICTURES_MAX", 5)
    with pytest.raises(LimitError, match="fewer pictures per second"):
        studio.convert(screen_media("large.mkv"), output_format="32vid", width=8, height=6)
    assert studio.left() == []
    assert running() == []


def test_sound_counts_as_output(studio: Studio, screen_media: Media) -> None:
    with pytest.raises(LimitError):
        studio.convert(
            screen_media("large.mkv"), output_format="32vid", width=8, height=6,
            settings={"output_max_bytes": "200kB"},
        )  # fmt: skip
    assert studio.left() == []


@pytest.mark.parametrize("name", ["picture.png", "clip.mp4", "large.mkv"])
def test_a_source_with_too_large_pictures_is_not_decoded(
    studio: Studio, screen_media: Media, media_dir: Path, name: str
) -> None:
    source = screen_media(name) if name == "large.mkv" else media_dir / name
    for kind in ("32vid", "png"):
        with pytest.raises(LimitError, match="larger than the limit of 3,000 pixels; give a"):
            studio.convert(
                source, output_format=kind, width=10, settings={"picture_max_pixels": 3_000}
            )
    assert studio.left() == []


def test_time_runs_out(studio: Studio, screen_media: Media) -> None:
    with pytest.raises(LimitError, match="took longer than"):
        studio.convert(
            screen_media("large.mkv"), output_format="32vid", width=2000, height=1500, fps=60,
            settings={"job_timeout": 1, "kernels": "numpy"},
        )  # fmt: skip
    assert studio.left() == []
    assert running() == []


# -- stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"output_format": "32vid"},
        {"output_format": "32vid", "args": ["-S"]},
        {"output_format": "lua", "quality": "exact"},
    ],
)
def test_a_conversion_that_is_stopped_leaves_nothing(
    studio: Studio, screen_media: Media, fields: dict[str, Any]
) -> None:
    notes = Notes(stop_after=0)
    with pytest.raises(Stopped):
        studio.convert(
            screen_media("large.mkv"), notes=notes, width=1200, height=900, fps=20, **fields
        )
    assert len(notes.results) < 160
    assert studio.left() == []
    wait_for(lambda: running() == [], 5, "the end of ffmpeg")
