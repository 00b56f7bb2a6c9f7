"""Subtitles made to keep the server busy: 2 MiB of whatever is worst are read within about a
second of processor time, and drawing them costs a picture some milliseconds."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from gmapi.computercraft import ass
from gmapi.computercraft.pixel_text import PixelText
from gmapi.computercraft.subtitles import TEXT_CHARACTERS_MAX, Subtitles
from gmapi.errors import LimitError
from support.screens.subtitle_scripts import PALETTE, blank

READ_SECONDS = 6.0
"""Five times what this machine's processor needs for the worst of them."""
EVENTS = "[Script Info]\n[Events]\nFormat: Start,End,Text\n"
SRT = "00:00:00,000 --> 00:10:00,000\n"


def dialogues(text: str, count: int = 1000) -> str:
    return EVENTS + f"Dialogue: 0:00:00,1:00:00,{text}\n" * count


WORST = {
    "letters": dialogues("\xe9" * 1990),
    "marks on one letter": dialogues("a" + "\u0301\u0323" * 995),
    "marks alone": dialogues("\u0345\u0301" * 995),
    "words": dialogues("a " * 995),
    "lines": dialogues("\\N" * 995 + "x"),
    "letters without a place": dialogues("\u1e9b" * 60, 19_999),
    "fields": "[Script Info]\nFormat: " + ",a" * 500_000 + "\nStyle:" + ",a" * 490_000,
    "lists of fields": "[Script Info]\n" + "Format: a,b\n" * 170_000,
    "braces": dialogues("{\\p1}{" * 290_000, 1),
    "empty lines": SRT + "x\n" + "\n" * 2_000_000,
    "one cue of lines": SRT + "x\n" * 1_000_000,
    "tags": SRT + "<a" * 1_000_000,
    "codes": SRT + "{\\an" * 400_000,
    "entities": f"WEBVTT\n\n{SRT}" + "&a" * 1_000_000,
    "a number of no character": f"WEBVTT\n\n{SRT}&#" + "9" * 5_000 + ";",
    "spaces": "[Script Info]\n" + " " * 1_000_000 + "Dialogue" + " " * 1_000_000,
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST)
def test_worst_texts_are_read_and_drawn_in_time(text: str) -> None:
    text = text[:TEXT_CHARACTERS_MAX]
    began = time.process_time()
    subtitles = Subtitles.from_text(text, 25.0, 328, 243)
    read = time.process_time()
    for picture in range(20):
        subtitles.burn(blank(164, 81), picture)
        subtitles.events(picture, PALETTE)
    drawn = time.process_time()
    assert read - began < READ_SECONDS
    assert drawn - read < 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (EVENTS + "Dialogue: 0:0:0,1:0:0,x\n" * 40_000, "lines of text"),
        ("0:0-->9:9\nx\n\n" * 40_000, "lines of text"),
        ("[Script Info]\n" + "".join(f"Style: {n:x}\n" for n in range(40_000)), "styles"),
    ],
    ids=["ass", "srt", "styles"],
)
def test_too_many_are_refused_before_they_take_memory(
    text: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ass, "CUES_MAX", 1000)
    monkeypatch.setattr(ass, "STYLES_MAX", 1000)
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match=what) as caught:
            Subtitles.from_text(text, 25.0, 328, 243)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.field == "subtitle_url"
    assert peak < 10 << 20  # most of it the text's lines; 40,000 cues take 30 MiB


def test_lines_are_bounded_in_all_where_a_screen_is_narrow() -> None:
    with pytest.raises(LimitError, match="wider screen"):
        Subtitles.from_text(dialogues("W" * 1990, 200), 25.0, 2, 4096)


def test_a_screen_full_of_letters_is_drawn_in_time() -> None:
    text = PixelText(dialogues("W" * 1990), 25.0, 1920, 1080)
    picture = np.zeros((1080, 1920, 3), np.uint8)
    began = time.process_time()
    for number in range(8):
        drawn = text.draw(picture, number)
    assert time.process_time() - began < 1.6
    assert drawn.any(axis=2).mean() > 0.1
