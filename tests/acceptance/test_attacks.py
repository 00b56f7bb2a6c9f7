"""Every exploit of the catalogue against the real server with each ffmpeg: nothing is opened,
written, reached or told, each gets a clear answer, and the server is well afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from attacks.catalogue import ARGUMENTS, LOADS, MEDIA, NEW, OLD, ArgumentExploit, MediaExploit
from attacks.runs import program
from attacks.traps import TOKEN, VARIABLE, Traps
from gmapi.sandbox.launcher import Launcher
from support.http.origin import Origin, content, redirect
from support.http.refusals import assert_one_sentence
from support.product.server import Answer, GmapiServer, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the traps need inotify")

JOB_SECONDS = 8
LOG_LINES = 200
# Playlists are read by a step of our own, which takes nothing but http and https: a path in one is
# part of an address on the same server.
REASONS = {
    "M1 playlist of a file": "source_refused",
    "M1 playlist of a path": "source_status",
    "M1 playlist behind bytes that are no text": "media_failed",
    "M2 manifest of a file": "source_refused",
    "M2 list of a neighbour": "source_not_media",
    "M3 playlist of an address": "source_refused",
    "M3 manifest of an address": "source_refused",
    "M3 list of an address": "source_not_media",
    "M3 session": "source_not_media",
    "M4 playlist that ffmpeg opens": "source_refused",
    "M4 manifest that ffmpeg opens": "source_refused",
    "M4 redirect": "source_refused",
    "M5 playlist of a text": "source_refused",
    "M5 playlist of a chain": "source_refused",
    "M5 list of a path": "source_not_media",
    "M5 drawing": "source_not_media",
    "M5 library": "source_not_media",
    "D4 picture of 256 megapixels": "limit_exceeded",
}
"""Why each hostile file is refused: where another layer answers, the right one is lost."""
OF_LIMITS = {"limit_exceeded", "media_failed"}
VIDEO_TOOLS = {"video_frame": "video_url", "sanjuuni": "input_url"}


class Target:
    """A server with one of the ffmpeg programs, that may fetch from one origin alone."""

    def __init__(self, server: GmapiServer, origin: Origin, traps: Traps, version: str) -> None:
        self.server = server
        self.version = version
        self.traps = traps
        self._origin = origin

    def assert_clear(self, fields: dict[str, Any], field: str | None = None) -> None:
        """The answer says in one sentence what is wrong; it may hold the caller's own words."""
        shown = dict(fields)
        own = str(self.traps.secrets.parent)
        for name in ("error", "message"):
            for length in range(len(own), len("/tmp"), -1):  # long words are cut short
                shown[name] = shown[name].replace(own[:length], "...")
        assert_one_sentence(shown, field, ".")

    def film(self) -> str:
        return self._origin.url("/film.mkv")

    def serve(self, exploit: MediaExploit) -> str:
        """The address of a hostile file."""
        path = f"/{MEDIA.index(exploit)}/{exploit.name}"
        if exploit.redirect:
            return self._origin.add(path, redirect(self.traps.fill([exploit.redirect])[0]))
        body = exploit.content(lambda text: self.traps.fill([text])[0])
        self._origin.add(path.replace(exploit.name, "neighbour.ts"), b"")
        return self._origin.add(path, content(body))

    def ask(self, tool: str, values: dict[str, Any]) -> Answer:
        """The answer, which must have leaked nothing and left the server healthy."""
        answer = self.server.post(f"/api/{tool}", values, timeout=100)
        told = [answer.body, answer.reason.encode(), str(answer.headers).encode()]
        fields = answer.json()
        if "task_id" in fields:
            told.append(self.server.get(f"/api/task/{fields['task_id']}?since=0").body)
        if answer.status == 200 and fields.get("download_url"):
            told.append(self.server.get(fields["download_url"]).body)
        assert self.traps.sprung(told) == []
        assert self.server.get("/health").status == 200
        return answer

    def convert(self, url: str, *args: str) -> Answer:
        values = {"input_url": url, "args": list(args), "output_format": "mkv"}
        return self.ask("ffmpeg", values)


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traps]:
    with Traps(tmp_path_factory.mktemp("traps")) as found:
        found.library()
        found.sprung()
        yield found


