"""The argument policy against real ffmpeg programs: what it lets through runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from gmapi.errors import RefusedError
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.media.command import guarded_input
from support.media.programs import BUNDLED, PROGRAMS, run


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One second each: a film with stereo sound, a film of its size, a picture, two sounds."""
    folder = tmp_path_factory.mktemp("sources")
    film = "testsrc2=size=128x96:rate=10:duration=1"
    tone = "sine=frequency=440:sample_rate=44100:duration=1"
    made = {
        "film": ["-f", "lavfi", "-i", film, "-f", "lavfi", "-i", tone, "-ac", "2", "-g", "5",
                 "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "film.mkv"],
        "other": ["-f", "lavfi", "-i", film, "-f", "lavfi", "-i", tone, "-vf", "negate",
                  "-ac", "2", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "other.mkv"],
        "picture": ["-f", "lavfi", "-i", film, "-frames:v", "1", "picture.png"],
        "sound": ["-f", "lavfi", "-i", tone, "-ac", "2", "sound.wav"],
        "voice": ["-f", "lavfi", "-i", tone, "-ac", "1", "voice.wav"],
        "raw": ["-f", "lavfi", "-i", tone, "-ac", "1", "-ar", "8000", "-f", "s16le", "raw.bin"],
    }  # fmt: skip
    for words in made.values():
        done = run(BUNDLED, "-y", *words[:-1], str(folder / words[-1]))
        assert done.returncode == 0, done.stderr
    (folder / "subtitles.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    made["subtitles"] = ["subtitles.srt"]
    # Without an extension, as the server keeps them: what they are is told by their contents.
    return {name: (folder / words[-1]).rename(folder / name) for name, words in made.items()}


@dataclass(frozen=True)
class Recipe:
    args: str | list[str]
    output: str
    inputs: tuple[str, ...] = ("film",)
    input_args: str = ""


SIDE_BY_SIDE = "[0:v]pad=iw*2:ih[a];[a][1:v]overlay=w"
GIF = (
    "fps=5,scale=64:-1:flags=lanczos,split[s0][s1];"
    "[s0]palettegen=max_colors=32[p];[s1][p]paletteuse=dither=bayer"
)
TITLE = "drawtext=text='Hello\\, world\\: 1':fontsize=12:x=(w-text_w)/2:y=h-th-4:fontcolor=white"
TWO = ("film", "other")
RECIPES = {
    "dfpwm as the game's programs ask": Recipe("-vn -ar 48000 -ac 1", "dfpwm"),
    "dfpwm left": Recipe(
        ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FL"], "dfpwm", ("sound",)
    ),
    "dfpwm right": Recipe(
        ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FR"], "dfpwm", ("film",)
    ),
    "cut": Recipe("-ss 0.2 -t 0.5", "mp4"),
    "cut to": Recipe("-ss 00:00:00.2 -to 0:0:0.6 -c:v libx264 -c:a aac", "mp4"),
    "cut before the input": Recipe("-c copy", "mkv", input_args="-ss 0.5 -t 0.4"),
    "cut from the end": Recipe("-c:a libmp3lame -vn", "mp3", input_args="-sseof -0.5"),
    "raw sound": Recipe("-ac 2", "wav", ("raw",), input_args="-f s16le -ar 8000 -ac 1"),
    "still with sound": Recipe(
        "-c:v libx264 -tune stillimage -pix_fmt yuv420p -c:a aac -shortest",
        "mp4",
        ("picture", "sound"),
        input_args="-loop 1 -framerate 5 -t 1",
    ),
    "crop": Recipe("-vf crop=64:48:10:10", "mp4"),
    "crop to the middle": Recipe(["-vf", "crop=in_h:in_h:(in_w-in_h)/2:0"], "mp4"),
    "scale": Recipe("-vf scale=64:-2", "mp4"),
    "scale within": Recipe(["-vf", "scale='min(320,iw)':-2:flags=lanczos"], "mp4"),
    "scale and pad": Recipe(
        ["-vf", "scale=64:64:force_original_aspect_ratio=decrease,"
         "pad=64:64:(ow-iw)/2:(oh-ih)/2:color=0x102030,setsar=1"], "mp4",
    ),
    "fps": Recipe("-vf fps=5", "mp4"),
    "fps as a fraction": Recipe("-vf fps=30000/1001 -r 30000/1001", "mp4"),
    "transpose": Recipe("-vf transpose=1", "mp4"),
    "transpose by name": Recipe("-vf transpose=cclock,format=yuv420p", "mp4"),
    "mirror": Recipe("-vf hflip,vflip", "mp4"),
    "rotate": Recipe(["-vf", "rotate=PI/6:ow=rotw(PI/6):oh=roth(PI/6):c=black,scale=64:64"], "mp4"),
    "overlay": Recipe(
        ["-filter_complex", "[1:v]scale=32:-1[logo];[0:v][logo]overlay=W-w-4:H-h-4:format=auto[v]",
         "-map", "[v]", "-map", "0:a?", "-c:a", "copy"], "mp4", ("film", "picture"),
    ),
    "side by side": Recipe(["-filter_complex", SIDE_BY_SIDE], "mp4", TWO),
    "hstack": Recipe(["-filter_complex", "[0:v][1:v]hstack=inputs=2"], "mp4", TWO),
    "concat": Recipe(
        ["-filter_complex", "[0:v][0:a][1:v][1:a]concat=n=2:v=1:a=1[v][a]",
         "-map", "[v]", "-map", "[a]"], "mp4", TWO,
    ),
    "crossfade": Recipe(
        ["-filter_complex", "[0:v][1:v]xfade=transition=fade:duration=0.4:offset=0.5;"
         "[0:a][1:a]acrossfade=d=0.4"], "mp4", TWO,
    ),
    "sound of another": Recipe(
        "-map 0:v:0 -map 1:a -c:v copy -c:a aac -b:a 96k", "mp4", ("film", "sound")
    ),
    "volume": Recipe("-vn -af volume=0.5", "mp3"),
    "volume in dB": Recipe("-af volume=-6dB", "wav", ("sound",)),
    "atempo": Recipe("-filter:a atempo=1.5,atempo=1.5", "wav", ("sound",)),
    "nightcore": Recipe("-af asetrate=44100*1.25,aresample=48000", "wav", ("sound",)),
    "loudnorm": Recipe("-vn -af loudnorm=I=-16:TP=-1.5:LRA=11 -ar 48000", "wav"),
    "dynaudnorm": Recipe("-af dynaudnorm=f=150:g=15", "wav", ("sound",)),
    "equalizer": Recipe(
        "-af bass=g=6,treble=g=-3,equalizer=f=1000:t=q:w=1:g=2,highpass=f=200,lowpass=f=8000",
        "wav", ("sound",),
    ),
    "echo": Recipe(["-af", "aecho=0.8:0.9:100|180:0.3|0.25"], "wav", ("sound",)),
    "pan": Recipe(["-af", "pan=stereo|c0=0.5*c0+0.5*c1|c1=c0"], "wav", ("sound",)),
    "compressor": Recipe(
        ["-af", "compand=attacks=0.1:decays=0.4:points=-80/-80|-20/-10|0/-6,alimiter=limit=0.9"],
        "wav", ("sound",),
    ),
    "amix": Recipe(
        ["-filter_complex", "[0:a][1:a]amix=inputs=2:duration=longest:dropout_transition=0"],
        "mp3", ("sound", "voice"),
    ),
    "amerge": Recipe(
        ["-filter_complex", "[0:a][1:a]amerge=inputs=2,pan=stereo|c0<c0+c2|c1<c1+c2[a]",
         "-map", "[a]"], "wav", ("sound", "voice"),
    ),
    "sidechain": Recipe(
        ["-filter_complex", "[1:a]asplit=2[sc][mix];[0:a][sc]sidechaincompress[bg];"
         "[bg][mix]amix"], "wav", ("sound", "voice"),
    ),
    "fades": Recipe("-vf fade=t=in:st=0:d=0.3 -af afade=t=out:st=0.5:d=0.5", "mp4"),
    "silenceremove": Recipe(
        "-af silenceremove=start_periods=1:start_threshold=-50dB:stop_periods=-1", "wav", ("sound",)
    ),
    "gif": Recipe(["-vf", GIF, "-loop", "0"], "gif"),
    "thumbnail": Recipe("-vf thumbnail,scale=64:-1 -frames:v 1 -update 1", "png"),
    "picture at a time": Recipe("-ss 0.5 -frames:v 1", "png"),
    "picture, old spelling": Recipe("-vframes 1 -qscale:v 2 -an", "jpg"),
    "scene": Recipe(["-vf", "select='gte(n,3)',showinfo", "-frames:v", "1"], "png"),
    "waveform": Recipe(
        ["-filter_complex", "showwavespic=s=160x60:colors=white|gray", "-frames:v", "1"],
        "png", ("sound",),
    ),
    "moving waveform": Recipe(
        ["-filter_complex", "[0:a]showwaves=s=160x60:mode=line:rate=10,format=yuv420p[v]",
         "-map", "[v]", "-map", "0:a"], "mp4", ("sound",),
    ),
    "spectrum": Recipe("-lavfi showspectrumpic=s=128x64", "png", ("sound",)),
    "text": Recipe(["-vf", TITLE], "mp4"),
    "clock": Recipe(["-vf", "drawtext=text='%{pts\\:hms}':fontsize=10:box=1"], "mp4"),
    "x264": Recipe("-c:v libx264 -crf 23 -preset veryfast -tune film -profile:v main", "mp4"),
    "x264 rates": Recipe("-vcodec libx264 -b:v 200k -maxrate 250k -bufsize 500k -g 10", "mp4"),
    "x264 keys": Recipe("-c:v libx264 -x264-params keyint=10:scenecut=0:no-cabac=1", "mp4"),
    "x265": Recipe("-c:v libx265 -x265-params crf=30:log-level=error -tag:v hvc1", "mp4"),
    "vp9": Recipe("-c:v libvpx-vp9 -b:v 0 -crf 40 -deadline realtime -cpu-used 8", "webm"),
    "av1": Recipe("-c:v libsvtav1 -preset 12 -crf 50 -an", "mp4"),
    "opus": Recipe("-vn -c:a libopus -b:a 64k -vbr on -application audio", "ogg"),
    "vorbis": Recipe("-vn -acodec libvorbis -q:a 4", "ogg"),
    "mp3": Recipe("-vn -c:a libmp3lame -q:a 2 -id3v2_version 3", "mp3"),
    "mp3, old spelling": Recipe("-vn -ab 128k -ar 44.1k", "mp3"),
    "aac": Recipe("-vn -c:a aac -b:a 96k -movflags +faststart", "m4a"),
    "flac": Recipe("-vn -c:a flac -compression_level 8 -sample_fmt s16", "flac"),
    "copy the sound": Recipe("-map 0:a:0 -c copy", "mka"),
    "copy all but the sound": Recipe("-map 0 -map -0:a -c copy", "mkv"),
    "metadata": Recipe(
        ["-map_metadata", "-1", "-metadata", "title=A b: c=d", "-metadata:s:a:0", "language=eng",
         "-c", "copy", "-bitexact"], "mkv",
    ),
    "for browsers": Recipe(
        "-pix_fmt yuv420p -movflags +faststart -c:v libx264 -y -loglevel warning", "mp4"
    ),
    "twice as fast": Recipe(
        ["-filter_complex", "[0:v]setpts=0.5*PTS[v];[0:a]atempo=2.0[a]", "-map", "[v]",
         "-map", "[a]"], "mp4",
    ),
    "colours": Recipe(
        "-vf eq=brightness=0.06:saturation=1.5:contrast=1.1,hue=h=30:s=1,curves=vintage", "mp4"
    ),
    "blur": Recipe("-vf boxblur=5:1,gblur=sigma=2,unsharp=5:5:1.0", "mp4"),
    "blurred bars": Recipe(
        ["-filter_complex", "[0:v]split[a][b];[a]scale=64:114,boxblur=10[bg];[b]scale=64:-2[fg];"
         "[bg][fg]overlay=(W-w)/2:(H-h)/2"], "mp4",
    ),
    "green screen": Recipe(
        ["-filter_complex", "[1:v]colorkey=0x00FF00:0.3:0.2[k];[0:v][k]overlay"], "mp4", TWO
    ),
    "deinterlace": Recipe("-vf yadif -vsync 0", "mp4"),
    "gray": Recipe("-vf format=gray,lutyuv=y=negval", "mp4"),
    "box": Recipe("-vf drawbox=10:10:40:30:red@0.5:t=fill,drawgrid=w=16:h=16", "mp4"),
    "zoom": Recipe(
        ["-vf", "zoompan=z='min(zoom+0.05,1.5)':d=5:x='iw/2-(iw/zoom/2)':s=64x48:fps=10"],
        "mp4", ("picture",),
    ),
    "size and aspect": Recipe("-s qcif -aspect 4:3 -r 5", "mp4"),
    "key frames": Recipe(["-force_key_frames", "expr:gte(t,n_forced*0.5)"], "mp4"),
    "webp": Recipe("-vf fps=5,scale=64:-1 -c:v libwebp -lossless 0 -quality 60 -loop 0", "webp"),
    "two passes of analysis": Recipe("-vf cropdetect,blackdetect -af volumedetect,astats", "mkv"),
    "subtitles as a track": Recipe(
        "-map 0 -map 1 -c:v copy -c:a copy -c:s mov_text -metadata:s:s:0 language=eng", "mp4",
        ("film", "subtitles"),
    ),
    "contact sheet": Recipe(
        ["-vf", "select='not(mod(n,3))',scale=32:-1,tile=2x2:padding=2:color=white",
         "-frames:v", "1", "-vsync", "vfr"], "png",
    ),
    "contact sheet of rows": Recipe(
        ["-filter_complex", "[0:v]split=2[a][b];[a]trim=0:0.1[c];[b]trim=0.5:0.6,"
         "setpts=PTS-STARTPTS[d];[c][d]hstack"], "png",
    ),
    "moving spectrum": Recipe(
        ["-filter_complex", "[0:a]showspectrum=s=96x64:mode=combined:color=intensity:fps=5[v]",
         "-map", "[v]", "-map", "0:a"], "mp4", ("sound",),
    ),
    "spectrum of CQT": Recipe(
        ["-filter_complex", "[0:a]showcqt=s=96x54:fps=5[v]", "-map", "[v]"], "mp4", ("sound",)
    ),
    "channels apart": Recipe(
        ["-filter_complex", "[0:a]channelsplit=channel_layout=stereo[l][r];[r]anullsink",
         "-map", "[l]", "-ar", "48000"], "dfpwm", ("sound",),
    ),
    "left by map of channels": Recipe("-af channelmap=map=FL|FL,pan=mono|c0=c0", "wav", ("sound",)),
    "both to the middle": Recipe(
        ["-ar", "48000", "-af", "pan=mono|c0=.5*c0+.5*c1"], "dfpwm", ("sound",)
    ),
    "louder as measured": Recipe(
        "-af loudnorm=I=-14:TP=-2:LRA=7:measured_I=-20:measured_TP=-3:measured_LRA=4:"
        "measured_thresh=-30:linear=true:print_format=summary -ar 48000", "mp3", ("sound",),
    ),
    "mix with weights": Recipe(
        ["-filter_complex", "[0:a]volume=0.8[a];[1:a]adelay=200|200[b];"
         "[a][b]amix=inputs=2:duration=first:weights='1 0.5'[m]", "-map", "[m]"],
        "ogg", ("sound", "voice"),
    ),
    "noise away": Recipe("-af afftdn=nf=-25,highpass=f=80,agate", "wav", ("sound",)),
    "gif by two inputs of one": Recipe(
        ["-filter_complex", "[0:v]fps=5,scale=48:-1[x];[x]split[a][b];[a]palettegen=stats_mode=diff"
         "[p];[b][p]paletteuse=dither=sierra2_4a:diff_mode=rectangle"], "gif",
    ),
    "film of a GIF": Recipe(
        ["-movflags", "faststart", "-pix_fmt", "yuv420p",
         "-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2"], "mp4", ("picture",),
    ),
    "picture and sound with text": Recipe(
        ["-filter_complex", "[0:v]scale=64:48,drawtext=text='Now playing':x=2:y=2:fontcolor=yellow:"
         "box=1:boxcolor=black@0.5[v]", "-map", "[v]", "-map", "1:a", "-shortest"],
        "mp4", ("picture", "sound"), input_args="-loop 1 -framerate 5 -t 1",
    ),
    "picture in picture": Recipe(
        ["-filter_complex", "[1]scale=iw/4:-1[pip];[0][pip]overlay=main_w-overlay_w-2:2:"
         "enable='between(t,0.2,0.8)'"], "mp4", TWO,
    ),
    "logo from the film itself": Recipe(
        ["-filter_complex", "[0:v]split[a][b];[b]crop=16:16:0:0,format=rgba,"
         "colorchannelmixer=aa=0.5[c];[a][c]overlay=4:4"], "mp4",
    ),
    "forgiving of damage": Recipe(
        "-c copy", "mkv",
        input_args="-fflags +genpts+discardcorrupt -err_detect ignore_err -probesize 10M "
        "-analyzeduration 10M",
    ),
    "two pictures a second": Recipe("-r 2 -c:v mjpeg -q:v 5 -an", "avi"),
    "without sound": Recipe("-an -c:v copy", "mp4"),
    "for the web in 720p": Recipe(
        "-vf scale=-2:72 -c:v libx264 -preset slow -crf 22 -profile:v high -level 4.0 "
        "-c:a aac -b:a 128k -ac 2 -movflags +faststart -threads 2", "mp4",
    ),
    "stabilise": Recipe("-vf deshake=rx=16:ry=16", "mp4"),
}  # fmt: skip


REMEDIES = {
    "-hwaccel cuda -c:v libx264": "this server converts on the CPU; leave -hwaccel out",
    "-c:v h264_nvenc": "use an encoder such as libx264",
    "-vf scale_cuda=64:48": "use the filter without that ending",
    "-vf subtitles=film.srt": "add them as a track",
    "-i logo.png -vf hflip": "further ones in input_urls",
    "-f concat -safe 0": "in input_urls and join them with the filter concat",
    "-safe 0 -f concat": "in input_urls and join them with the filter concat",
    "-pass 1 -f null": "in one pass",
    "-filter_script:v graph.txt": "give the graph itself with -vf",
    "-stream_loop 3": "endless",
    "-vf reverse": "keeps or repeats frames without a bound",
    "-vf movie=logo.png": "further input",
    "-vf drawtext=textfile=a.txt": "give the text as text=",
    "-vf drawtext=fontfile=a.ttf:text=a": "use font=NAME",
    "-loglevel debug": "warning",
    "out.mp4": "output_format names the output",
}


@pytest.mark.parametrize("words", REMEDIES)
def test_what_is_refused_names_the_way_to_do_it(words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_arguments(words.split())
    assert REMEDIES[words] in caught.value.message


WITH_BOTH = {
    "dfpwm right", "cut to", "cut before the input", "cut from the end", "raw sound",
    "still with sound", "scale within", "scale and pad", "fps as a fraction", "transpose by name",
    "overlay", "concat", "crossfade", "loudnorm", "compressor", "amix", "sidechain", "gif",
    "thumbnail", "picture, old spelling", "moving waveform", "spectrum", "text", "clock",
    "x264 keys", "x265", "vp9", "av1", "opus", "mp3, old spelling", "flac",
    "copy all but the sound", "metadata", "for browsers", "colours", "deinterlace", "zoom",
    "key frames", "webp", "subtitles as a track", "contact sheet", "channels apart",
    "mix with weights", "forgiving of damage", "picture in picture",
}  # fmt: skip
"""Those that run with the system's program every day, too: of each kind of option, filter and codec
one, and what ffmpeg has changed from version to version."""


def _words(text: str | list[str]) -> list[str]:
    return text.split() if isinstance(text, str) else text


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.both_ffmpegs if name in WITH_BOTH else ())
        for name in RECIPES
    ],
)
def test_popular_recipe_passes_and_runs(
    program: str, name: str, sources: dict[str, Path], tmp_path: Path
) -> None:
    recipe = RECIPES[name]
    args = check_arguments(_words(recipe.args), inputs=len(recipe.inputs))
    output = tmp_path / f"output.{recipe.output}"
    command = check_input_arguments(_words(recipe.input_args))
    for source in recipe.inputs:
        command += guarded_input(sources[source], 40_000_000)
    done = run(program, *command, *args, str(output))
    assert done.returncode == 0, done.stderr
    assert output.stat().st_size > 0, done.stderr
    if recipe.output == "dfpwm":
        # One second; encoded sound may be longer by the padding of its codec.
        assert 6000 <= output.stat().st_size <= 6600


def test_metadata_arrives_as_given(sources: dict[str, Path], tmp_path: Path) -> None:
    args = check_arguments(["-metadata", "title=It's [1], 'two'; a\\b\n\u00e4", "-c", "copy"])
    done = run(BUNDLED, "-i", str(sources["sound"]), *args, str(tmp_path / "output.mka"))
    assert done.returncode == 0
    assert "It's [1], 'two'; a\\b \u00e4" in done.stderr
