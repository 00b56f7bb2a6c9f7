"""The `gmapi` command."""

from __future__ import annotations

import errno
import gc
import json
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from gmapi import __version__
from gmapi.errors import GmapiError, SettingsError
from gmapi.settings import CLIENT_TOKEN_VARIABLE, Settings, load_settings
from gmapi.terminal.screen_options import screen_options

if TYPE_CHECKING:
    from gmapi.sandbox.fork_client import ForkServer
    from gmapi.terminal.client import ServerClient

# What is made while modules load stays: looking for garbage in it at each 700 objects takes a
# tenth of the start.
gc.set_threshold(20_000)

WORKER_NICE = 10
STATES = ("pending", "running", "completed", "error", "cancelled")


class Failure(click.ClickException):
    """Ends the command with a sentence on standard error."""


class WrongCall(Failure):
    """The same when the call itself is at fault, without click's lines on how to call it."""

    exit_code = 2


class Interrupted(Failure):
    """Ended by Ctrl-C: the exit code is that which shells give then."""

    exit_code = 130


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
        raise Failure(
            "These settings are wrong:\n" + "\n".join(f"  {text}" for text in error.problems)
        ) from error


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


def _words(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> list[str]:
    """Split as a shell would."""
    try:
        return [word for value in values for word in shlex.split(value)]
    except ValueError as error:
        raise click.BadParameter(f"{error}; quote it as for a shell.") from error


_server_option = click.option(
    "--server",
    metavar="URL",
    help="Address of a running server; default: the one of the settings.",
)
_token_option = click.option(
    "--token",
    metavar="SECRET",
    envvar=CLIENT_TOKEN_VARIABLE,
    help=f"Access token for the server; better in {CLIENT_TOKEN_VARIABLE}, where no list of "
    "processes shows it.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gmapi")
def main() -> None:
    """GMapiServer: a media URL goes in, a converted file's URL comes out."""
    # NumPy's linear algebra, used for 3 x 3 matrices only, would start a busy thread for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@main.command()
@_setting_options
def serve(**flags: Any) -> None:
    """Run the server: the web process and its workers."""
    from gmapi import logs
    from gmapi.supervisor import Supervisor
    from gmapi.terminal.startup import prepare, summary

    settings = _settings(flags)
    logs.configure(settings.log_format, process="serve")
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
        _require_sandbox(_settings({}))
    # Must come before anything else imports sockets and threads.
    from gevent import monkey

    monkey.patch_all()
    from gmapi import logs
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
    from gmapi import logs
    from gmapi.jobs.worker import Worker
    from gmapi.supervisor import stop_with_parent
    from gmapi.terminal.startup import warn_of_sandbox

    settings = _settings({})
    logs.configure(settings.log_format, process="worker")
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


@main.command(short_help="Convert a URL or a file.")
@click.argument("source", metavar="INPUT")
@click.option(
    "-f",
    "--format",
    "output_format",
    required=True,
    help="Output format, such as dfpwm, mp3, 32vid or bimg.",
)
@click.option(
    "--args",
    multiple=True,
    callback=_words,
    metavar="OPTIONS",
    help="FFmpeg's output options, such as --args='-ar 48000 -ac 1', or flags of sanjuuni for "
    "formats of ComputerCraft; may be repeated.",
)
@click.option(
    "--input-args",
    multiple=True,
    callback=_words,
    metavar="OPTIONS",
    help="FFmpeg's options before the input, such as --input-args='-ss 10 -t 5'.",
)
@click.option(
    "--max-duration",
    type=float,
    metavar="SECONDS",
    help="Take at most so much of an INPUT that is a playlist; default: all of it, and 60 s of a "
    "live stream.",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="File or folder to write to, - for standard output; "
    "default: the input's name with a new extension, in this folder.",
)
@click.option("--force", is_flag=True, help="Overwrite the output if it exists.")
@_server_option
@_token_option
@click.option("--local", is_flag=True, help="Convert here even when a server is running.")
@click.option(
    "--allow-private",
    is_flag=True,
    help="Convert here, and fetch INPUT even from a private address.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show FFmpeg's log, too.")
@screen_options
def convert(
    source: str,
    output_format: str,
    args: list[str],
    input_args: list[str],
    max_duration: float | None,
    output: str | None,
    force: bool,
    server: str | None,
    token: str | None,
    local: bool,
    allow_private: bool,
    verbose: bool,
    **screen: Any,
) -> None:
    """Convert INPUT, a URL or a file, at a running server or else right here.

    A URL is handed to the server of --server, or to the one that runs where the settings say.
    Without a server, and for files, the conversion runs here.

    Formats of ComputerCraft are lua, nfp, raw, bimg and 32vid; the options from --width on are
    for those.

    Exit codes: 0 done, 1 failed, 2 wrong call, 130 interrupted.
    """
    from gmapi.terminal.delivery import is_url

    files = [name for name in (source, screen["subtitles"]) if name and not is_url(name)]
    if server is not None and (local or allow_private):
        raise click.UsageError("--server goes neither with --local nor with --allow-private.")
    if "://" in source and not is_url(source):
        raise click.UsageError("INPUT must begin with http:// or https://, or be a file.")
    for file in files:
        if not os.path.isfile(file):
            raise click.UsageError(f"There is no file {file}.")
    if files and server is not None:
        raise click.UsageError(
            "A server takes URLs only; leave out --server to convert files here."
        )
    here = bool(files) or local or allow_private
    with _early_fork_server() if here else nullcontext() as fork_server:
        from gmapi.terminal import convert as conversion

        order = conversion.Order(
            source,
            output_format,
            args,
            input_args,
            max_duration,
            output,
            screen,
            force=force,
            verbose=verbose,
        )
        try:
            with conversion.interruptible(), _failures(), ExitStack() as stack:
                client = None if here else _find_client(server, token, stack)
                if client is not None:
                    conversion.convert_at(client, order)
                else:
                    conversion.convert_here(
                        _settings({}),
                        order,
                        allow_private=allow_private,
                        fork_server=fork_server,
                    )
        except KeyboardInterrupt:
            raise Interrupted("Interrupted.") from None


@contextmanager
def _early_fork_server() -> Iterator[ForkServer | None]:
    """One that comes up while what a conversion needs is loaded, which takes longer."""
    from gmapi.sandbox.launcher import spawn_fork_server

    fork_server = spawn_fork_server()
    try:
        yield fork_server
    finally:
        if fork_server is not None:
            fork_server.stop()


def _find_client(server: str | None, token: str | None, stack: ExitStack) -> ServerClient | None:
    """The server of --server, or the one that runs where the settings say, if there is one."""
    from gmapi.terminal.client import ServerClient, find_server

    client = ServerClient(server, token) if server else find_server(_settings({}), token)
    return client if client is None else stack.enter_context(client)


@main.group(invoke_without_command=True)
@_server_option
@_token_option
@click.option("--state", type=click.Choice(STATES), help="Only tasks in this state.")
@click.option("--tool", help="Only tasks of this tool, such as ffmpeg.")
@click.option(
    "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many."
)
@_json_option
@click.pass_context
def tasks(
    context: click.Context,
    server: str | None,
    token: str | None,
    state: str | None,
    tool: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the tasks of a running server, newest first."""
    if context.invoked_subcommand is not None:
        return
    from gmapi.terminal.task_table import print_tasks

    with _client(server, token) as client:
        found, total = client.tasks(state=state, tool=tool, limit=limit)
    if as_json:
        _print_json([task.raw for task in found])
    else:
        print_tasks(found, total)


@tasks.command()
@click.argument("task_id", metavar="ID")
@_server_option
@_token_option
@_json_option
@click.pass_context
def show(
    context: click.Context, task_id: str, server: str | None, token: str | None, as_json: bool
) -> None:
    """Show one task and its log."""
    from gmapi.terminal.task_table import print_task

    with _client_of_group(context, server, token) as client:
        task = client.task(task_id)
    if as_json or _of_group(context, "as_json"):
        _print_json(task.raw)
    else:
        print_task(task)


@tasks.command()
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@_server_option
@_token_option
@click.pass_context
def cancel(
    context: click.Context, task_ids: tuple[str, ...], server: str | None, token: str | None
) -> None:
    """Cancel waiting or running tasks; finished ones stay as they are."""
    with _client_of_group(context, server, token) as client:
        for task_id in task_ids:
            click.echo(f"{task_id}: {client.cancel(task_id).status}")


@main.command(short_help="Check this installation.")
@_server_option
@_token_option
@_json_option
@_setting_options
def doctor(server: str | None, token: str | None, as_json: bool, **flags: Any) -> None:
    """Check this installation: settings, folders, ffmpeg, sandbox, access, address.

    Exits with 1 when something has failed.
    """
    from gmapi.terminal.doctor import examine, print_checks

    with _failures():
        checks = examine(flags, server, token)
    failed = any(check.state == "failure" for check in checks)
    if as_json:
        _print_json({"ok": not failed, "checks": [check.as_json() for check in checks]})
    else:
        print_checks(checks)
    if failed:
        raise click.exceptions.Exit(1)


@contextmanager
def _failures() -> Iterator[None]:
    """Errors as sentences on standard error, with their exit codes."""
    from gmapi.terminal.delivery import DeliveryError
    from gmapi.terminal.failures import is_usage, sentence

    try:
        yield
    except GmapiError as error:
        kind = WrongCall if is_usage(error) else Failure
        raise kind(sentence(error)) from error
    except DeliveryError as error:
        raise Failure(str(error)) from error
    except SettingsError as error:
        raise Failure("\n".join(error.problems)) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output has gone; click ends quietly
            raise
        raise Failure(f"{error}.") from error


@contextmanager
def _client(server: str | None, token: str | None) -> Iterator[ServerClient]:
    """A client of the server of --server or of the settings."""
    from gmapi.terminal.client import ServerClient, own_client

    with _failures():
        if server is None:
            found = own_client(_settings({}), token)
        else:
            found = ServerClient(server, token)
        with found as client:
            yield client


def _client_of_group(
    context: click.Context, server: str | None, token: str | None
) -> AbstractContextManager[ServerClient]:
    """The same for a subcommand, whose options may also stand before its name."""
    return _client(server or _of_group(context, "server"), token or _of_group(context, "token"))


def _of_group(context: click.Context, name: str) -> Any:
    """An option that was given before the subcommand's name."""
    assert context.parent is not None
    return context.parent.params[name]


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


if __name__ == "__main__":
    sys.exit(main())
