"""Files of DFPWM brought to the length of their film, and what counts as silence."""

import itertools
from pathlib import Path

import pytest

from gmapi.tools.sound import is_plain_silence, settle

# Half a second of sound, then 0.05 s of silence, of which the last byte is filled up with zeros.
SOUND = bytes(range(250)) * 12
MADE = SOUND + b"\xaa" * 299 + b"\x02"


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        (0.0, SOUND),
        (0.5, SOUND),
        # The film ends in the silence behind its sound, or later.
        (0.52, SOUND + b"\xaa" * 120),
        (1.0, SOUND + b"\xaa" * 3000),
        (30.0, SOUND + b"\xaa" * 177_000),
    ],
)
def test_dfpwm_lasts_as_long_as_its_film(tmp_path: Path, seconds: float, left: bytes) -> None:
    path = tmp_path / "sound.dfpwm"
    path.write_bytes(MADE)
    settle(path, seconds)
    assert path.read_bytes() == left


def test_ones_and_zeros_go_on_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "sound.dfpwm"
    path.write_bytes(SOUND + b"\x55" * 300)
    settle(path, 1.0)
    bits = [byte >> n & 1 for byte in path.read_bytes()[len(SOUND) :] for n in range(8)]
    assert all(a != b for a, b in itertools.pairwise(bits))


def test_other_rates_have_other_lengths(tmp_path: Path) -> None:
    path = tmp_path / "sound.dfpwm"
    path.write_bytes(SOUND + b"\xaa" * 150)
    settle(path, 2.0, 24_000)
    assert path.stat().st_size == 6000
    path.write_bytes(SOUND + b"\xaa" * 150)
    settle(path, 0.1, 24_000)
    assert path.read_bytes() == SOUND


@pytest.mark.parametrize(
    ("data", "silent"),
    [
        (b"", True),
        (b"\xaa" * 6000, True),
        (b"\x54\x55\x55" + b"\xaa" * 6000, True),
        (b"\x80" * 6000 + b"\x7f\x81", True),
        (b"\x00\x00\xff\xff\x01\x00" * 1000, True),
        (b"\xd5" * 6000, True),
        (SOUND, False),
        (b"\xaa" * 6000 + SOUND[:100], False),
    ],
)
def test_plain_silence(data: bytes, silent: bool) -> None:
    assert is_plain_silence(data) is silent
