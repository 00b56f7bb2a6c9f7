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
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gmapi.fetch.address import SourceUrl
from gmapi.fetch.hls import best_quality
from gmapi.fetch.segments import (
    SECONDS_MAX,
    Segment,
    Track,
    bad_playlist,
    check_count,
    make_span,
    make_track,
    resolve_url,
)
from gmapi.fetch.transfer import Span

_DURATION = re.compile(
    r"P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,9})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,12})?)S)?)?"
)
_UNIT_SECONDS = (365 * 86400, 30 * 86400, 86400, 3600, 60, 1)
_PLACEHOLDER = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0([0-9]{1,2})d)?)?\$")
_RANGE = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
_HREF = "{http://www.w3.org/1999/xlink}href"
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


def parse(text: str, base: SourceUrl) -> list[Track]:
    """The tracks of a manifest: pictures and sound, or the one there is."""
    root = _document(text)
    if root.get("type", "static") != "static":
        raise bad_playlist(
            "is a live DASH manifest, of which only finished ones are read; use the stream's HLS "
            "address if it has one"
        )
    if any(_HREF in element.attrib for element in root.iter()):
        raise bad_playlist("has parts at other addresses (xlink); use another source")
    periods = _children(root, "Period")
    if len(periods) != 1:
        raise bad_playlist(
            f"has {len(periods)} periods, of which this server reads exactly one; "
            "use another source"
        )
    seconds = _duration(periods[0].get("duration") or root.get("mediaPresentationDuration"))
    chosen = _choose(root, periods[0])
    return [_track(choice, seconds, base) for choice in chosen]


def _document(text: str) -> Element:
    try:
        root = fromstring(text.lstrip("\ufeff \t\r\n"), forbid_dtd=True)
    except DefusedXmlException as error:
        raise bad_playlist("has a document type definition, which is not read", error) from None
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise bad_playlist("is not well-formed XML; check the address", error) from None
    assert isinstance(root, Element)
    if _name(root) != "MPD":
        raise bad_playlist("is not a DASH manifest; check the address")
    return root


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _children(element: Element, name: str) -> list[Element]:
    return [child for child in element if _name(child) == name]


def _choose(root: Element, period: Element) -> list[_Choice]:
    kinds: dict[str, list[_Choice]] = {"video": [], "audio": []}
    for group in _children(period, "AdaptationSet"):
        if _is_trick_mode(group):
            continue
        for own in _children(group, "Representation"):
            kind = _kind(group, own)
            if kind in kinds:
                height = own.get("height") or group.get("height") or group.get("maxHeight") or "0"
                kinds[kind].append(
                    _Choice(
                        (root, period, group, own),
                        _whole(height, "height"),
                        _whole(own.get("bandwidth", "0"), "bandwidth"),
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
        if any(_children(element, "ContentProtection") for element in choice.chain):
            raise bad_playlist(
                "is of an encrypted stream, which this server does not decrypt; use another source"
            )
    return chosen


def _is_trick_mode(group: Element) -> bool:
    properties = _children(group, "EssentialProperty") + _children(group, "SupplementalProperty")
    return any(item.get("schemeIdUri") == _TRICK_MODE for item in properties)


def _kind(group: Element, own: Element) -> str:
    for element in (own, group):
        kind = element.get("contentType") or (element.get("mimeType") or "").partition("/")[0]
        if kind:
            return kind.lower()
    return ""


def _track(choice: _Choice, seconds: float | None, base: SourceUrl) -> Track:
    for element in choice.chain:
        for address in _children(element, "BaseURL")[:1]:
            base = resolve_url(base, address.text or "", "its base")
    templates = list(_inherited(choice, "SegmentTemplate"))
    if templates:
        return _from_template(choice, templates, seconds, base)
    lists = list(_inherited(choice, "SegmentList"))
    if lists:
        return _from_list(lists, base)
    return make_track([Segment(base, None, min(seconds or 0.0, SECONDS_MAX), 1)])


def _inherited(choice: _Choice, name: str) -> Iterator[Element]:
    """Elements of this name, the innermost first."""
    for element in reversed(choice.chain):
        yield from _children(element, name)[:1]


def _attribute(elements: list[Element], name: str) -> str | None:
    return next((e.attrib[name] for e in elements if name in e.attrib), None)


def _child(elements: list[Element], name: str) -> Element | None:
    return next((child for e in elements for child in _children(e, name)), None)


def _from_template(
    choice: _Choice, elements: list[Element], seconds: float | None, base: SourceUrl
) -> Track:
    names: Mapping[str, str | int] = {
        "RepresentationID": choice.own.get("id", ""),
        "Bandwidth": choice.bandwidth,
    }
    segments = []
    header = _attribute(elements, "initialization")
    if header is not None:
        segments.append(Segment(resolve_url(base, _fill(header, names), "the header")))
    else:
        segments += _initialization(elements, base)
    media = _attribute(elements, "media")
    if media is None:
        raise bad_playlist("has a SegmentTemplate without media")
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
        text = _fill(media, {**names, "Number": start + at, "Time": time})
        url = resolve_url(base, text, f"segment {at + 1}")
        segments.append(Segment(url, None, length / scale, at + 1))
    return make_track(segments)


def _timeline(timeline: Element, end: float | None) -> Iterator[tuple[int, int]]:
    """Start and length of each segment in units of the timescale."""
    entries = _children(timeline, "S")
    time = 0
    for at, entry in enumerate(entries):
        time = _whole(entry.get("t", str(time)), "time")
        length = _whole(entry.get("d", "0"), "length")
        repeat = entry.get("r", "0")
        if length == 0:
            raise bad_playlist("has a segment of an impossible length")
        if repeat == "-1":
            following = entries[at + 1].get("t") if at + 1 < len(entries) else None
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


def _from_list(elements: list[Element], base: SourceUrl) -> Track:
    segments = _initialization(elements, base)
    scale = _whole(_attribute(elements, "timescale") or "1", "timescale") or 1
    length = _whole(_attribute(elements, "duration") or "0", "duration")
    listed = [child for element in elements[:1] for child in _children(element, "SegmentURL")]
    check_count(len(listed))
    for number, item in enumerate(listed, 1):
        name = f"segment {number}"
        url = resolve_url(base, item.get("media", ""), name)
        segments.append(Segment(url, _span(item.get("mediaRange"), name), length / scale, number))
    return make_track(segments)


def _initialization(elements: list[Element], base: SourceUrl) -> list[Segment]:
    item = _child(elements, "Initialization")
    if item is None:
        return []
    url = resolve_url(base, item.get("sourceURL", ""), "the header")
    return [Segment(url, _span(item.get("range"), "the header"))]


def _span(text: str | None, name: str) -> Span | None:
    if text is None:
        return None
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise bad_playlist(f"names an impossible part of a file for {name}", text[:100])
    return make_span(int(match[1]), int(match[2]) - int(match[1]) + 1, name)


def _fill(template: str, values: Mapping[str, str | int]) -> str:
    """Put values in for $Number%05d$ and the like; `$$` is a dollar sign."""

    def value(match: re.Match[str]) -> str:
        if not match[1]:
            return "$"
        found = values.get(match[1])
        if found is None:
            raise bad_playlist(f"uses ${match[1]}$ where it has no value")
        return f"{found:0{int(match[2])}d}" if match[2] and isinstance(found, int) else str(found)

    filled = _PLACEHOLDER.sub(value, template)
    if re.search(r"\$SubNumber", template):
        raise bad_playlist("has segments of several parts ($SubNumber$); use another source")
    return filled


def _whole(text: str, what: str) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,18}\s*", text):
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
