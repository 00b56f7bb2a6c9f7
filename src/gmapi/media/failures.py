"""From what ffmpeg wrote last to one sentence for the caller.

Wordings are those of ffmpeg 5 to 9; the tests produce them with the installed programs.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.errors import GmapiError, LimitError, MediaError, NoSpaceError
from gmapi.media.selection import tracks

if TYPE_CHECKING:
    from gmapi.media.formats import OutputFormat
    from gmapi.media.header import MediaInfo
    from gmapi.media.process import Finished


@dataclass(frozen=True)
class Context:
    """What was being done: the format asked for, the largest picture allowed, in pixels, what the
    first source holds, and the caller's words."""

    target: OutputFormat | None = None
    max_pixels: int | None = None
    info: MediaInfo | None = None
    args: tuple[str, ...] = ()


class SoundChanged(MediaError):
    """The sound changes its channels or its rate on the way, and its filters may not be built
    anew (see `sound`). What was written before is right."""


@dataclass(frozen=True)
class _Case:
    """A wording of ffmpeg and what it means; groups of the pattern fill the sentence. It is
    compiled when something has failed, not at each start of a process. Lines quote strangers, so
    what stands between two words has a bound."""

    pattern: str
    error: type[GmapiError]
    sentence: str | Callable[[re.Match[str], Context], str]


_KINDS = {"v": "video", "a": "audio", "s": "subtitle"}
_NOUNS = {"v": "video", "a": "sound", "s": "subtitles"}


def _no_such_map(match: re.Match[str], context: Context) -> str:
    # ffmpeg 9 leaves the first wording empty and gives the value in a later line.
    value = match[1] or match[2] or ""
    specifier = re.search(r"(?:^|:)([vas])(?::|$|\?)", value, re.IGNORECASE)
    noun = _NOUNS[specifier[1].lower()] if specifier else "such stream"
    shown = f"-map {_public(value)}" if value else "-map"
    kind = _KINDS[specifier[1].lower()] if specifier else None
    if context.info is not None and value.startswith("0"):
        if kind is None:
            there = [line for each in _KINDS.values() for line in tracks(context.info, each)]
        else:
            there = tracks(context.info, kind)
        if there:
            return f"{shown} matches nothing; the source has {_public(', '.join(there), 600)}"
    elif specifier and context.info is not None:
        return f"{shown} matches nothing in that source"
    return f"the source has no {noun}: {shown} matches nothing"


def _no_such_stream(match: re.Match[str], context: Context) -> str:
    specifier = re.search(r"(?:^|[:\[])([vas])\b", match[1], re.IGNORECASE)
    what = _NOUNS[specifier[1].lower()] if specifier else "such stream"
    shown = match[1].strip("':")
    return f"the source has no {what} that {shown} could mean; see -map and the filter's labels"


# What a format of this kind holds alone, and the option that leaves it out.
_ALL_OF_IT = {"audio": ("audio", "-an"), "image": ("video", "-vn")}


def _no_stream(match: re.Match[str], context: Context) -> str:
    kind = context.target.kind if context.target else None
    if kind in _ALL_OF_IT:
        needed, word = _ALL_OF_IT[kind]
        there = context.info is not None and context.info.first(needed) is not None
        if there and word in context.args:
            return f"{word} leaves out all that this format can hold; leave {word} out"
    if kind == "audio":
        return "the source has no sound, so there is nothing to convert to this format"
    if kind == "image":
        return "the source has no picture, so there is nothing to convert to this format"
    if kind == "subtitle":
        return "the source has no subtitles that can be written in this format"
    return "no stream of the source fits the format and the arguments; check -vn, -an and -map"


_WITHOUT = {
    "attachment": "take -map 0:v -map 0:a instead of -map 0",
    "data": "leave them out with -dn, or take -map 0:v -map 0:a instead of -map 0",
    "subtitle": "leave them out with -sn, or take -map 0:v -map 0:a instead of -map 0",
}


