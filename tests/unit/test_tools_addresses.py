"""Addresses in requests: what stands around them makes no other request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gmapi.terminal.delivery import plain_source
from gmapi.tools.registry import TOOLS

URL = "http://a.example/song.mp3?x='1'"
WRAPPED = [f'"{URL}"', f"<{URL}>", f" {URL}\n", f"“{URL}”", f"`{URL}`"]
FIELDS: list[tuple[str, str, dict[str, Any]]] = [
    ("ffmpeg", "input_url", {"output_format": "dfpwm"}),
    ("ffmpeg", "input_urls", {"output_format": "dfpwm"}),
    ("radio", "input_url", {}),
    ("sanjuuni", "input_url", {"output_format": "bimg"}),
    ("sanjuuni", "subtitle_url", {"output_format": "32vid", "input_url": URL}),
    ("video_frame", "video_url", {}),
]


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize(("tool", "field", "others"), FIELDS)
def test_the_same_request_is_the_same(
    tool: str, field: str, others: dict[str, Any], wrapped: str
) -> None:
    model = TOOLS[tool].request

    def given(url: str) -> dict[str, Any]:
        return {**others, field: [url] if field == "input_urls" else url}

    request = model.model_validate(given(wrapped))
    plain = model.model_validate(given(URL))
    TOOLS[tool].accept(request)
    assert (URL in dict(request.sources()).values()) is True
    assert request.key(tool) == plain.key(tool)
    stored = model.restore(json.loads(json.dumps(request.normalised())))
    assert stored.sources() == plain.sources()


def test_every_address_field_is_trimmed() -> None:
    named = {(tool, field) for tool, field, _ in FIELDS}
    for tool in TOOLS.values():
        for field in tool.request.model_fields:
            assert "url" not in field or (tool.name, field) in named


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_the_command_takes_addresses_as_they_are_copied(wrapped: str) -> None:
    assert plain_source(wrapped) == URL


@pytest.mark.parametrize("name", [" a.mp3", "'a'.mp3", '"a.mp3"', "<a>"])
def test_names_of_files_stay(name: str) -> None:
    assert plain_source(name) == name
