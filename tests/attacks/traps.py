"""What exploits aim at: secrets, a folder, listeners; and what of it they reached.

with Traps(folder) as traps:
    words = traps.fill(exploit.args)      # "@secret@" becomes the path of a secret file
    ...                                   # run it
    assert traps.sprung(output) == []     # nothing was opened, written, reached or told
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import socket
import struct
import subprocess
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from support.media.files import ffmpeg_program

TOKEN = b"CANARY-5f1c9e7ad2b84403"
"""The secret: it stands in every secret file, and in the environment under `VARIABLE`."""
VARIABLE = "ATTACK_CANARY"

_IN_OPEN, _IN_ISDIR = 0x20, 0x40000000
_EVENT = struct.Struct("iIII")
LOADED = b"the code of a library runs"
# Code that runs when the library is loaded, and does nothing but to say so: in ffmpeg's own log,
# and in a file where nothing may be written.
_LIBRARY = """
#include <stdio.h>
__attribute__((constructor)) static void loaded(void) {
    fputs("%s\\n", stderr);
    FILE *file = fopen("%s", "w");
    if (file) { fputs("loaded", file); fclose(file); }
}
"""
_FILM = [
    "-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1", "-f", "lavfi", "-i", "sine=r=8000:d=1",
    "-shortest",
]  # fmt: skip


class Traps:
    """All traps, in an empty folder of their own. Needs Linux, for it watches files by inotify."""

    def __init__(self, folder: Path) -> None:
        self.secrets = folder / "secrets"
        self.outside = folder / "outside"
        self.media = folder / "media"
        for each in (self.secrets, self.outside, self.media):
            each.mkdir()
        self._make_secrets()
        self._make_film()
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.setblocking(False)
        self._free: int | None = None
        self._visitors: list[str] = []
        self._over = threading.Event()
        self._own: object = None
        self._own_came = threading.Event()
        self._doorman = threading.Thread(target=self._welcome, daemon=True)
        self._knocker = threading.Thread(target=self._knock, daemon=True)
        self._opened = _Opened(self.secrets)

    def __enter__(self) -> Self:
        self._doorman.start()
        self._knocker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # A connection of our own wakes the listener, which then sees that it is over.
        with contextlib.suppress(OSError), socket.create_connection(self._tcp.getsockname(), 1):
            pass
        self._doorman.join(5)
        self._knocker.join(5)
        self._tcp.close()
        self._udp.close()
        self._opened.close()

    # -- what there is ----------------------------------------------------------------------------

    def _make_secrets(self) -> None:
        files = {
            "secret.txt": TOKEN + b"\n" + b"x" * 200 + b"\n",
            # A key's address, which lands in the playlist, and the file the key is read from.
            "key_info": TOKEN + b"\n" + str(self.secrets / "key").encode() + b"\n",
            "key": b"0123456789abcdef",
            "secret.srt": b"1\n00:00:00,000 --> 00:00:05,000\n" + TOKEN + b"\n",
            "graph": b"null" + TOKEN,
            # A matrix that x264 reads, with its right number of values.
            "matrix.cfg": b"INTRA4X4_LUMA =\n" + b",".join([b"16"] * 16) + b"\n",
        }
        for name, content in files.items():
            (self.secrets / name).write_bytes(content)
        tag = ["-metadata", f"title={TOKEN.decode()}"]
        provider = ["-metadata", f"service_name={TOKEN.decode()}"]
        video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "5"]
        _ffmpeg(*_FILM, *video, *provider, "-an", str(self.secrets / "secret.ts"))
        _ffmpeg(
            *_FILM, *video, *tag, "-an", "-movflags", "+faststart", str(self.secrets / "secret.mp4")
        )
        _ffmpeg(*_FILM, *tag, "-an", "-frames:v", "1", str(self.secrets / "secret.png"))

    def _make_film(self) -> None:
        attached = self.media / "attached.txt"
        attached.write_bytes(b"chosen by the attacker")
        _ffmpeg(
            *_FILM, "-c:v", "mpeg4", "-c:a", "pcm_s16le", "-attach", str(attached),
            "-metadata:s:t", "mimetype=text/plain", str(self.media / "film.mkv"),
        )  # fmt: skip

    def library(self) -> Path | None:
        """A shared object that writes into the outside folder when it is loaded; None without a
        C compiler."""
        made = self.media / "plugin.so"
        if not made.exists():
            source = self.media / "plugin.c"
            source.write_text(_LIBRARY % (LOADED.decode(), self.outside / "loaded"))
            try:
                subprocess.run(
                    ["cc", "-shared", "-fPIC", "-o", str(made), str(source)],
                    check=True, capture_output=True,
                )  # fmt: skip
            except (OSError, subprocess.CalledProcessError):
                return None
        return made

    @property
    def http(self) -> str:
        """Where a listener waits that nobody may reach."""
        return f"127.0.0.1:{self._tcp.getsockname()[1]}"

    def fill(self, words: Iterable[str]) -> list[str]:
        """Words with the places of the traps: @secret@, @key_info@, @ts@, @mp4@, @png@, @srt@,
        @graph@, @matrix@, @dir@ (of the secrets), @out@ (a path to write to), @outdir@, @http@,
        @udp@ and @free@ (host:port), @escaped_http@ (for graphs), @so@ (a library), @media@ (the
        folder of the sources)."""
        words = list(words)
        if any("@free@" in word for word in words):
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._free = free.getsockname()[1]
        places = {
            "secret": self.secrets / "secret.txt",
            "key_info": self.secrets / "key_info",
            "ts": self.secrets / "secret.ts",
            "mp4": self.secrets / "secret.mp4",
            "png": self.secrets / "secret.png",
            "srt": self.secrets / "secret.srt",
            "graph": self.secrets / "graph",
            "matrix": self.secrets / "matrix.cfg",
            "dir": self.secrets,
            "out": self.outside / "written",
            "outdir": self.outside,
            "http": self.http,
            "escaped_http": self.http.replace(":", "\\:"),
            "udp": f"127.0.0.1:{self._udp.getsockname()[1]}",
            "free": f"127.0.0.1:{self._free}",
            "so": self.media / "plugin.so",
            "media": self.media,
        }
        return [re.sub(r"@(\w+)@", lambda match: str(places[match[1]]), word) for word in words]

    # -- what was reached -------------------------------------------------------------------------

    def _welcome(self) -> None:
        while True:
            connection, address = self._tcp.accept()
            with connection:
                if self._over.is_set():
                    return
                if address == self._own:
                    self._own_came.set()
                    continue
                self._visitors.append("a connection to the listener")
                connection.settimeout(2)
                with contextlib.suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    def _let_all_in(self) -> None:
        """Until all who have reached the listener are counted: it takes them in their order, and
        one of our own comes last."""
        with socket.socket() as own:
            own.bind(("127.0.0.1", 0))
            self._own_came.clear()
            self._own = own.getsockname()
            own.connect(self._tcp.getsockname())
            if not self._own_came.wait(60):
                raise TimeoutError("the listener does not answer")
        self._own = None  # the next to have that port is a visitor

    def _knock(self) -> None:
        """Tell when something listens on the port that was free when an exploit got it."""
        while not self._over.wait(0.05):
            port = self._free
            if port is None:
                continue
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), 0.5) as door,
            ):
                # A port that connects to itself is nobody else's.
                if door.getsockname() != door.getpeername():
                    self._visitors.append("a port that listens")

    def sprung(self, *told: bytes | Sequence[bytes]) -> list[str]:
        """What was reached since the last call; `told` is what was answered, written or logged.
        Sets the traps anew."""
        found = sorted({f"the file {name} was opened" for name in self._opened.names()})
        for path in sorted(self.outside.rglob("*")):
            if path.is_file():
                found.append(f"the file {path.name} was written outside")
                path.unlink()
        self._free = None
        self._let_all_in()
        found += sorted(set(self._visitors))
        self._visitors.clear()
        with contextlib.suppress(BlockingIOError):
            if self._udp.recv(65536):
                found.append("a datagram")
                while self._udp.recv(65536):
                    pass
        for each in told:
            if any(TOKEN in part for part in ([each] if isinstance(each, bytes) else each)):
                found.append("the secret was told")
        return found


class _Opened:
    """Which files of a folder have been opened by anyone, from inotify(7)."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._file: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watch = libc.inotify_add_watch(self._file, os.fsencode(folder), _IN_OPEN)
        if self._file < 0 or watch < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def names(self) -> set[str]:
        """The names since the last call."""
        found: set[str] = set()
        while select.select([self._file], [], [], 0)[0]:
            data = os.read(self._file, 65536)
            at = 0
            while at < len(data):
                _, mask, _, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size
                name = data[at : at + length].rstrip(b"\0")
                at += length
                if not mask & _IN_ISDIR:
                    found.add(os.fsdecode(name))
        return found

    def close(self) -> None:
        os.close(self._file)


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(
        [ffmpeg_program(), "-v", "error", "-y", *arguments],
        check=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
