"""Readers of option values: each takes a value and gives it back, perhaps normalised, or raises.

RequestError says that a value is malformed or out of range, RefusedError that it is understood
and not allowed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from gmapi.media.filter_table import words
from gmapi.media.filter_values import SIZE_NAMES, is_rate
from gmapi.media.filtergraph import Place, shown

Reader = Callable[[str, Place], str]

PIXELS_MAX = 40_000_000
SIDE_MAX = 16_384
SECONDS_MAX = 1_000_000
THREADS_MAX = 16

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})")
_SCALED = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)([kKMG]?)(i?)(B?)")
_SCALES = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3}
_SECONDS = re.compile(r"(-?)([0-9]{1,7}(?:\.[0-9]{1,9})?)(s|ms|us|)")
_CLOCK = re.compile(r"(-?)(?:([0-9]{1,3}):)?([0-9]{1,4}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_MAP_INPUT = re.compile(r"(-?)([0-9]{1,4})(?::(.+?))?(\??)")
_MAP_LABEL = re.compile(r"\[[A-Za-z0-9_][A-Za-z0-9_.-]*\]")
_SPECIFIER = re.compile(
    r"""(?: [0-9]{1,4} | u | (?:\#|i:)(?:0x[0-9a-fA-F]{1,8}|[0-9]{1,8})
        | (?:[vVasdt] | p:[0-9]{1,6}) (?: :(?:[0-9]{1,4} | u | m:[\w-]{1,40}(?::[\w-]{1,40})?) )?
        | m:[\w-]{1,40}(?::[\w-]{1,40})? )""",
    re.VERBOSE | re.ASCII,
)
_METADATA_OF = re.compile(r"g|s(?::.+)?|c:[0-9]{1,4}|p:[0-9]{1,4}")
_KEY_VALUE = re.compile(r"[A-Za-z0-9_.,+()/-]*")

_HARDWARE_CODEC = re.compile(
    r".+_(?:nvenc|qsv|vaapi|amf|v4l2m2m|vulkan|videotoolbox|mf|omx|cuvid|mediacodec|rkmpp)|nvenc.*"
)
_HARDWARE_PIXELS = words(
    "vaapi vdpau cuda qsv mmal d3d11 d3d11va_vld d3d12 dxva2_vld drm_prime opencl vulkan xvmc amf "
    "mediacodec videotoolbox videotoolbox_vld ohcodec"
)


def is_specifier(text: str) -> bool:
    """Whether `text` names streams: "v", "a:0", "0", "m:language:eng", ..."""
    return _SPECIFIER.fullmatch(text) is not None


def is_metadata_owner(text: str) -> bool:
    """Whether `text` says whose metadata is meant: "g", "s:a:0", "c:1", "p:0"."""
    if not _METADATA_OF.fullmatch(text):
        return False
    return not text.startswith("s:") or is_specifier(text[2:])


def number(low: float, high: float, *words: str, whole: bool = False) -> Reader:
    """A decimal number from `low` to `high`, or one of `words`."""

    def read(value: str, place: Place) -> str:
        if value in words:
            return value
        fits = _NUMBER.fullmatch(value) is not None and low <= float(value) <= high
        if not fits or (whole and "." in value):
            kind = "a whole number" if whole else "a number"
            also = f", or {' or '.join(words)}" if words else ""
            raise place.wrong(f"needs {kind} from {low} to {high}{also}, not {_quoted(value)}")
        return value

    return read


def integer(low: int, high: int, *words: str) -> Reader:
    """A whole number from `low` to `high`, or one of `words`."""
    return number(low, high, *words, whole=True)


def amount(low: int, high: int) -> Reader:
    """A number with an optional k, M or G, such as a bit rate (per second) or a size in bytes."""

    def read(value: str, place: Place) -> str:
        match = _SCALED.fullmatch(value)
        if match:
            base = 1024 if match[3] else 1000
            total = float(match[1]) * float(base) ** _SCALES[match[2]] * (8 if match[4] else 1)
            if low <= total <= high and (match[2] or not match[3]):
                return value
        raise place.wrong(
            f"needs a number from {low} to {high}, such as 64000 or 64k, not {_quoted(value)}"
        )

    return read


def duration(*, negative: bool = False) -> Reader:
    """A time: seconds ("12.5", "300ms") or a clock ("1:02:03.5")."""

    def read(value: str, place: Place) -> str:
        plain, clock = _SECONDS.fullmatch(value), _CLOCK.fullmatch(value)
        match = plain or clock
        seconds = -1.0
        if plain:
            seconds = float(plain[2]) / {"": 1, "s": 1, "ms": 1e3, "us": 1e6}[plain[3]]
        elif clock:
            seconds = int(clock[2] or 0) * 3600 + int(clock[3]) * 60 + float(clock[4])
        if match is None or not 0 <= seconds <= SECONDS_MAX or (match[1] and not negative):
            raise place.wrong(
                f"needs a time such as 90, 12.5 or 1:02:03.5 (at most {SECONDS_MAX} seconds), "
                f"not {_quoted(value)}"
            )
        return value

    return read


def picture_size(value: str, place: Place) -> str:
    """WxH in pixels, or one of ffmpeg's names for sizes."""
    match = _SIZE.fullmatch(value)
    if value not in SIZE_NAMES:
        wide, high = (int(match[1]), int(match[2])) if match else (0, 0)
        fits = 0 < wide <= SIDE_MAX and 0 < high <= SIDE_MAX and wide * high <= PIXELS_MAX
        if not fits:
            raise place.wrong(
                f"needs a picture size such as 640x360 (at most {PIXELS_MAX // 1_000_000} "
                f"megapixels), not {_quoted(value)}"
            )
    return value


def frame_rate(value: str, place: Place) -> str:
    """Pictures per second, as a number, a fraction or one of ffmpeg's names."""
    if value == "auto" or value.startswith("source") or not is_rate(value):
        raise place.wrong(
            f"needs pictures per second up to 1000, such as 20 or 30000/1001, not {_quoted(value)}"
        )
    return value


def one_of(words: Collection[str]) -> Reader:
    """One of `words`."""

    def read(value: str, place: Place) -> str:
        if value not in words:
            few = f": {', '.join(sorted(words))}" if len(words) <= 12 else ""
            raise place.refused(
                f"does not take {_quoted(value)} here; use one of the allowed values{few}"
            )
        return value

    return read


CONCAT = "give the files in input_urls and join them with the filter concat"


def container(names: Collection[str]) -> Reader:
    """The name of a container."""
    known = one_of(names)

    def read(value: str, place: Place) -> str:
        if value == "concat":
            raise place.refused(f"does not take a list of files here; {CONCAT}")
        return known(value, place)

    return read


def codec(names: Collection[str]) -> Reader:
    """The name of an encoder, or "copy"."""

    def read(value: str, place: Place) -> str:
        if _HARDWARE_CODEC.fullmatch(value):
            raise place.refused(
                f"{shown(value)} is not allowed: this server converts on the CPU; use an encoder "
                "such as libx264, libx265 or libvpx-vp9"
            )
        if value not in names and value != "copy":
            raise place.refused(
                f"{shown(value)} is not an encoder that is allowed here; leave {place.option} out "
                "and the output format chooses one"
            )
        return value

    return read


def pixel_format(value: str, place: Place) -> str:
    """The name of a pixel format in memory."""
    name = value.removeprefix("+")
    if name in _HARDWARE_PIXELS:
        raise place.refused(f"{name} is not allowed: this server converts on the CPU; use yuv420p")
    if not re.fullmatch(r"[a-z0-9_]{2,24}", name):
        raise place.wrong(f"needs a pixel format such as yuv420p, not {_quoted(value)}")
    return value


def flags(words: str) -> Reader:
    """Flags joined by + or -, such as "+faststart-dash"; 0 for none."""
    known = frozenset(words.split())

    def read(value: str, place: Place) -> str:
        parts = re.split(r"[+-]", value[1:] if value[:1] in ("+", "-") else value)
        unknown = [part for part in parts if part not in known]
        if unknown and value != "0":
            raise place.refused(
                f"does not take {_quoted(unknown[0])} here; use flags such as "
                f"+{min(known)}, or leave it out"
            )
        return value

    return read


def pattern(regex: str, example: str) -> Reader:
    """A word that matches the whole of `regex`."""
    compiled = re.compile(regex, re.ASCII)

    def read(value: str, place: Place) -> str:
        if not compiled.fullmatch(value):
            raise place.wrong(f"needs a value such as {example}, not {_quoted(value)}")
        return value

    return read


key_frames = pattern(r"[A-Za-z0-9_:.,+*/()<>= -]{1,500}", "expr:gte(t,n_forced*2)")
"""Where key frames shall be: times, or an expression after "expr:"."""


def key_list(words: str) -> Reader:
    """`key=value` pairs joined by ":" for an encoder library, without quotes or escapes.

    Keys are compared as the libraries do: "_" counts as "-" and a leading "no-" is dropped.
    """
    known = frozenset(words.split())

    def read(value: str, place: Place) -> str:
        for pair in value.split(":"):
            key, equals, setting = pair.partition("=")
            plain = key.replace("_", "-")
            if plain not in known and plain.removeprefix("no-") not in known:
                raise place.refused(
                    f"does not take the key {_quoted(key)} here; leave that key out"
                )
            if not _KEY_VALUE.fullmatch(setting):
                raise place.refused(
                    f"gives {shown(key)} the value {_quoted(setting)}; letters, digits and "
                    "_ . , + - / ( ) are allowed"
                )
            if plain.endswith(("threads", "pools")) and equals:
                integer(0, THREADS_MAX, "auto", "none")(setting, place)
        return value

    return read


def stream_map(value: str, place: Place) -> str:
    """Streams of an input ("0:a:1?", "-0:s") or the output of a graph ("[out]")."""
    if _MAP_LABEL.fullmatch(value):
        return value
    match = _MAP_INPUT.fullmatch(value)
    if match is None or (match[3] is not None and not is_specifier(match[3])):
        raise place.wrong(f"needs streams such as 0:v, 0:a:1? or [out], not {_quoted(value)}")
    place.check_input(int(match[2]))
    return value


def metadata_source(value: str, place: Place) -> str:
    """The input that metadata is copied from ("0", "0:s:a:0"), or -1 for none."""
    if value == "-1":
        return value
    number_, colon, owner = value.partition(":")
    if not re.fullmatch(r"[0-9]{1,4}", number_) or (colon and not is_metadata_owner(owner)):
        raise place.wrong(f"needs the number of an input such as 0, or -1, not {_quoted(value)}")
    place.check_input(int(number_))
    return value


def chapter_source(value: str, place: Place) -> str:
    """The input that chapters are copied from, or -1 for none."""
    if ":" in value:
        raise place.wrong(f"needs the number of an input or -1, not {_quoted(value)}")
    return metadata_source(value, place)


def metadata_text(value: str, place: Place) -> str:
    """`key=value`; control characters become spaces, so that no file or log gets a new line."""
    if not value.partition("=")[1] or value.startswith("="):
        raise place.wrong(f"needs key=value, not {_quoted(value)}")
    return "".join(" " if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in value)


def bitstream_filters(words: str) -> Reader:
    """Names of bitstream filters without parameters, joined by ","."""
    known = frozenset(words.split())

    def read(value: str, place: Place) -> str:
        for name in value.split(","):
            if name not in known:
                raise place.refused(
                    f"does not take {_quoted(name)} here; use names such as aac_adtstoasc or "
                    "leave it out"
                )
        return value

    return read


def _quoted(value: str) -> str:
    return shown(value) if value else "an empty value"