def _not_storable(match: re.Match[str], context: Context) -> str:
    target = f"as {context.target.name}" if context.target else "in the format asked for"
    if match.re.groups == 1:
        noun = {"attachment": "attachments"}.get(match[1], match[1])
        return f"{noun} cannot be stored {target}; {_WITHOUT[match[1]]}"
    codec, number = match[1], int(match[2])
    kind = _kind_of(number, context)
    names = " ".join(word for word in (kind, codec) if word not in (None, "none"))
    what = f"stream {number} ({names}) cannot be stored {target}"
    if kind in _WITHOUT:
        return f"{what}; {_WITHOUT[kind]}"
    if "copy" in context.args:
        return f"{what} as it is; leave out copy, so that it is encoded anew"
    return f"{what}; leave the codec out or choose another format"


def _only_others(match: re.Match[str], context: Context) -> str:
    name = context.target.name if context.target else "asked for"
    what = f"the format {name} cannot hold one of the streams that are taken: only {match[1]}"
    if "copy" in context.args and " subtitles are supported for Matroska" not in match[0]:
        again = "leave out copy, so that it is encoded anew"
        return f"{what}; {again}, and take -map 0:v -map 0:a instead of -map 0"
    return f"{what}; {_WITHOUT['data']}"


def _not_encodable(match: re.Match[str], context: Context) -> str:
    target = context.target.name if context.target else match[1]
    return (
        f"the format {target} cannot hold one of the streams that are taken: subtitles, data or "
        "attachments; leave them out with -sn -dn, or take -map 0:v -map 0:a instead of -map 0"
    )


def _kind_of(number: int, context: Context) -> str | None:
    """The kind of a stream of the output, where it has the number of one of the source."""
    streams = context.info.streams if context.info is not None else ()
    maps = [b for a, b in zip(context.args, context.args[1:], strict=False) if a == "-map"]
    if maps == ["0"]:
        return next((s.kind for s in streams if s.index == number), None)
    return None


def _too_many_pixels(match: re.Match[str], context: Context) -> str:
    limit = f" of {context.max_pixels:,} pixels" if context.max_pixels else ""
    return (
        f"the source's picture of {match[1]} pixels is larger than the limit{limit}; give a "
        "smaller one, or ask the operator for a higher GMAPI_PICTURE_MAX_PIXELS"
    )


_NO_MEMORY = (
    "the conversion needs more memory than this server allows; use a smaller picture, "
    "fewer filters or a simpler codec"
)

# Where the decoder of TIFF says one of these it leaves the rest of the picture black, often all of
# it, and ffmpeg calls that success.
_SPOILED = (
    r"^\[tiff\] \[error\] (?:JPEG compression is not supported|Decoded only|Uncompressing failed|"
    r"(?:Run|Read) went out of bounds|Error initializing LZW)"
)

_EMPTY = "nothing was encoded"
# The output that is there only so that a stream is read, see `Selection.beside`.
_NOWHERE = "/null]"
_NOTHING = (
    "nothing was written: the part asked for (-ss, -t, -frames) is beyond the end of the source, "
    "or the source could not be decoded"
)

