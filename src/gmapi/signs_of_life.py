"""How a supervisor knows that a worker's Python still runs: a byte each second by a pipe.

The database has no part in it: a worker that waits for a locked one is alive. What stops the byte
is a process that was stopped, or code that holds Python's lock (GIL) and does not come back; no
signal that Python handles reaches such a process.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from typing import IO

BEAT_SECONDS = 1.0

LOOK_SECONDS_MAX = 1.0
"""Most silence that one look can add. When the machine slept, or was so busy that the supervisor
itself did not run, nobody was silent."""

SILENT_LEASES = 3
LEAST_SILENT_SECONDS = 10.0
"""Nobody who only waits for a processor or for memory is silent for so long."""
START_SECONDS = 60.0
"""How long a process may take until its first sign."""


def beat() -> None:
    """In a child: give a sign of life each second by standard output, which is for nothing else
    from now on: what the program prints goes to standard error."""
    sys.stdout.flush()
    pipe = os.dup(1)
    os.dup2(2, 1)

    def work() -> None:
        pause = threading.Event()
        try:
            while True:
                os.write(pipe, b".")
                pause.wait(BEAT_SECONDS)
        except OSError:  # the supervisor is gone; standard input ends as well
            os.close(pipe)

    threading.Thread(target=work, name="beat", daemon=True).start()


@dataclass
class SignsOfLife:
    """What the supervisor has heard of one process."""

    last_look: float
    """Monotonic time."""
    silent: float = 0.0
    """Seconds without a sign, as far as this process looked."""
    begun: bool = False
    """Whether there has been any sign."""
    _heard: bool = field(default=False, init=False)

    def listen(self, pipe: IO[bytes]) -> None:
        """Take in the signs that come by `pipe` in a thread, which closes it at its end."""

        def work() -> None:
            with pipe:
                while os.read(pipe.fileno(), 4096):
                    self.hear()

        threading.Thread(target=work, name="signs of life", daemon=True).start()

    def hear(self) -> None:
        """Note a sign."""
        self._heard = True

    def look(self, now: float) -> None:
        """Count the silence up to the monotonic time `now`. Call it often."""
        passed = min(max(0.0, now - self.last_look), LOOK_SECONDS_MAX)
        self.last_look = now
        if self._heard:
            self._heard, self.begun, self.silent = False, True, 0.0
        else:
            self.silent += passed


def whom_to_end(workers: list[SignsOfLife | None], lease: float) -> list[int]:
    """The numbers of the workers that have been silent for too long; None is one that does not
    run now.

    That is three leases of `lease` seconds: a shorter one may end by itself, and its job is run by
    another worker meanwhile. When none is left that works, the one that has been silent for
    longest is ended after one lease.
    """
    limit = max(LEAST_SILENT_SECONDS, SILENT_LEASES * lease)
    ended = [
        number
        for number, signs in enumerate(workers)
        if signs is not None
        and signs.silent > (limit if signs.begun else max(limit, START_SECONDS))
    ]
    if ended or len(workers) < 2:
        return ended
    silences = [signs.silent if signs is not None and signs.begun else 0.0 for signs in workers]
    if min(silences) > LEAST_SILENT_SECONDS and max(silences) > lease:
        return [silences.index(max(silences))]
    return []
