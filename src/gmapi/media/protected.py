"""Media that is encrypted, told by its container: ffmpeg has no keys, and makes noise of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from gmapi.errors import MediaError

# ISO/IEC 14496-12: a box is its size, its type and what is in it.
_BOX_HEAD_BYTES = 8
_TOP_BOXES_MAX = 10_000
_BOXES_MAX = 1000
_DEPTH_MAX = 6
_BEGINNINGS = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"})
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_DESCRIPTIONS = b"stsd"
_DESCRIPTIONS_HEAD_BYTES = 8
# Samples as they are stored by FairPlay (drm_) and by common encryption (enc_), and its list of
# what is encrypted in each sample.
_ENCRYPTED = frozenset({b"drms", b"drmi", b"drmt", b"enca", b"encv", b"enct", b"encs", b"senc"})

_ASF = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
_ASF_HEADER_BYTES = 64 * 1024
_ASF_ENCRYPTION = (
    bytes.fromhex("fbb31122 23bd d211 b4b7 00a0c955fc6e"),
    bytes.fromhex("14e68a29 2226 174c b935 dae07ee9289c"),
)

# Matroska and WebM: an encoding of a track, and in it one that is encryption.
_EBML = b"\x1a\x45\xdf\xa3"
_EBML_BYTES = 64 * 1024
_EBML_ENCRYPTION = re.compile(rb"\x6d\x80.{1,8}?\x62\x40.{1,40}?\x50\x35", re.DOTALL)

# ISO/IEC 13818-1: packets whose fourth byte says whether they are scrambled.
_TS_SYNC, _TS_PACKET_BYTES, _TS_PACKETS = 0x47, 188, 2000
_TS_SCRAMBLED = 0xC0

LOOKED_AT_BYTES = _TS_PACKETS * _TS_PACKET_BYTES
"""How many first bytes tell it of every file but an MP4, which has an index for that."""


def check(path: Path) -> None:
    """Raise MediaError for a source whose container says that it is encrypted. A bounded part of
    the file is read."""
    with path.open("rb") as file:
        head = file.read(16)
        if head == _ASF:
            header = file.read(_ASF_HEADER_BYTES)
            encrypted = any(mark in header for mark in _ASF_ENCRYPTION)
        elif head.startswith(_EBML):
            encrypted = _EBML_ENCRYPTION.search(file.read(_EBML_BYTES)) is not None
        elif head[:1] == bytes([_TS_SYNC]):
            file.seek(0)
            encrypted = _is_scrambled(file.read(LOOKED_AT_BYTES))
        elif head[4:8] in _BEGINNINGS:
            encrypted = _is_encrypted_mp4(file)
        else:
            return
    if encrypted:
        raise MediaError(
            "The source is encrypted (protected against copying), and this server has no key for "
            "it; give the address of a copy without protection."
        )


def _is_scrambled(data: bytes) -> bool:
    """Whether these are packets of a broadcast of which most cannot be read; its tables can."""
    packets = len(data) // _TS_PACKET_BYTES
    whole = data[: packets * _TS_PACKET_BYTES]
    if packets < 4 or set(whole[::_TS_PACKET_BYTES]) != {_TS_SYNC}:
        return False
    return sum(bool(flags & _TS_SCRAMBLED) for flags in whole[3::_TS_PACKET_BYTES]) * 2 > packets


def _is_encrypted_mp4(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    at = 0
    for _ in range(_TOP_BOXES_MAX):
        box = _box(file, at, size)
        if box is None:
            return False
        kind, start, end = box
        if kind == b"moov":
            return _holds_encrypted(file, start, end, [_BOXES_MAX], 0)
        at = end
    return False


def _holds_encrypted(file: BinaryIO, at: int, end: int, left: list[int], depth: int) -> bool:
    """Whether a box from `at` to `end` is a sample's that is encrypted, or holds one; `left` is
    how many may be looked at in all."""
    while left[0] > 0 and (box := _box(file, at, end)) is not None:
        left[0] -= 1
        kind, start, at = box
        if kind in _ENCRYPTED:
            return True
        if depth == _DEPTH_MAX or kind not in _CONTAINERS | {_DESCRIPTIONS}:
            continue
        if kind == _DESCRIPTIONS:
            start += _DESCRIPTIONS_HEAD_BYTES
        if _holds_encrypted(file, start, at, left, depth + 1):
            return True
    return False


def _box(file: BinaryIO, at: int, end: int) -> tuple[bytes, int, int] | None:
    """Type of the box at `at`, and where its contents start and end; None where there is none."""
    if at + _BOX_HEAD_BYTES > end:
        return None
    file.seek(at)
    head = file.read(16)
    size, kind, start = int.from_bytes(head[:4]), head[4:8], at + _BOX_HEAD_BYTES
    if size == 1:
        size, start = int.from_bytes(head[8:16]), at + 16
    if size == 0:
        return kind, start, end
    if len(head) < _BOX_HEAD_BYTES or at + size < start:
        return None
    return kind, start, min(at + size, end)
