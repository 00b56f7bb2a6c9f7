"""The exploits of the catalogue without the server: they work when nothing protects, and each
layer stops by itself what it claims to stop. So a layer that is lost is seen."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from attacks.catalogue import (
    ARGUMENTS,
    BOTH,
    ENDLESS,
    MEDIA,
    NEW,
    OLD,
    ArgumentExploit,
    MediaExploit,
)
from attacks.runs import (
    MEMORY,
    NO_LIMITS,
    PATIENCE,
    SOON,
    CarelessLauncher,
    Job,
    attack_by_arguments,
    attack_by_media,
    launched,
    program,
    run_arguments,
)
from attacks.traps import LOADED, TOKEN, VARIABLE, Traps
from gmapi.errors import RefusedError, RequestError
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.sandbox.launcher import Launcher
from gmapi.sandbox.protection import Lock
from support.http.origin import Origin, redirect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the traps need inotify")


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traps]:
    with Traps(tmp_path_factory.mktemp("traps")) as found:
        found.library()
        found.sprung()
        yield found


def by_id(name: str) -> ArgumentExploit:
    return next(exploit for exploit in ARGUMENTS if exploit.id == name)


def naive_runs() -> list[object]:
    """Each exploit on each version, as parameters. Every day: the first of each kind on each
    version, and one without an end on the new one; the rest is slow."""
    found: list[object] = []
    seen: set[tuple[str, str]] = set()
    for exploit in ARGUMENTS:
        kind = exploit.id.split()[0]
        for version in BOTH:
            first = (kind, version) not in seen
            endless = exploit in ENDLESS
            daily = first and (not endless or (kind == "D1" and version == NEW))
            if version in exploit.works:
                seen.add((kind, version))
            marks = () if daily else pytest.mark.slow
            found.append(pytest.param(exploit, version, marks=marks, id=f"{exploit.id}-{version}"))
    return found


@pytest.mark.parametrize(("exploit", "version"), naive_runs())
def test_arguments_work_when_nothing_protects(
    exploit: ArgumentExploit, version: str, traps: Traps, tmp_path: Path
) -> None:
    path = program(version)
    if exploit.needs and not Path(traps.fill([exploit.needs])[0]).exists():
        pytest.skip("there is no C compiler")
    seconds = SOON if exploit in ENDLESS else PATIENCE
    reached = attack_by_arguments(exploit, path, traps, tmp_path, seconds=seconds)
    if exploit not in ENDLESS:
        # A slow machine is no success.
        reached = [each for each in reached if not each.startswith("beyond")]
    assert bool(reached) == (version in exploit.works), reached


@pytest.mark.parametrize("exploit", ARGUMENTS, ids=lambda exploit: exploit.id)
def test_policy_alone_refuses_all_arguments(exploit: ArgumentExploit, traps: Traps) -> None:
    """Each list by itself: the hostile one of the two is refused."""
    check = check_input_arguments if exploit.input_args else check_arguments
    with pytest.raises((RefusedError, RequestError)):
        check(traps.fill(exploit.input_args or exploit.args))


def serve(origin: Origin, traps: Traps, exploit: MediaExploit) -> str | None:
    """The address that ffmpeg is given itself, for exploits that are made for that."""
    if not exploit.remote:
        return None
    if exploit.redirect:
        return origin.add(f"/{exploit.name}", redirect(traps.fill([exploit.redirect])[0]))
    return origin.add(f"/{exploit.name}", exploit.content(lambda text: traps.fill([text])[0]))


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    "exploit",
    [pytest.param(m, id=m.id, marks=pytest.mark.slow if m.heavy else ()) for m in MEDIA],
)
def test_media_work_when_nothing_protects(
    exploit: MediaExploit, version: str, traps: Traps, tmp_path: Path
) -> None:
    path = program(version)
    with Origin() as origin:
        address = serve(origin, traps, exploit)
        seconds = SOON if exploit.heavy and version in exploit.works else PATIENCE
        reached = attack_by_media(exploit, path, traps, tmp_path, address=address, seconds=seconds)
    assert bool(reached) == (version in exploit.works), reached


LOCAL = [exploit for exploit in MEDIA if not exploit.remote and not exploit.id.startswith("D5")]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("exploit", LOCAL, ids=lambda exploit: exploit.id)
def test_flags_of_inputs_alone_stop_media(
    exploit: MediaExploit, version: str, traps: Traps, tmp_path: Path
) -> None:
    """With the name and place that serve the attacker best, and nothing else that protects."""
    reached = attack_by_media(exploit, program(version), traps, tmp_path, guarded=True)
    assert reached == []


@pytest.mark.parametrize("version", BOTH)
def test_launcher_alone_gives_no_secrets_of_the_environment(
    version: str, traps: Traps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without policy and locks: the child's environment is empty, so there is nothing to read."""
    monkeypatch.setenv(VARIABLE, TOKEN.decode())
    environment = [exploit for exploit in ARGUMENTS if exploit.id.startswith("R2")]
    assert environment
    with Launcher(locks=frozenset()) as launcher:
        for exploit in environment:
            run = launched(launcher)
            assert attack_by_arguments(exploit, program(version), traps, tmp_path, run) == []


