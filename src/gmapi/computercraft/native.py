"""The kernels in native code: a C interface loaded with ctypes, which frees the interpreter's lock
for the length of each call."""

from __future__ import annotations

import ctypes
import weakref
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np

from gmapi.computercraft.kernels import ComposerSettings
from gmapi.computercraft.options import PALETTE_SIZE, Compression, Dither
from gmapi.computercraft.screen import U8, Screen

VERSION = 2
"""Of the C interface; a library of another version is not used."""

_BYTES = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int

_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "gm_version": (_INT, ()),
    "gm_lab": (_INT, (_BYTES, _SIZE, _BYTES)),
    "gm_median_cut": (_INT, (_BYTES, _SIZE, _BYTES)),
    "gm_kmeans": (_INT, (_BYTES, _SIZE, _INT, _BYTES)),
    "gm_octree": (_INT, (_BYTES, _SIZE, _INT, _BYTES)),
    "gm_dither": (_INT, (_BYTES, _INT, _INT, _BYTES, _INT, _INT, _BYTES)),
    "gm_cells": (_INT, (_BYTES, _INT, _INT, _BYTES, _INT, _INT, _BYTES, _BYTES)),
    "gm_encode": (ctypes.c_long, (_BYTES, _BYTES, _SIZE, _INT, _INT, _INT, _BYTES, _SIZE)),
    "gm_composer_new": (ctypes.c_void_p, (_INT, _INT, _INT, _INT, _BYTES, _BYTES)),
    "gm_compose": (_INT, (ctypes.c_void_p, _BYTES, _BYTES, _BYTES, _BYTES)),
    "gm_composer_free": (None, (ctypes.c_void_p,)),
}
_DITHERS = {Dither.NONE: 0, Dither.ORDERED: 1, Dither.DIFFUSION: 2}
_CODERS = {Compression.NONE: 0, Compression.ANS: 1, Compression.CUSTOM: 3}

_STILL, _THOROUGH = 1, 2


class NotNative(Exception):
    """There is no usable library; the text says why."""


def library_path() -> Path | None:
    """The library that was built at installation, if there is one."""
    folder = Path(__file__).parent
    for suffix in EXTENSION_SUFFIXES:
        path = folder / f"_kernels{suffix}"
        if path.is_file():
            return path
    return None


def load(path: Path | None = None) -> NativeKernels:
    """The kernels of a library, by default the installed one. Raises NotNative."""
    found = path or library_path()
    if found is None:
        raise NotNative("not built: there was no C++ compiler when gmapi was installed")
    try:
        library = ctypes.CDLL(str(found))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
    except (OSError, AttributeError) as error:
        raise NotNative(f"cannot be loaded: {error}") from error
    version = library.gm_version()
    if version != VERSION:
        raise NotNative(f"of interface {version}, not {VERSION}: install gmapi again")
    return NativeKernels(library)


