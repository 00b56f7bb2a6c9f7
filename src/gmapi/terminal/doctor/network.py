"""The doctor on who reaches what: sources, callers, the game, and the server that answers."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from gmapi import __version__
from gmapi.access import Mode
from gmapi.hosts import parse_allow
from gmapi.listener import listen
from gmapi.settings import Settings
from gmapi.terminal.client import ServerClient, own_client
from gmapi.terminal.display import printable
from gmapi.terminal.doctor.check import Check
from gmapi.terminal.doctor.places import is_in_use
from gmapi.terminal.failures import ClientError
from gmapi.terminal.startup import access_line, game_rule

ANSWER_SECONDS = 5.0


def check_allow_list(settings: Settings) -> Iterator[Check]:
    """Which private addresses may be fetched."""
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


def check_address_hint(settings: Settings) -> Iterator[Check]:
    """What the game must be told; `port` 0 is known only once the server runs."""
    if settings.port == 0:
        yield Check("game", "ok", "port 0: the start-up message of gmapi serve shows the rule")
        return
    rule = "\n".join(["the game's computercraft-server.toml needs", *game_rule(
        settings, settings.port)])  # fmt: skip
    yield Check("game", "ok", rule)


def check_port(settings: Settings, token: str | None) -> Iterator[Check]:
    """Whether the server can listen and nothing keeps it from starting, or this server is already
    there."""
    answered = False
    if settings.port != 0:
        with own_client(settings, token) as client:
            try:
                client.version(ANSWER_SECONDS)
            except ClientError as error:
                answered = error.status_code is not None
            else:
                yield from _running("port", client)
                return
    yield _free_port(settings, answered=answered)
    if is_in_use(settings):
        yield Check(
            "server",
            "failure",
            f"a server is running with {settings.data_dir}, at another address: another one does "
            "not start",
            "Stop it, or give another folder with GMAPI_DATA_DIR.",
        )


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
    return Check("port", "ok", f"{shown} is free" if settings.port else "a free one will be taken")


def check_remote(client: ServerClient | None) -> Iterator[Check]:
    """How the server that was named fares."""
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
