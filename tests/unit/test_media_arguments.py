"""The policy for ffmpeg arguments: what passes and how it is normalised, what is turned away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import GmapiError, RefusedError, RequestError
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.media.option_table import HINTS, INPUT_OPTIONS, OUTPUT_OPTIONS


def test_what_the_games_programs_send_passes_unchanged() -> None:
    for args in (
        ["-vn", "-ar", "48000", "-ac", "1"],
        ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FL"],
        ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FR"],
        [],
    ):
        assert check_arguments(args) == args


def test_an_empty_table_of_the_game_is_an_empty_list() -> None:
    empty: Any = {}
    assert check_arguments(empty) == []


@pytest.mark.parametrize(
    ("args", "normal"),
    [
        (["-vcodec", "libx264"], ["-c:v", "libx264"]),
        (["-acodec", "copy"], ["-c:a", "copy"]),
        (["-codec:a:0", "mp3"], ["-c:a:0", "mp3"]),
        (["-vf", "hflip"], ["-filter:v", "hflip"]),
        (["-af", "volume='0.5'"], ["-filter:a", "volume=0.5"]),
        (["-lavfi", "scale='min(9,iw)':-2"], ["-filter_complex", "scale=min(9\\,iw):-2"]),
        (["-qscale:v", "2"], ["-q:v", "2"]),
        (["-vframes", "1"], ["-frames:v", "1"]),
        (["-ab", "64k"], ["-b:a", "64k"]),
        (["-vsync", "0"], ["-fps_mode", "passthrough"]),
        (["-vsync", "vfr"], ["-fps_mode", "vfr"]),
        (["-y", "-hide_banner", "-loglevel", "error", "-vn"], ["-vn"]),
        (["-metadata", "title=a\r\nb\x1b[0m"], ["-metadata", "title=a  b [0m"]),
    ],
)
def test_one_spelling(args: list[str], normal: list[str]) -> None:
    assert check_arguments(args) == normal
    assert check_arguments(normal) == normal


@pytest.mark.parametrize(
    "words",
    [
        "-ss 90 -t 12.5 -to 1:02:03.5",
        "-ss 01:30 -t 300ms",
        "-c copy -c:v libx265 -c:a:1 libopus -c:s mov_text",
        "-b:v 5M -b:a:0 64k -maxrate 1.5M -bufsize 500k",
        "-crf 18.5 -preset veryslow -tune film,fastdecode -profile:v high -level 4.1",
        "-x264-params keyint=60:no-cabac=1:aq_mode=2:deblock=1,1",
        "-x265-params crf=28:no-sao=1:pools=4:log-level=error",
        "-svtav1-params tune=0:film-grain=8",
        "-map 0 -map 0:v:0 -map -0:a:1 -map 0:s? -map 0:m:language:eng -map [out]",
        "-map_metadata -1 -map_metadata:s:a 0:s:a -map_chapters -1",
        "-metadata:s:a:0 language=eng -metadata:g title=x -metadata:c:0 title=y",
        "-disposition:a:0 default -disposition:v:1 attached_pic -disposition:s 0",
        "-movflags +faststart+frag_keyframe -movflags faststart",
        "-r 30000/1001 -r:v ntsc -s 1920x1080 -s hd720 -aspect 16:9 -pix_fmt yuv420p",
        "-ar 44.1k -ac 2 -ch_layout 5.1(side) -sample_fmt s16",
        "-f mp4 -fs 10M -frames:v 1 -shortest -an -sn -dn -threads 4",
        "-force_key_frames 0:00:05,10 -force_key_frames:v expr:gte(t,n_forced*2)",
        "-sws_flags lanczos+accurate_rnd -fps_mode cfr",
        "-bsf:a aac_adtstoasc -tag:v hvc1 -strict -2 -loop 0",
        "-quality best -deadline good -vbr on -application audio",
        # As programs write what they have computed.
        "-ss 0.3333333333333333 -t 12.300000000000000711 -to 0:00:12.3333333333333333",
        "-r 23.976023976023978 -crf 18.000000000000004 -q:a 0.30000000000000004",
    ],
)
def test_allowed(words: str) -> None:
    check_arguments(words.split())


@pytest.mark.parametrize("time", ["9" * 13, "9" * 5000, f"0.{'3' * 21}", f"0:00:01.{'3' * 5000}"])
def test_a_time_with_too_many_digits_says_so(time: str) -> None:
    with pytest.raises(RequestError, match=r"12 digits before the point and 20 after") as caught:
        check_arguments(["-t", time])
    assert len(caught.value.message) < 300


# Each a way to read, write, reach or never end; see the threats that the policy is for.
ATTACKS = [
    ["-i", "/etc/passwd"],
    ["-i", "concat:/etc/passwd"],
    ["/tmp/second.mp4"],
    ["-vn", "second.mp4"],
    ["-vn", "0", "x.mp4"],
    ["--", "x"],
    ["--vn"],
    ["-"],
    [""],
    ["-f", "lavfi", "-i", "amovie=/etc/passwd"],
    ["-f", "tee"],
    ["-f", "segment"],
    ["-f", "hls"],
    ["-f", "dash"],
    ["-f", "rtp"],
    ["-f", "fifo"],
    ["-f", "concat"],
    ["-f", "ffmetadata"],
    ["-f", "fbdev"],
    ["-f", "v4l2"],
    ["-filter_complex", "movie=/etc/passwd"],
    ["-vf", "drawtext=textfile=/etc/passwd"],
    ["-vf", "subtitles=/etc/passwd"],
    ["-/vf", "/etc/passwd"],
    ["-/filter_complex", "/etc/passwd"],
    ["-filter_script:v", "/etc/passwd"],
    ["-filter_complex_script", "/etc/passwd"],
    ["-attach", "/etc/passwd"],
    ["-dump_attachment:t", "/tmp/x"],
    ["-fpre", "/etc/passwd"],
    ["-vpre", "x"],
    ["-pre", "x"],
    ["-passlogfile", "/tmp/x"],
    ["-pass", "1"],
    ["-vstats"],
    ["-vstats_file", "/tmp/x"],
    ["-stats_enc_pre", "/tmp/x"],
    ["-sdp_file", "/tmp/x"],
    ["-report"],
    ["-progress", "http://127.0.0.1/"],
    ["-hls_key_info_file", "/etc/passwd"],
    ["-hls_segment_filename", "/tmp/x"],
    ["-segment_list", "/tmp/x"],
    ["-x264-params", "stats=/tmp/x"],
    ["-x264-params", "cqmfile=/etc/passwd"],
    ["-x264-params", "keyint=1:cqmfile=/etc/passwd"],
    ["-x264-params", "cqm\\file=/etc/passwd"],
    ["-x264-params", "keyint='1:cqmfile=/etc/passwd'"],
    ["-x264-params", "opencl=1"],
    ["-x264opts", "qpfile=/etc/passwd"],
    ["-x265-params", "csv=/tmp/x"],
    ["-x265-params", "scaling-list=/etc/passwd"],
    ["-x265-params", "analysis_save=/tmp/x"],
    ["-stats", "-stats", "x"],
    ["-protocol_whitelist", "file,http"],
    ["-format_whitelist", "hls"],
    ["-max_pixels", "999999999"],
    ["-safe", "0"],
    ["-enable_drefs", "1"],
    ["-init_hw_device", "cuda"],
    ["-hwaccel", "auto"],
    ["-vaapi_device", "/dev/dri/renderD128"],
    ["-c:v", "h264_nvenc"],
    ["-pix_fmt", "vaapi"],
    ["-stream_loop", "-1"],
    ["-re"],
    ["-readrate", "0.001"],
    ["-loglevel", "trace"],
    ["-v", "debug"],
    ["-loglevel", "repeat+level+debug"],
    ["-cpuflags", "0"],
    ["-debug", "x"],
    ["-h", "full"],
    ["-sources", "alsa"],
    ["-max_alloc", "1"],
    ["-apad", "x"],
    ["-protocol_opts", "x"],
    ["-strftime", "1"],
    ["-encryption_key", "x"],
    ["-force_key_frames", "expr:while(1,0)"],
    ["-force_key_frames", "expr:whi le(1,0)"],
    ["-devices"],
    ["-VN"],
    ["-c:v", "/etc/passwd"],
    ["-bsf:v", "trace_headers"],
    ["-bsf:v", "h264_metadata=sei_user_data=x"],
    ["-movflags", "+rtphint"],
    ["-print_graphs_file", "/tmp/x"],
    # Takes a value in ffmpeg 5 and none in ffmpeg 9: the value of the next option would be a file.
    ["-autoscale", "-metadata", "/tmp/x=y"],
]


@pytest.mark.parametrize("args", ATTACKS, ids=" ".join)
def test_attacks_are_refused(args: list[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        check_arguments(args)
    error = caught.value
    assert error.status == 403
    assert error.field == "args"
    assert error.message.startswith("args")
    assert error.message.isascii()
    assert error.message.isprintable()
    assert len(error.message) < 400


@pytest.mark.parametrize(
    "args",
    [
        ["-ss"],
        ["-vn", "-t"],
        ["-t", "soon"],
        ["-t", "-5"],
        ["-t", "1e9"],
        ["-t", "nan"],
        ["-t", "99999999"],
        ["-ar", "abc"],
        ["-ar", "9000000"],
        ["-ac", "65"],
        ["-ac", "1.5"],
        ["-b:v", "1e9"],
        ["-b:v", "2G"],
        ["-b:v", "-1"],
        ["-crf", "inf"],
        ["-threads", "64"],
        ["-s", "100000x100000"],
        ["-s", "16384x16384"],
        ["-s", "0x0"],
        ["-r", "100000"],
        ["-r", "0"],
        ["-r", "source_fps"],
        ["-map", "1:a"],
        ["-map", "0:x"],
        ["-map", "[a b]"],
        ["-map", "0:v,0:a"],
        ["-map", "/etc/passwd"],
        ["-map_metadata", "1"],
        ["-map_chapters", "0:s"],
        ["-metadata", "title"],
        ["-metadata", "=x"],
        ["-metadata:x", "a=b"],
        ["-c:z", "copy"],
        ["-c:v:", "copy"],
        ["-ss:v", "1"],
        ["-vf:v", "null"],
        ["-vf", "scale=1,,"],
        ["-filter_complex", "[1:a]anull"],
        ["-x265-params", "frame-threads=64"],
        ["-pix_fmt", "../x"],
        ["-ch_layout", "a/b"],
        ["-force_key_frames", "expr:'x'"],
        ["-vn\0"],
        ["-metadata", "title=\ud800"],
        ["-metadata", "title=" + "x" * 9000],
        ["-an"] * 129,
    ],
    ids=lambda args: repr(args)[:40],
)
def test_malformed_and_out_of_range(args: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        check_arguments(args)
    assert caught.value.status == 400
    assert caught.value.field == "args"
    assert caught.value.message.isascii()


@pytest.mark.parametrize(
    "args", ["-vn", 5, None, {"a": 1}, [1], ["-ar", 48000], [["-vn"]], [b"-vn"]]
)
def test_other_types(args: Any) -> None:
    with pytest.raises(RequestError):
        check_arguments(args)


def test_several_inputs() -> None:
    args = ["-filter_complex", "[0:v][1:v]hstack[v]", "-map", "[v]", "-map", "1:a", "-map", "2"]
    assert check_arguments(args, inputs=3) == args
    with pytest.raises(RequestError, match="names input 2"):
        check_arguments(args, inputs=2)


def test_all_graphs_together_are_bounded() -> None:
    half = ",".join(["null"] * 33)
    check_arguments(["-vf", half])
    with pytest.raises(RequestError, match="too many filters"):
        check_arguments(["-vf", half, "-af", half.replace("null", "anull")])


@pytest.mark.parametrize(
    ("args", "remedy"),
    [
        (["-hwaccel", "cuda"], "converts on the CPU; leave -hwaccel out"),
        (["-c:v", "hevc_nvenc"], "libx265"),
        (["-i", "x"], "input_urls"),
        (["-ar 48000"], "two strings"),
        (["-vfr", "x"], "did you mean -vf"),
        (["-filter_script:v", "x"], "graph itself with -vf"),
        (["-filter_complex_script", "x"], "-filter_complex$|-filter_complex\\."),
        (["-stream_loop", "-1"], "endless"),
        (["-re"], "as fast as possible"),
        (["-analyzeduration", "1"], "input_args"),
        (["-loglevel", "debug"], "warning"),
        (["-sseof", "-3"], "input_args"),
        (["out.mp4"], "output_format"),
        (["-c:a", "mystery"], "leave -c:a out"),
        (["-/vf", "x"], "no value is read from a file"),
    ],
)
def test_refusals_say_what_to_do(args: list[str], remedy: str) -> None:
    with pytest.raises(RefusedError, match=remedy):
        check_arguments(args)


def test_field_is_the_callers() -> None:
    with pytest.raises(RefusedError, match=r"^steps\[0\]: ") as caught:
        check_arguments(["-i"], field="steps[0]")
    assert caught.value.field == "steps[0]"


def test_hints_are_for_what_is_refused() -> None:
    assert not set(HINTS) & set(OUTPUT_OPTIONS)


WORDS = st.sampled_from(
    [f"-{name}" for name in OUTPUT_OPTIONS]
    + ["-c:v", "-b:a:0", "-metadata:s:a:0", "copy", "1", "0:v", "64k", "a=b", "hflip", "1:30"]
) | st.text(max_size=12)


def outcome(check: Callable[[list[str]], list[str]], args: list[str]) -> list[str] | GmapiError:
    try:
        return check(args)
    except (RefusedError, RequestError) as error:
        return error


@given(st.lists(WORDS, max_size=8))
def test_any_words_pass_normalised_or_raise_the_two_errors(args: list[str]) -> None:
    for check in (check_arguments, check_input_arguments):
        found = outcome(check, args)
        if isinstance(found, GmapiError):
            assert found.message.isascii()
            assert found.message.isprintable()
        else:
            assert check(found) == found
            assert all("\0" not in word for word in found)


# --- before the input -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "-ss 10 -t 5",
        "-sseof -10",
        "-itsoffset -0.5",
        "-f s16le -ar 44100 -ac 2",
        "-f mp4",
        "-loop 1 -t 5 -framerate 1/5",
        "-f rawvideo -pix_fmt rgb24 -video_size 160x90 -r 10",
        "-an -noaccurate_seek",
        "-probesize 50M -analyzeduration 100M -thread_queue_size 512",
        "-fflags +genpts+igndts -err_detect ignore_err",
    ],
)
def test_input_arguments(words: str) -> None:
    assert check_input_arguments(words.split()) == words.split()


@pytest.mark.parametrize(
    "words",
    ["-i x", "-f concat", "-f lavfi", "-f hls", "-f image2", "-stream_loop -1", "-re", "-c:v copy",
     "-protocol_whitelist http", "-vf null", "-map 0", "-dump_attachment x", "-hwaccel auto",
     "-safe 0", "-autorotate", "-pattern_type glob", "x"],
)  # fmt: skip
def test_input_arguments_refused(words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_input_arguments(words.split())
    assert caught.value.field == "input_args"


@pytest.mark.parametrize(
    "words",
    [
        "-ss",
        "-loop 1",
        "-loop 2 -t 1",
        "-sseof 10",
        "-s 1x",
        "-t x",
        "-probesize 1G",
        "-analyzeduration 1e9",
    ],
)
def test_input_arguments_malformed(words: str) -> None:
    with pytest.raises(RequestError):
        check_input_arguments(words.split())


def test_both_errors_are_public() -> None:
    for table in (OUTPUT_OPTIONS, INPUT_OPTIONS):
        for name, option in table.items():
            if option.read is None and not option.graph:
                continue
            check = check_arguments if table is OUTPUT_OPTIONS else check_input_arguments
            with pytest.raises(GmapiError, match=r"^(input_)?args: -"):
                check([f"-{name}", "\u00e4 /etc/passwd"])