# The first case that fits any line wins, so causes stand before their consequences.
_CASES = (
    _Case(r"No space left on device|Disk quota exceeded", NoSpaceError,
          "the server's disk is full; try again later"),
    _Case(r"File too large|received signal 25\b", LimitError,
          "the output grew beyond the limit of this server; ask for a shorter part with -t or "
          "for a lower quality"),
    _Case(r"received signal 24\b", LimitError,
          "the conversion used more processor time than this server allows; ask for a shorter "
          "part with -t or for a faster format"),
    _Case(r"Changing audio frame properties on the fly", SoundChanged,
          "the sound changes its channels or its sample rate on the way"),
    _Case(r"Picture size (\d+x\d+) exceeds specified max pixel count", LimitError,
          _too_many_pixels),
    _Case(r"Cannot allocate memory|Memory allocation error|malloc(?: of size \d+)? failed|"
          r"Could not allocate|std::bad_alloc", LimitError, _NO_MEMORY),
    _Case(r"Format not on (?:the )?whitelist", MediaError,
          "the source is a kind of file that this server does not read; give the address of an "
          "ordinary video, sound or picture file, such as MP4, MP3 or PNG"),
    _Case(r"moov atom not found", MediaError,
          "the source is an incomplete MP4 file (its index is missing)"),
    _Case(r"Stream map '?([^']{0,200})'? matches no streams|"
          r"Failed to set value '(.{0,200})' for option 'map'",
          MediaError, _no_such_map),
    _Case(r"Stream specifier '?([^' ]*)'? in filtergraph", MediaError, _no_such_stream),
    _Case(r"does not contain any stream", MediaError, _no_stream),
    _Case(r"Unknown encoder '?([\w.-]+)'?", MediaError,
          "there is no encoder {0}; check the codec argument"),
    _Case(r"Default encoder for format (\w+) \(codec none\)|"
          r"Subtitle encoding currently only possible from text to (text)|"
          r"Could not write header .{0,60}: (Not yet implemented)", MediaError,
          _not_encodable),
    _Case(r"Automatic encoder selection failed .{0,200}codec (\w+)|"
          r"Default encoder for format (\w+)",
          MediaError, "this server has no encoder for the format's usual codec; choose another "
          "codec with -c:a or -c:v"),
    _Case(r"Unknown decoder '?([\w.-]+)'?", MediaError, "there is no decoder {0}"),
    _Case(r"[Dd]ecoder \(codec (\w+)\) not found|No decoder found for codec (\w+)|"
          r"Decoder for (\w+) not found|no decoder found for: (\w+)",
          MediaError, "the source uses a codec that this server cannot decode ({0})"),
    _Case(r"(?i)cannot determine format of input|encrypted|No key found|decryption key",
          MediaError, "the source could not be decoded; it is damaged, or in a form that this "
          "server's ffmpeg does not know"),
    _Case(r"Could not find tag for codec (\S+) in stream #(\d{1,4})", MediaError, _not_storable),
    _Case(r"Invalid or not supported codec type '(attachment|data|subtitle)'", MediaError,
          _not_storable),
    _Case(r"[Cc]odec (\w+) not supported in (?:WAVE|\w+) format|"
          r"Unsupported (?:audio|video) codec|Unsupported codec|"
          r"codec (\w+) (?:is )?not (?:currently )?supported in (?:this )?container",
          MediaError, "this codec cannot be stored in the format asked for; leave the codec out "
          "or choose another format"),
    _Case(r"Only (\S.{0,200} are supported for \w+)", MediaError, _only_others),
    _Case(r"(?:width|height) not divisible by 2 \((\d+x\d+)\)", MediaError,
          "the picture would be {0}, and this codec needs even sides; scale to even numbers"),
    _Case(r"Specified sample rate (\d+) is not supported", MediaError,
          "this codec cannot have {0} samples per second; -ar 48000 always works"),
    _Case(r"Only (\d+) ?Hz sample rate supported", MediaError,
          "this codec can only have {0} samples per second; use -ar {0}"),
    _Case(r"Specified channel layout '?([^']{1,200}?)'? is not supported|Only mono supported",
          MediaError,
          "this codec cannot have that many channels; use -ac 2 or -ac 1"),
    _Case(r"Specified pixel format (\w+) is not supported|Unknown pixel format requested: (\w+)",
          MediaError, "this codec cannot have the pixel format {0}; leave -pix_fmt out"),
    _Case(r"Filtering and streamcopy cannot be used together", MediaError,
          "filters cannot be used together with -c copy; leave out one of the two"),
    _Case(r"invalid preset '?([\w.-]+)'?|Error setting preset/tune ([\w.-]+)/", MediaError,
          "there is no preset {0}; presets are ultrafast, superfast, veryfast, faster, fast, "
          "medium, slow, slower, veryslow"),
    _Case(r"No such filter: '?([\w.-]+)'?", MediaError, "there is no filter {0}"),
    _Case(r"Option '?([\w.-]+)'? not found|Error applying option '?([\w.-]+)'? to filter",
          MediaError, "the filter has no option {0}"),
    _Case(r"Expected (?:number|int64|int) for ([\w:.-]+) but found:? ?(.*)", MediaError,
          "-{0} needs a number, not {1}"),
    _Case(r"Invalid duration (?:specification )?for (?:option )?([\w:.-]+): (.*)", MediaError,
          "-{0} needs a time such as 90.5 or 0:01:30, not {1}"),
    _Case(r"Invalid framerate value: (.*)", MediaError,
          "-r needs a number of pictures per second, not {0}"),
    _Case(r"Invalid frame size: (.*?)\.?$", MediaError, "-s needs a size such as 640x360, not {0}"),
    _Case(r"Error setting option ([\w:.-]+) to value (.*?)\.?$", MediaError,
          "-{0} cannot be {1}"),
    _Case(r"Invalid too big or non positive size for width '(-?\d+)' or height '(-?\d+)'",
          MediaError, "crop cannot cut {0}x{1} out of this picture; it is too large"),
    _Case(r"Picture size (\d+x\d+) is invalid", MediaError,
          "a picture of {0} pixels is too large for this codec"),
    _Case(r"Unrecognized option '?([\w:.-]+)'?", MediaError, "ffmpeg has no option -{0}"),
    _Case(r"Output file(?: #\d+)? is empty, nothing was encoded|[Nn]othing was encoded",
          MediaError, _NOTHING),
    _Case(r"Error opening input: (?:Invalid data|End of file)|"
          r"Invalid data found when processing input$|[Cc]ould not find codec parameters$|"
          r"^\S+: (?:Invalid data|Invalid argument|End of file)",
          MediaError, "the source is not media that ffmpeg knows, or it is damaged"),
)  # fmt: skip


