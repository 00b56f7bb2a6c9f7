"""What a source is that ffmpeg could not read, told by its bytes when that has happened."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gmapi.errors import MediaError
from gmapi.fetch.sniff import text_of

# The mark of a disc image stands behind sixteen sectors.
_HEAD_BYTES = 40 * 1024
_TAIL_BYTES = 512
_TEXT_BYTES = 4096
_LETTERS_PER_FOREIGN = 4

_TEXT = "The source is a text, not a media file; give the address of the media file itself."
_ZEROS = (
    "The source begins with nothing but zero bytes, so it was never written or its download was "
    "not finished; have it uploaded again."
)
_DISC = (
    "The source is an image of a disc; give the address of a film or song that is in it, as a file."
)
_MODULE = (
    "The source is tracker music ({0}), which this server's ffmpeg cannot play, or it is damaged; "
    "have it played into a sound file such as MP3, and give the address of that."
)
_PICTURE = (
    "The source is a {0} picture, but it is damaged or in a form that this server's ffmpeg cannot "
    "read; save it as PNG or JPEG, and give the address of that."
)
_MEDIA = (
    "The source is a file of the kind {0}, but it is damaged, incomplete or in a form that this "
    "server's ffmpeg cannot read; try another copy of it."
)

_MODULES = (
    (0, b"Extended Module: ", "XM"),
    (0, b"IMPM", "IT"),
    (44, b"SCRM", "S3M"),
    (0, b"MTM\x10", "MTM"),
    (0, b"OKTASONG", "OKT"),
    (0, b"MMD", "MED"),
    (0, b"PSM ", "PSM"),
    (0, b"ziRCONia", "MMCMP"),
)
# The number of channels of a MOD, behind the list of its samples.
_MOD = re.compile(rb"M\.K\.|M!K!|FLT[48]|CD81|[1-9]CHN|[1-3][0-9]C[HN]|TDZ[1-3]")
_MOD_AT = 1080

_PICTURES = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (8, b"WEBPVP8", "WebP"),
    (0, b"8BPS\x00\x01", "Photoshop"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"DDS |\x00\x00\x00", "DDS"),
    (0, b"qoif\x00", "QOI"),
    (0, b"/* XPM */", "XPM"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavif", "AVIF"),
)
_MEDIA_MARKS = (
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (8, b"AVI LIST", "AVI"),
    (8, b"WAVEfmt ", "WAV"),
    (0, b"ID3\x02\x00", "MP3"),
    (0, b"ID3\x03\x00", "MP3"),
    (0, b"ID3\x04\x00", "MP3"),
    (0, b"FLV\x01", "FLV"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMV or WMA"),
    (0, b".RMF\x00\x00", "RealMedia"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
)


def unread(path: Path, error: MediaError) -> MediaError:
    """The error for a source that ffmpeg could not open, for which it raised `error`: one that
    says what the file is (`source_not_media` where it is none), or `error` itself where that is
    not known."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    sentence = _not_media(head, tail)
    if sentence:
        return MediaError(sentence, code="source_not_media", cause=error.cause)
    sentence = _damaged(head)
    return MediaError(sentence, code=error.code, cause=error.cause) if sentence else error


def _not_media(head: bytes, tail: bytes) -> str | None:
    if not head.strip(b"\0"):
        return _ZEROS
    if head.startswith(b"CD001", 32769) or tail.startswith(b"koly"):
        return _DISC
    text = text_of(head[:_TEXT_BYTES])
    # Text in an old encoding has few letters that are not UTF-8, bytes that are no text many.
    is_text = text.count("\ufffd") * _LETTERS_PER_FOREIGN < len(text)
    return _TEXT if is_text and not text.startswith("/* XPM") else None


def _damaged(head: bytes) -> str | None:
    modules = [name for at, mark, name in _MODULES if head.startswith(mark, at)]
    if modules or _MOD.match(head, _MOD_AT):
        return _MODULE.format(*modules or ("MOD",))
    for sentence, marks in ((_PICTURE, _PICTURES), (_MEDIA, _MEDIA_MARKS)):
        for at, mark, name in marks:
            if head.startswith(mark, at):
                return sentence.format(name)
    return None
