"""What `gmapi serve` checks before it starts, and what it tells when it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from gmapi import __version__
from gmapi.errors import SettingsError
from gmapi.fetch.address import parse_allow
from gmapi.jobs import schema
from gmapi.jobs.database import connect
from gmapi.media.binaries import Ffmpeg, find_ffmpeg, inspect
from gmapi.sandbox.launcher import Launcher
from gmapi.settings import Settings


@dataclass(frozen=True)
class Facts:
    """What the checks found."""

    ffmpeg: Ffmpeg
    sandbox: str
    missing: Sequence[str]


def prepare(settings: Settings) -> Facts:
    """Make the data folder and the database, and try ffmpeg. Raises SettingsError."""
    try:
        parse_allow(settings.fetch_allow)
    except ValueError as error:
        raise SettingsError([f"GMAPI_FETCH_ALLOW: {error}"]) from error
    try:
        for folder in (settings.files_dir, settings.sources_dir, settings.attempts_dir):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            [f"GMAPI_DATA_DIR: {settings.data_dir} cannot be used: {error.strerror}"]
        ) from error
    engine = connect(settings.database_path)
    schema.upgrade(engine)
    engine.dispose()
    with Launcher() as launcher:
        ffmpeg = inspect(launcher, find_ffmpeg(settings.ffmpeg))
        return Facts(ffmpeg, launcher.state(), launcher.missing())


def summary(settings: Settings, facts: Facts, port: int) -> None:
    """Print where the server is and how to reach it from the game."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_row("Address", settings.public_url or f"http://{host}:{port}")
    table.add_row("Documentation", f"http://{host}:{port}/docs")
    table.add_row("FFmpeg", f"{facts.ffmpeg.version} ({facts.ffmpeg.path})")
    table.add_row("Data", str(settings.data_dir))
    table.add_row("Workers", str(settings.workers))
    table.add_row("Sandbox", _sandbox_line(facts))
    console = Console(stderr=True)
    console.print(f"[bold green]GMapiServer {__version__}[/]")
    console.print(table)
    console.print(_game_rule(settings.host, port), highlight=False)


def _sandbox_line(facts: Facts) -> str:
    if not facts.missing:
        return facts.sandbox
    return f"{facts.sandbox} (missing: {', '.join(facts.missing)})"


def _game_rule(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else host
    return (
        "\nCC: Tweaked refuses private addresses unless its settings allow them. Put\n"
        "this in computercraft-server.toml above the other \\[\\[http.rules]] entries and\n"
        "restart the game:\n"
        "\n"
        "    \\[\\[http.rules]]\n"
        f'        host = "{shown}"\n'
        f"        port = {port}\n"
        '        action = "allow"\n'
    )
