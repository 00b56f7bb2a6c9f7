"""From the bright pictures of HDR video to what a usual screen shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg

WHITE_NITS = 203
"""Brightness of a white sheet in HDR video, candela a square metre (ITU-R BT.2408)."""

# Up to this part of white all stays as it is; what is brighter shares the rest.
_KNEE = 0.7

_TRANSFERS = {"pq": "smpte2084", "hlg": "arib-std-b67"}


_NAMES = {"pq": "HDR10, PQ", "hlg": "HLG"}
_FILTERS = frozenset({"zscale", "tonemap"})


def can_map(ffmpeg: Ffmpeg) -> bool:
    """Whether this ffmpeg has the filters of `to_sdr`."""
    return ffmpeg.filters >= _FILTERS


def told(ffmpeg: Ffmpeg, hdr: str) -> str:
    """A sentence about a source whose colours are "pq" or "hlg"."""
    if can_map(ffmpeg):
        return (
            f"The source's colours are HDR ({_NAMES[hdr]}); they were mapped to those of usual "
            "screens (SDR, BT.709)."
        )
    return (
        f"The source's colours are HDR ({_NAMES[hdr]}), which this server's ffmpeg cannot map to "
        "those of usual screens; the pictures look pale."
    )


def left(hdr: str) -> str:
    """A sentence about a source in "pq" or "hlg" whose look is its caller's."""
    return (
        f"The source's colours are HDR ({_NAMES[hdr]}), and were not mapped to those of usual "
        "screens since args say how the pictures look; they look pale. Leave out -vf, "
        "-filter_complex, -s and -map, or map the colours with the filters zscale and tonemap."
    )


def to_sdr(hdr: str) -> str:
    """Filters that bring pictures in "pq" or "hlg" to BT.709: white comes out near white.

    They take and give planar RGB of any depth, so what is before them has to give RGB
    (`format=gbrp16le`), and what is behind them finds 8 bits a colour (`gbrp`).
    """
    return (
        f"zscale=rin=full:tin={_TRANSFERS[hdr]}:pin=bt2020:t=linear:npl={WHITE_NITS},"
        "format=gbrpf32le,zscale=p=bt709,"
        f"tonemap=tonemap=mobius:param={_KNEE}:desat=0,"
        "zscale=t=bt709:r=full,format=gbrp"
    )
