"""The `gmapi` command."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import click

from gmapi import __version__, logs
from gmapi.errors import SettingsError
from gmapi.settings import Settings, load_settings

WORKER_NICE = 10


def _setting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each setting, in the words of `gmapi.toml`."""
    for name, field in reversed(Settings.model_fields.items()):
        option = "--" + name.replace("_", "-")
        function = click.option(option, name, default=None, help=field.description)(function)
    return function


def _settings(flags: dict[str, Any]) -> Settings:
    try:
        return load_settings(flags)
    except SettingsError as error:
        raise click.ClickException(
            "These settings are wrong:\n" + "\n".join(f"  {text}" for text in error.problems)
        ) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gmapi")
def main() -> None:
    """GMapiServer: a media URL goes in, a converted file's URL comes out."""


@main.command()
@_setting_options
def serve(**flags: Any) -> None:
    """Run the server: the web process and its workers."""
    from gmapi.startup import prepare, summary
    from gmapi.supervisor import Supervisor

    settings = _settings(flags)
    logs.configure(settings.log_format, process="serve")
    try:
        facts = prepare(settings)
        supervisor = Supervisor(settings, flags)
    except SettingsError as error:
        raise click.ClickException("\n".join(error.problems)) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}. "
            "Choose another with --port."
        ) from error
    supervisor.run(lambda: summary(settings, facts, supervisor.port))


@main.command(hidden=True)
@click.option("--supervised", is_flag=True)
@click.option("--listen-fd", type=int)
def web(supervised: bool, listen_fd: int | None) -> None:
    """Run the web process alone."""
    # Must come before anything else imports sockets and threads.
    from gevent import monkey

    monkey.patch_all()
    from gmapi.listener import listen
    from gmapi.web.server import serve as serve_web

    settings = _settings({})
    logs.configure(settings.log_format, process="web")
    if listen_fd is not None:
        listener = socket.socket(fileno=listen_fd)
    else:
        listener = listen(settings.host, settings.port)
    serve_web(settings, listener, supervised=supervised)


@main.command(hidden=True)
@click.option("--supervised", is_flag=True)
def worker(supervised: bool) -> None:
    """Run one worker alone."""
    from gmapi.jobs.worker import Worker
    from gmapi.supervisor import stop_with_parent

    settings = _settings({})
    logs.configure(settings.log_format, process="worker")
    if os.name == "posix":
        os.nice(WORKER_NICE)  # conversions must not make the web process slow
    try:
        found = Worker(settings)
    except SettingsError as error:
        raise click.ClickException("\n".join(error.problems)) from error
    if supervised:
        stop_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    found.run()


if __name__ == "__main__":
    sys.exit(main())
