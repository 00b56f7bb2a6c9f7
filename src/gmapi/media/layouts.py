"""Which loudspeakers encoders know: sound for others is brought to the nearest they have."""

from __future__ import annotations

from collections.abc import Sequence

from gmapi.media.command import Options, canonical

# For encoders that do not tell ffmpeg what they know, or more than their container can say.
_OPUS = "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1"
_STEREO = "mono|stereo"
_EIGHT = "mono|stereo|2.1|3.0|4.0|quad|quad(side)|5.0|5.0(side)|5.1|5.1(side)|6.1|7.1|7.1(wide)"
_AAC = "mono|stereo|3.0|4.0|5.0|5.1|7.1"
_ADTS = "mono|stereo|3.0|4.0|5.0|5.1"
_KNOWN = {
    "libopus": _OPUS, "opus": "mono|stereo", "wmav1": _STEREO, "wmav2": _STEREO, "flac": _EIGHT,
    "aac": _AAC,
}  # fmt: skip

UNNAMED = frozenset({"tta"})
"""Codecs whose decoders tell how many channels there are, and no layout."""


def fitting(encoder: str | None, muxer: str) -> str | None:
    """The filter that brings sound to loudspeakers which this encoder knows; None where ffmpeg
    does so by itself."""
    known = _KNOWN.get(encoder or "")
    if encoder == "aac" and muxer == "adts":
        known = _ADTS
    return f"aformat=channel_layouts={known}" if known else None


def appended(args: Sequence[str], tail: str) -> list[str]:
    """A caller's words with a filter behind those that the sound goes through already; words with
    a graph are left as they are."""
    options = Options(args)
    if options.has("filter_complex"):
        return list(args)
    changed, found = list(args), False
    for at in range(len(args) - 1):
        if args[at].startswith("-") and canonical(args[at]) == ("filter", "a") and args[at + 1]:
            changed[at + 1] = f"{args[at + 1]},{tail}"
            found = True
    return changed if found else ["-af", tail, *changed]


def mixed(before: int, after: int) -> str:
    """A sentence about sound that has fewer channels than its source."""
    had = f"{before} channels"
    return (
        f"The source's sound has {had} and the file {after}: the format, or its codec, cannot hold "
        "them all, and they were mixed. With -ac in args you choose how many there are."
    )