FILES = frozenset({"R1", "R2", "R3", "R4", "R5", "R6", "R7", "W1", "W2", "X1", "M1", "M2"})
TCP = frozenset({"N1", "N3", "M4"})
UDP = frozenset({"N2"})

LAYERS: dict[str, frozenset[Lock]] = {
    "Landlock": frozenset({"landlock"}),
    "seccomp": frozenset({"seccomp"}),
    "all": frozenset({"landlock", "seccomp"}),
}
STOPPED = {"Landlock": FILES | TCP, "seccomp": TCP | UDP, "all": FILES | TCP | UDP}
"""The kinds of exploits that each lock of the kernel stops without policy and flags."""
_TCP_ABI = 4


@pytest.fixture(scope="module")
def locked() -> Iterator[Callable[[str], Launcher]]:
    """A launcher with these locks alone; its children have a secret in their environment."""
    with ExitStack() as stack:
        found: dict[str, Launcher] = {}

        def locked(layer: str) -> Launcher:
            if layer not in found:
                launcher = CarelessLauncher(locks=LAYERS[layer])
                found[layer] = stack.enter_context(launcher)
            protection = found[layer].protection
            if "landlock" in LAYERS[layer] and protection.landlock_abi < _TCP_ABI:
                pytest.skip("this kernel has no Landlock with rules for TCP")
            if "seccomp" in LAYERS[layer] and not protection.seccomp:
                pytest.skip("this kernel or machine has no filter of system calls")
            return found[layer]

        yield locked


def locked_runs() -> list[object]:
    """Each exploit that works when nothing protects, under each layer. Every day: on the new
    version all of them under all locks, and the first of each kind otherwise."""
    found: list[object] = []
    seen: set[tuple[str, str, str]] = set()
    for layer in STOPPED:
        for exploit in [*ARGUMENTS, *MEDIA]:
            kind = exploit.id.split()[0]
            if kind not in STOPPED["all"]:
                continue
            for version in exploit.works:
                first = (layer, kind, version) not in seen
                seen.add((layer, kind, version))
                daily = first or (layer == "all" and version == NEW)
                marks = () if daily else pytest.mark.slow
                name = f"{layer}-{exploit.id}-{version}"
                found.append(pytest.param(layer, exploit, version, marks=marks, id=name))
    return found


@pytest.mark.parametrize(("layer", "exploit", "version"), locked_runs())
def test_locks_of_the_kernel_without_policy_and_flags(
    layer: str,
    exploit: ArgumentExploit | MediaExploit,
    version: str,
    traps: Traps,
    tmp_path: Path,
    locked: Callable[[str], Launcher],
) -> None:
    """What a lock claims to stop it stops, and what it leaves to another one works."""
    path, run = program(version), launched(locked(layer))
    if isinstance(exploit, ArgumentExploit):
        if exploit.needs and not Path(traps.fill([exploit.needs])[0]).exists():
            pytest.skip("there is no C compiler")
        reached = attack_by_arguments(exploit, path, traps, tmp_path, run)
    else:
        with Origin() as origin:
            address = serve(origin, traps, exploit)
            reached = attack_by_media(exploit, path, traps, tmp_path, run, address=address)
    # A slow machine is no success.
    reached = [each for each in reached if not each.startswith("beyond")]
    if exploit.id.split()[0] in STOPPED[layer]:
        assert reached == []
    else:
        assert reached


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("layer", LAYERS)
def test_locks_of_the_kernel_let_work_go_on(
    layer: str, version: str, traps: Traps, tmp_path: Path, locked: Callable[[str], Launcher]
) -> None:
    """So that nothing above is stopped merely because nothing runs."""
    harmless = ArgumentExploit("none", ("-vf", "hflip"))
    job = Job.new(tmp_path, traps.media / "film.mkv")
    outcome = run_arguments(harmless, program(version), traps, job, launched(locked(layer)))
    assert outcome.code == 0, outcome.log
    assert (job.out / "out.mkv").stat().st_size > 1000
    assert traps.sprung(outcome.log) == []


MEMORY_BOMBS = ["D2 large picture", "D2 loop and reverse"]
CPU_BOMBS = [
    "D3 expression for each pixel", "D3 expression without an end", "D3 minterpolate",
    "D3 thousands of filters",
]  # fmt: skip


def bombs(limits: Sequence[str], ids: list[str]) -> list[object]:
    """Every day: the first on the new version."""
    return [
        pytest.param(limit, by_id(name), version, id=f"{limit}-{name}-{version}",
                     marks=() if name == ids[0] and version == NEW else pytest.mark.slow)
        for name in ids for version in BOTH for limit in limits
    ]  # fmt: skip


@pytest.fixture(scope="module")
def unlocked() -> Iterator[Launcher]:
    """Children have limits and no locks."""
    with Launcher(locks=frozenset()) as launcher:
        yield launcher


