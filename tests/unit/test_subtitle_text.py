"""Subtitles in the encodings that people's files are in."""

from __future__ import annotations

import random

import pytest

from gmapi.computercraft.subtitles import Subtitles
from gmapi.media.subtitle_text import decode, looks_like_subtitles

LINES = {
    "cp1252": ["Héllo wörld – ünïcode", "Él no está aquí. ¿Qué pasó?", "Größe, Straße, schön"],
    "cp1250": ["Příliš žluťoučký kůň", "Zażółć gęślą jaźń. Gdzie jesteś?"],
    "cp1251": ["Привет, как дела?", "Я не знаю, что делать."],
    "cp1253": ["Γεια σου, τι κάνεις;", "Δεν ξέρω τι να κάνω."],
    "cp1254": ["Nasılsın? Ben iyiyim, teşekkür ederim.", "Gerçekten çok güzel değil mi?"],
    "cp1255": ["שלום, מה שלומך?"],
    "cp1256": ["مرحبا كيف حالك؟", "لا أعرف ماذا أفعل"],
    "koi8-r": ["Привет, как дела? Я не знаю."],
    "shift_jis": ["こんにちは、元気ですか？", "何をしているの"],
    "gbk": ["你好，你在做什么？", "我不知道该怎么办"],
    "big5": ["你好，你在做什麼？", "我不知道該怎麼辦"],
    "euc_kr": ["안녕하세요, 뭐 하세요?", "무엇을 해야 할지 모르겠어요"],
}
WIDE = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8", "utf-8-sig"]


def srt(lines: list[str]) -> str:
    return "".join(
        f"{n}\r\n00:00:{n:02},000 --> 00:00:{n:02},900\r\n{line}\r\n\r\n"
        for n, line in enumerate(lines, 1)
    )


@pytest.mark.parametrize("encoding", LINES)
def test_one_line_is_enough(encoding: str) -> None:
    for line in LINES[encoding]:
        text = srt([line])
        found = decode(text.encode(encoding))
        assert (found.text, found.broken, found.is_utf8) == (text, 0, False)
        assert looks_like_subtitles(text.encode(encoding))


@pytest.mark.parametrize("encoding", WIDE)
def test_unicode_with_and_without_a_mark(encoding: str) -> None:
    for lines in LINES.values():
        text = srt(lines)
        found = decode(text.encode(encoding))
        assert (found.text, found.broken) == (text, 0)
        assert found.is_utf8 == encoding.startswith("utf-8")
        assert looks_like_subtitles(text.encode(encoding))


def test_what_nobody_could_tell_is_western() -> None:
    found = decode(srt(["caf\xe9"]).encode("cp1252"))
    assert found.text == srt(["café"])
    assert found.encoding == "Windows-1252 (Western)"


def test_utf8_with_a_broken_place_stays_utf8() -> None:
    data = srt(LINES["cp1251"] * 9).encode()
    found = decode(data.replace("Привет".encode(), b"\xff" + "Привет".encode(), 1))
    assert (found.is_utf8, found.broken) == (True, 1)
    assert "Привет" in found.text


def test_media_do_not_look_like_subtitles() -> None:
    noise = random.Random(1)
    for head in (
        b"ID3\x04\x00\x00\x00\x00\x00 -->" + bytes(50),
        b"\xff\xd8\xff\xe1\x00\x10<!-- photo -->",
        b"\x00\x00\x00\x20ftypisom" + bytes(4000),
        b"RIFF\x24\x00\x00\x00WAVE" + noise.randbytes(4000),
        b"",
    ):
        assert not looks_like_subtitles(head)
    assert looks_like_subtitles(b"[00:12.00]Lyrics")
    assert looks_like_subtitles(b"[Script Info]\nTitle: a")


@pytest.mark.parametrize(
    ("text", "cues", "timeless", "after"),
    [
        (srt(["One", "Two"]), 2, 0, 0),
        (srt(["One"]) + "2\n00:00:05 -> 00:00:06\nTwo\n\n3\n\n", 2, 1, 0),
        (srt(["One"]) + "2\n00:xx:05,000 --> 00:00:06,000\nTwo\n", 2, 1, 0),
        (srt(["One"]) + "2\n00:00:06,000 --> 00:00:05,000\nTwo\n", 2, 1, 0),
        (srt(["One"]) + "2\n00:01:00,000 --> 00:01:01,000\nLate\n", 2, 0, 1),
        ("WEBVTT\n\nNOTE a --> b\n\n00:01.000 --> 00:02.000\nOne\n\n1 --> 2\nTwo\n", 2, 1, 0),
        ("WEBVTT\n\n00:01.000 -> 00:02.000\nOne\n\n00:03,000 \u2013> 00:04\nTwo\n", 2, 2, 0),
        ("WEBVTT\n\nno cue: 12:30 - 13:00 is lunch\n", 0, 0, 0),
        ("WEBVTT\n", 0, 0, 0),
        ("[Script Info]\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,One\n"
         "Dialogue: 0,soon,0:00:02.00,Default,,0,0,0,,Two\n", 2, 1, 0),
    ],
)  # fmt: skip
def test_what_is_not_shown_is_counted(text: str, cues: int, timeless: int, after: int) -> None:
    hidden = Subtitles.from_text(text, 10.0, 160, 90).hidden(300)
    assert (hidden.cues, hidden.timeless, hidden.after) == (cues, timeless, after)
