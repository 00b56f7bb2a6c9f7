"""What of a source is meant: decided here once, for all tools.

Which pictures and which sound, how they are decoded, whether it is a still, how large it is to be
seen, how long it is, and in which colours. All of it from the header alone; when the pictures are
shown is in `timing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gmapi.errors import RequestError
from gmapi.media.header import MediaInfo, Stream
from gmapi.media.languages import same_language

Track = int | str
"""A number from 1 on, or a language such as "eng"."""

ANIMATIONS = frozenset({"gif", "apng", "webp", "webp_anim", "jpegxl_anim"})
"""Codecs of picture files that may hold several pictures."""

# What belongs to a picture and is none of its own.
_BESIDE = frozenset(
    {"attached pic", "timed thumbnails", "dependent", "still image", "non-diegetic", "metadata"}
)
_NOT_THE_FILM = ("comment", "visual impaired", "descriptions", "karaoke", "lyrics")
_COMMENTARY = ("comment", "audio description", "descriptive")
# Decoders that know what the ones ffmpeg takes by itself leave out: transparency.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# Their pictures come out different each time where ffmpeg decodes several at once.
_ONE_THREAD = frozenset({"theora", "vp3", "vp4"})
_HDR = {"smpte2084": "pq", "arib-std-b67": "hlg"}
# Their times count from 0, and the duration is the time of the end.
_ENDS = ("matroska",)
_MP4 = "mov,"
# Those that ffmpeg marks as having leaps in time.
_CORRECTED = ("mpegts", "mpeg", "ogg", "nut")
_UNKNOWN_CODECS = frozenset({"none", "unknown", "timed_id3"})


@dataclass(frozen=True)
class Selection:
    """The decision about one source, which is read from `path`.

    `picture` and `sound` are the streams meant, None without any; `alpha` is one that holds the
    transparency of the picture, `cover` a cover that comes with sound. `length` is in seconds, a
    late start not counted, None when nothing tells it. `is_still` when the source is one picture,
    however many others, such as thumbnails or icons of other sizes, are beside it; `is_heif` for
    AVIF and its like. `notes` are
    sentences about what could also have been meant, for "video" and for "audio".
    """

    path: Path
    info: MediaInfo
    picture: Stream | None
    sound: Stream | None
    alpha: Stream | None = None
    cover: Stream | None = None
    length: float | None = None
    is_still: bool = False
    is_heif: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def picture_map(self) -> str:
        """The value of -map for the pictures. Raises ValueError without any."""
        return self.map_of(self.picture)

    @property
    def sound_map(self) -> str:
        """The value of -map for the sound. Raises ValueError without any."""
        return self.map_of(self.sound)

    @staticmethod
    def map_of(stream: Stream | None) -> str:
        """The value of -map for one of its streams. Raises ValueError for None."""
        if stream is None:
            raise ValueError("the source has no such stream")
        return f"0:{stream.index}"

    @property
    def has_alpha(self) -> bool:
        """Whether the pictures have transparency."""
        return self.picture is not None and self.picture.has_alpha

    @property
    def hdr(self) -> str | None:
        """ "pq" or "hlg" when the pictures are brighter than a usual screen, else None."""
        return _HDR.get(self.picture.transfer or "") if self.picture else None

    @property
    def decoder(self) -> str | None:
        """The decoder to name for the pictures, where the usual one loses something."""
        picture = self.picture
        return _ALPHA_DECODERS.get(picture.codec) if picture and picture.has_alpha else None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels as the pictures are to be seen; None when not known."""
        picture = self.picture
        if picture is None or not picture.width or not picture.height:
            return None
        return picture.width, picture.height

    @property
    def input_words(self) -> list[str]:
        """Options before `-i` that belong to this source."""
        if self.picture is None:
            return []
        words = []
        if self.decoder is not None:
            words += [f"-c:{self.picture.index}", self.decoder]
        if self.picture.codec in _ONE_THREAD:
            words += [f"-threads:{self.picture.index}", "1"]
        return words

    @property
    def is_in_pieces(self) -> bool:
        """Whether the picture has to be put together first, of tiles or with its transparency."""
        return self.alpha is not None or (
            self.picture is not None and self.picture.tile_group is not None
        )

    @property
    def is_picture_file(self) -> bool:
        """Whether it is a file of one picture, which may move; those may tell in the picture
        itself how it is to be turned."""
        return self.is_still or self.is_animation

    @property
    def is_animation(self) -> bool:
        """Whether it is a picture file that moves: each picture has a length of its own."""
        if self.is_still or self.picture is None:
            return False
        is_heif = self.is_heif and self.sound is None
        return is_heif or self.picture.codec in ANIMATIONS

    def beside(self, stream: Stream | None) -> list[str]:
        """An output of nothing that a command needs which reads only `stream`, at its end.

        In some containers ffmpeg counts time from the first of those streams that are read, so
        that one which starts late would not any more.
        """
        other = self.sound if stream is self.picture else self.picture
        if other is None or not self.info.container.startswith(_CORRECTED):
            return []
        # That it is read at all counts when ffmpeg begins; more of it is of no use.
        one = ["-copyinkf", f"-frames:{other.kind[0]}", "1"]
        return ["-map", self.map_of(other), "-c", "copy", *one, "-f", "null", "-"]

    @property
    def may_change(self) -> bool:
        """Whether filters may live on when the pictures change their shape on the way.

        Not all filters bear that; what turns pictures, flattens them or maps their tones is made
        anew then.
        """
        picture = self.picture
        return picture is not None and not (picture.has_alpha or picture.is_turned or self.hdr)


