import pytest

from gmapi.media.duration import expected_duration, needed_seconds
from gmapi.media.header import MediaInfo, Stream

SONG = MediaInfo(100.0, (Stream(0, "video", "h264", fps=25.0), Stream(1, "audio", "aac")))


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        ([], [], 100.0),
        (["-ss", "30"], [], 70.0),
        (["-ss", "30", "-t", "20"], [], 20.0),
        (["-ss", "30", "-to", "0:40"], [], 10.0),
        (["-sseof", "-15"], [], 15.0),
        ([], ["-ss", "1:30"], 10.0),
        ([], ["-ss", "10", "-to", "30"], 20.0),
        (["-ss", "50"], ["-t", "80"], 50.0),
        (["-t", "50"], ["-ss", "20"], 30.0),
        ([], ["-vn", "-t", "5"], 5.0),
        ([], ["-frames:v", "50"], 2.0),
        ([], ["-r", "10", "-vframes", "50"], 5.0),
        (["-ss", "100"], [], None),
        ([], ["-metadata", "-t", "-t", "7"], 7.0),
    ],
)
def test_expected_duration(before: list[str], after: list[str], seconds: float | None) -> None:
    assert expected_duration(SONG, before, after) == seconds


def test_expected_duration_of_a_source_that_says_none() -> None:
    unknown = MediaInfo(None, ())
    assert expected_duration(unknown, ["-ss", "5"], []) is None
    assert expected_duration(unknown, [], ["-t", "5"]) == 5.0
    assert expected_duration(unknown, [], ["-frames:v", "5"]) is None


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        ([], [], None),
        (["-ss", "30"], [], None),
        (["-t", "20"], [], 20.0),
        (["-ss", "30", "-t", "20"], [], 50.0),
        (["-ss", "30", "-to", "0:40"], [], 40.0),
        (["-sseof", "-15"], ["-t", "5"], None),
        ([], ["-t", "5"], 5.0),
        ([], ["-ss", "10", "-t", "5"], 15.0),
        ([], ["-ss", "10", "-to", "30"], 30.0),
        (["-ss", "50"], ["-t", "80"], 130.0),
        (["-ss", "50"], ["-ss", "10", "-t", "80"], 140.0),
        (["-t", "50"], ["-ss", "20", "-t", "100"], 50.0),
        ([], ["-metadata", "-t", "-t", "7"], 7.0),
        ([], ["-t", "0"], None),
        ([], ["-af", "volume=2", "-t", "5"], 5.0),
        # Half of the output's seconds, and later ones, are made of other seconds of the source.
        ([], ["-af", "atempo=2", "-t", "5"], None),
        ([], ["-vf", "setpts=PTS/4,fps=5", "-t", "5"], None),
        ([], ["-filter_complex", "[0:v]select='gt(t,100)'[v]", "-map", "[v]", "-t", "5"], None),
        (["-t", "9"], ["-filter:a", "atrim=start=60", "-t", "5"], 9.0),
    ],
)
def test_needed_seconds(before: list[str], after: list[str], seconds: float | None) -> None:
    assert needed_seconds(before, after) == seconds
