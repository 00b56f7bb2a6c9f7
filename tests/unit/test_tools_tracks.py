"""Which tracks of a source a request means: `audio_track` and `video_track`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gmapi.cli import main
from gmapi.errors import RequestError
from gmapi.tools.fields import TRACK_MAX, ToolRequest
from gmapi.tools.registry import TOOLS
from gmapi.validation import words_of

FIELDS = ("audio_track", "video_track")
SOURCE = "http://127.0.0.1:9/film.mkv"
BODIES = {
    "ffmpeg": {"input_url": SOURCE, "output_format": "mp4"},
    "sanjuuni": {"input_url": SOURCE, "output_format": "32vid"},
    "video_frame": {"video_url": SOURCE},
}


def request(tool: str = "ffmpeg", **fields: Any) -> ToolRequest:
    return TOOLS[tool].request.model_validate({**BODIES[tool], **fields})


def test_each_tool_is_tried() -> None:
    # What is live is what is on, and the same for all.
    assert set(BODIES) == {name for name, tool in TOOLS.items() if not tool.is_live}


@pytest.mark.parametrize("tool", BODIES)
@pytest.mark.parametrize("field", FIELDS)
def test_a_track_is_part_of_what_a_request_is(tool: str, field: str) -> None:
    plain = request(tool)
    keys = {request(tool, **{field: value}).key(tool) for value in (1, 2, "eng", "deu")}
    assert len(keys | {plain.key(tool)}) == 5
    assert request(tool, **{field: None}).key(tool) == plain.key(tool)
    stored = request(tool, **{field: "2"}).normalised()
    assert stored[field] == 2
    assert TOOLS[tool].request.restore(stored).normalised() == stored
    TOOLS[tool].accept(request(tool, **{field: 2}))


@pytest.mark.parametrize("field", FIELDS)
@given(st.integers(1, TRACK_MAX))
def test_a_number_is_the_same_however_it_is_written(field: str, number: int) -> None:
    written = [number, float(number), str(number), f" {number} ", f"{number}.0", f"{number:03}"]
    found = [getattr(request(**{field: value}), field) for value in written]
    assert found == [number] * len(written)
    assert {type(each) for each in found} == {int}


@pytest.mark.parametrize(
    ("given_as", "kept"),
    [("ENG", "eng"), (" deu\n", "deu"), ("pt-BR", "pt-br"), ("en_GB", "en-gb")],
)
def test_a_language_is_kept_in_small_letters(given_as: str, kept: str) -> None:
    assert request(audio_track=given_as).audio_track == kept


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "value",
    [0, -1, TRACK_MAX + 1, 10**400, 0.2, 1e300, float("inf"), float("nan"), True, False, "", " ",
     "0", "-1", "1.5", "1e3", "a", "0:a:1", "-map", "eng deu", "e_n", "\u0663", "\u97f3", "1\x00",
     "x" * 100_000, "9" * 100_000, [], [1], {}, {"1": 1}],
)  # fmt: skip
def test_what_names_no_track_is_refused_with_the_remedy(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        request(**{field: value})
    (error,) = caught.value.errors()
    assert error["loc"] == (field,)
    assert words_of(error) == (
        "give the number of a track, counted from 1, or a language such as eng"
    )


# -- /api/ffmpeg, where -map is another way -------------------------------------------------------


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"input_urls": [SOURCE]}, "give -map in args instead"),
        ({"args": ["-map", "0:v", "-c", "copy"]}, "leave out one of the two"),
        ({"args": ["-vn", "-map", "0:a:1"]}, "leave out one of the two"),
    ],
)
def test_tracks_are_chosen_in_one_way(field: str, fields: dict[str, Any], remedy: str) -> None:
    TOOLS["ffmpeg"].accept(request(**fields))
    with pytest.raises(RequestError, match=remedy) as caught:
        TOOLS["ffmpeg"].accept(request(**fields, **{field: 1}))
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")


def test_the_only_source_may_stand_in_the_list() -> None:
    only = {"input_url": None, "input_urls": [SOURCE]}
    TOOLS["ffmpeg"].accept(request(**only, audio_track=2))
    TOOLS["ffmpeg"].accept(request(audio_track=2, args=["-metadata", "title=-map"]))


# -- gmapi convert ---------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--audio-track", "--video-track"])
@pytest.mark.parametrize("output_format", ["mp4", "32vid"])
def test_the_command_line_refuses_in_its_own_words(
    option: str, output_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("film.mkv").write_bytes(b"x")
    result = CliRunner().invoke(main, ["convert", "film.mkv", "-f", output_format, option, "0"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{option}: give the number of a track" in result.stderr
