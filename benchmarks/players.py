"""Film players in a process of their own: each polls its task every second, fetches a pack of 20
frames every second, and the sound once, each time over a new connection, as games do.

`python players.py HOST PORT TASK FRAMES --players N --seconds S [--sound PATH]` prints one JSON
line: packs, failed, late (beyond 1.5 s), bytes, p50, p99 and most in seconds, and the CPU seconds
of these players. A pack's time runs from when it was due, so that a stall is not hidden.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import time
from collections.abc import Callable, Coroutine

PACK = 20
LATE_SECONDS = 1.5
TIMEOUT = 30.0

Act = Callable[[float, int, int], Coroutine[None, None, None]]
"""What is done when it is due, by the player of this number in this turn of its."""


class Crowd:
    """All players and what has happened to them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.took: list[float] = []
        self.failures: list[str] = []
        self.bytes = 0
        self._until = 0.0

    async def run(self) -> None:
        """Let them play, the first requests spread over a second."""
        start = time.perf_counter() + 0.1
        self._until = start + self.options.seconds
        count = self.options.players
        await asyncio.gather(*(self._play(n, start + n / count) for n in range(count)))

    async def _play(self, number: int, start: float) -> None:
        tasks = [self._every_second(start + 0.5, self._poll, number)]
        tasks.append(self._every_second(start, self._pack, number))
        if self.options.sound:
            tasks.append(self._sound(start))
        await asyncio.gather(*tasks)

    async def _every_second(self, due: float, act: Act, number: int) -> None:
        turn = 0
        running: set[asyncio.Task[None]] = set()
        while due < self._until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            # The next is asked for in time, whether the one before has come or not.
            task = asyncio.create_task(act(due, number, turn))
            running.add(task)
            task.add_done_callback(running.discard)
            due, turn = due + 1, turn + 1
        await asyncio.gather(*running)

    async def _poll(self, due: float, number: int, turn: int) -> None:
        await self._ask("GET", f"/api/task/{self.options.task}", b"")

    async def _pack(self, due: float, number: int, turn: int) -> None:
        # Players have begun at different times.
        first = (number * 7 + turn) * PACK % (self.options.frames - PACK)
        names = [
            f"/frames/{self.options.task}/frame_{n + 1:06d}.png" for n in range(first, first + PACK)
        ]
        body = await self._ask("POST", "/api/framepack", json.dumps({"urls": names}).encode())
        self.took.append(time.perf_counter() - due)
        if body is not None and struct.unpack_from(">I", body)[0] != PACK:
            self.failures.append("a short pack")

    async def _sound(self, start: float) -> None:
        await asyncio.sleep(max(0.0, start - time.perf_counter()))
        await self._ask("GET", self.options.sound, b"")

    async def _ask(self, method: str, path: str, body: bytes) -> bytes | None:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.options.host}:{self.options.port}\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(
                    self.options.host, self.options.port, limit=2**22
                )
                try:
                    writer.write(head.encode() + body)
                    status = await reader.readuntil(b"\r\n\r\n")
                    found = await reader.read(-1)
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return None
        self.bytes += len(found)
        if not status.startswith(b"HTTP/1.1 200"):
            self.failures.append(f"{method} {path}: {status[:40]!r}")
            return None
        return found


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("task")
    parser.add_argument("frames", type=int)
    parser.add_argument("--players", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--sound", default="")
    crowd = Crowd(parser.parse_args())
    asyncio.run(crowd.run())
    took = sorted(crowd.took)
    found = {
        "packs": len(took),
        "failed": len(crowd.failures),
        "failures": sorted(set(crowd.failures))[:3],
        "late": sum(each > LATE_SECONDS for each in took),
        "bytes": crowd.bytes,
        "p50": took[len(took) // 2],
        "p99": took[int(len(took) * 0.99)],
        "most": took[-1],
        "cpu": time.process_time(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
