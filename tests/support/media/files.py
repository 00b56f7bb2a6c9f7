"""The media that tests use: name and the ffmpeg arguments that make it."""

from __future__ import annotations

import functools

import imageio_ffmpeg


@functools.cache
def ffmpeg_program() -> str:
    """The ffmpeg that came with the product."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _video(size: str, rate: int, seconds: float) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]


def _tone(seconds: float, hertz: int = 440) -> list[str]:
    return ["-f", "lavfi", "-i", f"sine={hertz}:r=44100:d={seconds}"]


_H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]

MEDIA: dict[str, list[str]] = {
    "song.mp3": [*_tone(6), "-c:a", "libmp3lame", "-b:a", "96k"],
    "stereo.wav": [*_tone(4, 440), *_tone(4, 880), "-filter_complex", "amerge=inputs=2"],
    # 14 s at 20 frames a second make the 280 frames of the acceptance run.
    "film.mp4": [*_video("320x180", 25, 14), *_tone(14), *_H264, "-c:a", "aac", "-shortest"],
    "clip.mp4": [*_video("160x120", 10, 2), *_tone(2), *_H264, "-c:a", "aac"],
    "silent.mp4": [*_video("160x90", 10, 3), *_H264, "-an"],
    "picture.png": ["-f", "lavfi", "-i", "testsrc2=s=64x48:d=1", "-frames:v", "1"],
}

CONTRACT_MEDIA: dict[str, list[str]] = {
    # What the duration in the header says is that of the longer sound.
    "long_sound.mov": [
        *_video("160x90", 25, 12), *_tone(600), *_H264, "-ar", "16000", "-c:a", "pcm_s16le",
    ],
    "odd.mkv": [*_video("161x91", 30, 12), "-c:v", "ffv1", "-pix_fmt", "yuv444p"],
    "vfr.mkv": [
        *_video("160x90", 25, 12), "-vf", "select='lt(t,4)+not(mod(n,7))'",
        "-fps_mode", "vfr", *_H264,
    ],
    "late.mkv": [
        *_tone(13), "-itsoffset", "1.3", *_video("160x90", 25, 12), "-map", "1:v", "-map", "0:a",
        *_H264, "-c:a", "libmp3lame",
    ],
    "see_through.gif": [
        *_video("90x60", 10, 11), "-vf",
        "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*gt(X,45)',"
        "split[a][b];[a]palettegen=reserve_transparent=1[p];[b][p]paletteuse",
    ],
    # A little more than the 46.6 minutes of sound that fit into one reply.
    "long_silence.mkv": [
        *_video("64x36", 10, 2), "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "2800",
        *_H264, "-c:a", "flac",
    ],
    "three_minutes.wav": [*_tone(180), "-ar", "8000", "-c:a", "pcm_u8"],
    "short.mkv": [
        *_video("102x57", 10, 1.7), *_tone(1.7), "-c:v", "ffv1", "-c:a", "flac", "-ar", "48000",
    ],
    "many_frames.mp4": [*_video("320x180", 25, 24), *_tone(24), *_H264, "-c:a", "aac"],
}  # fmt: skip
"""Media for the contract's tests only."""

_HALVES = "color=c=0x111111:s=40x20:r=10:d=1,format=rgb24,drawbox=w=20:h=20:c=0xF0F0F0:t=fill"

SCREEN_MEDIA: dict[str, list[str]] = {
    # White (slot 0 of the default palette) on the left, black (slot f) on the right.
    "halves.png": ["-f", "lavfi", "-i", _HALVES, "-frames:v", "1"],
    "halves.jpg": [
        "-f", "lavfi", "-i", _HALVES, "-frames:v", "1", "-pix_fmt", "yuvj444p", "-q:v", "1",
    ],
    "halves.mkv": ["-f", "lavfi", "-i", _HALVES, "-c:v", "ffv1"],
    "wide_pixels.mkv": ["-f", "lavfi", "-i", f"{_HALVES},setsar=2", "-c:v", "ffv1"],
    # The left half is not to be seen, the right one is white.
    "half_there.png": [
        "-f", "lavfi", "-i", "color=c=0xF0F0F0:s=40x20,format=rgba,geq=r=240:g=240:b=240:"
        "a='255*gt(X,19)'", "-frames:v", "1",
    ],
    # The same with a palette, in which what is not to be seen is some other colour.
    "half_there_palette.png": [
        "-f", "lavfi", "-i", "color=c=0xF0F0F0:s=40x20:r=1:d=1,format=rgba,geq=r=240:g=240:b=240:"
        "a='255*gt(X,19)',split[a][b];[a]palettegen=reserve_transparent=1:"
        "transparency_color=lime[p];[b][p]paletteuse", "-frames:v", "1",
    ],
    "sounding.mkv": [
        *_video("64x48", 10, 1.7), *_tone(1.7, 700), "-c:v", "ffv1", "-c:a", "pcm_s16le",
    ],
    "without_length.webm": [
        *_video("48x36", 10, 2), "-c:v", "libvpx", "-deadline", "realtime", "-live", "1",
    ],
    "without_times.h264": [*_video("48x36", 25, 1), *_H264, "-bf", "2"],
    "cover.mp3": [
        *_tone(1), "-f", "lavfi", "-i", f"{_HALVES},trim=end_frame=1", "-map", "0", "-map", "1",
        "-c:v", "mjpeg", "-c:a", "libmp3lame",
    ],
    "large.mkv": [
        *_video("64x48", 4, 8), *_tone(8), "-c:v", "ffv1", "-c:a", "pcm_s16le",
    ],
}  # fmt: skip
"""Media for the tests of `sanjuuni`, made when they are asked for."""
