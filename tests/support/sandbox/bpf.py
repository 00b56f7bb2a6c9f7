"""An interpreter of the classic BPF that seccomp runs, to ask a filter for its verdict."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_INSTRUCTION = struct.Struct("=HBBI")
_DATA = struct.Struct("=iIQ6Q")
"""struct seccomp_data: number, architecture, instruction pointer, arguments."""

MAX_INSTRUCTIONS = 4096
"""The kernel's BPF_MAXINSNS."""


def verdict(
    program: bytes, architecture: int, number: int, arguments: Sequence[int] = ()
) -> int:  # fmt: skip
    """What the filter returns for a call. Fails on what the kernel would not load."""
    steps = list(_INSTRUCTION.iter_unpack(program))
    assert 0 < len(steps) <= MAX_INSTRUCTIONS
    words = [*arguments, *[0] * (6 - len(arguments))]
    signed = number - (1 << 32) if number >= 1 << 31 else number
    data = _DATA.pack(signed, architecture, 0, *words)
    at = value = 0
    while True:
        code, true, false, constant = steps[at]
        at += 1
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            assert constant % 4 == 0
            assert constant + 4 <= _DATA.size
            (value,) = struct.unpack_from("=I", data, constant)
        elif code == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            value &= constant
        elif code == 0x06:  # BPF_RET | BPF_K
            result: int = constant
            return result
        else:
            holds = {0x15: value == constant, 0x25: value > constant, 0x35: value >= constant}
            at += true if holds[code] else false
