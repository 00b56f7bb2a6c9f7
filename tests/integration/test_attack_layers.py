"""The exploits of the catalogue without the server: they work when nothing protects, and each
layer stops by itself what it claims to stop. So a layer that is lost is seen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attacks.catalogue import (
    ARGUMENTS,
    BOTH,
    ENDLESS,
    MEDIA,
    NEW,
    ArgumentExploit,
    MediaExploit,
)
from attacks.runs import (
    PATIENCE,
    SOON,
    attack_by_arguments,
    attack_by_media,
    launched,
    program,
)
from attacks.traps import TOKEN, Traps
from gmapi.errors import RefusedError, RequestError
from gmapi.media.arguments import check_arguments, check_input_arguments
from gmapi.sandbox.launcher import Launcher
from origin import Origin, redirect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the traps need inotify")


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traps]:
    with Traps(tmp_path_factory.mktemp("traps")) as found:
        found.library()
        found.sprung()
        yield found


def naive_runs() -> list[object]:
    """Each exploit on each version, as parameters. Every day: what is quick on the new version,
    the first of each kind on the old one, and one without an end; the rest is slow."""
    found: list[object] = []
    seen: set[tuple[str, str]] = set()
    for exploit in ARGUMENTS:
        kind = exploit.id.split()[0]
        for version in BOTH:
            first = (kind, version) not in seen
            daily = (first and kind == "D1") if exploit in ENDLESS else (first or version == NEW)
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
    version: str, traps: Traps, tmp_path: Path, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without policy: the child's environment is empty, so that there is nothing to read."""
    monkeypatch.setenv("ATTACK_CANARY", TOKEN.decode())
    environment = [exploit for exploit in ARGUMENTS if exploit.id.startswith("R2")]
    assert environment
    for exploit in environment:
        run = launched(launcher)
        assert attack_by_arguments(exploit, program(version), traps, tmp_path, run) == []


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
