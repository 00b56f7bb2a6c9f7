"""`gmapi doctor`: what is right and wrong with an installation, each with its remedy."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from gmapi import __version__
from gmapi.access import Mode
from gmapi.errors import SettingsError
from gmapi.hosts import parse_allow
from gmapi.listener import listen
from gmapi.media.binaries import Ffmpeg, find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.protection import Protection
from gmapi.settings import Settings, load_settings
from gmapi.terminal.client import ServerClient, own_client
from gmapi.terminal.display import printable
from gmapi.terminal.failures import ClientError
from gmapi.terminal.progress_bar import plain_print
from gmapi.terminal.startup import access_line, game_rule
from gmapi.tools.base import free_space_reserve
from gmapi.tools.screens.kernel_state import KERNEL_REMEDY, kernel_state

State = Literal["ok", "warning", "failure"]

LOW_SPACE_BYTES = 1024**3
LOW_FILES = 4096
"""Each waiting caller, viewer and download holds an open file of the web process."""

ANSWER_SECONDS = 5.0
_DATABASE_SECONDS = 5.0

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

_SIGNS: Mapping[State, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "failure": ("FAILURE", "bold red"),
}


@dataclass(frozen=True)
class Check:
    """One thing looked at: its name, how it is, what was found, and what helps."""

    name: str
    state: State
    text: str
    remedy: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The same for machines; `remedy` is absent when there is none."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def examine(
    flags: Mapping[str, Any], server: str | None = None, token: str | None = None
) -> list[Check]:
    """Look at everything. `flags` are settings as for `load_settings`.

    With `server` that server is asked, instead of the address of the settings; `token` is for the
    one that is asked. Raises ClientError when `server` is no address or `token` no token. Changes
    nothing and needs no running server.
    """
    client = None if server is None else ServerClient(server, token)
    try:
        settings = load_settings(flags)
    except SettingsError as error:
        found = [
            Check("settings", "failure", problem, "Correct it; the other checks need it.")
            for problem in error.problems
        ]
        return [*found, *_open_files(), *_remote(client)]
    found = [Check("settings", "ok", _config_text())]
    parts: Sequence[Callable[[Settings], Iterator[Check]]] = (
        _data_folder, _database, _ffmpeg, _kernels, _allow_list, _access, _address_hint,
    )  # fmt: skip
    for part in parts:
        found += part(settings)
    found += _open_files()
    found += _remote(client) if client is not None else _port(settings, token)
    return found


def print_checks(checks: Sequence[Check]) -> None:
    """Print the list, and what to do about each trouble."""
    console = Console()
    width = max(len(check.name) for check in checks) + 2
    for check in checks:
        sign, style = _SIGNS[check.state]
        first, *others = check.text.split("\n")
        line = Text.assemble((sign.ljust(9), style), (check.name.ljust(width), "bold"), first)
        console.print(line, soft_wrap=True)
        for other in others:
            plain_print(console, " " * (9 + width) + other)
        if check.remedy:
            plain_print(console, " " * (9 + width) + check.remedy, style="dim")


def _config_text() -> str:
    named = os.environ.get("GMAPI_CONFIG")
    if named:
        return f"flags, environment and {named}"
    if Path("gmapi.toml").is_file():
        return "flags, environment and gmapi.toml in this folder"
    return "flags and environment; there is no gmapi.toml in this folder"


def _data_folder(settings: Settings) -> Iterator[Check]:
    name, folder = "data folder", settings.data_dir
    remedy = "Give a folder that this user may write to with GMAPI_DATA_DIR."
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        yield Check(name, "failure", f"{place} is not a folder", remedy)
        return
    if place == folder:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"gmapi")
                file.flush()
        except OSError as error:
            text = f"{folder} cannot be written: {error.strerror or error}"
            yield Check(name, "failure", text, remedy)
            return
        yield Check(name, "ok", str(folder))
    elif os.access(place, os.W_OK | os.X_OK):
        yield Check(name, "ok", f"{folder} (will be made)")
    else:
        yield Check(name, "failure", f"{folder} cannot be made in {place}", remedy)
        return
    yield _free_space(settings, place)


def _free_space(settings: Settings, place: Path) -> Check:
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:.1f} GB free"
    remedy = "Make room, or give a folder on another disk with GMAPI_DATA_DIR."
    if free < 2 * free_space_reserve(place):
        return Check("free space", "failure", text, remedy)
    budget = int(settings.disk_budget)
    if budget and free < budget:
        text += f", less than GMAPI_DISK_BUDGET ({budget / 1e9:.1f} GB)"
        return Check("free space", "warning", text, "Make room, or lower the budget.")
    return Check("free space", "warning" if free < LOW_SPACE_BYTES else "ok", text,
                 remedy if free < LOW_SPACE_BYTES else None)  # fmt: skip


def _database(settings: Settings) -> Iterator[Check]:
    from gmapi.jobs.schema import HEAD

    name, path = "database", settings.database_path
    if not path.exists():
        yield Check(name, "ok", f"{path} (will be made)")
        return
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_DATABASE_SECONDS)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if ("alembic_version",) not in tables.fetchall():
                row = None
            else:
                row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        yield Check(
            name,
            "failure",
            f"{path} cannot be read: {error}",
            "Stop the server and move the file away (jobs are lost, outputs expire), or put "
            "back a copy.",
        )
        return
    if row is None:
        yield Check(name, "ok", f"{path}, empty; the tables will be made")
    elif row[0] == HEAD:
        yield Check(name, "ok", f"{path}, version {HEAD}")
    elif row[0] in _known_versions():
        yield Check(name, "ok", f"{path}, version {row[0]}; will be brought to {HEAD}")
    else:
        yield Check(
            name,
            "failure",
            f"{path} has the version {row[0]}, which this program does not know",
            "Install the version of GMapiServer that made it, or a newer one.",
        )


def _known_versions() -> set[str]:
    from gmapi.jobs import schema

    folder = Path(schema.__file__).parent / "migrations" / "versions"
    return {path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py")}


def _ffmpeg(settings: Settings) -> Iterator[Check]:
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


def _kernels(settings: Settings) -> Iterator[Check]:
    yield check_kernels(settings)


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


def _allow_list(settings: Settings) -> Iterator[Check]:
    name = "fetch allow-list"
    entries = parse_allow(settings.fetch_allow)
    if not entries:
        yield Check(name, "ok", "empty: only public addresses are fetched")
        return
    shown = ", ".join(settings.fetch_allow)
    if any(entry.network is not None and entry.network.prefixlen == 0 for entry in entries):
        yield Check(
            name,
            "warning",
            f"{shown}: every private address may be fetched",
            "Name the hosts that are needed; callers can read whatever this machine reaches.",
        )
    else:
        yield Check(name, "ok", shown)


def _access(settings: Settings) -> Iterator[Check]:
    yield check_access(settings)


def check_access(settings: Settings) -> Check:
    """Whom the server lets in."""
    name, text = "access", access_line(settings)
    if settings.access_mode is Mode.ANONYMOUS:
        remedy = "Limits, proxies and all else about public servers is in docs/run-a-server.md."
        return Check(name, "warning", text, remedy)
    if settings.tokens and not (settings.listens_locally or _is_encrypted(settings)):
        return Check(
            name,
            "warning",
            f"{text}, which everyone on the way can read",
            "Put a proxy that speaks https in front and name it in GMAPI_TRUSTED_PROXIES, or give "
            "its address with GMAPI_PUBLIC_URL=https://...",
        )
    return Check(name, "ok", text)


def _is_encrypted(settings: Settings) -> bool:
    """Whether the settings speak of a proxy that may encrypt."""
    return bool(settings.trusted_proxies) or (settings.public_url or "").startswith("https://")


def _address_hint(settings: Settings) -> Iterator[Check]:
    """What the game must be told; `port` 0 is known only once the server runs."""
    if settings.port == 0:
        yield Check("game", "ok", "port 0: the start-up message of gmapi serve shows the rule")
        return
    rule = "\n".join(["the game's computercraft-server.toml needs", *game_rule(
        settings, settings.port)])  # fmt: skip
    yield Check("game", "ok", rule)


def _open_files() -> Iterator[Check]:
    if sys.platform == "win32":
        return
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = soft == resource.RLIM_INFINITY
    if endless or soft >= LOW_FILES:
        yield Check("open files", "ok", "no limit" if endless else f"limit {soft}")
    else:
        yield Check(
            "open files",
            "warning",
            f"limit {soft}: enough for some {soft // 2} callers at once",
            f"For more run ulimit -n {LOW_FILES}, or set LimitNOFILE= in the systemd unit.",
        )


def _port(settings: Settings, token: str | None) -> Iterator[Check]:
    """Whether the port is free, or this server is already there."""
    if settings.port == 0:
        yield Check("port", "ok", "a free one will be taken")
        return
    with own_client(settings, token) as client:
        try:
            client.version(ANSWER_SECONDS)
        except ClientError as error:
            yield _free_port(settings, answered=error.status_code is not None)
        else:
            yield from _running("port", client)


def _free_port(settings: Settings, *, answered: bool) -> Check:
    shown = f"{settings.host} port {settings.port}"
    try:
        listen(settings.host, settings.port).close()
    except OSError as error:
        if answered or error.errno == errno.EADDRINUSE:
            text = f"another program uses {shown}"
        else:
            text = f"cannot listen on {shown}: {error.strerror or error}"
        return Check("port", "failure", text, "Choose another with --port or GMAPI_PORT, or "
                     "another address with --host or GMAPI_HOST.")  # fmt: skip
    return Check("port", "ok", f"{shown} is free")


def _remote(client: ServerClient | None) -> Iterator[Check]:
    if client is None:
        return
    with client:
        try:
            client.version(ANSWER_SECONDS)
        except ClientError as error:
            yield Check("server", "failure", error.message)
        else:
            yield from _running("server", client)


def _stranger(name: str, client: ServerClient, status: str) -> Check:
    """What a server tells those that it does not know."""
    text = f"GMapiServer answers at {client.base}: status {printable(status)}"
    remedy = "It tells more to callers with a valid token: --token or GMAPI_TOKEN."
    return Check(name, "ok" if status == "ok" else "failure", text, remedy)


def _running(name: str, client: ServerClient) -> Iterator[Check]:
    """How the GMapiServer that answers fares."""
    try:
        health = client.health()
        if "workers" not in health:
            yield _stranger(name, client, str(health["status"]))
            return
        version, problems = printable(str(health["version"])), health["problems"]
        alive, busy = int(health["workers"]["alive"]), int(health["workers"]["busy"])
        waiting = int(health["queue"]["waiting"])
    except (ClientError, KeyError, TypeError, ValueError) as error:
        yield Check(name, "failure", f"{client.base}/health does not answer as it should: {error}")
        return
    text = (
        f"GMapiServer {version} answers at {client.base}: {alive} workers, {busy} of them busy, "
        f"{waiting} tasks waiting"
    )
    if problems:
        shown = "\n".join([text, *(printable(str(problem)) for problem in problems)])
        yield Check(name, "failure", shown, "See the server's log.")
    elif version != __version__:
        remedy = f"This program is {__version__}; restart the server to bring it up to date."
        yield Check(name, "warning", text, remedy)
    else:
        yield Check(name, "ok", text)
