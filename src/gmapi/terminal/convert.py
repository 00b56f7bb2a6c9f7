"""`gmapi convert`: one conversion, at a running server or in this process."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from gmapi.errors import JobError, RequestError, SourceError
from gmapi.settings import Settings
from gmapi.terminal.delivery import STDOUT, deliver_file, is_url, new_file, target_path, to_stdout
from gmapi.terminal.display import Display, printable, tell
from gmapi.terminal.failures import ClientError
from gmapi.terminal.screen_options import SCREEN_FORMATS, screen_fields
from gmapi.validation import words_of

if TYPE_CHECKING:
    from gmapi.sandbox.fork_client import ForkServer
    from gmapi.terminal.client import ServerClient, Task
    from gmapi.tools.fields import ToolRequest
    from gmapi.tools.tool import Tool


@dataclass(frozen=True)
class Order:
    """What is wanted: `source` as it was given, and where the output goes. `max_duration` is in
    seconds; `tracks` holds audio_track and video_track, `screen` the options that concern
    ComputerCraft screens."""

    source: str
    output_format: str
    args: list[str]
    input_args: list[str]
    max_duration: float | None
    tracks: Mapping[str, str | None]
    output: str | None
    screen: Mapping[str, Any]
    force: bool
    verbose: bool
    piped: Path | None = None
    """What came by standard input, once it has been read."""

    @property
    def files(self) -> dict[str, Path]:
        """The files to be read, by the field that names them."""
        named = {"input_url": self.source, "subtitle_url": self.screen.get("subtitles")}
        found = {key: Path(name) for key, name in named.items() if name and not is_url(name)}
        if self.piped is not None:
            found["input_url"] = self.piped
        return found

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
            "max_duration": self.max_duration,
            **self.tracks,
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
            raise RequestError(f"{field}: {words_of(first)}", field=field) from None

    def check(self) -> None:
        """Raise what is wrong with the call before anything is read."""
        self.request()
        self.target()

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


def convert_here(
    settings: Settings, order: Order, *, allow_private: bool, fork_server: ForkServer | None
) -> None:
    """Run the conversion in this process, with a fork server that may be on its way up already.

    Raises GmapiError, DeliveryError and, for what is wrong with ffmpeg, SettingsError.
    """
    from gmapi.terminal.single_run import SingleRun

    # What is wrong with the call comes before what is wrong with the world.
    single_run = SingleRun(
        settings,
        order.tool(),
        order.request(),
        files=order.files,
        allow_private=allow_private,
        fork_server=fork_server,
    )
    target = order.target()
    if order.is_screen:
        from gmapi.tools.screens.kernel_state import kernel_state

        kernel_state(settings)
    with single_run as run:
        try:
            with Display(verbose=order.verbose) as display:
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
    _tell_made(target, done.result.size, done.result.duration, done.result.warnings or [])


def convert_at(client: ServerClient, order: Order) -> None:
    """Hand the conversion to a server and fetch its output. Raises GmapiError, DeliveryError."""
    request = order.request()
    target = order.target()
    task_id = client.submit(order.tool().name, request.normalised())
    tell(f"Task {task_id} at {client.base}")
    try:
        with Display(verbose=order.verbose) as display:
            task = _follow(client, task_id, display)
    except KeyboardInterrupt:
        tell(
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
    _tell_made(target, size, duration if isinstance(duration, float | int) else None, task.warnings)


def _follow(client: ServerClient, task_id: str, display: Display) -> Task:
    """Show the task until it has ended well. Raises JobError when it did not."""
    for task in client.follow(task_id):
        for line in task.lines:
            display.log(line)
        display.report(progress=task.progress, message=task.message, eta=task.eta)
    if task.status != "completed":
        raise JobError(task.error or task.message or "The task failed.", code=task.error_code)
    return task


def _tell_made(
    target: Path | None, size: int, duration: float | None, warnings: Sequence[str]
) -> None:
    for warning in warnings:
        tell(f"warning: {printable(warning)}")
    length = f", {duration:.1f} s" if duration is not None else ""
    name = target if target is not None else "standard output"
    tell(f"{name}: {size:,} bytes{length}")
