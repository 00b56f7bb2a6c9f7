"""The words that sound for the game, and other sound alone, is made with."""

from pathlib import Path

import pytest

from gmapi.media.binaries import Abilities, Ffmpeg
from gmapi.media.formats import OUTPUT_FORMATS
from gmapi.media.header import MediaInfo, Stream
from gmapi.media.links import link_starts
from gmapi.media.pan import with_channels
from gmapi.media.selection import choose
from gmapi.media.sound import dfpwm_channels, is_clocked, prepared

FFMPEG = Ffmpeg(Path("/usr/bin/ffmpeg"), "9.0.2", Abilities(frozenset(), frozenset()))
DFPWM, MP3 = OUTPUT_FORMATS["dfpwm"], OUTPUT_FORMATS["mp3"]
PADDING = "aresample=async=1:first_pts=0"
TAIL = "asetnsamples=n=6000:p=0"


@pytest.mark.parametrize(
    ("args", "changed"),
    [
        ([], f"aresample=48000:async=1:first_pts=0,{TAIL}"),
        (["-ar", "24000"], f"aresample=24000:async=1:first_pts=0,{TAIL}"),
        # Before the caller's filters, which may move times as they like.
        (["-af", "atrim=1"], f"{PADDING},atrim=1,aresample=48000,{TAIL}"),
        (["-filter:a", "volume=2"], f"{PADDING},volume=2,aresample=48000,{TAIL}"),
        (
            ["-ar", "24000", "-filter_complex", "pan=mono|c0=FL"],
            f"{PADDING},pan=mono|c0=FL,aresample=24000,{TAIL}",
        ),
        (["-filter_complex", "[0:a]volume=2[x]", "-map", "[x]"], "[0:a]volume=2[x]"),
        (["-c:a", "copy"], "copy"),
    ],
)
def test_dfpwm_is_in_time_and_in_whole_bytes(args: list[str], changed: str) -> None:
    _, words = prepared([], args, DFPWM, clocked=True)
    assert changed in words
    assert len([word for word in words if "asetnsamples" in word]) <= 1


def test_filters_live_on_where_they_pad() -> None:
    words, _ = prepared(["-ss", "1"], [], DFPWM, clocked=True)
    assert words == ["-reinit_filter:a", "0", "-ss", "1"]
    words, args = prepared([], [], MP3, clocked=True)
    assert words
    assert args == ["-af", PADDING]


def test_what_needs_no_padding_is_left_alone() -> None:
    assert prepared([], ["-q:a", "2"], MP3, clocked=False) == ([], ["-q:a", "2"])
    mp4 = OUTPUT_FORMATS["mp4"]
    assert prepared([], ["-crf", "20"], mp4, clocked=True) == ([], ["-crf", "20"])
    for args in (["-c", "copy"], ["-an"], ["-map", "0:v"]):
        assert prepared([], args, MP3, clocked=True) == ([], args)
    # The source's own times are wanted: its sound may begin hours after 0.
    _, words = prepared(["-copyts"], [], DFPWM, clocked=True)
    assert words == ["-af", f"aresample=48000,{TAIL}"]


def test_clocks() -> None:
    sound, film = Stream(0, "audio", "mp3"), Stream(1, "video", "h264")
    cover = Stream(1, "video", "mjpeg", flags=frozenset({"attached pic"}))
    assert not is_clocked(MediaInfo(1.0, (sound,), "mp3"))
    assert not is_clocked(MediaInfo(1.0, (sound, cover), "mp3"))
    assert is_clocked(MediaInfo(1.0, (sound,), "mpegts"))
    assert is_clocked(MediaInfo(1.0, (sound, film), "ogg"))


def test_outputs_are_needed() -> None:
    chosen = choose(Path("/a"), MediaInfo(1.0, (Stream(0, "audio", "mp3", sample_rate=44100),)))
    with pytest.raises(ValueError, match="output"):
        dfpwm_channels(FFMPEG, chosen, {}, max_pixels=1, progress_fd=0)


