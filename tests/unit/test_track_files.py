"""Files of tracks that others may read while they grow, and what playlists tell of their length."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.errors import SourceError
from gmapi.fetch import dash, hls
from gmapi.fetch.address import check_url
from gmapi.fetch.arrival import Beginning, ignore
from gmapi.fetch.track_files import BEGIN_BYTES, Room, TrackFile
from gmapi.media.mp4 import fragments

BASE = check_url("http://media.example/list")


@pytest.fixture
def told() -> list[Beginning]:
    return []


@pytest.fixture
def track(tmp_path: Path, told: list[Beginning]) -> TrackFile:
    return TrackFile(tmp_path / "track", "http://media.example/1.ts", 4.0, told.append)


def test_others_are_told_when_a_segment_is_there(track: TrackFile, told: list[Beginning]) -> None:
    with track:
        track.write(b"head")
        assert told == []
        track.write(b"one")
        track.end_segment()
        track.end_segment()
    path = Path(str(track.name))
    assert told == [Beginning(path, "http://media.example/1.ts", None, None, 4.0)]


def test_others_are_told_of_the_beginning_of_a_long_segment(
    track: TrackFile, told: list[Beginning]
) -> None:
    with track:
        track.write(bytes(BEGIN_BYTES))
        assert told


def test_what_others_may_have_read_is_never_taken_back(track: TrackFile) -> None:
    with track:
        track.write(b"one")
        track.end_segment()
        track.write(b"tw")
        track.seek(3)
        track.truncate()
        path = Path(str(track.name))
        assert path.read_bytes() == b"onetw"
        track.write(b"t")
        track.write(b"wo")
        track.end_segment()
        assert path.read_bytes() == b"onetwo"


@pytest.mark.parametrize("again", [b"TWO", b"tW"])
def test_a_segment_that_comes_again_as_another_has_changed(track: TrackFile, again: bytes) -> None:
    with track:
        track.write(b"one")
        track.end_segment()
        track.write(b"two")
        track.seek(3)
        track.truncate()
        with pytest.raises(SourceError) as caught:
            track.write(again)
    assert caught.value.code == "source_changed"


def test_a_segment_that_comes_again_shorter_has_changed(track: TrackFile) -> None:
    with track:
        track.write(b"one")
        track.end_segment()
        track.write(b"two")
        track.seek(3)
        track.write(b"tw")
        with pytest.raises(SourceError):
            track.end_segment()


def test_what_nobody_reads_may_come_again_as_another(tmp_path: Path) -> None:
    with TrackFile(tmp_path / "track", "http://media.example/1.ts", None, ignore) as track:
        track.write(b"one")
        track.end_segment()
        track.write(b"two!")
        track.seek(3)
        track.truncate()
        track.write(b"TWO")
        track.end_segment()
    assert (tmp_path / "track").read_bytes() == b"oneTWO"


def test_all_tracks_share_one_room() -> None:
    room = Room(10)
    room.spend(7)
    assert room.left == 3
    with pytest.raises(SourceError, match="larger than the 10 bytes"):
        room.spend(4)


def _listed(*lengths: str) -> hls.MediaPlaylist:
    lines = [f"#EXTINF:{text},\n{at}.ts" for at, text in enumerate(lengths)]
    return hls.parse_media("\n".join(["#EXTM3U", *lines, "#EXT-X-ENDLIST"]), BASE)


@pytest.mark.parametrize(
    ("lengths", "seconds"),
    [
        (["4.004000", "4.004", "2.5"], 10.457),
        (["6.0"] * 2, 11.9),
        (["6"] * 3, None),  # rounded to whole seconds, each by up to a half
        (["6.1"] * 10, None),
    ],
)
def test_a_playlist_tells_a_length_it_cannot_exceed(
    lengths: list[str], seconds: float | None
) -> None:
    told = _listed(*lengths).track().told
    assert told is None if seconds is None else told == pytest.approx(seconds, abs=2e-3)


def test_the_beginning_of_a_track_is_told_as_long_as_it_is() -> None:
    track = _listed("2.000", "2.000", "2.000").track()
    assert track.first_seconds(3).told == pytest.approx(4)
    assert _listed("2", "2").track().first_seconds(1).told is None


def _manifest(template: str, length: str = "PT7S") -> str:
    return (
        f'<MPD type="static" mediaPresentationDuration="{length}"><Period><AdaptationSet '
        f'mimeType="video/mp4"><Representation id="1">{template}</Representation>'
        "</AdaptationSet></Period></MPD>"
    )


@pytest.mark.parametrize(
    ("template", "seconds"),
    [
        ('<SegmentTemplate media="$Number$" duration="2"/>', 7),
        (
            '<SegmentTemplate media="$Time$" timescale="2"><SegmentTimeline><S d="5" r="1"/>'
            "</SegmentTimeline></SegmentTemplate>",
            5,
        ),
        (
            '<SegmentList duration="4"><SegmentURL media="1"/><SegmentURL media="2"/>'
            "</SegmentList>",
            7,
        ),
        ("<BaseURL>film.mp4</BaseURL>", 7),
    ],
)
def test_a_manifest_tells_how_long_the_pictures_are(template: str, seconds: float) -> None:
    assert dash.parse(_manifest(template), BASE)[0].told == seconds


def _box(kind: bytes, size: int) -> bytes:
    return size.to_bytes(4) + kind + bytes(size - 8)


def test_a_beginning_ends_with_whole_parts() -> None:
    first = _box(b"ftyp", 16) + _box(b"moov", 40) + _box(b"moof", 24) + _box(b"mdat", 100)
    assert fragments.whole(first + _box(b"moof", 24) + _box(b"mdat", 50)[:-1]) == len(first)
    assert fragments.whole(first[:-1]) == 0
    large = (1).to_bytes(4) + b"mdat" + (24).to_bytes(8) + bytes(8)
    assert fragments.whole(large + b"\0\0\0") == 24
    assert fragments.whole(bytes(4) + b"mdat" + bytes(100)) == 0


def test_a_fragment_is_filled_to_where_its_media_ends() -> None:
    head = _box(b"styp", 16) + _box(b"moof", 24)
    assert fragments.filled(head + _box(b"mdat", 100)[:20], 1000) == head + _box(b"mdat", 100)
    for odd in (
        head,
        head + _box(b"mdat", 100),
        head + _box(b"mdat", 20) + _box(b"moof", 24) + _box(b"mdat", 100)[:20],
        head + (0).to_bytes(4) + b"mdat" + bytes(20),
        head + (2**31).to_bytes(4) + b"mdat" + bytes(20),
    ):
        assert fragments.filled(odd, 1000) is None
