"""Reading DASH manifests (ISO/IEC 23009-1): static, of one period; no network.

One representation of pictures and one of sound is chosen. Segments come from a SegmentTemplate
(by number or by time, with or without a timeline), a SegmentList, or a single file. All functions
raise SourceError with a sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gmapi.fetch.address import MAX_URL_LENGTH, SourceUrl
from gmapi.fetch.bounds import CHOICES_MAX, Bounds
from gmapi.fetch.hls import best_quality
from gmapi.fetch.manifest import Element, read_manifest
from gmapi.fetch.ranges import Span
from gmapi.fetch.segments import (
    SECONDS_MAX,
    Segment,
    Track,
    bad_playlist,
    check_count,
    make_span,
    make_track,
)

_DURATION = re.compile(
    r"P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,9})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,12})?)S)?)?"
)
_UNIT_SECONDS = (365 * 86400, 30 * 86400, 86400, 3600, 60, 1)
_PLACEHOLDER = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0([0-9]{1,2})d)?)?\$")
_WHOLE = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
_TRICK_MODE = "http://dashif.org/guidelines/trickmode"


@dataclass(frozen=True)
class _Choice:
    """A representation with all elements it inherits from, the outermost first."""

    chain: tuple[Element, ...]
    height: int
    bandwidth: int

    @property
    def own(self) -> Element:
        return self.chain[-1]


def parse(text: str, base: SourceUrl, bounds: Bounds | None = None) -> list[Track]:
    """The tracks of a manifest: pictures and sound, or the one there is."""
    bounds = bounds or Bounds()
    root = read_manifest(text, bounds)
    if root.attributes.get("type", "static") != "static":
        raise bad_playlist(
            "is a live DASH manifest, of which only finished ones are read; use the stream's HLS "
            "address if it has one"
        )
    periods = root.named("Period")
    if len(periods) != 1:
        raise bad_playlist(
            f"has {len(periods)} periods, of which this server reads exactly one; "
            "use another source"
        )
    length = periods[0].attributes.get("duration") or root.attributes.get(
        "mediaPresentationDuration"
    )
    seconds = _duration(length)
    chosen = _choose(root, periods[0], bounds)
    return [_track(choice, seconds, base, bounds) for choice in chosen]


def _choose(root: Element, period: Element, bounds: Bounds) -> list[_Choice]:
    kinds: dict[str, list[_Choice]] = {"video": [], "audio": []}
    for group in period.named("AdaptationSet"):
        if _is_trick_mode(group):
            continue
        for own in group.named("Representation"):
            bounds.step(10)
            kind = _kind(group, own)
            if kind not in kinds:
                continue
            if len(kinds[kind]) == CHOICES_MAX:
                raise bad_playlist(f"has more than {CHOICES_MAX:,} qualities; use another source")
            height = (
                own.attributes.get("height")
                or group.attributes.get("height")
                or group.attributes.get("maxHeight")
                or "0"
            )
            kinds[kind].append(
                _Choice(
                    (root, period, group, own),
                    _whole(height, "height"),
                    _whole(own.attributes.get("bandwidth", "0"), "bandwidth"),
                )
            )
    chosen = []
    for choices in kinds.values():
        if choices:
            best = best_quality([(choice.height, choice.bandwidth) for choice in choices])
            chosen.append(choices[best])
    if not chosen:
        raise bad_playlist("names neither pictures nor sound; check the address")
    for choice in chosen:
        if any(element.named("ContentProtection") for element in choice.chain):
            raise bad_playlist(
                "is of an encrypted stream, which this server does not decrypt; use another source"
            )
    return chosen


def _is_trick_mode(group: Element) -> bool:
    properties = group.named("EssentialProperty") + group.named("SupplementalProperty")
    return any(item.attributes.get("schemeIdUri") == _TRICK_MODE for item in properties)


def _kind(group: Element, own: Element) -> str:
    for element in (own, group):
        kind = element.attributes.get("contentType")
        kind = kind or element.attributes.get("mimeType", "").partition("/")[0]
        if kind:
            return kind.lower()
    return ""


def _track(choice: _Choice, seconds: float | None, base: SourceUrl, bounds: Bounds) -> Track:
    for element in choice.chain:
        for address in element.named("BaseURL")[:1]:
            base = bounds.resolve(base, address.text, "its base")
    templates = list(_inherited(choice, "SegmentTemplate"))
    if templates:
        return _from_template(choice, templates, seconds, base, bounds)
    lists = list(_inherited(choice, "SegmentList"))
    if lists:
        return _from_list(lists, seconds, base, bounds)
    return make_track([Segment(base, None, min(seconds or 0.0, SECONDS_MAX), 1)], seconds)


def _inherited(choice: _Choice, name: str) -> Iterator[Element]:
    """Elements of this name, the innermost first."""
    for element in reversed(choice.chain):
        yield from element.named(name)[:1]


def _attribute(elements: list[Element], name: str) -> str | None:
    return next((e.attributes[name] for e in elements if name in e.attributes), None)


def _child(elements: list[Element], name: str) -> Element | None:
    return next((child for e in elements for child in e.named(name)), None)


def _from_template(
    choice: _Choice,
    elements: list[Element],
    seconds: float | None,
    base: SourceUrl,
    bounds: Bounds,
) -> Track:
    fixed: Mapping[str, str | int] = {
        "RepresentationID": choice.own.attributes.get("id", ""),
        "Bandwidth": choice.bandwidth,
    }
    segments = []
    header = _attribute(elements, "initialization")
    if header is not None:
        text = _Template(header, fixed).fill({})
        segments.append(Segment(bounds.resolve(base, text, "the header")))
    else:
        segments += _initialization(elements, base, bounds)
    media = _attribute(elements, "media")
    if media is None:
        raise bad_playlist("has a SegmentTemplate without media")
    template = _Template(media, fixed)
    scale = _whole(_attribute(elements, "timescale") or "1", "timescale") or 1
    start = _whole(_attribute(elements, "startNumber") or "1", "startNumber")
    timeline = _child(elements, "SegmentTimeline")
    if timeline is not None:
        times = _timeline(timeline, None if seconds is None else seconds * scale)
    else:
        length = _whole(_attribute(elements, "duration") or "0", "duration")
        if not length or seconds is None:
            raise bad_playlist("does not say how many segments there are")
        count = math.ceil(round(seconds * scale / length, 6))
        check_count(count)
        times = ((number * length, length) for number in range(count))
    for at, (time, length) in enumerate(times):
        check_count(at + 1)
        text = template.fill({"Number": start + at, "Time": time})
        url = bounds.resolve(base, text, f"segment {at + 1}")
        segments.append(Segment(url, None, length / scale, at + 1))
    return make_track(segments, _told(segments, seconds))


def _timeline(timeline: Element, end: float | None) -> Iterator[tuple[int, int]]:
    """Start and length of each segment in units of the timescale."""
    entries = timeline.named("S")
    time = 0
    for at, entry in enumerate(entries):
        time = _whole(entry.attributes.get("t", str(time)), "time")
        length = _whole(entry.attributes.get("d", "0"), "length")
        repeat = entry.attributes.get("r", "0")
        if length == 0:
            raise bad_playlist("has a segment of an impossible length")
        if repeat == "-1":
            following = entries[at + 1].attributes.get("t") if at + 1 < len(entries) else None
            until = float(_whole(following, "time")) if following else end
            if until is None:
                raise bad_playlist("does not say how many segments there are")
            repeats = max(0, math.ceil(round((until - time) / length, 6)) - 1)
        else:
            repeats = _whole(repeat, "number of segments")
        check_count(repeats)
        for _ in range(repeats + 1):
            yield time, length
            time += length


def _from_list(
    elements: list[Element], seconds: float | None, base: SourceUrl, bounds: Bounds
) -> Track:
    segments = _initialization(elements, base, bounds)
    scale = _whole(_attribute(elements, "timescale") or "1", "timescale") or 1
    length = _whole(_attribute(elements, "duration") or "0", "duration")
    listed = elements[0].named("SegmentURL")
    check_count(len(listed))
    for number, item in enumerate(listed, 1):
        name = f"segment {number}"
        url = bounds.resolve(base, item.attributes.get("media", ""), name)
        span = _span(item.attributes.get("mediaRange"), name)
        segments.append(Segment(url, span, length / scale, number))
    return make_track(segments, None if seconds is None else _told(segments, seconds))


def _told(segments: list[Segment], seconds: float | None) -> float:
    """How long segments play of which the last may be shorter than it is called, in a film of so
    many seconds."""
    listed = sum(segment.seconds for segment in segments)
    return listed if seconds is None else min(listed, seconds)


def _initialization(elements: list[Element], base: SourceUrl, bounds: Bounds) -> list[Segment]:
    item = _child(elements, "Initialization")
    if item is None:
        return []
    url = bounds.resolve(base, item.attributes.get("sourceURL", ""), "the header")
    return [Segment(url, _span(item.attributes.get("range"), "the header"))]


def _span(text: str | None, name: str) -> Span | None:
    if text is None:
        return None
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise bad_playlist(f"names an impossible part of a file for {name}", text[:100])
    return make_span(int(match[1]), int(match[2]) - int(match[1]) + 1, name)


class _Template:
    """An address with places for values ($Number%05d$ and the like; `$$` is a dollar sign), those
    that are `fixed` filled in. No more is ever put together than an address may be long."""

    def __init__(self, text: str, fixed: Mapping[str, str | int]) -> None:
        if "$SubNumber" in text:
            raise bad_playlist("has segments of several parts ($SubNumber$); use another source")
        # Texts, and names of values with their least number of digits.
        self._parts: list[str | tuple[str, int]] = []
        known, size, end = "", 0, 0
        for match in _PLACEHOLDER.finditer(text):
            name, digits = match[1], int(match[2] or 0)
            filled = "$" if not name else _digits(fixed[name], digits) if name in fixed else ""
            known += text[end : match.start()] + filled
            end = match.end()
            if name and name not in fixed:
                self._parts += [known, (name, digits)]
                size += len(known) + max(1, digits)
                known = ""
            _check_length(size + len(known))
        known += text[end:]
        _check_length(size + len(known))
        self._parts.append(known)

    def fill(self, values: Mapping[str, int]) -> str:
        """The address for these values. Raises SourceError for a value that there is not."""
        return "".join(
            part if isinstance(part, str) else _digits(_value(values, part[0]), part[1])
            for part in self._parts
        )


def _digits(value: str | int, least: int) -> str:
    return f"{value:0{least}d}" if least and isinstance(value, int) else str(value)


def _value(values: Mapping[str, int], name: str) -> int:
    if name not in values:
        raise bad_playlist(f"uses ${name}$ where it has no value")
    return values[name]


def _check_length(characters: int) -> None:
    if characters > MAX_URL_LENGTH:
        raise bad_playlist(
            f"has addresses of more than {MAX_URL_LENGTH} characters; use another source"
        )


def _whole(text: str, what: str) -> int:
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise bad_playlist(f"has an impossible {what}", text[:100])
    return int(text)


def _duration(text: str | None) -> float | None:
    """Seconds of an XML duration such as PT1H2M3.5S; None when not said."""
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise bad_playlist("has an impossible length", text[:100])
    parts = zip(match.groups(), _UNIT_SECONDS, strict=True)
    return sum(float(part) * unit for part, unit in parts if part)
