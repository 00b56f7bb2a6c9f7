"""Playlists and manifests that hold or stand for far too much, and what is to be said of each."""

from __future__ import annotations

from gmapi.fetch import dash, hls
from gmapi.fetch.address import check_url
from gmapi.fetch.bounds import ADDRESS_CHARACTERS_MAX, CHOICES_MAX, HEADERS_MAX, HOSTS_MAX, Bounds
from gmapi.fetch.hls import ATTRIBUTES_MAX, LINES_MAX
from gmapi.fetch.manifest import DEPTH_MAX, ELEMENTS_MAX
from gmapi.fetch.segments import SEGMENTS_MAX, make_track
from gmapi.fetch.terms import LIST_BYTES_MAX

BASE = check_url("http://media.example/films/one/list?token=x")


def read_hls(text: str, bounds: Bounds | None = None) -> None:
    """As the worker does."""
    if not hls.is_hls(text, bounds):
        hls.single_entry(text, BASE, bounds)
    elif hls.is_master(text, bounds):
        hls.choose(text, BASE, bounds)
    else:
        track = make_track(hls.parse_media(text, BASE, bounds).in_order())
        track.digest()
        track.requests()


def read_dash(text: str, bounds: Bounds | None = None) -> None:
    for track in dash.parse(text, BASE, bounds):
        track.digest()
        track.requests()


def media(*lines: str) -> str:
    return "\n".join(["#EXTM3U", "#EXT-X-VERSION:3", *lines])


def mpd(inside: str) -> str:
    return (
        '<MPD mediaPresentationDuration="PT20000S"><Period><AdaptationSet contentType="video">'
        f'<Representation id="v">{inside}</Representation></AdaptationSet></Period>'
        "</MPD>"
    )


def template(address: str, inside: str = "") -> str:
    return f'<SegmentTemplate media="{address}" duration="1">{inside}</SegmentTemplate>'


