"""Validation errors become one sentence with the field and the remedy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gmapi.tools.ffmpeg import FfmpegRequest
from gmapi.tools.fields import LuaModel
from gmapi.tools.registry import TOOLS
from gmapi.tools.video_frame import VideoFrameRequest
from gmapi.web.problems import describe
from gmapi.web.schemas import FramepackRequest
from gmapi.web.task_schemas import TasksQuery

MODELS = {model.__name__: model for model in (FfmpegRequest, VideoFrameRequest, FramepackRequest)}
URL = "http://127.0.0.1/x"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def problem(model: type[Any], values: Any) -> tuple[str, str | None]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return describe(caught.value, MODELS)


@pytest.mark.parametrize(
    ("model", "values", "message", "field"),
    [
        (
            FfmpegRequest,
            {"input_url": URL},
            'output_format is required; give for example "dfpwm".',
            "output_format",
        ),
        (
            FfmpegRequest,
            {"output_format": "mp3"},
            "input_url is required; give the address of the source.",
            "input_url",
        ),
        (
            FfmpegRequest,
            {"input_url": 5, "output_format": "mp3"},
            "input_url must be a text (got 5).",
            "input_url",
        ),
        (
            FfmpegRequest,
            {"input_url": URL, "output_format": "mp3", "args": ["-vn", {"a": True}]},
            'args[2] must be a text (got {"a": true}).',
            "args",
        ),
        (
            FfmpegRequest,
            {"input_url": URL, "output_format": "mp3", "args": "-vn"},
            'args must be a list (got "-vn").',
            "args",
        ),
        (
            FfmpegRequest,
            {"input_url": URL, "output_format": "mp3", "args": {"a": "-vn"}},
            'args: give a list in square brackets, such as ["-vn"].',
            "args",
        ),
        (
            FfmpegRequest,
            {"input_urls": [URL] * 9, "output_format": "mp3"},
            "input_urls must have at most 8 entries",
            "input_urls",
        ),
        (
            FfmpegRequest,
            {"input_url": URL, "output_format": "mp3", "headers": {"Referer": 7}},
            "headers.Referer must be a text (got 7).",
            "headers",
        ),
        (
            VideoFrameRequest,
            {"video_url": URL, "w": 0},
            "w must be at least 1 (got 0).",
            "w",
        ),
        (
            VideoFrameRequest,
            {"video_url": URL, "h": 5000},
            "h must be at most 4096 (got 5000).",
            "h",
        ),
        (
            VideoFrameRequest,
            {"video_url": URL, "w": "wide"},
            'w must be a whole number (got "wide").',
            "w",
        ),
        (
            VideoFrameRequest,
            {"video_url": URL, "w": True},
            "w: give a number, not true or false.",
            "w",
        ),
        (
            VideoFrameRequest,
            {"video_url": URL, "fps": float("inf")},
            "fps must be a finite number (got Infinity).",
            "fps",
        ),
        (
            VideoFrameRequest,
            {"video_url": URL, "pad_to_target": "perhaps"},
            'pad_to_target must be true or false (got "perhaps").',
            "pad_to_target",
        ),
        (FramepackRequest, {"urls": {}}, "urls must have at least 1 (got []).", "urls"),
        (
            FramepackRequest,
            {"urls": ["x"] * 257},
            "urls must have at most 256 entries",
            "urls",
        ),
        (
            TasksQuery,
            {"state": "done"},
            "state must be one of 'pending', 'running', 'completed', 'error' or 'cancelled' "
            '(got "done").',
            "state",
        ),
        (
            TasksQuery,
            {"tool": "sanjuni"},
            "tool must be one of 'ffmpeg', 'radio', 'sanjuuni' or 'video_frame' (got \"sanjuni\").",
            "tool",
        ),
    ],
)
def test_one_sentence_names_the_field_and_the_remedy(
    model: type[Any], values: dict[str, Any], message: str, field: str
) -> None:
    found, named = problem(model, values)
    assert found.startswith(message)
    assert named == field


def test_several_problems_are_told_at_once_and_the_rest_counted() -> None:
    values = {"video_url": 1, "w": 0, "h": 0, "fps": 0, "no_cache": "?"}
    message, field = problem(VideoFrameRequest, values)
    assert message.count(";") == 3
    assert message.endswith("2 more problems.")
    assert field == "no_cache"


def test_long_values_and_names_are_cut() -> None:
    values = {"input_url": "x", "output_format": "mp3", "headers": {"h" * 9000: ["v" * 9000]}}
    message, _ = problem(FfmpegRequest, values)
    assert len(message) < 200


def test_a_very_long_list_of_wrong_values_is_one_problem() -> None:
    message, _ = problem(
        FfmpegRequest, {"input_url": "x", "output_format": "mp3", "args": [1] * 900}
    )
    assert message == "args[1] must be a text (got 1)."


@given(
    st.sampled_from([FfmpegRequest, VideoFrameRequest, FramepackRequest]),
    st.dictionaries(
        st.sampled_from(
            ["input_url", "video_url", "urls", "args", "output_format", "w", "fps", "headers"]
        )
        | st.text(),
        JSON_VALUES,
    ),
)
def test_any_values_are_accepted_or_described(
    model: type[LuaModel], values: dict[str, Any]
) -> None:
    try:
        model.model_validate(values)
    except ValidationError as error:
        message, field = describe(error, MODELS)
        assert message.endswith(".")
        assert len(message) < 700
        assert field in model.model_fields
        assert field in message


WORDS_OF_THE_LIBRARY = re.compile(
    r"Input should|Value error|Assertion failed|valid \w+ (should|in)"
)
ODD = [5, -1, 1e300, "zz", "", True, [], [7], [[7]], {}, {"a": 7}, "a" * 3000, float("nan")]


@pytest.mark.parametrize("tool", TOOLS)
def test_no_field_of_a_tool_is_refused_in_the_words_of_the_library(tool: str) -> None:
    model = TOOLS[tool].request
    refused = 0
    for field in model.model_fields:
        for value in ODD:
            try:
                model.model_validate({field: value})
            except ValidationError as error:
                sentence = describe(error)[0]
                assert not WORDS_OF_THE_LIBRARY.search(sentence), (field, sentence)
                refused += 1
    assert refused > 5 * len(model.model_fields)
