"""`gmapi convert`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from gmapi.terminal.command_line import (
    Interrupted,
    failures,
    server_option,
    settings_of,
    token_option,
)
from gmapi.terminal.screen_options import screen_options

if TYPE_CHECKING:
    from gmapi.sandbox.fork_client import ForkServer
    from gmapi.terminal.client import ServerClient


def _words(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> list[str]:
    """Split as a shell would."""
    try:
        return [word for value in values for word in shlex.split(value)]
    except ValueError as error:
        raise click.BadParameter(f"{error}; quote it as for a shell.") from error


@click.command(short_help="Convert a URL or a file.")
@click.argument("source", metavar="INPUT")
@click.option(
    "-f",
    "--format",
    "output_format",
    help="Output format, such as dfpwm, mp3, 32vid or bimg; default: the extension of -o.",
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
    help="Take at most so much of an INPUT that is a playlist or tells no length, such as a radio "
    "station; default: all of it, and 60 s of what has no end.",
)
@click.option(
    "--audio-track",
    metavar="TRACK",
    help="Which sound of an INPUT with several: its number, counted from 1, or a language such as "
    "eng.",
)
@click.option(
    "--video-track",
    metavar="TRACK",
    help="Which pictures of an INPUT with several video tracks: a number or a language.",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="File or folder to write to, - for standard output; a folder with a slash at its end is "
    "made; default: the input's name with a new extension, in this folder.",
)
@click.option("--force", is_flag=True, help="Overwrite the output if it exists.")
@server_option
@token_option
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
    output_format: str | None,
    args: list[str],
    input_args: list[str],
    max_duration: float | None,
    audio_track: str | None,
    video_track: str | None,
    output: str | None,
    force: bool,
    server: str | None,
    token: str | None,
    local: bool,
    allow_private: bool,
    verbose: bool,
    **screen: Any,
) -> None:
    """Convert INPUT, a URL, a file or - for standard input, at a running server or else right
    here.

    A URL is handed to the server of --server, or to the one that runs where the settings say.
    Without a server, and for files, the conversion runs here.

    Formats of ComputerCraft are lua, nfp, raw, bimg and 32vid; the options from --width on are
    for those.

    Exit codes: 0 done, 1 failed, 2 wrong call, 130 interrupted.
    """
    from gmapi.terminal.delivery import STDIN, is_url, plain_source
    from gmapi.terminal.inputs import standard_input, why_no_file

    source = plain_source(source)
    if screen["subtitles"]:
        screen["subtitles"] = plain_source(screen["subtitles"])
    files = [name for name in (source, screen["subtitles"]) if name and not is_url(name)]
    piped = source == STDIN
    if server is not None and (local or allow_private):
        raise click.UsageError("--server goes neither with --local nor with --allow-private.")
    if "://" in source and not is_url(source):
        raise click.UsageError("INPUT must begin with http:// or https://, or be a file.")
    for file in files[piped:]:
        if problem := why_no_file(file):
            raise click.UsageError(problem)
    if piped and sys.stdin.isatty():
        raise click.UsageError("Standard input is the keyboard; hand a file in, or name one.")
    output_format = output_format or _format_of(output)
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
            {"audio_track": audio_track, "video_track": video_track},
            output,
            screen,
            force=force,
            verbose=verbose,
        )
        try:
            with conversion.interruptible(), failures(), ExitStack() as stack:
                if piped:
                    order.check()
                    limit = int(settings_of({}).fetch_max_bytes)
                    order = replace(order, piped=stack.enter_context(standard_input(limit)))
                client = None if here else _find_client(server, token, stack)
                if client is not None:
                    conversion.convert_at(client, order)
                else:
                    conversion.convert_here(
                        settings_of({}),
                        order,
                        allow_private=allow_private,
                        fork_server=fork_server,
                    )
        except KeyboardInterrupt:
            raise Interrupted("Interrupted.") from None


def _format_of(output: str | None) -> str:
    """The format that an output's name asks for."""
    extension = ""
    if output is not None and not output.endswith(("/", os.sep)) and not os.path.isdir(output):
        extension = os.path.splitext(output)[1].removeprefix(".")
    if not extension:
        raise click.UsageError("Give a format with -f, or a file with -o such as song.mp3.")
    return extension


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

    client = ServerClient(server, token) if server else find_server(settings_of({}), token)
    return client if client is None else stack.enter_context(client)
