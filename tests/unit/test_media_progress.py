import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.media.progress import (
    Progress,
    ProgressParser,
    estimate,
    parse_time,
)

# As written by ffmpeg 9 and 5.1.
BLOCKS = b"""frame=12
fps=0.00
stream_0_0_q=28.0
bitrate=N/A
total_size=N/A
out_time_us=N/A
out_time_ms=N/A
out_time=N/A
dup_frames=0
drop_frames=0
speed=N/A
progress=continue
frame=125
fps=48.01
stream_0_0_q=-1.0
bitrate=  12.3kbits/s
total_size=31200
out_time_us=3015000
out_time_ms=3015000
out_time=00:00:03.015000
dup_frames=0
drop_frames=0
speed=60.6x
progress=end
"""
REPORTS = [
    Progress(out_time=None, frame=12, speed=None, total_size=None, finished=False),
    Progress(out_time=3.015, frame=125, speed=60.6, total_size=31200, finished=True),
]


def test_reads_reports() -> None:
    assert ProgressParser().feed(BLOCKS) == REPORTS
    assert ProgressParser().feed(BLOCKS.replace(b"\n", b"\r\n")) == REPORTS


@given(
    st.lists(
        st.one_of(
            st.sampled_from([BLOCKS, b"\n", b"progress=continue\n", b"x" * 5000, b"frame=7\n"]),
            st.binary(max_size=40),
        ),
        max_size=6,
    ),
    st.lists(st.integers(1, 3000), max_size=40),
)
def test_any_chunking_gives_the_same_reports(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    whole = ProgressParser().feed(stream)
    parser = ProgressParser()
    pieces = []
    at = 0
    for size in [*cuts, len(stream) + 1]:
        pieces += parser.feed(stream[at : at + size])
        at += size
    assert pieces == whole


def test_garbage_between_reports_is_passed_over() -> None:
    noise = b"\xff\xfe=\n=\nframe\n" + b"y" * 10_000 + b"\n"
    assert ProgressParser().feed(noise + BLOCKS) == REPORTS


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"out_time_us=-9223372036854775808", None),
        (b"out_time_us=-23000", 0.0),
        (b"out_time_us=N/A\nout_time=00:01:02.5", 62.5),
        (b"out_time_us=nan", None),
        (b"", None),
    ],
)
def test_odd_times(line: bytes, seconds: float | None) -> None:
    (report,) = ProgressParser().feed(line + b"\nprogress=continue\n")
    assert report.out_time == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0), ("90.5", 90.5), ("1:30", 90.0), ("01:02:03.25", 3723.25), ("100:00:00", 360e3),
        ("200ms", 0.2), ("1500us", 0.0015), ("12s", 12.0), ("-5", -5.0), ("-0:00:10", -10.0),
        ("5.", 5.0),
    ],
)  # fmt: skip
def test_parse_time(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "abc", "1:75", "now", "1:2:3:4", "1h", "- 5", "1e3", "٣"])
def test_parse_time_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_time(text)


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_both_spellings_of_a_time_agree(hours: int, minutes: int, secs: int, millis: int) -> None:
    total = hours * 3600 + minutes * 60 + secs
    spelled = parse_time(f"{hours}:{minutes:02}:{secs:02}.{millis:03}")
    assert spelled == pytest.approx(parse_time(f"{total}.{millis:03}"))


def test_estimate() -> None:
    assert estimate(0, 10, 5) == (0.0, None)
    assert estimate(5, None, 5) == (0.0, None)
    assert estimate(2.5, 10, 5) == (25.0, 15)
    assert estimate(12, 10, 5) == (99.9, 0)


@given(st.lists(st.floats(0, 200), min_size=2, max_size=20), st.floats(0.1, 200))
def test_percent_never_falls_while_work_grows(done: list[float], total: float) -> None:
    percents = [estimate(value, total, 1.0)[0] for value in sorted(done)]
    assert percents == sorted(percents)
    assert all(0 <= percent <= 99.9 for percent in percents)


@pytest.mark.parametrize("text", ["9" * 400, "9" * 400 + ":00:00", "1." + "9" * 400, "9" * 5000])
def test_times_of_hundreds_of_digits_are_no_times(text: str) -> None:
    """A tag of a source may say so; no number of a computer is that large."""
    with pytest.raises(ValueError, match="is no time"):
        parse_time(text)
