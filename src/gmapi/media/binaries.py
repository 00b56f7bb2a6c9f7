"""Finding the ffmpeg program and asking it what it can write."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.errors import SettingsError
from gmapi.media.process import Watch, run
from gmapi.sandbox.limits import Limits

if TYPE_CHECKING:
    from gmapi.sandbox.launcher import Launcher

# Answers at once when it works at all; a cold disk and a busy machine are allowed for.
_INSPECT_SECONDS = 60.0

_VERSION = re.compile(r"^ffmpeg version (\S+)", re.MULTILINE)
# "  E  mp4   MP4 (MPEG-4 Part 14)": flags, among them E for "can write", then the names.
_MUXER = re.compile(r"^ [D ]E[d ]?\s+(\S+)", re.MULTILINE)
# " A....D dfpwm   DFPWM1a audio": six flags, the first one the kind of stream.
_ENCODER = re.compile(r"^ [VAS][F.][S.][X.][B.][D.] (\S+)", re.MULTILINE)
# " T.C scale   V->V   Scale the input": two or three flags, the name, what goes in and out.
_FILTER = re.compile(r"^ [T.][S.][C.]? (\S+)\s+\S+->\S+", re.MULTILINE)


@dataclass(frozen=True)
class Abilities:
    """What an ffmpeg program can write, by the names of its muxers and encoders."""

    muxers: frozenset[str]
    encoders: frozenset[str]


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg program: where it is, its version as it says it, and what it can write, which is
    asked when it is first needed."""

    path: Path
    version: str
    abilities: Callable[[], Abilities]
    filter_names: Callable[[], frozenset[str]] = frozenset

    @property
    def muxers(self) -> frozenset[str]:
        """Names of the file formats it can write."""
        return self.abilities().muxers

    @property
    def encoders(self) -> frozenset[str]:
        """Names of its encoders."""
        return self.abilities().encoders

    @property
    def filters(self) -> frozenset[str]:
        """Names of its filters."""
        return self.filter_names()

    @property
    def major(self) -> int | None:
        """The major version number; None for a build that is named otherwise."""
        match = re.match(r"n?(\d+)(?:\.|$)", self.version)
        return int(match[1]) if match else None


def find_ffmpeg(configured: str | None) -> Path:
    """The ffmpeg program to use: the configured one, that of imageio-ffmpeg, or one on the PATH.

    Raises SettingsError when the configured one cannot be run or there is none at all.
    """
    if configured:
        # A bare name is looked up on the PATH, a path is taken as it is.
        found = shutil.which(os.path.expanduser(configured))
        if found is None:
            raise SettingsError(
                [f"GMAPI_FFMPEG: {configured} is no program that can be run; give its full path"]
            )
        return Path(found).absolute()
    found = _bundled() or shutil.which("ffmpeg")
    if found is None:
        raise SettingsError(
            [
                "GMAPI_FFMPEG: there is no ffmpeg; install one with "
                "pip install imageio-ffmpeg or give the path of one"
            ]
        )
    return Path(found).absolute()


def _bundled() -> str | None:
    """The program inside the imageio-ffmpeg package, if the package has one for this system.

    The package's own function would also search PATH and conda and obey a variable of its own;
    so only its folder is looked at.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    folder = Path(imageio_ffmpeg.__file__).parent / "binaries"
    for candidate in sorted(folder.glob("ffmpeg-*")):
        found = shutil.which(candidate)
        if found is not None:
            return found
    return None


def inspect(launcher: Launcher, path: Path) -> Ffmpeg:
    """Ask the program for its version; `launcher` must live as long as the answer is used.

    Raises SettingsError when it cannot be started or does not answer as ffmpeg does.
    """
    version = _VERSION.search(_ask(launcher, path, ["-version"]))
    if version is None:
        raise SettingsError([f"GMAPI_FFMPEG: {path} does not answer like ffmpeg"])

    @cache
    def abilities() -> Abilities:
        return Abilities(
            muxers=_names(_MUXER.findall(_ask(launcher, path, ["-hide_banner", "-muxers"]))),
            encoders=_names(_ENCODER.findall(_ask(launcher, path, ["-hide_banner", "-encoders"]))),
        )

    @cache
    def filter_names() -> frozenset[str]:
        return _names(_FILTER.findall(_ask(launcher, path, ["-hide_banner", "-filters"])))

    return Ffmpeg(path, version[1], abilities, filter_names)


def _names(entries: Iterable[str]) -> frozenset[str]:
    return frozenset(name for entry in entries for name in entry.split(",") if name != "=")


def _ask(launcher: Launcher, path: Path, arguments: Sequence[str]) -> str:
    answer = bytearray()
    with tempfile.TemporaryDirectory(prefix="gmapi-") as folder:
        try:
            finished = run(
                launcher,
                [str(path), *arguments],
                cwd=Path(folder),
                limits=Limits(nice=None),
                stdout=answer.extend,
                watch=Watch((Path(folder),), 1 << 20, 10, _INSPECT_SECONDS),
            )
        except OSError as error:
            raise SettingsError([f"GMAPI_FFMPEG: {path} cannot be started: {error}"]) from error
    if finished.returncode != 0:
        said = finished.tail[-1] if finished.tail else f"exit code {finished.returncode}"
        raise SettingsError([f"GMAPI_FFMPEG: {path} does not work: {said}"])
    return answer.decode("utf-8", "replace")
