"""The text of a subtitle file, in whatever encoding it is: most are in UTF-8, many are older."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

# A first few thousand lines tell the language.
_LOOKED_AT_BYTES = 64 * 1024
_FOREIGN = re.compile("[^\x00-\x7f]+")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Python's names. Windows knows more letters than the ISO codes of the same languages, and is what
# subtitles were written with.
_USUAL = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8-r", "cp874",
    "cp932", "gb18030", "big5", "cp949", "euc-jp",
)  # fmt: skip
_RARE = ("cp1257", "cp1258", "koi8-u", "mac-roman", "cp437", "cp850", "cp852", "cp866")
_RARE_FROM_BYTES = 400
"""Bytes of words that are not plain ASCII, below which the encodings of fewer people are no
better than a guess."""

_TITLES = {
    "cp1252": "Windows-1252 (Western)", "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)", "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)", "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)", "cp1257": "Windows-1257 (Baltic)",
    "cp932": "Shift-JIS (Japanese)", "euc_jp": "EUC-JP (Japanese)",
    "gb18030": "GBK (Simplified Chinese)", "big5": "Big5 (Traditional Chinese)",
    "cp949": "EUC-KR (Korean)", "koi8_r": "KOI8-R (Cyrillic)", "cp874": "Windows-874 (Thai)",
}  # fmt: skip
# Broken places in this many that are whole, and it is still the same encoding.
_BROKEN_PART = 0.02
_REPLACED = "\ufffd"


@dataclass(frozen=True)
class SubtitleText:
    """`encoding` is its name for people, `broken` how many characters could not be read; they are
    U+FFFD in the text, which has no byte order mark."""

    text: str
    encoding: str
    broken: int = 0

    @property
    def is_utf8(self) -> bool:
        """Whether nothing had to be guessed."""
        return self.encoding == "UTF-8"


def decode(data: bytes) -> SubtitleText:
    """Read the bytes of a subtitle file. Never fails; takes time with their number."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding)
    if wide := _wide(data):
        return _decoded(data, wide)
    text = data.decode("utf-8", "replace")
    broken = text.count(_REPLACED)
    if not broken:
        return SubtitleText(text, "UTF-8")
    letters = sum(map(len, _FOREIGN.findall(text)))
    if broken <= _BROKEN_PART * (letters - broken):
        return SubtitleText(text, "UTF-8", broken)
    return _decoded(data, _guessed(data))


def _decoded(data: bytes, encoding: str) -> SubtitleText:
    text = data.decode(encoding, "replace")
    name = codecs.lookup(encoding).name.replace("-", "_")
    title = _TITLES.get(name, name.replace("_", "-").upper())
    return SubtitleText(text, title, text.count(_REPLACED))


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: each of the digits of the times has a zero beside it."""
    head = data[:2000]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 8 < len(head):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _guessed(data: bytes) -> str:
    # Loaded late: most subtitles do not need it.
    import chardet

    # Times and plain words say nothing about the language.
    lines = data[: 16 * _LOOKED_AT_BYTES].splitlines()
    words = b"\n".join(line for line in lines if not line.isascii())[:_LOOKED_AT_BYTES]
    rare = _RARE if len(words) >= _RARE_FROM_BYTES else ()
    found = chardet.detect(
        words,
        include_encodings=(*_USUAL, *rare),
        max_bytes=_LOOKED_AT_BYTES,
        compat_names=False,
        no_match_encoding="cp1252",
        empty_input_encoding="cp1252",
    )
    return found["encoding"] or "cp1252"
