"""What one child process may use, by the kernel's resource limits (see `setrlimit(2)`)."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass, fields

if sys.platform != "win32":
    import resource

GIB = 1 << 30

# Pictures this large were converted with every codec within the limits below.
_USUAL_PIXELS = 40_000_000
# What threads of a processor take: their stacks, and the address space that malloc reserves.
_THREAD_ROOM = 128 << 20
_THREAD_MEMORY = 16 << 20
# Between the signal that asks (SIGXCPU) and the one that does not (SIGKILL), processor seconds.
_CPU_GRACE_SECONDS = 2


@dataclass(frozen=True)
class Limits:
    """Limits of one child process; `None` leaves a value as the launching process has it.

    They hold for each process, not for a group: a child that forks doubles its share.
    A limit above the hard limit of the launching process is lowered to that.
    """

    cpu_seconds: int | None = None
    """Processor time in seconds, all threads added up. Then SIGXCPU, two seconds later SIGKILL."""
    address_space: int | None = 4 * GIB
    """Bytes of address space, shared libraries and reserved room included."""
    data: int | None = 2 * GIB
    """Bytes of private writable memory: a closer bound of real memory than `address_space`."""
    file_size: int | None = None
    """Bytes of any one file that is written. A write beyond it brings SIGXFSZ."""
    open_files: int | None = 256
    """How many files may be open at once."""
    nice: int | None = 10
    """The priority itself, 0 (as usual) to 19 (last); never better than the launcher's own."""

    @classmethod
    def for_work(cls, *, wall_seconds: float, file_size: int, picture_pixels: int) -> Limits:
        """Limits of a conversion that may take so long, write files so large and decode pictures
        of so many pixels: all processors may be busy for the whole time, and memory grows with the
        pictures and the threads."""
        cores = os.cpu_count() or 1
        scale = max(1.0, picture_pixels / _USUAL_PIXELS)
        return cls(
            cpu_seconds=math.ceil(wall_seconds * cores),
            address_space=int(4 * GIB * scale) + cores * _THREAD_ROOM,
            data=int(2 * GIB * scale) + cores * _THREAD_MEMORY,
            file_size=file_size,
        )

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value < 0:
                raise ValueError(f"Limits.{field.name} is {value}; it must not be negative")


if sys.platform != "win32":

    def apply(limits: Limits) -> None:
        """Put the limits on the calling process; core dumps are always switched off.

        Meant for a child between fork and exec, after it has got a session of its own.
        Raises OSError or ValueError when the kernel refuses a value.
        """
        _limit(resource.RLIMIT_CORE, 0)
        if limits.nice is not None:
            _be_nice(limits.nice)
        if limits.cpu_seconds is not None:
            _limit(resource.RLIMIT_CPU, limits.cpu_seconds, grace=_CPU_GRACE_SECONDS)
        for kind, value in (
            (resource.RLIMIT_FSIZE, limits.file_size),
            (resource.RLIMIT_NOFILE, limits.open_files),
            (resource.RLIMIT_DATA, limits.data),
            (resource.RLIMIT_AS, limits.address_space),
        ):
            if value is not None:
                _limit(kind, value)

    def bound_own_memory(size: int) -> None:
        """Bound the private writable memory of this process to `size` bytes: then it is a
        MemoryError where it would have been the machine's memory.

        Only the soft limit: children get limits of their own. Call it when the fork server runs.
        """
        if sys.platform != "linux":  # elsewhere it does not hold for what is mapped
            return
        _, ceiling = resource.getrlimit(resource.RLIMIT_DATA)
        if ceiling != resource.RLIM_INFINITY:
            size = min(size, ceiling)
        resource.setrlimit(resource.RLIMIT_DATA, (size, ceiling))

    def unbound_own_memory() -> None:
        """Take back what a parent bounded with `bound_own_memory`."""
        _, ceiling = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))

    def _limit(kind: int, value: int, grace: int = 0) -> None:
        _, ceiling = resource.getrlimit(kind)
        hard = value + grace
        if ceiling != resource.RLIM_INFINITY:
            hard = min(hard, ceiling)
        resource.setrlimit(kind, (min(value, hard), hard))

    def _be_nice(priority: int) -> None:
        wanted = max(os.getpriority(os.PRIO_PROCESS, 0), min(priority, 19))
        os.setpriority(os.PRIO_PROCESS, 0, wanted)
        # Where the kernel schedules by session (sched_autogroup), a process's own priority counts
        # only among the processes of its session: the session needs the priority as well. The
        # kernel takes few such changes a second from ordinary users, so a refusal is no failure.
        try:
            with open("/proc/self/autogroup", "wb", buffering=0) as session:
                session.write(b"%d" % wanted)
        except OSError:
            pass

else:

    def bound_own_memory(size: int) -> None:
        """Windows has no such limit."""
