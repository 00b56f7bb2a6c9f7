"""A client of a running GMapiServer, as the `gmapi` command needs it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from gmapi import __version__
from gmapi.listener import local_base
from gmapi.settings import Settings
from gmapi.terminal.display import printable
from gmapi.terminal.failures import ClientError

FINISHED = frozenset({"completed", "error", "cancelled"})
POLL_SECONDS = 20.0
"""How long one long poll may wait; servers allow up to 25 s."""

PATIENCE_SECONDS = 60.0
"""How long a task is followed although its server does not answer: it may be restarting."""

_RETRY_PAUSE_SECONDS = 0.5
_CONNECT_SECONDS = 5.0
_DETECT_SECONDS = 2.0
_ANSWER_SECONDS = 30.0
_ANSWER_MAX_BYTES = 16 * 1024**2
_CHUNK_BYTES = 256 * 1024
_BUSY = frozenset({502, 503, 504})
_TOKEN = re.compile(r"[\x21-\x7e]+")
_REMEDY = "give one that its operator has made with --token or in GMAPI_TOKEN"


@dataclass(frozen=True)
class Task:
    """A task as the server describes it. Times are Unix seconds, progress is 0 to 100.

    All texts are fit to be printed; `raw` is the answer as it came.
    """

    id: str
    tool: str
    status: str
    progress: float
    message: str
    label: str
    eta: float | None
    created: float
    error: str | None
    error_code: str | None
    lines: list[str]
    next_since: int
    more_lines: bool
    raw: dict[str, Any] = field(repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether the task will not change any more."""
        return self.status in FINISHED

    @property
    def result(self) -> dict[str, Any]:
        """What the task has made so far."""
        found = self.raw.get("result")
        return found if isinstance(found, dict) else {}

    @property
    def warnings(self) -> list[str]:
        """What it warns of, so far."""
        found = self.result.get("warnings")
        return [printable(str(each)) for each in found] if isinstance(found, list) else []

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what is no task."""
        eta, error = raw.get("eta_seconds"), raw.get("error")
        return cls(
            id=printable(str(raw["task_id"])),
            tool=printable(str(raw["tool"])),
            status=printable(str(raw["status"])),
            progress=float(raw["progress"]),
            message=printable(str(raw["message"])),
            label=printable(str(raw.get("label", ""))),
            eta=None if eta is None else float(eta),
            created=float(raw["created_at"]),
            error=None if error is None else printable(str(error)),
            error_code=None if error is None else str(raw.get("error_code")),
            lines=[printable(str(line)) for line in raw.get("new_logs", [])],
            next_since=int(raw.get("next_since", 0)),
            more_lines=bool(raw.get("more_logs")),
            raw=dict(raw),
        )


class ServerClient:
    """Speaks to the server at `base`, such as `http://127.0.0.1:5000`. A context manager.

    `token` is sent to it with each request. All methods raise ClientError, and so does a token
    that is none. No proxy of the environment is used.
    """

    def __init__(self, base: str, token: str | None = None) -> None:
        self.base = server_base(base)
        self.has_token = token is not None
        headers = {"User-Agent": f"gmapi/{__version__}"}
        if token is not None:
            if not _TOKEN.fullmatch(token):
                raise ClientError(
                    f"The access token is empty or has characters that no token has; {_REMEDY}."
                )
            headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(headers=headers, retries=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def version(self, seconds: float = _ANSWER_SECONDS) -> str:
        """The version of the GMapiServer that answers here."""
        answer = self._json("GET", "/", seconds=seconds)
        if answer.get("name") != "GMapiServer" or "version" not in answer:
            raise self._stranger()
        return printable(str(answer["version"]))

    def health(self) -> dict[str, Any]:
        """What `/health` says, in good health or bad."""
        return self._json("GET", "/health", accept=frozenset({503}))

    def submit(self, tool: str, request: Mapping[str, Any]) -> str:
        """Hand in a request; the id of the task that came of it."""
        answer = self._json("POST", f"/api/{quote(tool, safe='')}/async", body=request)
        task_id = answer.get("task_id")
        if not isinstance(task_id, str):
            raise self._stranger()
        return printable(task_id)

    def task(self, task_id: str, *, since: int = 0, wait: float = 0) -> Task:
        """A task and its log lines after the cursor; `wait` seconds for a change if none is due."""
        query = urlencode({"since": since, "wait": f"{wait:g}"})
        path = f"/api/task/{quote(task_id, safe='')}?{query}"
        return self._task(self._json("GET", path, seconds=_ANSWER_SECONDS + wait))

    def follow(self, task_id: str) -> Iterator[Task]:
        """The task after each change until it has ended, across restarts of the server."""
        since, wait = 0, 0.0
        silent_since: float | None = None
        while True:
            try:
                task = self.task(task_id, since=since, wait=wait)
            except ClientError as error:
                if error.status_code is not None and error.status_code not in _BUSY:
                    raise
                now = time.monotonic()
                silent_since = now if silent_since is None else silent_since
                if now - silent_since > PATIENCE_SECONDS:
                    raise
                time.sleep(_RETRY_PAUSE_SECONDS)
                continue
            silent_since = None
            since, wait = task.next_since, POLL_SECONDS
            yield task
            if task.is_finished and not task.more_lines:
                return

    def tasks(
        self, *, state: str | None = None, tool: str | None = None, limit: int = 50
    ) -> tuple[list[Task], int]:
        """The newest tasks, and how many there are in all."""
        wanted = {"state": state, "tool": tool, "limit": limit}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        answer = self._json("GET", f"/api/tasks?{query}")
        try:
            return [self._task(item) for item in answer["tasks"]], int(answer["total"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._stranger(error) from None

    def cancel(self, task_id: str) -> Task:
        """Cancel a task, which stays as it is when it has ended."""
        # DELETE would take the outputs of one that has just ended.
        return self._task(self._json("POST", f"/api/task/{quote(task_id, safe='')}/cancel"))

    def download(
        self,
        file_id: str,
        name: str,
        into: BinaryIO,
        on_progress: Callable[[int, int | None], None] = lambda received, total: None,
    ) -> int:
        """Write a published file to `into`; its size. Progress is bytes so far and in all."""
        path = f"/download/{quote(file_id, safe='')}/{quote(name, safe='')}"
        received = 0
        response = self._open("GET", path, _ANSWER_SECONDS)
        try:
            if response.status != 200:
                raise self._refused(response)
            length = response.headers.get("Content-Length")
            total = int(length) if length else None
            for data in self._chunks(response):
                into.write(data)
                received += len(data)
                on_progress(received, total)
        finally:
            response.close()
        return received

    def _chunks(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        stream = response.stream(_CHUNK_BYTES)
        while True:
            try:
                data = next(stream)
            except StopIteration:
                return
            except (HTTPError, OSError) as error:
                raise ClientError(
                    f"The download from {self.base} broke off; try again.", cause=error
                ) from None
            yield data

    def _json(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        seconds: float = _ANSWER_SECONDS,
        accept: frozenset[int] = frozenset(),
    ) -> dict[str, Any]:
        response = self._open(method, path, seconds, body)
        try:
            if response.status not in accept and not 200 <= response.status < 300:
                raise self._refused(response)
            return self._object(response)
        finally:
            response.close()

    def _open(
        self, method: str, path: str, seconds: float, body: Mapping[str, Any] | None = None
    ) -> urllib3.BaseHTTPResponse:
        headers: dict[str, str] = dict(self._pool.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._pool.request(
                method,
                self.base + path,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, seconds), read=seconds),
                redirect=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            raise ClientError(
                f"No server answers at {self.base}; start one with gmapi serve, or give the "
                "address of another with --server.",
                cause=error,
            ) from None

    def _object(self, response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
        """The JSON object in an answer."""
        try:
            data = response.read(_ANSWER_MAX_BYTES)
        except (HTTPError, OSError) as error:
            raise ClientError(f"The answer of {self.base} broke off.", cause=error) from None
        try:
            found = json.loads(data)
        except ValueError as error:
            raise self._stranger(error, response.status) from None
        if not isinstance(found, dict):
            raise self._stranger(status=response.status)
        return found

    def _refused(self, response: urllib3.BaseHTTPResponse) -> ClientError:
        """The error that an answer of the status 300 or more stands for."""
        if response.status == 401:
            trouble = "does not know this access token" if self.has_token else "asks for a token"
            return ClientError(
                f"{self.base} {trouble}; {_REMEDY}.", status_code=401, code="unauthorized"
            )
        try:
            answer = self._object(response)
            message = printable(answer["error"])
        except (ClientError, KeyError, TypeError):
            message = f"{self.base} answered with the status {response.status}."
            return ClientError(message, status_code=response.status)
        field_name, code = answer.get("field"), answer.get("error_code")
        return ClientError(
            message,
            status_code=response.status,
            field=field_name if isinstance(field_name, str) else None,
            code=code if isinstance(code, str) else None,
        )

    def _task(self, answer: Mapping[str, Any]) -> Task:
        try:
            return Task.read(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise self._stranger(error, 200) from None

    def _stranger(self, cause: object = None, status: int | None = None) -> ClientError:
        return ClientError(
            f"What answers at {self.base} is not a GMapiServer; check the address.",
            cause=cause,
            status_code=status,
        )


def server_base(text: str) -> str:
    """A server's address without a closing slash; `host:port` alone means http.

    Raises ClientError when it cannot be one.
    """
    address = text.strip()
    if "://" not in address:
        address = f"http://{address}"
    try:
        parts = urllib3.util.parse_url(address)
    except LocationParseError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.host or parts.query:
        raise ClientError(
            f"{printable(text)} is no address of a server; give one like http://127.0.0.1:5000."
        )
    return address.rstrip("/")


def own_client(settings: Settings, token: str | None = None) -> ServerClient:
    """A client of the server of these settings, with one of its own tokens if none is given."""
    if token is None and settings.tokens:
        token = settings.tokens[0].secret
    return ServerClient(local_base(settings.host, settings.port), token)


def find_server(settings: Settings, token: str | None = None) -> ServerClient | None:
    """The server that answers where the settings say, if there is one."""
    if settings.port == 0:
        return None
    client = own_client(settings, token)
    try:
        client.version(_DETECT_SECONDS)
    except ClientError:
        client.close()
        return None
    return client
