"""Who calls, and what the caller may do: tokens, and what goes without one.

Where tokens are set every address below `/api/` needs one, but for looking at a task: whoever has
a task's id, 128 random bits, was handed it, and clients poll without any header (contract rules
R7 and D4). For the same reason files and frames need none, nor do frames in packs by their address.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from secrets import token_hex

from flask import current_app, g, request

from gmapi.access import Mode, Rate, client_address, client_network
from gmapi.errors import RequestError, UnauthorizedError
from gmapi.hosts import is_loopback
from gmapi.settings import Settings
from gmapi.web.address import UNKNOWN, Addresses

LOOKS_AT_A_TASK = frozenset(
    {
        "/api/task/<task_id>",
        "/api/task/<task_id>/events",
        "/api/task/<task_id>/ws",
        "/api/framepack/<task_id>/<frames>",
    }
)
READS = frozenset({"GET", "HEAD"})
FIELD = "token"
"""The name of the token in the query and in a body, for clients that cannot set headers."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `client` is what limits count by, `rate` how often that may submit; `name` is
    the caller alone, who lists and cancels what came under it."""

    client: str
    name: str
    rate: Rate | None
    is_local: bool  # at this machine, and nobody has said who may use it: may do everything
    knows_details: bool  # may see how the server fares

    @property
    def owner(self) -> str | None:
        """Whose tasks this caller may list and cancel; None for everybody's."""
        return None if self.is_local else self.name


class Gate:
    """Tells callers apart and turns away those without a token where one is needed."""

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._addresses = addresses
        self._has_tokens = settings.access_mode is Mode.TOKENS
        # Digests are of one length, so that a comparison tells nothing about the secrets'.
        self._tokens = [(token.name, _digest(token.secret)) for token in settings.tokens]

    def needs_token(self, method: str, rule: str) -> bool:
        """Whether a method of a route, as Flask writes its rule, is for callers with a token."""
        if not self._has_tokens or method == "OPTIONS" or not rule.startswith("/api/"):
            return False
        return method not in READS or rule not in LOOKS_AT_A_TASK

    def check(self) -> None:
        """Before each request: raise UnauthorizedError when it lacks its token."""
        rule = request.url_rule.rule if request.url_rule is not None else request.path
        if self.needs_token(request.method, rule):
            caller()

    def caller(self) -> Caller:
        """Who makes the present request. Raises UnauthorizedError without a valid token."""
        if self._has_tokens:
            name = f"token:{self._token_name(_presented())}"
            rate = self._settings.submission_rate(anonymous=False)
            return Caller(name, name, rate, is_local=False, knows_details=True)
        address = self._addresses.client(request.environ)
        # What a proxy tells is good enough to count by, not to give rights.
        nearby = is_loopback(address) and not self._addresses.is_forwarded(request.environ)
        is_local = nearby and self._settings.access_mode is Mode.OPEN
        rate = self._settings.submission_rate(anonymous=not is_local)
        # Of those without an address nobody can tell whose a task is: each is somebody new.
        name = f"{UNKNOWN}:{token_hex(16)}" if address == UNKNOWN else client_address(address)
        return Caller(client_network(address), name, rate, is_local=is_local, knows_details=nearby)

    def knows_details(self) -> bool:
        """Whether the present caller may see how the server fares."""
        try:
            return self.caller().knows_details
        except UnauthorizedError:
            return False

    def _token_name(self, presented: str | None) -> str:
        if presented is None:
            raise UnauthorizedError(
                "An access token is needed; send Authorization: Bearer TOKEN, ?token=TOKEN or the "
                "field token."
            )
        given, found = _digest(presented), None
        for name, digest in self._tokens:
            if hmac.compare_digest(given, digest):
                found = name
        if found is None:
            raise UnauthorizedError(
                "This access token is not known here; ask the operator of this server for one."
            )
        return found


def gate() -> Gate:
    """The Gate of the running application."""
    found: Gate = current_app.extensions["gmapi_gate"]
    return found


def caller() -> Caller:
    """Who makes the present request; looked at once."""
    if "gmapi_caller" not in g:
        g.gmapi_caller = gate().caller()
    found: Caller = g.gmapi_caller
    return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _presented() -> str | None:
    """The token sent with the request: in the header, else in the query, else in the body."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    in_query = request.args.get(FIELD)
    if in_query:
        return in_query
    if request.method != "POST":
        return None
    try:
        in_body = request.get_json().get(FIELD)
    except RequestError:  # no JSON: what is wrong with it is the business of whoever has a token
        return None
    return in_body if isinstance(in_body, str) and in_body else None