@pytest.mark.parametrize(
    ("limit", "exploit", "version"), bombs(("data", "address_space"), MEMORY_BOMBS)
)
def test_limits_of_memory_alone_stop_what_takes_too_much(
    limit: str,
    exploit: ArgumentExploit,
    version: str,
    traps: Traps,
    tmp_path: Path,
    unlocked: Launcher,
) -> None:
    """Each of the two limits by itself; ffmpeg is told no and ends by itself."""
    # What is reserved and never used counts as address space.
    room = MEMORY if limit == "data" else MEMORY + (600 << 20)
    run = launched(unlocked, replace(NO_LIMITS, **{limit: room}))
    job = Job.new(tmp_path, traps.media / "film.mkv")
    outcome = run_arguments(exploit, program(version), traps, job, run)
    assert outcome.beyond == ()
    assert outcome.code is not None
    assert outcome.code > 0
    assert b"Cannot allocate memory" in outcome.log
    # There is enough for work.
    harmless = ArgumentExploit("none", ("-vf", "hflip"))
    assert run_arguments(harmless, program(version), traps, job, run).code == 0


@pytest.mark.parametrize(("limit", "exploit", "version"), bombs(("cpu_seconds",), CPU_BOMBS))
def test_limit_of_processor_time_alone_stops_what_computes_without_an_end(
    limit: str,
    exploit: ArgumentExploit,
    version: str,
    traps: Traps,
    tmp_path: Path,
    unlocked: Launcher,
) -> None:
    """ffmpeg catches the signal that asks it to end, and computes on; so there is another one."""
    run = launched(unlocked, replace(NO_LIMITS, **{limit: 1}))
    job = Job.new(tmp_path, traps.media / "film.mkv")
    outcome = run_arguments(exploit, program(version), traps, job, run, seconds=100.0)
    assert (outcome.code, outcome.beyond) == (-signal.SIGKILL, ())


@pytest.mark.slow
@pytest.mark.parametrize(("exploit", "version"), [
    pytest.param(exploit, version, id=f"{exploit.id}-{version}")
    for exploit in MEDIA if exploit.heavy for version in exploit.works
])  # fmt: skip
def test_limits_of_memory_and_processor_time_alone_stop_pictures_that_grow(
    exploit: MediaExploit, version: str, traps: Traps, tmp_path: Path, unlocked: Launcher
) -> None:
    run = launched(unlocked, replace(NO_LIMITS, data=MEMORY, cpu_seconds=5))
    assert attack_by_media(exploit, program(version), traps, tmp_path, run, seconds=100.0) == []
    made = list((tmp_path / "out").iterdir())
    assert all(path.stat().st_size == 0 for path in made)


@pytest.mark.parametrize("version", BOTH)
def test_limit_of_a_file_alone_stops_what_writes_without_an_end(
    version: str, traps: Traps, tmp_path: Path, unlocked: Launcher
) -> None:
    size = 4 << 20
    run = launched(unlocked, replace(NO_LIMITS, file_size=size))
    job = Job.new(tmp_path, traps.media / "film.mkv")
    outcome = run_arguments(by_id("D1 zeros"), program(version), traps, job, run)
    assert (outcome.code, outcome.beyond) == (-signal.SIGXFSZ, ())
    assert (job.out / "out.wav").stat().st_size == size


@pytest.mark.parametrize("version", BOTH)
def test_watch_of_the_folder_alone_stops_what_writes_without_an_end(
    version: str, traps: Traps, tmp_path: Path, unlocked: Launcher
) -> None:
    job = Job.new(tmp_path, traps.media / "film.mkv")
    run = launched(unlocked, max_bytes=4 << 20)
    outcome = run_arguments(by_id("D1 zeros"), program(version), traps, job, run)
    assert outcome.beyond == ("bytes",)


def test_code_of_an_attacker_runs_locked_in(
    traps: Traps, tmp_path: Path, locked: Callable[[str], Launcher]
) -> None:
    """A library that is the job's own source may be read, and to load it is to read it: only the
    policy stops that. Its code has no more rights than ffmpeg has."""
    library = traps.library()
    if library is None:
        pytest.skip("there is no C compiler")
    job = Job.new(tmp_path, traps.media / "film.mkv", library)
    outcome = run_arguments(by_id("X1 ladspa"), program(OLD), traps, job, launched(locked("all")))
    assert LOADED in outcome.log
    assert traps.sprung(outcome.log) == []


def test_the_traps_catch(traps: Traps, tmp_path: Path) -> None:
    """A careful run springs none, and what is seen once is not seen again."""
    harmless = ArgumentExploit("none", ("-vf", "hflip", "-an"))
    assert attack_by_arguments(harmless, program(NEW), traps, tmp_path) == []
    (traps.secrets / "secret.txt").read_bytes()
    (traps.outside / "x").write_bytes(b"")
    assert traps.sprung([b"a" + TOKEN]) == [
        "the file secret.txt was opened", "the file x was written outside", "the secret was told",
    ]  # fmt: skip
    assert traps.sprung(b"") == []