def choose(
    path: Path,
    info: MediaInfo,
    *,
    video_track: Track | None = None,
    audio_track: Track | None = None,
    is_film: bool = False,
    is_heif: bool = False,
) -> Selection:
    """Decide about a source with this header. `is_film` when a picture file turned out to hold
    many pictures that follow each other, `is_heif` when it is of that format.

    Raises RequestError, with what there is, for a track that is not there.
    """
    pictures = _pictures(info)
    sounds = [s for s in info.streams if s.kind == "audio"]
    notes: dict[str, str] = {}
    if video_track is not None:
        picture: Stream | None = _asked(video_track, pictures, "video_track", "video track")
    else:
        picture = _picture(info, pictures)
    if audio_track is not None:
        sound: Stream | None = _asked(audio_track, sounds, "audio_track", "sound track")
    else:
        sound = _sound(sounds, picture)
        if sound is not None and len(sounds) > 1:
            notes["audio"] = _taken(sound, sounds, "sound", "audio_track")
    is_still = picture is not None and not is_film and _is_still(info, picture)
    if picture is not None and video_track is None and not is_still:
        moving = [s for s in pictures if not _is_item(info, s)]
        if len(moving) > 1:
            notes["video"] = _taken(picture, pictures, "video", "video_track")
    cover = next((s for s in info.streams if s.kind == "video" and s.attached_picture), None)
    alpha = _alpha_of(info, picture) if picture is not None else None
    length = _length(info)
    return Selection(path, info, picture, sound, alpha, cover, length, is_still, is_heif, notes)


def described(info: MediaInfo) -> list[str]:
    """A line for each track that can be chosen, with its number."""
    lines = []
    sounds = [s for s in info.streams if s.kind == "audio"]
    for name, streams in (("video_track", _pictures(info)), ("audio_track", sounds)):
        if len(streams) > 1:
            lines += [f"{name} {n}: {_words(s)}" for n, s in enumerate(streams, 1)]
    return lines


def tracks(info: MediaInfo, kind: str) -> list[str]:
    """The streams of a kind in words, each with what -map calls it, such as "0:a:1 (eng, mp3)"."""
    streams = [s for s in info.streams if s.kind == kind and s.tile_group is None]
    return [f"0:{kind[0]}:{number} ({_words(s)})" for number, s in enumerate(streams)]


def _pictures(info: MediaInfo) -> list[Stream]:
    """What can be meant as the picture."""
    videos = [s for s in info.streams if s.kind == "video" and not s.flags & _BESIDE]
    alphas = [_alpha_of(info, s) for s in videos]
    return [s for s in videos if s not in alphas]


def _alpha_of(info: MediaInfo, picture: Stream) -> Stream | None:
    """The stream that holds the transparency of a picture in AVIF: gray, of the same size and
    kind, right behind it (MIAF, ISO/IEC 23000-22)."""
    if picture.codec != "av1" or not info.container.startswith(_MP4) or _is_gray(picture):
        return None
    size = (picture.coded_width, picture.coded_height, picture.ticks)
    for stream in info.streams:
        if (
            stream.index == picture.index + 1
            and (stream.coded_width, stream.coded_height, stream.ticks) == size
            and stream.codec == "av1"
            and _is_gray(stream)
        ):
            return stream
    return None


