"""Children started without a fork server: their own process group, and no limits."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

from gmapi.sandbox.launch import KILL, Child, Launch, kill_group


class PlainChild(Child):
    def __init__(self, spec: Launch) -> None:
        if any(number > 2 for number in spec.fds):
            raise OSError(errno.ENOTSUP, "files other than 0, 1 and 2 need the fork server")
        env = dict(spec.env)
        if sys.platform == "win32" and "SYSTEMROOT" in os.environ:
            env.setdefault("SYSTEMROOT", os.environ["SYSTEMROOT"])  # no program starts without
        self._process = subprocess.Popen(
            spec.argv,
            cwd=spec.cwd,
            env=env,
            stdin=spec.fds.get(0, subprocess.DEVNULL),
            stdout=spec.fds.get(1, subprocess.DEVNULL),
            stderr=spec.fds.get(2, subprocess.DEVNULL),
            start_new_session=True,
        )
        self._swept = False
        super().__init__(self._process.pid)

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if not self._swept:
            self._swept = True
            kill_group(self.pid, KILL)
        return code

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            if sys.platform == "win32":
                self._process.send_signal(number)
            else:
                kill_group(self.pid, number)
