"""What a program needs of the system before it can do anything: its loader, libraries, fonts."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Fonts for text in pictures, with the configuration and the cache of fontconfig; the time zone for
# clocks in pictures; random numbers; which processors there are, without which an x265 that is
# built with libnuma uses one only. Nothing else of /etc and /sys, and nothing of /proc and /home.
_DATA = (
    "/etc/fonts",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/fontconfig",
    "/var/cache/fontconfig",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/dev/urandom",
    "/sys/devices/system/node",
)
NULL = "/dev/null"

# The loader's own list of libraries names all folders it takes them from.
_LOADER_CACHE = Path("/etc/ld.so.cache")
_CACHED_PATH = re.compile(rb"/[^\0]++")
_USUAL_LIBRARIES = ("/lib", "/usr/lib", "/usr/local/lib")
_LISTED_LIBRARY = re.compile(r"(/.+?)(?: \(0x[0-9a-f]+\))?$", re.MULTILINE)
_LIST_SECONDS = 60.0

# Our own code is in this folder, which may be one of libraries, too.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

# From elf(5), for 64-bit files: where and how many program headers; one of type PT_INTERP names
# the loader.
_ELF_MAGIC = b"\x7fELF\x02"
_ELF_TABLE = struct.Struct("=32xQ14xHH")
_ELF_ENTRY = struct.Struct("=IIQQQQQQ")
_PT_INTERP = 3
_HEAD_BYTES = 4 << 10


@dataclass(frozen=True)
class Needs:
    """Paths that a program must be let to execute (and read), and to read; all absolute."""

    execute: tuple[str, ...]
    read: tuple[str, ...]


def needs_of(program: str) -> Needs:
    """What `program` needs to start. Never raises: what is not found is not there to be granted.

    A script's interpreter counts as part of it, programs that it calls do not.
    """
    try:
        status = os.stat(program)
    except OSError:
        return Needs((program,), ())
    return _needs_of(program, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _needs_of(program: str, _inode: int, _changed: int) -> Needs:
    execute = [program]
    interpreter = _interpreter(program)
    if interpreter is not None and _is_script(program):
        execute.append(interpreter)
        program, interpreter = interpreter, _interpreter(interpreter)
    libraries: tuple[str, ...] = ()
    if interpreter is not None:
        execute.append(interpreter)
        libraries = tuple(_libraries_elsewhere(interpreter, program))
    data = tuple(path for path in _DATA if os.path.exists(path))
    return Needs(tuple(execute), (*_library_folders(), *libraries, *data))


def _is_script(program: str) -> bool:
    return _read(program, 0, 2) == b"#!"


def _interpreter(program: str) -> str | None:
    """The loader of an ELF file, or what a script's first line names."""
    head = _read(program, 0, _HEAD_BYTES)
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n", 1)[0].split()
        return os.fsdecode(words[0]) if words else None
    if not head.startswith(_ELF_MAGIC) or len(head) < _ELF_TABLE.size:
        return None
    start, size, count = _ELF_TABLE.unpack_from(head)
    table = _read(program, start, size * count)
    for at in range(0, len(table) - _ELF_ENTRY.size + 1, size or _ELF_ENTRY.size):
        kind, _, offset, _, _, length, _, _ = _ELF_ENTRY.unpack_from(table, at)
        if kind == _PT_INTERP:
            return os.fsdecode(_read(program, offset, length).rstrip(b"\0")) or None
    return None


def _read(program: str, at: int, size: int) -> bytes:
    """A piece of a file, at most 4 KiB; empty when it cannot be read."""
    try:
        with open(program, "rb") as file:
            file.seek(at)
            return file.read(min(size, _HEAD_BYTES))
    except (OSError, ValueError):
        return b""


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    """Where the loader finds libraries, and they what they load later."""
    try:
        paths = map(os.path.split, _CACHED_PATH.findall(_LOADER_CACHE.read_bytes()))
        found = {os.fsdecode(folder) for folder, name in paths if b".so" in name}
    except OSError:
        found = set()
    folders = sorted(found) or list(_USUAL_LIBRARIES)
    return tuple(
        folder for folder in folders if os.path.isdir(folder) and not _is_below(_PACKAGE, folder)
    )


def _libraries_elsewhere(loader: str, program: str) -> Iterator[str]:
    """Libraries that the program takes from other folders, as it says itself.

    The loader is asked, which runs nothing of the program.
    """
    try:
        told = subprocess.run(
            [loader, "--list", program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=_LIST_SECONDS,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return
    for line in told.decode("utf-8", "surrogateescape").splitlines():
        match = _LISTED_LIBRARY.search(line)
        if match and not any(_is_below(match[1], folder) for folder in _library_folders()):
            yield match[1]


def _is_below(path: str, folder: str) -> bool:
    real = os.path.realpath(folder)
    return os.path.commonpath((os.path.realpath(path), real)) == real
