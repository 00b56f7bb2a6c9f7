import pytest

from gmapi.media.duration import expected_duration
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
