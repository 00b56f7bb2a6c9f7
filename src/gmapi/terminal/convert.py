"""`gmapi convert`: one conversion, at a running server or in this process."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gmapi.errors import (
    GmapiError,
    JobError,
    RefusedError,
    RequestError,
    SourceError,
)
from gmapi.settings import Settings
from gmapi.terminal.client import ClientError, ServerClient, Task, own_client
from gmapi.terminal.delivery import STDOUT, deliver_file, new_file, target_path, to_stdout
from gmapi.terminal.display import Display, plain_print
from gmapi.terminal.screen_options import SCREEN_FORMATS, screen_fields

if TYPE_CHECKING:
    from gmapi.tools.base import Tool
    from gmapi.tools.fields import ToolRequest

DETECT_SECONDS = 2.0
"""How long the configured address may take to say that a server is there."""

_OPTIONS = {
    "output_format": "--format",
    "args": "--args",
    "input_args": "--input-args",
    "input_url": "INPUT",
    "subtitle_url": "--subtitles",
    "subtitles": "--burn",
    **{name: f"--{name}" for name in (
        "width", "height", "monitor", "fit", "quality", "dither", "palette", "colors",
        "compression", "audio", "fps", "background", "index",
    )},
}  # fmt: skip


@dataclass(frozen=True)
class Order:
    """What is wanted: `source` as it was given, and where the output goes. `screen` holds the
    options that concern ComputerCraft screens."""

    source: str
    output_format: str
    args: list[str]
    input_args: list[str]
    output: str | None
    screen: Mapping[str, Any]
    force: bool
    verbose: bool

    @property
    def is_url(self) -> bool:
        """Whether the source is fetched rather than read."""
        return _is_url(self.source)

    @property
    def files(self) -> dict[str, Path]:
        """The files to be read, by the field that names them."""
        named = {"input_url": self.source, "subtitle_url": self.screen.get("subtitles")}
        return {key: Path(name) for key, name in named.items() if name and not _is_url(name)}

    @property
    def is_screen(self) -> bool:
        """Whether it is for a screen of ComputerCraft."""
        name = self.output_format.strip().lower().removeprefix(".")
        return name in SCREEN_FORMATS or bool(self.screen.get("preview"))

    def tool(self) -> Tool:
        """The tool that does it."""
        # Each alone: the command starts in half the time then.
        if self.is_screen:
            from gmapi.tools.sanjuuni import SANJUUNI

            return SANJUUNI
        from gmapi.tools.ffmpeg import FFMPEG

        return FFMPEG

    def request(self) -> ToolRequest:
        """The request to the tool. Raises RequestError."""
        from pydantic import ValidationError

        fields = {
            "input_url": self.source,
            "args": self.args,
            "output_format": self.output_format,
        }
        screen = screen_fields(dict(self.screen))
        if self.is_screen:
            if self.input_args:
                raise RequestError("input_args are for FFmpeg's own formats.", field="input_args")
            fields |= screen
        elif screen:
            name = next(iter(screen))
            raise RequestError(
                f"{name} is for the formats {', '.join(sorted(SCREEN_FORMATS))}, and with "
                "--preview for gif and png.",
                field=name,
            )
        else:
            fields["input_args"] = self.input_args
        try:
            return self.tool().request.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0]) if first["loc"] else ""
            raise RequestError(f"{field}: {first['msg']}", field=field) from None

    def target(self) -> Path | None:
        """The file to write, None for standard output. Raises DeliveryError and RequestError."""
        from gmapi.media.formats import output_format

        if self.is_screen:
            name = self.output_format.strip().lower().removeprefix(".")
            extension = {"32vid": "32v"}.get(name, name)
        else:
            extension = output_format(self.output_format).extension
        if self.output == STDOUT:
            return None
        return target_path(self.output, self.source, extension, force=self.force)


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def is_usage(error: GmapiError) -> bool:
    """Whether the command line is at fault rather than the world."""
    if isinstance(error, ClientError):
        return error.status_code in (400, 403) and error.field is not None
    return isinstance(error, RequestError | RefusedError)


def sentence(error: GmapiError) -> str:
    """An error in the words of the command line."""
    text = error.message
    name = (error.field or "").partition("[")[0]
    if name in _OPTIONS:
        text = re.sub(rf"^{re.escape(name)}\b", _OPTIONS[name], text)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM stop the block as Ctrl-C does, by KeyboardInterrupt, and each of them once:
    what follows is cleaning up, which must not be stopped half-way."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def find_server(settings: Settings, token: str | None = None) -> ServerClient | None:
    """The server that answers where the settings say, if there is one."""
    if settings.port == 0:
        return None
    client = own_client(settings, token)
    try:
        client.version(DETECT_SECONDS)
    except ClientError:
        client.close()
        return None
    return client


def convert_here(settings: Settings, order: Order, *, allow_private: bool) -> None:
    """Run the conversion in this process.

    Raises GmapiError, DeliveryError and, for what is wrong with ffmpeg, SettingsError.
    """
    from gmapi.terminal.single_run import SingleRun

    console = Console(stderr=True)
    # What is wrong with the call comes before what is wrong with the world.
    single_run = SingleRun(
        settings, order.tool(), order.request(), files=order.files, allow_private=allow_private
    )
    target = order.target()
    if order.is_screen:
        from gmapi.tools.kernel_state import kernel_state

        kernel_state(settings)
    with single_run as run:
        try:
            with Display(console, verbose=order.verbose) as display:
                done = run.convert(display)
        except SourceError as error:
            if error.code != "source_refused":
                raise
            hint = "For this run --allow-private allows it, too."
            raise SourceError(f"{error.message} {hint}", code=error.code) from error
        if target is None:
            to_stdout(done.path)
        else:
            deliver_file(done.path, target, force=order.force)
    _tell(console, target, done.result.size, done.result.duration)


def convert_at(client: ServerClient, order: Order) -> None:
    """Hand the conversion to a server and fetch its output. Raises GmapiError, DeliveryError."""
    console = Console(stderr=True)
    request = order.request()
    target = order.target()
    task_id = client.submit(order.tool().name, request.normalised())
    plain_print(console, f"Task {task_id} at {client.base}")
    try:
        with Display(console, verbose=order.verbose) as display:
            task = _follow(client, task_id, display)
    except KeyboardInterrupt:
        plain_print(
            console,
            f"The task goes on without you; end it with "
            f"gmapi tasks --server {client.base} cancel {task_id}",
        )
        raise
    file_id, name, size = (task.result.get(key) for key in ("file_id", "file_name", "size"))
    if not (isinstance(file_id, str) and isinstance(name, str) and isinstance(size, int)):
        raise ClientError("The task has ended without a file.")
    if target is None:
        client.download(file_id, name, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with new_file(target, force=order.force) as part, open(part, "xb") as file:
            client.download(file_id, name, file)
    duration = task.result.get("duration")
    _tell(console, target, size, duration if isinstance(duration, float | int) else None)


def _follow(client: ServerClient, task_id: str, display: Display) -> Task:
    """Show the task until it has ended well. Raises JobError when it did not."""
    for task in client.follow(task_id):
        for line in task.lines:
            display.log(line)
        display.report(progress=task.progress, message=task.message, eta=task.eta)
    if task.status != "completed":
        raise JobError(task.error or task.message or "The task failed.", code=task.error_code)
    return task


def _tell(console: Console, target: Path | None, size: int, duration: float | None) -> None:
    length = f", {duration:.1f} s" if duration is not None else ""
    name = target if target is not None else "standard output"
    plain_print(console, f"{name}: {size:,} bytes{length}")
