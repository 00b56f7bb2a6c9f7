"""The filter `pan`, asked for channels that a source does not have.

It makes silence of them and says nothing. Programs of the game ask for the left and the right
channel of any song (client contract, section 3), and of one with a single channel they mean that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gmapi.media import command
from gmapi.media.filtergraph import Filter, Graph, GraphSyntaxError, parse, write

# Filters after which there are other channels than the source has.
_RESHAPING = frozenset({
    "aformat", "amerge", "amix", "channelmap", "channelsplit", "extrastereo", "haas",
    "headphone", "join", "pan", "stereotools", "stereowiden", "surround", "concat",
})  # fmt: skip
_HAD = {1: frozenset({"FC", "c0"}), 2: frozenset({"FL", "FR", "c0", "c1"})}
_CHANNEL = re.compile(r"[A-Z]{2,4}|c[0-9]{1,2}")
_INPUT = re.compile(r"[0-9]+(?::.*)?")
_BACK, _SIDE = frozenset({"BL", "BR"}), frozenset({"SL", "SR"})


def with_channels(args: Sequence[str], channels: int | None) -> tuple[list[str], list[str]]:
    """A caller's words with each `pan` brought to what a source of so many channels has, and the
    channels that were asked for in vain, by name."""
    changed, missing = list(args), list[str]()
    for at in range(len(args) - 1):
        name, _ = command.canonical(args[at]) if args[at].startswith("-") else ("", "")
        if name in ("filter", "filter_complex") and "pan" in args[at + 1]:
            changed[at + 1] = _graph(args[at + 1], channels, missing)
    return changed, list(dict.fromkeys(missing))


def _graph(text: str, channels: int | None, missing: list[str]) -> str:
    try:
        graph = parse(text)
    except GraphSyntaxError:
        return text
    chains = [tuple(_chain(chain, channels, missing)) for chain in graph.chains]
    same = tuple(chains) == graph.chains
    return text if same else write(Graph(graph.scaler_flags, tuple(chains)))


def _chain(chain: Sequence[Filter], channels: int | None, missing: list[str]) -> Sequence[Filter]:
    """The chain with its first `pan` changed, if that gets the source's own channels."""
    if not all(map(_INPUT.fullmatch, chain[0].inputs)):
        return chain
    for at, each in enumerate(chain):
        if each.name == "pan" and each.arguments:
            return [*chain[:at], *_pan(each, channels, missing), *chain[at + 1 :]]
        if each.name in _RESHAPING:
            break
    return chain


def _pan(pan: Filter, channels: int | None, missing: list[str]) -> list[Filter]:
    head, *parts = (pan.arguments or "").split("|")
    asked = {name for part in parts for name in _CHANNEL.findall(_sources(part))}
    if channels == 6 and bool(asked & _BACK) != bool(asked & _SIDE):
        # There are two kinds of 5.1; the filter names which one it is about.
        kind = "5.1" if asked & _BACK else "5.1(side)"
        first = Filter("aformat", None, f"channel_layouts={kind}", pan.inputs, ())
        return [first, replace(pan, inputs=())]
    had = _HAD.get(channels or 0)
    if had is None:
        return [pan]
    # Names and numbers of channels cannot be mixed in one filter.
    numbered = not any(name.isupper() for name in asked & had)
    parts = [_heard(part, had, numbered, missing) for part in parts]
    return [replace(pan, arguments="|".join([head, *parts]))]


def _sources(part: str) -> str:
    """What an output channel is made of: the text behind its "=" or "<"."""
    return re.split("[=<]", part, maxsplit=1)[-1]


def _heard(part: str, had: frozenset[str], numbered: bool, missing: list[str]) -> str:
    """An output channel of `pan`, made of what there is when none of its channels is there."""
    made_of = _sources(part)
    asked = _CHANNEL.findall(made_of)
    if not asked or set(asked) & had:
        return part
    missing += asked
    target = part[: len(part) - len(made_of)]
    left, right = ("c0", "c1") if numbered else ("FL", "FR")
    if len(had) == 2:
        one = "c0" if numbered else "FC"
    elif all(name.endswith("L") for name in asked):
        one = left
    elif all(name.endswith("R") for name in asked):
        one = right
    else:
        return f"{target}0.5*{left}+0.5*{right}"
    # How loud a single channel is to be stays as it was said.
    return target + (made_of.replace(asked[0], one) if len(asked) == 1 else one)