_SIGNALS: dict[int, tuple[type[GmapiError], str]] = {
    # By the kernel: out of memory, or past the grace after signal 24.
    9: (LimitError, "the conversion used more memory or processor time than this server allows; "
        "ask for a shorter part with -t, a smaller picture or a faster format"),
    24: (LimitError, "the conversion used more processor time than this server allows; ask for "
         "a shorter part with -t or for a faster format"),
    25: (LimitError, "the output grew beyond the limit of this server; ask for a shorter part "
         "with -t or for a lower quality"),
    15: (MediaError, "the conversion was stopped from outside; try again"),
    31: (MediaError, "the conversion tried something that this server forbids"),
}  # fmt: skip

_CONTEXT = re.compile(r"^(?:\[[^\]]*\] ?)+")
_LEVEL = re.compile(r"\[(panic|fatal|error|warning|info|verbose)\] ?")
# Lines that say only that something failed, or how much was done until then.
_NOISE = (
    r"Task finished|Terminating thread|Conversion failed|^(?:frame|size)=|Qavg|"
    r"Nothing was written|Error opening (?:input|output) files?|Error parsing options|"
    r"Error (?:sending|submitting|while (?:opening|processing)|initializing|reinitializing|"
    r"muxing|writing trailer|closing|binding|splitting|selecting)|"
    r"Failed to (?:inject|configure)|Could not (?:open encoder|write header)|^(?:video|audio):|"
    r"frames left in the queue|To ignore this|Possible (?:presets|tunes)|"
    r"At least one output file|^Input #|^Output #|^\s|^Stream mapping|^Press"
)
_PATH = re.compile(r"(?:file:)?(?<![\w/)])/(?:[^\s/'\":;,]+/)+[^\s/'\":;,]*")


