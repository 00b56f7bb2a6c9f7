"""32vid's "custom" coder: canonical Huffman codes (formats document, 5.7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmapi.computercraft.formats import packed, symbols
from gmapi.computercraft.screen import U8

LONGEST_CODE = 15
"""Lengths are stored in four bits."""
_TALL = 14
"""Trees higher than this are joined last."""


def encode(characters: U8, colors: U8, first: tuple[int, int] | None) -> bytes:
    """Screen block and colour block. Both planes are u8 of the same shape; see `symbols.planes`
    for `first`."""
    foreground, background = symbols.planes(colors, first)
    return _block(packed.codes(characters), symbols.SCREEN_SYMBOLS) + _block(
        np.concatenate((foreground, background)), symbols.COLOR_SYMBOLS
    )


def _block(text: U8, alphabet: int) -> bytes:
    weights = np.bincount(text, minlength=alphabet)
    if np.count_nonzero(weights) < 2:
        return bytes(alphabet // 2) + bytes([only_symbol(text)])
    lengths = code_lengths(weights.tolist())
    codes = np.zeros(alphabet, np.uint64)
    code = 0
    for length in range(1, max(lengths) + 1):
        code <<= 1
        for symbol, own in enumerate(lengths):
            if own == length:
                codes[symbol] = code
                code += 1
    return nibbles(lengths) + packed.pack(codes[text], np.array(lengths)[text])


def only_symbol(text: U8) -> int:
    """Of a text with one symbol; 0 for an empty one."""
    return int(text[0]) if text.size else 0


def nibbles(values: Sequence[int]) -> bytes:
    """Two numbers per byte, the first one in the high bits."""
    return bytes(even << 4 | odd for even, odd in zip(values[::2], values[1::2], strict=True))


@dataclass(frozen=True)
class _Tree:
    weight: int
    height: int
    leaves: tuple[int, ...]


def code_lengths(weights: Sequence[int]) -> list[int]:
    """Bits of the code of each symbol, 0 for those of weight 0, at most LONGEST_CODE. At least two
    weights are positive."""
    lengths = _depths(weights)
    while max(lengths) > LONGEST_CODE:
        weights = [(weight + 1) // 2 for weight in weights]
        lengths = _depths(weights)
    return lengths


def _depths(weights: Sequence[int]) -> list[int]:
    heap: list[_Tree] = []
    for symbol, weight in enumerate(weights):
        if weight:
            _push(heap, _Tree(weight, 1, (symbol,)))
    depths = [0] * len(weights)
    while len(heap) > 1:
        left, right = _pop(heap), _pop(heap)
        leaves = left.leaves + right.leaves
        for symbol in leaves:
            depths[symbol] += 1
        height = max(left.height, right.height) + 1
        _push(heap, _Tree(left.weight + right.weight, height, leaves))
    return depths


def _below(a: _Tree, b: _Tree) -> bool:
    if a.height > _TALL:
        return True
    if b.height > _TALL:
        return False
    return a.weight >= b.weight


# The standard library's heap orders equal weights otherwise than the reference does.


def _push(heap: list[_Tree], tree: _Tree) -> None:
    heap.append(tree)
    _rise(heap, len(heap) - 1, tree)


def _pop(heap: list[_Tree]) -> _Tree:
    root, moved = heap[0], heap.pop()
    hole = 0
    while 2 * hole + 1 < len(heap):
        child = 2 * hole + 2
        if child == len(heap) or _below(heap[child], heap[child - 1]):
            child -= 1
        heap[hole] = heap[child]
        hole = child
    if heap:
        _rise(heap, hole, moved)
    return root


def _rise(heap: list[_Tree], hole: int, tree: _Tree) -> None:
    while hole > 0 and _below(heap[(hole - 1) // 2], tree):
        heap[hole] = heap[(hole - 1) // 2]
        hole = (hole - 1) // 2
    heap[hole] = tree