def repeated(piece: str) -> str:
    return media() + "\n" + piece * (LIST_BYTES_MAX // len(piece))


def _numbered(form: str, count: int = 200_000) -> str:
    return media(*(form.format(number) for number in range(count)))[:LIST_BYTES_MAX]


def _chinese(number: int) -> str:
    return ".".join(
        "".join(chr(0x4E00 + (number * 7 + at * 31 + part) % 20_000) for at in range(19))
        for part in range(4)
    )


HLS_FLOODS: dict[str, tuple[str, str]] = {
    "empty lines": (repeated("\n"), "names no segments"),
    "lines of spaces": (repeated(" \n"), "names no segments"),
    "comments": (repeated("#\n"), f"more than the {LINES_MAX:,} lines"),
    "lengths": (repeated("#EXTINF:1\n"), f"more than the {LINES_MAX:,} lines"),
    "keys": (
        repeated("#EXT-X-KEY:METHOD=NONE" + ",A=" * 5000 + "\n"),
        "names no segments",
    ),
    "attributes": (
        media("#EXT-X-MAP:" + ",".join(f"A{n}=" for n in range(1000))),
        f"more than {ATTRIBUTES_MAX} attributes",
    ),
    "long numbers": (repeated("#EXTINF:0." + "1" * 16_000 + "\n1.ts\n"), "impossible length"),
    "headers": (_numbered('#EXT-X-MAP:URI="{}"'), f"more than the {HEADERS_MAX:,} headers"),
    "the same header": (_numbered('#EXT-X-MAP:URI="a"', 190_000), "names no segments"),
    "variants": (
        repeated("#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n"),
        f"more than {CHOICES_MAX:,} variants",
    ),
    "sounds": (
        repeated("#EXT-X-STREAM-INF:BANDWIDTH=1\nx\n#EXT-X-MEDIA:TYPE=AUDIO\n"),
        f"more than {CHOICES_MAX:,} variants",
    ),
    "hosts": (
        _numbered("#EXTINF:1\nhttp://{0}.example/x", 10_000),
        f"more than {HOSTS_MAX} hosts",
    ),
    "international hosts": (
        media(*(f"#EXTINF:1\nhttp://{_chinese(number)}/x" for number in range(10_000))),
        f"more than {HOSTS_MAX} hosts",
    ),
    "one international host": (
        media(*[f"#EXTINF:1\nhttp://{_chinese(0)}/x"] * 10_000),
        "",
    ),
    "letters that grow": (
        _numbered("#EXTINF:1\n" + "é" * 300 + "{}", 20_000),
        f"more than the {ADDRESS_CHARACTERS_MAX:,} characters",
    ),
    "parts of files": (
        _numbered("#EXT-X-BYTERANGE:1\n#EXTINF:1\n{}.ts", SEGMENTS_MAX),
        "",
    ),
    "a list": ("a\n" * (LIST_BYTES_MAX // 2), "sources; give the address of one of them"),
    "spaces in a list": (
        "[playlist]\n" + ("File1" + " " * 16_000 + "x\n") * 250,
        "names 0 sources",
    ),
}  # fmt: skip

DASH_FLOODS: dict[str, tuple[str, str]] = {
    "elements": ("<MPD>" + "<S/>" * 10**6, f"more than the {ELEMENTS_MAX:,} elements"),
    "depth": ("<MPD>" * 10**6, f"more than {DEPTH_MAX} deep"),
    "attributes": (
        "<MPD " + " ".join(f'a{n}=""' for n in range(400_000)),
        "a tag of more than",
    ),
    "attributes again and again": (
        "<MPD>" + ("<S " + " ".join(f'a{n}=""' for n in range(100)) + "/>") * 5_000,
        "attributes",
    ),
    "names": ("<MPD>" + "".join(f"<a{n}/>" for n in range(400_000)), "different names"),
    "names of attributes": (
        "<MPD>" + "".join(f'<S a{n}=""/>' for n in range(300_000)),
        "different names",
    ),
    # Each name of this kind would stand for eight thousand characters.
    "name spaces": (
        '<MPD xmlns:p="' + "x" * 8000 + '">'
        + ("<S " + " ".join(f'p:a{n}=""' for n in range(60)) + "/>") * 8_000,
        "not well-formed",
    ),
    "a comment": ("<MPD><!--" + "x" * LIST_BYTES_MAX, "a tag of more than"),
    "a base": ("<MPD><BaseURL>" + "\n" * LIST_BYTES_MAX, "base address of more than"),
    "entities": ("<MPD>" + "&lt;" * 10**6, "not well-formed"),
    "representations": (
        '<MPD><Period><AdaptationSet contentType="video">' + "<Representation/>" * 90_000
        + "</AdaptationSet></Period></MPD>",
        "qualities",
    ),
    "entries of a timeline": (
        mpd(template("a", "<SegmentTimeline>" + "".join(
            f'<S t="{n}00000000" d="{n + 10**9}"/>' for n in range(95_000)
        ) + "</SegmentTimeline>")),
        f"more than the {SEGMENTS_MAX:,} segments",
    ),
    "repeats": (
        mpd(template("a" * 500 + "$Time$", '<SegmentTimeline><S d="1" r="19999"/>'
                                             "</SegmentTimeline>")),
        f"more than the {ADDRESS_CHARACTERS_MAX:,} characters",
    ),
    "widths": (
        mpd(template("$Number%099d$" * 80)),
        f"more than the {ADDRESS_CHARACTERS_MAX:,} characters",
    ),
    "more widths": (mpd(template("$Number%099d$" * 1_000)), "addresses of more than"),
    "a tag of widths": (mpd(template("$Number%099d$" * 34_000)), "a tag of more than"),
    "names of a representation": (
        mpd(template("$RepresentationID$" * 800)).replace('id="v"', f'id="{"v" * 15_000}"'),
        "addresses of more than",
    ),
    "a representation without a name": (
        mpd(template("$RepresentationID$" * 800 + "$Number$")).replace('id="v"', 'id=""'),
        "",
    ),
    "times": (
        mpd(template("$Time$" * 1_300)),
        f"more than the {ADDRESS_CHARACTERS_MAX:,} characters",
    ),
}  # fmt: skip
