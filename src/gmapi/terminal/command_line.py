"""What the commands share: options, errors as sentences, settings, a client."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from gmapi.errors import GmapiError, SettingsError
from gmapi.settings import CLIENT_TOKEN_VARIABLE, Settings, load_settings

if TYPE_CHECKING:
    from gmapi.terminal.client import ServerClient


class Failure(click.ClickException):
    """Ends the command with a sentence on standard error."""


class WrongCall(Failure):
    """The same when the call itself is at fault, without click's lines on how to call it."""

    exit_code = 2


class Interrupted(Failure):
    """Ended by Ctrl-C: the exit code is that which shells give then."""

    exit_code = 130


def setting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each setting, in the words of `gmapi.toml`."""
    for name, field in reversed(Settings.model_fields.items()):
        option = "--" + name.replace("_", "-")
        function = click.option(option, name, default=None, help=field.description)(function)
    return function


server_option = click.option(
    "--server",
    metavar="URL",
    help="Address of a running server; default: the one of the settings.",
)
token_option = click.option(
    "--token",
    metavar="SECRET",
    envvar=CLIENT_TOKEN_VARIABLE,
    help=f"Access token for the server; better in {CLIENT_TOKEN_VARIABLE}, where no list of "
    "processes shows it.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings_of(flags: dict[str, Any], *, found_file: bool = False) -> Settings:
    """The settings with these flags; `found_file` as for `load_settings`. Raises Failure that names
    each mistake."""
    try:
        return load_settings(flags, found_file=found_file)
    except SettingsError as error:
        raise Failure(
            "These settings are wrong:\n" + "\n".join(f"  {text}" for text in error.problems)
        ) from error


@contextmanager
def failures() -> Iterator[None]:
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
def server_client(server: str | None, token: str | None) -> Iterator[ServerClient]:
    """A client of the server of --server or of the settings."""
    from gmapi.terminal.client import ServerClient, own_client

    with failures():
        if server is None:
            found = own_client(settings_of({}), token)
        else:
            found = ServerClient(server, token)
        with found as client:
            yield client


def print_json(value: object) -> None:
    """Print for programs."""
    click.echo(json.dumps(value, indent=2))
