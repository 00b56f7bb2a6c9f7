"""Deflate for pictures: the quickest there is, ISA-L where it is installed, and a smaller one."""

from __future__ import annotations

import importlib
import zlib
from types import ModuleType

from gmapi.computercraft.screen import U8


def _quickest() -> ModuleType:
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:  # there is no wheel of it for every machine
        return zlib


_library = _quickest()

_QUICK = 1
"""Measured on filtered pictures: ISA-L's level 1 takes a quarter of the time of zlib's and gives
the same size; its higher levels give nothing more."""
_SMALL = 4
"""Measured on palette indexes: a tenth smaller in six times the time; from 6 on hardly more."""


def deflate(data: bytes | U8) -> bytes:
    """A zlib stream (RFC 1950) of `data`, which lies in one piece."""
    packed: bytes = _library.compress(data, _QUICK)
    return packed


def deflate_small(data: U8) -> bytes:
    """The same for what is sent often, or over slow ways."""
    return zlib.compress(data.data, _SMALL)


def crc32(data: bytes, start: int = 0) -> int:
    """The checksum of PNG and zlib, continued from `start`."""
    checksum: int = _library.crc32(data, start)
    return checksum
