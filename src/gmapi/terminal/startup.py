"""What `gmapi serve` checks before it starts, and what it tells when it has."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import click

from gmapi import __version__
from gmapi.errors import SettingsError
from gmapi.listener import local_base
from gmapi.media.binaries import Ffmpeg, find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.protection import Protection
from gmapi.settings import CLIENT_TOKEN_VARIABLE, Settings
from gmapi.tools.screens.kernel_state import kernel_state

EVERY_ADDRESS = ("0.0.0.0", "::")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL_WIDTH = 15

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What the checks found."""

    ffmpeg: Ffmpeg
    sandbox: Protection
    kernels: str


def prepare(settings: Settings) -> Facts:
    """Make the data folder and the database, and try the sandbox and ffmpeg. Raises
    SettingsError."""
    from gmapi.jobs import schema
    from gmapi.jobs.database import connect
    from gmapi.jobs.roster import Roster

    kernels = kernel_state(settings)
    try:
        for folder in (settings.files_dir, settings.sources_dir, settings.attempts_dir):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            [f"GMAPI_DATA_DIR: {settings.data_dir} cannot be used: {error.strerror}"]
        ) from error
    engine = connect(settings.database_path)
    schema.upgrade(engine)
    Roster(engine).forget_host(socket.gethostname())
    engine.dispose()
    with Launcher(settings.sandbox) as launcher:
        warn_of_sandbox(launcher.protection)
        ffmpeg = inspect(launcher, find_ffmpeg(settings.ffmpeg))
        return Facts(ffmpeg, launcher.protection, kernels.detail)


def warn_of_sandbox(protection: Protection) -> None:
    """Say in the log when conversions are not locked in as well as they could be."""
    if protection.state != "full":
        log.warning(
            "conversions run with sandbox %s; missing: %s. %s",
            protection.state,
            ", ".join(protection.missing),
            protection.remedy,
        )


def summary(settings: Settings, facts: Facts, port: int) -> None:
    """Print where the server is and how to reach it from the game."""
    base = local_base(settings.host, port)
    rows = [("Address", settings.public_url or base)]
    if settings.host in EVERY_ADDRESS:
        rows.append(("Listening on", f"all addresses of this machine, port {port}"))
    elif settings.public_url:
        rows.append(("Listening on", f"{settings.host} port {port}"))
    rows += [
        ("Documentation", f"{base}/docs"),
        ("FFmpeg", f"{facts.ffmpeg.version} ({facts.ffmpeg.path})"),
        ("Kernels", facts.kernels),
        ("Data", str(settings.data_dir)),
        ("Workers", str(settings.workers)),
        ("Sandbox", _sandbox_line(facts)),
        ("Access", access_line(settings)),
    ]
    lines = [click.style(f"GMapiServer {__version__}", fg="green", bold=True)]
    lines += [click.style(label.ljust(_LABEL_WIDTH), bold=True) + text for label, text in rows]
    lines += [
        "",
        "CC: Tweaked refuses private addresses unless its settings allow them. Put",
        "this in computercraft-server.toml above the other [[http.rules]] entries and",
        "restart the game:",
        "",
    ]
    lines += [click.style(f"    {line}", fg="cyan") for line in game_rule(settings, port)]
    if settings.host in EVERY_ADDRESS and not settings.public_url:
        lines.append("(host: this machine's own address when the game runs on another one)")
    colors = False if os.environ.get("NO_COLOR") else None
    click.echo("\n".join([*lines, ""]), err=True, color=colors)


def access_line(settings: Settings) -> str:
    """Whom the server lets in, and a warning where somebody took one variable for the other."""
    text = settings.access_text
    if os.environ.get(CLIENT_TOKEN_VARIABLE) and not settings.tokens:
        text += f" ({CLIENT_TOKEN_VARIABLE} is what the command line sends, not what a server asks)"
    return text


def game_rule(settings: Settings, port: int) -> list[str]:
    """The lines for the game's settings that let its computers reach this server."""
    parts = urlsplit(settings.public_url or local_base(settings.host, port))
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return [
        "[[http.rules]]",
        f'    host = "{host}"',
        f"    port = {parts.port or _DEFAULT_PORTS[parts.scheme]}",
        '    action = "allow"',
    ]


def _sandbox_line(facts: Facts) -> str:
    found = facts.sandbox
    if not found.missing:
        return f"{found.state} ({found.how})"
    return f"{found.state} (missing: {', '.join(found.missing)})"