@pytest.fixture(scope="module", params=[NEW, OLD])
def target(
    request: pytest.FixtureRequest, traps: Traps, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    settings = {
        "ffmpeg": program(request.param),
        "workers": 1,
        "job_timeout": JOB_SECONDS,
        "output_max_bytes": 64 << 20,
        "log_max_lines": LOG_LINES,
    }
    with Origin() as origin, pytest.MonkeyPatch.context() as patch:
        origin.add("/film.mkv", (traps.media / "film.mkv").read_bytes(), etag='"film"')
        patch.setenv(VARIABLE, TOKEN.decode())
        folder = tmp_path_factory.mktemp("attacked")
        with GmapiServer(folder, fetch_allow=origin.authority, **settings) as server:
            yield Target(server, origin, traps, request.param)


def test_each_kind_of_threat_is_there() -> None:
    kinds = {exploit.id.split()[0] for exploit in [*ARGUMENTS, *MEDIA]}
    expected = "R1 R2 R3 R4 R5 R6 R7 W1 W2 X1 N1 N2 N3 M1 M2 M3 M4 M5 D1 D2 D3 D4 D5 D6 D7"
    assert kinds == set(expected.split())
    assert len(ARGUMENTS) >= 68
    assert len(MEDIA) >= 17


def test_the_sandbox_is_what_this_system_allows(target: Target) -> None:
    """A lock that is lost between the launcher and the server is seen here."""
    with Launcher() as launcher:
        expected = launcher.protection
    health = target.server.get("/health").json()
    assert health["status"] == "ok"
    assert health["sandbox"] == {"state": expected.state, "missing": list(expected.missing)}


@pytest.mark.parametrize("exploit", ARGUMENTS, ids=lambda exploit: exploit.id)
def test_hostile_arguments_are_refused(target: Target, exploit: ArgumentExploit) -> None:
    answer = target.ask(
        "ffmpeg",
        {
            "input_url": target.film(),
            "input_args": target.traps.fill(exploit.input_args),
            "args": target.traps.fill(exploit.args),
            "output_format": "mkv",
        },
    )
    fields = answer.json()
    assert (answer.status, fields["error_code"]) in ((403, "refused"), (400, "bad_request"))
    target.assert_clear(fields, "input_args" if exploit.input_args else "args")
    assert fields["error"].isascii()
    assert answer.reason.isascii()


@pytest.mark.parametrize("exploit", MEDIA, ids=lambda exploit: exploit.id)
def test_hostile_media_reach_nothing(target: Target, exploit: MediaExploit) -> None:
    fields = target.convert(target.serve(exploit)).json()
    if exploit.id.startswith("D5"):
        # Some versions read on behind it, as long as there is time and memory.
        assert fields["status"] == "success" or fields["error_code"] in OF_LIMITS
        return
    target.assert_clear(fields)
    assert fields["error_code"] == REASONS[exploit.id]


FOR_ALL_TOOLS = [
    exploit
    for exploit in MEDIA
    if exploit.id.startswith(("M1 playlist behind", "M2", "M4 redirect", "D4"))
]


@pytest.mark.parametrize("tool", VIDEO_TOOLS)
@pytest.mark.parametrize("exploit", FOR_ALL_TOOLS, ids=lambda exploit: exploit.id)
def test_hostile_media_reach_nothing_by_the_other_tools(
    target: Target, exploit: MediaExploit, tool: str
) -> None:
    fields = target.ask(tool, {VIDEO_TOOLS[tool]: target.serve(exploit)}).json()
    target.assert_clear(fields)


@pytest.mark.parametrize(
    "flag",
    [
        "-S@srt@", "-S @srt@", "--subtitle=@srt@", "--sub @srt@", "-i@png@", "-i=@png@",
        "-o@out@", "--out=@out@", "--output=@out@", "-p -o @out@", "/o@out@", "--http=@free@",
        "-w@free@", "-u=ws://@http@",
    ],
)  # fmt: skip
def test_hostile_flags_of_the_converter_reach_nothing(target: Target, flag: str) -> None:
    values = {"input_url": target.film(), "args": target.traps.fill([flag]), "width": 32}
    answer = target.ask("sanjuuni", values)
    # A word that is no flag is ignored, as it always was; and so a file of that name is not.
    if not flag.startswith("/"):
        assert answer.status in (400, 403)
        target.assert_clear(answer.json(), "args")


@pytest.mark.parametrize("target", [NEW], indirect=True)
@pytest.mark.parametrize("name", LOADS)
def test_too_much_of_what_is_allowed_ends(target: Target, name: str) -> None:
    """On the new version only: a job's limits do not depend on the program."""
    answer = target.convert(target.film(), *LOADS[name])
    assert answer.status == 200
    fields = answer.json()
    if fields["status"] != "success":
        target.assert_clear(fields)
        assert fields["error_code"] == "limit_exceeded"
    log = target.server.get(f"/api/task/{fields['task_id']}?since=0").json()["new_logs"]
    assert len(log) <= LOG_LINES + 1


def test_afterwards_all_is_well(target: Target) -> None:
    """Comes last: no secret in any file or log, and work goes on."""
    # On a busy machine even this can take longer than a job of this server may.
    wait_for(
        lambda: target.convert(target.film(), "-c", "copy").json()["status"] == "success",
        90, "a conversion that succeeds",
    )  # fmt: skip
    assert TOKEN not in target.server.log_text().encode()
    for path in target.server.data_dir.rglob("*"):
        if path.is_file():
            assert TOKEN not in path.read_bytes(), path
    assert target.traps.sprung() == []
    assert target.server.ffmpegs() == []
