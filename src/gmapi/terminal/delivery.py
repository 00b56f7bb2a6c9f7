"""Where `gmapi convert` puts its result: a file that is there whole or not at all, or stdout."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gmapi.fetch.address import trim_address

NAME_MAX_BYTES = 200
STDOUT = STDIN = "-"

_SLASHES = tuple({"/", os.sep})

# What no file name may hold on one of the systems, and control characters.
_UNFIT = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u2028-\u202e\u2066-\u2069]')
# What Windows takes for a device, whatever follows after a dot.
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])", re.I
)


class DeliveryError(Exception):
    """The result cannot be put where it should go; the text says why and what to do."""


def is_url(source: str) -> bool:
    """Whether a source is fetched rather than read."""
    return source.lower().startswith(("http://", "https://"))


def plain_source(source: str) -> str:
    """A source as it is meant: an address without quotes and spaces around it, a path as it is."""
    address = trim_address(source)
    return address if is_url(address) else source


def default_name(source: str, extension: str) -> str:
    """The output's name for a source, a URL or a path: its last part with a new extension."""
    if source == STDIN:
        return f"output.{extension}"
    if is_url(source):
        try:
            path = urlsplit(source).path
        except ValueError:
            path = ""
        last = unquote(path.rstrip("/").rpartition("/")[2])
    else:
        last = source
    stem = _UNFIT.sub("_", Path(last).stem).encode(errors="surrogateescape")[:NAME_MAX_BYTES]
    name = stem.decode(errors="ignore").strip(" .") or "output"
    return f"{'_' if _is_device(name) else ''}{name}.{extension}"


def _is_device(name: str) -> bool:
    """Whether Windows takes a file's name for that of a device, such as `CON.mp3`."""
    return _RESERVED.fullmatch(name.partition(".")[0].rstrip(" ")) is not None


def target_path(output: str | None, source: str, extension: str, *, force: bool) -> Path:
    """The file to write: `output`, inside it when it is a folder, or a name in the current folder.
    An `output` that ends with a slash is a folder, which `new_file` makes when there is none.

    Raises DeliveryError when it exists (and `force` is not set), is a device or such, or when its
    folder cannot be written to.
    """
    name = default_name(source, extension)
    target = Path(output) if output is not None else Path(name)
    is_folder = output is not None and output.endswith(_SLASHES)
    if is_folder and target.exists() and not target.is_dir():
        raise DeliveryError(f"{target} is a file, not a folder; leave out the slash or rename it.")
    if is_folder or target.is_dir():
        target /= name
    elif not target.parent.is_dir():
        raise DeliveryError(
            f"There is no folder {target.parent}; make it first, or have it made by "
            f"-o {target.parent}{os.sep}"
        )
    _require_room(target.parent)
    if sys.platform == "win32" and _is_device(target.name):
        raise DeliveryError(f"{target.name} is the name of a device; give another one with -o.")
    if target.exists() and not target.is_file():
        raise DeliveryError(f"{target} is not a file; give another name with -o.")
    if not force and os.path.lexists(target):
        raise _exists(target)
    return target


def _require_room(folder: Path) -> None:
    """Raise DeliveryError when nothing can be written to a folder that is there, or one that is
    not cannot be made."""
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise DeliveryError(f"The folder {folder} cannot be made: {place} is no folder.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DeliveryError(f"The folder {place} cannot be written to.")


def _exists(target: Path) -> DeliveryError:
    return DeliveryError(
        f"{target} exists already; give another name with -o or overwrite it with --force."
    )


@contextlib.contextmanager
def new_file(target: Path, *, force: bool) -> Iterator[Path]:
    """A path beside `target` to write to; becomes `target` at the end, or goes away on failure.
    Its folder is made when there is none.

    Raises DeliveryError when `target` came into being meanwhile (and `force` is not set) or
    cannot be written.
    """
    part = target.with_name(f".gmapi-{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        if force:
            os.replace(part, target)
        else:
            _rename_new(part, target)
    except FileExistsError as error:
        raise _exists(target) from error
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise DeliveryError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _rename_new(part: Path, target: Path) -> None:
    """Rename without replacing. Raises FileExistsError."""
    if sys.platform != "win32":  # where a rename never replaces
        try:
            os.link(part, target)
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                raise FileExistsError(target) from None
    os.rename(part, target)


def deliver_file(source: Path, target: Path, *, force: bool) -> None:
    """Move a finished file to `target`."""
    with new_file(target, force=force) as part:
        shutil.move(source, part)


def to_stdout(source: Path) -> None:
    """Copy a finished file to standard output."""
    with open(source, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
