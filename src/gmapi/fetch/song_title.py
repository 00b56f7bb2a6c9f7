"""Titles of songs as broadcasts send them: texts of strangers, cut to one short line."""

from __future__ import annotations

TITLE_MAX = 200
_LOOKED_AT = 4096
_MARK = "StreamTitle='"


def clean(text: str) -> str:
    """A text as one line of at most TITLE_MAX characters, without any that control or turn text."""
    plain = "".join(c if c.isprintable() else " " for c in text[:_LOOKED_AT])
    return " ".join(plain.split())[:TITLE_MAX].rstrip()


def decode(data: bytes) -> str:
    """Bytes of which nobody says how they are written: UTF-8, or else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def in_icy(block: bytes) -> str | None:
    """The title in a block of ICY metadata such as `StreamTitle='Artist - Song';`, clean; it may be
    empty. None when the block tells none."""
    text = decode(block.rstrip(b"\0"))
    at = text.find(_MARK)
    if at < 0:
        return None
    begin = at + len(_MARK)
    # Titles may hold quotes themselves, so only one before a semicolon ends them.
    end = text.find("';", begin)
    if end < 0:
        end = len(text) - text.endswith("'")
    return clean(text[begin:end])
