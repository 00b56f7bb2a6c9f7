"""The `gmapi` command."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

import click

from gmapi import __version__
from gmapi.errors import SettingsError
from gmapi.settings import Settings
from gmapi.terminal.command_line import (
    Failure,
    failures,
    json_option,
    print_json,
    server_option,
    setting_options,
    settings_of,
    token_option,
)
from gmapi.terminal.convert_command import convert
from gmapi.terminal.task_commands import tasks

WORKER_NICE = 10


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gmapi")
def main() -> None:
    """GMapiServer: a media URL goes in, a converted file's URL comes out."""
    # NumPy's linear algebra, used for 3 x 3 matrices only, would start a busy thread for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@main.command()
@setting_options
def serve(**flags: Any) -> None:
    """Run the server: the web process and its workers."""
    from gmapi import data_folder, logs
    from gmapi.supervisor import Supervisor
    from gmapi.terminal.startup import prepare, summary

    settings = settings_of(flags, found_file=True)
    logs.configure(settings.log_format, process="serve")
    data_folder.keep_private()
    try:
        # First, because it sees to it that no other server uses the data folder.
        supervisor = Supervisor(settings, flags)
        facts = prepare(settings)
    except SettingsError as error:
        raise Failure("\n".join(error.problems)) from error
    except OSError as error:
        raise Failure(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}. "
            "Choose another with --port."
        ) from error
    supervisor.run(lambda: summary(settings, facts, supervisor.port))


@main.command(hidden=True)
@click.option("--supervised", is_flag=True)
@click.option("--listen-fd", type=int)
def web(supervised: bool, listen_fd: int | None) -> None:
    """Run the web process alone."""
    if not supervised:
        _require_sandbox(settings_of({}, found_file=True))
    # Must come before anything else imports sockets and threads.
    from gevent import monkey

    monkey.patch_all()
    from gmapi import data_folder, logs
    from gmapi.listener import listen
    from gmapi.web.server import serve as serve_web

    settings = settings_of({}, found_file=True)
    logs.configure(settings.log_format, process="web")
    data_folder.keep_private()
    if listen_fd is not None:
        listener = socket.socket(fileno=listen_fd)
    else:
        listener = listen(settings.host, settings.port)
    serve_web(settings, listener, supervised=supervised)


@main.command(hidden=True)
@click.option("--supervised", is_flag=True)
def worker(supervised: bool) -> None:
    """Run one worker alone."""
    from gmapi import data_folder, logs
    from gmapi.signs_of_life import beat

    if supervised:
        beat()  # before what takes long
    from gmapi.jobs.worker import Worker
    from gmapi.supervisor import stop_with_parent
    from gmapi.terminal.startup import warn_of_sandbox

    settings = settings_of({}, found_file=True)
    logs.configure(settings.log_format, process="worker")
    data_folder.keep_private()
    if os.name == "posix":
        os.nice(WORKER_NICE)  # conversions must not make the web process slow
    try:
        found = Worker(settings)
    except SettingsError as error:
        raise Failure("\n".join(error.problems)) from error
    if not supervised:
        warn_of_sandbox(found.launcher.protection)
    else:
        stop_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    found.run()


main.add_command(convert)
main.add_command(tasks)


@main.command(short_help="Check this installation.")
@server_option
@token_option
@json_option
@setting_options
def doctor(server: str | None, token: str | None, as_json: bool, **flags: Any) -> None:
    """Check this installation: settings, folders, ffmpeg, sandbox, access, address.

    Exits with 1 when something has failed.
    """
    from gmapi.terminal.doctor import examine, print_checks

    with failures():
        checks = examine(flags, server, token)
    failed = any(check.state == "failure" for check in checks)
    if as_json:
        print_json({"ok": not failed, "checks": [check.as_json() for check in checks]})
    else:
        print_checks(checks)
    if failed:
        raise click.exceptions.Exit(1)


def _require_sandbox(settings: Settings) -> None:
    """End the command when the settings require a sandbox that this system has not."""
    if settings.sandbox != "require":
        return
    from gmapi.sandbox.launcher import Launcher

    try:
        with Launcher("require"):
            pass
    except SettingsError as error:
        raise Failure("\n".join(error.problems)) from error


if __name__ == "__main__":
    sys.exit(main())
