"""One lock per file path, held across processes where the system can do that.

`flock` belongs to an open file, so it also separates the threads of one process, and the system
drops it when its holder dies. Systems without it (Windows) get a lock within the process only.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

fcntl: Any
try:
    import fcntl
except ImportError:
    fcntl = None

ACROSS_PROCESSES = fcntl is not None

_threads: WeakValueDictionary[str, Any] = WeakValueDictionary()
_threads_guard = threading.Lock()


class FileLock:
    """An exclusive lock on `path`, which is created when needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._thread_lock: Any = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free. Raises OSError when the file cannot be opened."""
        if fcntl is None:
            with _threads_guard:
                lock = _threads.setdefault(str(self.path), threading.Lock())
            if not lock.acquire(blocking=False):
                return False
            self._thread_lock = lock
            return True
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have removed the file between our open and our lock.
            if os.fstat(file).st_ino != os.stat(self.path).st_ino:
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError):
            os.close(file)
            return False
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    def release(self, *, remove: bool = False) -> None:
        """Let go; with `remove` the file goes too, which is safe only for the holder."""
        if remove:
            self.path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._thread_lock is not None:
            self._thread_lock.release()
            self._thread_lock = None
