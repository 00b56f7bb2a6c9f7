"""`gmapi doctor`: what is right and wrong with an installation, each with its remedy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from gmapi.errors import SettingsError
from gmapi.settings import CONFIG_VARIABLE, Settings, load_settings
from gmapi.settings_file import DEFAULT_CONFIG
from gmapi.terminal.client import ServerClient
from gmapi.terminal.doctor.check import Check, State
from gmapi.terminal.doctor.network import (
    check_access,
    check_address_hint,
    check_allow_list,
    check_port,
    check_remote,
)
from gmapi.terminal.doctor.places import check_data_folder, check_database, check_open_files
from gmapi.terminal.doctor.programs import check_ffmpeg, check_kernels
from gmapi.terminal.progress_bar import plain_print

_SIGNS: Mapping[State, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "failure": ("FAILURE", "bold red"),
}


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
        return [*found, *check_open_files(), *check_remote(client)]
    found = [Check("settings", "ok", _config_text())]
    parts: Sequence[Callable[[Settings], Iterator[Check] | Check]] = (
        check_data_folder, check_database, check_ffmpeg, check_kernels, check_allow_list,
        check_access, check_address_hint,
    )  # fmt: skip
    for part in parts:
        some = part(settings)
        found += [some] if isinstance(some, Check) else some
    found += check_open_files()
    found += check_remote(client) if client is not None else check_port(settings, token)
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
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return f"flags, environment and {named}"
    if Path(DEFAULT_CONFIG).is_file():
        return f"flags, environment and {DEFAULT_CONFIG} in this folder"
    return f"flags and environment; there is no {DEFAULT_CONFIG} in this folder"
