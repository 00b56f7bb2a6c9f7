"""Names of languages as containers and people write them (ISO 639)."""

from __future__ import annotations

# Two letters (639-1), three letters (639-2/T), and those of 639-2/B where they differ.
_NAMES = """
ar ara|bg bul|bo bod tib|ca cat|cs ces cze|cy cym wel|da dan|de deu ger|el ell gre|en eng|es spa
et est|eu eus baq|fa fas per|fi fin|fr fra fre|he heb|hi hin|hr hrv|hu hun|hy hye arm|id ind
is isl ice|it ita|ja jpn|ka kat geo|ko kor|lt lit|lv lav|mk mkd mac|ms msa may|my mya bur|nl nld dut
no nor|pl pol|pt por|ro ron rum|ru rus|sk slk slo|sl slv|sq sqi alb|sr srp|sv swe|th tha|tr tur
uk ukr|vi vie|zh zho chi
"""
_GROUPS = {
    name: names
    for line in _NAMES.split("\n")
    for names in (tuple(group.split()) for group in line.split("|"))
    for name in names
}


def same_language(asked: str, told: str | None) -> bool:
    """Whether a track in the language `told` is meant by `asked`: "en", "eng", "en-GB", "EN"."""
    if not told:
        return False
    wanted, has = (_base(name) for name in (asked, told))
    return wanted == has or has in _GROUPS.get(wanted, ())


def _base(name: str) -> str:
    return name.strip().casefold().replace("_", "-").partition("-")[0]
