"""A load generator in a process of its own: keep-alive requests, paced or as fast as they go.

`python load.py HOST PORT PATH --connections N --rate R --seconds S [--body JSON]` prints one JSON
line: requests, errors, bytes, seconds, p50 and p99 in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time


async def _worker(
    options: argparse.Namespace,
    head: bytes,
    start: float,
    number: int,
    latencies: list[float],
    totals: dict[str, float],
) -> None:
    reader, writer = await asyncio.open_connection(options.host, options.port, limit=2**22)
    pause = options.connections / options.rate if options.rate else 0.0
    due = start + (number / options.rate if options.rate else 0.0)
    while time.perf_counter() < start + options.seconds:
        now = time.perf_counter()
        if pause and due > now:
            await asyncio.sleep(due - now)
        # Paced requests are timed from when they were due, so that a stall is not hidden.
        began = due if pause else time.perf_counter()
        due += pause
        try:
            writer.write(head)
            status = await reader.readuntil(b"\r\n\r\n")
            length = int(status.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, IndexError):
            totals["errors"] += 1
            writer.close()
            reader, writer = await asyncio.open_connection(options.host, options.port, limit=2**22)
            continue
        if not status.startswith((b"HTTP/1.1 200", b"HTTP/1.1 206")):
            totals["errors"] += 1
        totals["bytes"] += length
        latencies.append(time.perf_counter() - began)
    writer.close()


async def _main(options: argparse.Namespace) -> dict[str, float]:
    method, body = ("POST", options.body.encode()) if options.body else ("GET", b"")
    extra = "".join(f"{line}\r\n" for line in options.header)
    head = (
        f"{method} {options.path} HTTP/1.1\r\nHost: {options.host}:{options.port}\r\n"
        f"Content-Length: {len(body)}\r\n{extra}\r\n"
    ).encode() + body
    latencies: list[float] = []
    totals = {"errors": 0.0, "bytes": 0.0}
    start = time.perf_counter()
    await asyncio.gather(
        *(_worker(options, head, start, n, latencies, totals) for n in range(options.connections))
    )
    seconds = time.perf_counter() - start
    latencies.sort()
    return {
        "requests": len(latencies),
        "seconds": seconds,
        **totals,
        "p50_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
    }


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--body", default="")
    parser.add_argument("--header", action="append", default=[])
    print(json.dumps(asyncio.run(_main(parser.parse_args()))))


if __name__ == "__main__":
    main()