@pytest.mark.parametrize(
    ("channels", "asked", "made", "missing"),
    [
        (1, "pan=mono|c0=FL", "pan=mono|c0=c0", ["FL"]),
        (1, "pan=mono|c0=0*FL", "pan=mono|c0=0*c0", ["FL"]),
        (1, "pan=mono|c0=c1", "pan=mono|c0=c0", ["c1"]),
        (1, "pan=stereo|FL<FL|FR<FR", "pan=stereo|FL<c0|FR<c0", ["FL", "FR"]),
        # Of what is there nothing is changed, and names stay names.
        (1, "pan=stereo|FL=FC+0.3*FL|FR=FR", "pan=stereo|FL=FC+0.3*FL|FR=FC", ["FR"]),
        (1, "volume=2,pan=mono|c0=0.5*FL+0.5*FR", "volume=2,pan=mono|c0=c0", ["FL", "FR"]),
        (1, "[0:a]pan=mono|c0=FL[x]", "[0:a]pan=mono|c0=c0[x]", ["FL"]),
        (2, "pan=mono|c0=FC", "pan=mono|c0=0.5*c0+0.5*c1", ["FC"]),
        (2, "pan=stereo|FL=BL|FR=BR", "pan=stereo|FL=c0|FR=c1", ["BL", "BR"]),
        (6, "pan=mono|c0=BL", "aformat=channel_layouts=5.1,pan=mono|c0=BL", []),
        (6, "[0:a]pan=mono|c0=SL", "[0:a]aformat=channel_layouts=5.1(side),pan=mono|c0=SL", []),
        # As it is.
        (1, "pan=mono|c0=c0", None, []),
        (2, "pan=mono|c0=FL", None, []),
        (6, "pan=mono|c0=FL", None, []),
        (None, "pan=mono|c0=FL", None, []),
        (1, "aformat=channel_layouts=stereo,pan=mono|c0=FR", None, []),
        (1, "[made]pan=mono|c0=FR", None, []),
        (1, "volume=2", None, []),
    ],
)
def test_a_channel_that_is_not_there(
    channels: int | None, asked: str, made: str | None, missing: list[str]
) -> None:
    for option in ("-af", "-filter_complex", "-filter:a"):
        words, told = with_channels(["-vn", option, asked], channels)
        assert words == ["-vn", option, made or asked]
        assert told == missing


def ogg(serial: int, number: int, *, begins: bool, body: bytes = b"x" * 300) -> bytes:
    """A page of an Ogg stream (RFC 3533, section 6); its checksum is not looked at."""
    sizes = [255] * (len(body) // 255) + [len(body) % 255]
    flags = 2 if begins else 0
    head = b"OggS\0" + bytes([flags]) + (0 if begins else 960 * number).to_bytes(8, "little")
    head += serial.to_bytes(4, "little") + number.to_bytes(4, "little") + b"\xff\n\xff\0"
    return head + bytes([len(sizes), *sizes]) + body


def test_links_of_a_chain(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    # A page may lie across the pieces in which the file is read, and a stream beside another.
    long = [ogg(1, n, begins=False, body=bytes(60_000)) for n in range(1, 18)]
    first = b"".join([ogg(1, 0, begins=True), *long])
    second = ogg(2, 0, begins=True) + ogg(3, 0, begins=True) + ogg(2, 1, begins=False)
    third = ogg(2, 0, begins=True) + ogg(2, 1, begins=False)
    path.write_bytes(first + second + third)
    starts = [0, len(first), len(first + second)]
    assert link_starts(path, "ogg") == starts
    for shift in range(40):
        cut = (1 << 20) - len(first) - 20 + shift
        path.write_bytes(first + b"\0" * cut + second)
        assert link_starts(path, "ogg") == [0, len(first) + cut]
    assert link_starts(path, "mp3") == [0]


def test_flac_files_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "row"
    one = b"fLaC\x00\x00\x00\x22" + bytes(2000)
    path.write_bytes(b"ID3" + bytes(100) + one + one.replace(b"\0\0\0\x22", b"\x80\0\0\x22"))
    assert link_starts(path, "flac") == [0, 103 + len(one)]
    path.write_bytes(one + b"fLaC is the name" * 3)
    assert link_starts(path, "flac") == [0]