class NativeKernels:
    """See `kernels.Kernels`; every method raises MemoryError when the library runs out of it."""

    name = "native"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def lab(self, pixels: U8) -> U8:
        """Blue, green, red to L, a, b."""
        pixels = np.ascontiguousarray(pixels)
        out = np.empty_like(pixels)
        _checked(self._library.gm_lab(_address(pixels), pixels.size // 3, _address(out)))
        return out

    def median_cut(self, pixels: U8) -> U8:
        """Up to 16 colours."""
        pixels = np.ascontiguousarray(pixels)
        out = _palette()
        count = self._library.gm_median_cut(_address(pixels), pixels.size // 3, _address(out))
        return out[: _checked(count)]

    def kmeans(self, pixels: U8, colors: int) -> U8:
        """Up to `colors` colours."""
        pixels = np.ascontiguousarray(pixels)
        out = _palette()
        count = self._library.gm_kmeans(_address(pixels), pixels.size // 3, colors, _address(out))
        return out[: _checked(count)]

    def octree(self, pixels: U8, colors: int) -> U8:
        """`colors` colours."""
        pixels = np.ascontiguousarray(pixels)
        out = _palette()
        count = self._library.gm_octree(_address(pixels), pixels.size // 3, colors, _address(out))
        return out[: _checked(count)]

    def dither(self, pixels: U8, palette: U8, method: Dither) -> U8:
        """Palette indexes of all pixels."""
        pixels, palette = np.ascontiguousarray(pixels), np.ascontiguousarray(palette)
        height, width = pixels.shape[:2]
        out = np.empty((height, width), np.uint8)
        _checked(
            self._library.gm_dither(
                _address(pixels), width, height,
                _address(palette), len(palette), _DITHERS[method], _address(out),
            )
        )  # fmt: skip
        return out

    def cells(self, indexes: U8, palette: U8, *, blocks_only: bool) -> tuple[U8, U8]:
        """Characters and colours."""
        indexes, palette = np.ascontiguousarray(indexes), np.ascontiguousarray(palette)
        height, width = indexes.shape
        characters, colors = _planes(height, width)
        _checked(
            self._library.gm_cells(
                _address(indexes), width, height, _address(palette), len(palette),
                int(blocks_only), _address(characters), _address(colors),
            )
        )  # fmt: skip
        return characters, colors

    def composer(self, settings: ComposerSettings) -> NativeComposer:
        """Start a video in `best` quality."""
        return NativeComposer(self._library, settings)

    def encode(
        self, characters: U8, colors: U8, compression: Compression, first: tuple[int, int] | None
    ) -> bytes:
        """Screen block and colour block of a 32vid frame."""
        characters, colors = np.ascontiguousarray(characters), np.ascontiguousarray(colors)
        if first is None:
            start = int(colors.flat[0]) if colors.size else 0
            first = (start & 15, start >> 4)
        # No symbol of either plane takes more than 15 bits, and a run of one cell is one symbol.
        out = np.empty(64 + 6 * characters.size, np.uint8)
        length = _checked(
            self._library.gm_encode(
                _address(characters), _address(colors), characters.size,
                _CODERS[compression], first[0], first[1], _address(out), out.size,
            )
        )  # fmt: skip
        return out[:length].tobytes()


class NativeComposer:
    """See `kernels.Composer`; for one thread at a time."""

    def __init__(self, library: ctypes.CDLL, settings: ComposerSettings) -> None:
        self._library = library
        self._settings = settings
        fixed = np.zeros((PALETTE_SIZE, 3), np.uint8)
        mask = np.zeros(PALETTE_SIZE, np.uint8)
        for slot, color in enumerate(settings.colors):
            if color is not None:
                fixed[slot], mask[slot] = color, 1
        flags = _STILL * settings.still + _THOROUGH * settings.thorough
        self._state = library.gm_composer_new(
            settings.width, settings.height, _DITHERS[settings.dither], flags,
            _address(fixed), _address(mask),
        )  # fmt: skip
        if not self._state:
            raise MemoryError("no memory for the composer")
        weakref.finalize(self, library.gm_composer_free, self._state)

    def compose(self, pixels: U8) -> Screen:
        """One picture; ValueError if it has another size than the composer."""
        height, width = self._settings.height, self._settings.width
        if pixels.shape != (height, width, 3):
            raise ValueError(f"the picture has shape {pixels.shape}, not {(height, width, 3)}")
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        characters, colors = _planes(height, width)
        palette = _palette()
        count = self._library.gm_compose(
            self._state, _address(planes), _address(characters), _address(colors),
            _address(palette),
        )  # fmt: skip
        return Screen(characters, colors, palette[: _checked(count)])


def _planes(height: int, width: int) -> tuple[U8, U8]:
    shape = (height // 3, width // 2)
    return np.empty(shape, np.uint8), np.empty(shape, np.uint8)


def _palette() -> U8:
    return np.zeros((PALETTE_SIZE, 3), np.uint8)


def _address(array: U8) -> int:
    return array.ctypes.data


def _checked(count: int) -> int:
    if count < 0:
        raise MemoryError("the native kernels ran out of memory")
    return count
