"""The doctor on what converts: ffmpeg, the sandbox around it, and the kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gmapi.errors import SettingsError
from gmapi.media.binaries import Ffmpeg, find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.protection import Protection
from gmapi.settings import Settings
from gmapi.terminal.doctor.check import Check, State
from gmapi.tools.screens.kernel_state import KERNEL_REMEDY, kernel_state

# What is asked for most, and the formats that need it; without dfpwm and png the game gets nothing.
_ENCODERS = {
    "dfpwm": "sound for the game",
    "png": "frames and pictures",
    "libmp3lame": "mp3",
    "libx264": "mp4, mov and mkv",
    "libvorbis": "ogg",
    "libopus": "opus and weba",
}
_MUXERS = {
    "dfpwm": "sound for the game",
    "image2pipe": "frames",
    "image2": "pictures",
    "mp3": "mp3",
    "mp4": "mp4",
    "ogg": "ogg",
    "opus": "opus",
    "webm": "webm",
}
_VITAL = frozenset({"dfpwm", "png", "image2pipe"})


def check_ffmpeg(settings: Settings) -> Iterator[Check]:
    """Whether ffmpeg runs, what it can make, and how it is locked in."""
    # Not `require`: with that it would not start, and this is to say why.
    with Launcher("off" if settings.sandbox == "off" else "auto") as launcher:
        try:
            ffmpeg = inspect(launcher, find_ffmpeg(settings.ffmpeg))
        except SettingsError as error:
            for problem in error.problems:
                yield Check("ffmpeg", "failure", problem, "Without ffmpeg no job can run.")
        else:
            yield Check("ffmpeg", "ok", f"{ffmpeg.version} ({ffmpeg.path})")
            yield _abilities("encoders", _ENCODERS, ffmpeg.encoders, ffmpeg)
            yield _abilities("muxers", _MUXERS, ffmpeg.muxers, ffmpeg)
        yield check_sandbox(settings, launcher.protection)


def _abilities(
    name: str, wanted: Mapping[str, str], present: frozenset[str], ffmpeg: Ffmpeg
) -> Check:
    missing = [each for each in wanted if each not in present]
    if not missing:
        return Check(name, "ok", ", ".join(wanted))
    lost = ", ".join(f"{each} (for {wanted[each]})" for each in missing)
    remedy = (
        "Use ffmpeg 5.1 or newer with these libraries: leave out GMAPI_FFMPEG, and "
        "imageio-ffmpeg brings one."
    )
    state: State = "failure" if _VITAL & set(missing) else "warning"
    return Check(name, state, f"ffmpeg {ffmpeg.version} lacks {lost}", remedy)


def check_sandbox(settings: Settings, found: Protection) -> Check:
    """How conversions are locked in, against what the setting asks for."""
    name = "sandbox"
    if found.state == "full":
        return Check(name, "ok", f"full ({found.how})")
    text = f"{found.state}; missing: {', '.join(found.missing)}"
    if settings.sandbox == "require":
        text += "\nGMAPI_SANDBOX=require: the server does not start like this"
        return Check(name, "failure", text, found.remedy)
    return Check(name, "warning", text, found.remedy)


def check_kernels(settings: Settings) -> Check:
    """What converts pictures for ComputerCraft."""
    name = "kernels"
    try:
        state = kernel_state(settings)
    except SettingsError as error:
        remedy = "The server does not start like this."
        return Check(name, "failure", "\n".join(error.problems), remedy)
    if state.name == "numpy" and settings.kernels != "numpy":
        return Check(name, "warning", state.detail, KERNEL_REMEDY)
    return Check(name, "ok", state.detail)