def explain(returncode: int, tail: Sequence[str], *, context: Context | None = None) -> GmapiError:
    """The error for a run that ended with `returncode` and wrote `tail` last.

    MediaError for what ffmpeg could not do, LimitError for a limit, NoSpaceError for a full disk.
    The error's `cause` holds the return code and the lines.
    """
    context = context or Context()
    cause = f"ffmpeg ended with {returncode}: " + " | ".join(tail[-12:])
    lines = [_CONTEXT.sub("", _LEVEL.sub("", line, count=1)) for line in tail]
    for case in _CASES:
        matches = (re.search(case.pattern, line) for line in reversed(lines))
        found = [match for match in matches if match]
        if found:
            # The one that says most: of some wordings ffmpeg 9 also writes an empty one.
            match = next((m for m in found if any(m.groups())), found[0])
            return case.error(_fill(case, match, context), cause=cause)
    if returncode < 0:
        return _by_signal(-returncode, cause)
    return MediaError(_last_words(tail), cause=cause)


def check(finished: Finished, outputs: Sequence[Path], *, context: Context | None = None) -> None:
    """Raise what `explain` makes of a run that failed or left an output missing or empty.

    ffmpeg 5 ends with 0 when the disk was full at the very end, and any version does when nothing
    was left to write, or when a still picture could not be decoded to its end.
    """
    full = any("No space left on device" in line for line in finished.tail)
    # Some formats have a header even then, so an empty result is not always an empty file.
    empty = any(_EMPTY in line and _NOWHERE not in line for line in finished.tail)
    empty = empty or not all(map(_has_content, outputs))
    if finished.returncode == 0 and not full and not empty:
        spoiled = [line for line in finished.tail if re.search(_SPOILED, line)]
        if spoiled:
            raise unreadable(" | ".join(spoiled))
        return
    error = explain(finished.returncode, finished.tail, context=context)
    if finished.returncode == 0 and not isinstance(error, LimitError | NoSpaceError):
        # Whatever else was said did not make ffmpeg fail.
        error = MediaError(_NOTHING, cause=error.cause)
    raise error


def unreadable(cause: object = None) -> MediaError:
    """The error for a source of which no picture can be decoded."""
    return MediaError(
        "The source's pictures cannot be read: they are damaged, or in a form that this "
        "server's ffmpeg does not know.",
        cause=cause,
        code="corrupt_media",
    )


def no_pictures(info: MediaInfo) -> MediaError:
    """The error for a source without pictures where they are needed."""
    kinds = {stream.kind for stream in info.streams}
    if "audio" in kinds:
        sentence = (
            "The source has no pictures, only sound; for sound use /api/ffmpeg, for example with "
            "output_format dfpwm."
        )
    elif "subtitle" in kinds:
        sentence = (
            "The source holds only text, such as subtitles; give the address of the film, and for "
            "/api/sanjuuni that of the subtitles as subtitle_url."
        )
    else:
        sentence = "The source has no pictures; give the address of a video or picture file."
    return MediaError(sentence, code="no_video")


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _fill(case: _Case, match: re.Match[str], context: Context) -> str:
    if callable(case.sentence):
        return case.sentence(match, context)
    values = [_public(value) for value in match.groups() if value is not None]
    sentence = case.sentence
    for number, value in enumerate(values):
        sentence = sentence.replace(f"{{{number}}}", value)
    return re.sub(r" ?\(?\{\d\}\)?", "", sentence)


def _public(text: str, length: int = 200) -> str:
    """Text of ffmpeg or of the caller made fit for one short sentence."""
    text = _PATH.sub("the file", text)
    return "".join(c if c.isprintable() else "?" for c in text).strip()[:length]


def _by_signal(number: int, cause: str) -> GmapiError:
    if number in _SIGNALS:
        kind, sentence = _SIGNALS[number]
        return kind(sentence, cause=cause)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return MediaError(f"ffmpeg crashed on this source ({name})", cause=cause)


def _last_words(tail: Sequence[str]) -> str:
    """The last line that says why; ffmpeg's own level of a line, when given, is believed."""
    errors = [line for line in tail if re.search(r"\[(?:panic|fatal|error)\]", line)] or tail
    for line in reversed(errors):
        text = _CONTEXT.sub("", line)
        if text.strip() and not re.search(_NOISE, text):
            return f"ffmpeg could not convert the source: {_public(text).rstrip('.')}"
    return "ffmpeg could not convert the source and did not say why"
