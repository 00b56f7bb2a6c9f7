"""HLS streams with inserts between the parts of a film: another size, other sound, a clock of their
own. Nothing is lost, nothing is doubled, and all keeps step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.http.origin import Origin
from support.media import readers
from support.media.making import COLORS, H264, Maker, stripes, tones
from support.product.outcomes import FILMS, colors_in_time, convert, daily, heard, seen
from support.product.tools import Tools


@dataclass(frozen=True)
class Insert:
    """How the second of three parts of 2 s differs: size, layout and rate of its sound, and where
    the clocks of the second and the third part begin."""

    size: str = "160x120"
    channels: str = "stereo"
    rate: int = 48_000
    clocks: tuple[int, int] = (2, 4)


INSERTS = {
    "size": Insert(size="320x180"),
    "portrait": Insert(size="96x144"),
    "sound": Insert(channels="mono", rate=44_100),
    "clock": Insert(clocks=(0, 2)),
    "all": Insert(size="320x180", channels="mono", clocks=(0, 0)),
    "far": Insert(size="320x180", clocks=(500, 4)),
}
SHOWN, SUNG = ("red", "lime", "blue"), (440, 660, 880)


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as found:
        yield found


def served(origin: Origin, make: Maker, name: str) -> str:
    """The address of the stream's playlist."""
    insert = INSERTS[name]
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0"]
    for number, begins in enumerate((0, *insert.clocks)):
        other = number == 1
        size = insert.size if other else "160x120"
        layout, rate = (insert.channels, insert.rate) if other else ("stereo", 48_000)
        words = [*stripes([SHOWN[number]] * 2, size=size)]
        words += [*tones([SUNG[number]] * 2, channels=layout, rate=rate)]
        words += ["-map", "0", "-map", "1", *H264, "-c:a", "aac", "-t", "2", "-muxdelay", "0"]
        part = make(f"insert-{name}-{number}.ts", *words, "-output_ts_offset", str(begins))
        path = f"/{name}/{number}.ts"
        origin.add(path, part.read_bytes())
        if number:
            lines.append("#EXT-X-DISCONTINUITY")
        lines += ["#EXTINF:2.0,", f"{number}.ts"]
    lines += ["#EXT-X-ENDLIST", ""]
    return origin.add(f"/{name}/index.m3u8", "\n".join(lines).encode())


@pytest.mark.both_ffmpegs(way="frames")
@pytest.mark.parametrize("way", FILMS)
@pytest.mark.parametrize("name", daily(sorted(INSERTS), "all"))
def test_an_insert_keeps_its_place(
    tools: Tools, make: Maker, origin: Origin, name: str, way: str
) -> None:
    made = convert(tools, way, served(origin, make, name))
    found, sound = seen(made), heard(made)
    assert found.duration == pytest.approx(6.0, abs=0.15)
    for one, color in zip(colors_in_time(found, 3, 2.0), SHOWN, strict=True):
        assert readers.near(one, COLORS[color], 10)
    if name == "portrait":
        inserted = found.pictures[len(found.pictures) // 2]
        assert readers.near(readers.color(inserted, 0.03, 0.5), COLORS["black"], 10)
    assert sound is not None
    assert sound.duration == pytest.approx(6.0, abs=0.15)
    for number, tone in enumerate(SUNG):
        assert sound.tone(2 * number + 0.4, 2 * number + 1.6) == pytest.approx(tone, abs=6)