def _is_gray(stream: Stream) -> bool:
    return stream.pixels is not None and stream.pixels.startswith("gray")


def _picture(info: MediaInfo, pictures: Sequence[Stream]) -> Stream | None:
    known = [s for s in pictures if s.codec not in _UNKNOWN_CODECS] or pictures
    # Of a picture file that also moves (AVIF, HEIF) the animation is meant.
    moving = [s for s in known if not _is_item(info, s)]
    if not moving and (tiles := [s for s in known if s.tile_group is not None]):
        return tiles[0]
    return max(moving or known, key=_rank, default=None)


def _rank(stream: Stream) -> tuple[bool, int]:
    """Of several the default ones, and of those the largest; `max` takes the first of equals."""
    area = (stream.coded_width or 0) * (stream.coded_height or 0)
    return "default" in stream.flags, area


def _sound(sounds: Sequence[Stream], picture: Stream | None) -> Stream | None:
    heard = [s for s in sounds if s.codec not in _UNKNOWN_CODECS and s.sample_rate] or sounds
    # A broadcast may carry several programs, each with sound of its own.
    program = picture.program if picture is not None else None
    heard = [s for s in heard if s.program == program] or heard
    default = [s for s in heard if "default" in s.flags]
    if len(default) == 1:
        return default[0]
    plain = [s for s in default or heard if not _is_commentary(s)]
    return next(iter(plain or default or heard), None)


def _is_commentary(stream: Stream) -> bool:
    title = (stream.title or "").casefold()
    return any(f in stream.flags for f in _NOT_THE_FILM) or any(w in title for w in _COMMENTARY)


def _asked(track: Track, streams: Sequence[Stream], field: str, noun: str) -> Stream:
    if isinstance(track, int):
        found = streams[track - 1] if 1 <= track <= len(streams) else None
    else:
        found = next((s for s in streams if same_language(track, s.language)), None)
    if found is not None:
        return found
    if not streams:
        raise RequestError(f"{field}: the source has no {noun}; leave {field} out.", field=field)
    listed = "; ".join(f"{n}: {_words(s)}" for n, s in enumerate(streams, 1))
    raise RequestError(
        f"{field}: the source has no {noun} {track}. It has {listed[:1000]}.", field=field
    )


def _taken(stream: Stream, streams: Sequence[Stream], noun: str, field: str) -> str:
    number = streams.index(stream) + 1
    return (
        f"The source has {len(streams)} {noun} tracks; number {number} was taken "
        f"({_words(stream)}). Another one can be chosen with {field}."
    )


def _words(stream: Stream) -> str:
    """A track in words, such as "eng, Commentary, aac, 2 channels"."""
    size = f"{stream.width} x {stream.height}" if stream.width and stream.height else None
    channels = stream.channels and f"{stream.channels} channel{'s'[: stream.channels != 1]}"
    flags = [flag for flag in ("default", *_NOT_THE_FILM, "dub") if flag in stream.flags]
    title = stream.title and stream.title[:60]
    words = (stream.language, title, stream.codec[:60], size, channels, *flags)
    # What strangers wrote may turn the direction of text, or begin a line.
    return "".join(c for c in ", ".join(word for word in words if word) if c.isprintable())


def _is_item(info: MediaInfo, stream: Stream) -> bool:
    """Whether it is a picture by itself in a file of the MP4 family, as in AVIF and HEIF."""
    if stream.tile_group is not None:
        return True
    return info.container.startswith(_MP4) and stream.ticks == 1


def _is_still(info: MediaInfo, picture: Stream) -> bool:
    if _is_item(info, picture) or info.container in ("ico", "mjpeg"):
        return True
    is_file = info.container.endswith("_pipe") or info.container == "mjpeg"
    return is_file and picture.codec not in ANIMATIONS


def _length(info: MediaInfo) -> float | None:
    duration, start = info.duration, info.start or 0.0
    if duration is None:
        return None
    if info.container.startswith(_ENDS) and 0 < start < duration:
        return duration - start
    return duration


def renewed(selection: Selection, info: MediaInfo) -> Selection:
    """The same decision with what a header says now that more of the source is there."""
    return replace(selection, info=info, length=_length(info))


def turned(selection: Selection, size: tuple[int, int]) -> Selection:
    """The same decision with the size that decoding has shown (`probe.seen_size`)."""
    if selection.picture is None:
        return selection
    width, height = size
    return replace(selection, picture=replace(selection.picture, width=width, height=height))
