"""The quickest deflate there is: ISA-L where it is installed, else zlib."""

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

LEVEL = 1
"""Measured on filtered pictures: ISA-L's level 1 takes a quarter of the time of zlib's and gives
the same size; its higher levels give nothing more."""


def deflate(data: bytes | U8) -> bytes:
    """A zlib stream (RFC 1950) of `data`, which lies in one piece."""
    packed: bytes = _library.compress(data, LEVEL)
    return packed


def crc32(data: bytes, start: int = 0) -> int:
    """The checksum of PNG and zlib, continued from `start`."""
    checksum: int = _library.crc32(data, start)
    return checksum
