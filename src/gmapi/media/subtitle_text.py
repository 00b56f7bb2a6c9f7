"""The text of a subtitle file, in whatever encoding it is: most are in UTF-8, many are older."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

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
_LATIN = ("cp1252", "cp1250", "cp1254")
_OTHER = (
    "cp1251", "cp1253", "cp1255", "cp1256", "koi8-r", "cp874", "cp932", "gb18030", "big5",
    "cp949", "euc-jp",
)  # fmt: skip
_RARE_LATIN = ("cp1257", "cp1258", "mac-roman", "cp437", "cp850", "cp852")
_RARE_OTHER = ("koi8-u", "cp866")
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


_HEAD_BYTES = 4096
# What no text has.
_CONTROLS = bytes({*range(9), 11, *range(14, 27), *range(28, 32)})
_HIGH = re.compile(rb"[\x80-\xff]+")
_PLAIN_LETTERS = re.compile(rb"[A-Za-z]")
_TAG = re.compile(rb"<[^<>]{0,200}>|\{[^{}]{0,200}\}")
# Fewer marks than this are no sample of a language.
_TOO_FEW = 3
_LYRICS = re.compile(rb"^\[\d\d:\d\d", re.MULTILINE)


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
    if encoding := _marked(data) or _wide(data):
        found = _decoded(data, encoding)
        return replace(found, text=found.text.removeprefix("\ufeff"))
    text = data.decode("utf-8", "replace")
    broken = text.count(_REPLACED)
    if not broken:
        return SubtitleText(text, "UTF-8")
    letters = sum(map(len, _FOREIGN.findall(text)))
    if broken <= _BROKEN_PART * (letters - broken):
        return SubtitleText(text, "UTF-8", broken)
    return _decoded(data, _guessed(data))


def looks_like_subtitles(head: bytes) -> bool:
    """Whether the first bytes of a file are those of subtitles as text, in any encoding."""
    plain = head[:_HEAD_BYTES]
    if wide := _marked(plain) or _wide(plain):
        plain = plain.decode(wide, "ignore").encode("utf-8", "ignore")
    if len(plain.translate(None, _CONTROLS)) != len(plain):
        return False
    return b"-->" in plain or b"[script info]" in plain.lower() or bool(_LYRICS.search(plain))


def _decoded(data: bytes, encoding: str) -> SubtitleText:
    text = data.decode(encoding, "replace")
    name = codecs.lookup(encoding).name.replace("-", "_")
    title = _TITLES.get(name, name.replace("_", "-").upper())
    return SubtitleText(text, title, text.count(_REPLACED))


def _marked(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


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
    is_much = len(words) >= _RARE_FROM_BYTES
    candidates = _LATIN + (_RARE_LATIN if is_much else ())
    if _has_foreign_words(words):
        candidates += _OTHER + (_RARE_OTHER if is_much else ())
    elif sum(map(len, _HIGH.findall(words))) < _TOO_FEW:
        return "cp1252"
    found = chardet.detect(
        words,
        include_encodings=candidates,
        max_bytes=_LOOKED_AT_BYTES,
        compat_names=False,
        no_match_encoding="cp1252",
        empty_input_encoding="cp1252",
    )
    return found["encoding"] or "cp1252"


def _has_foreign_words(words: bytes) -> bool:
    """Whether whole words are beyond ASCII, as in Greek or Chinese, and not single letters."""
    runs = _HIGH.findall(words)
    high = sum(map(len, runs))
    in_words = sum(len(run) for run in runs if len(run) > 2)
    plain = len(_PLAIN_LETTERS.findall(_TAG.sub(b"", words)))
    return in_words * 2 >= high or plain < high
