"""Imports point downwards only and in no circles, and child processes start in one room."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from support.source import MODULES, tree
from support.source import PACKAGE as ROOT

# Each room may import the rooms to the right of it, and itself. The ground floor, modules such
# as `errors` and `settings`, is known to all.
BELOW = {
    "terminal": {"jobs", "tools", "media", "fetch", "sandbox", "storage"},
    "web": {"jobs", "tools", "media", "fetch", "storage"},
    "jobs": {"tools", "media", "fetch", "sandbox", "storage"},
    "tools": {"media", "computercraft", "fetch", "sandbox", "storage"},
    "media": {"sandbox"},
    "computercraft": set(),
    "fetch": set(),
    "sandbox": set(),
    "storage": set(),
}
GROUND = {
    "access", "data_folder", "error_codes", "errors", "filelock", "hosts", "listener",
    "setting_values", "settings", "settings_file", "validation", "__version__",
}  # fmt: skip

# The program itself, which no room knows.
PROGRAM = {"__init__", "__main__", "cli", "logs", "signs_of_life", "supervisor"}

# What only some rooms may know, by the top-level package.
RESERVED = {
    "flask": {"web"},
    "flask_openapi3": {"web"},
    "werkzeug": {"web"},
    "gevent": {"web"},
    "simple_websocket": {"web"},
    "wsproto": {"web"},
    "sqlalchemy": {"jobs"},
    "alembic": {"jobs"},
    "huey": {"jobs"},
    "urllib3": {"fetch", "terminal"},  # the command line is a client of a running server
    "defusedxml": {"fetch"},
    "yt_dlp": {"fetch"},
    "imageio_ffmpeg": {"media"},
    "click": {"terminal"},
    "rich": {"terminal"},
    "numpy": {"computercraft"},
    "isal": {"computercraft"},
}
# The supervisor restarts web and workers, which are this program itself.
PROCESS_STARTERS = {"sandbox", "supervisor.py"}
# The command line patches the standard library for the web process.
TOP_MODULES_MAY = {("cli.py", "gevent"), ("cli.py", "click")}

SPAWNING = {
    "fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "popen", "startfile",
    "execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe",
    "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe",
}  # fmt: skip
SPAWNING_MODULES = {"subprocess", "multiprocessing", "pty"}


def imports(root: ast.AST) -> Iterator[str]:
    """Full names of everything imported anywhere in a module, also inside functions."""
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they point"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(module: Path) -> str:
    """The room a module is in, or its own name on the ground floor."""
    return module.relative_to(ROOT).parts[0]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(module: Path) -> None:
    room = place(module)
    for name in imports(tree(module)):
        top, _, rest = name.partition(".")
        if top != "gmapi":
            allowed = RESERVED.get(top, {room})
            assert room in allowed or (room, top) in TOP_MODULES_MAY, f"{name} in {room}"
        elif room in BELOW:
            target = rest.partition(".")[0]
            assert target in {room, *BELOW[room]} | GROUND, f"{name} in {room}"


def dotted(module: Path) -> str:
    """The name a module is imported by."""
    parts = module.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def neighbours(modules: Mapping[str, ast.AST]) -> dict[str, set[str]]:
    """Of each module, by its dotted name, those of `modules` that it imports, wherever it does."""
    graph: dict[str, set[str]] = {}
    for module, root in modules.items():
        graph[module] = set()
        for name in imports(root):
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                graph[module].add(target)
    return graph


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle of modules, from one of them back to itself; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_modules_import_each_other_in_no_circle() -> None:
    graph = neighbours({dotted(module): tree(module) for module in MODULES})
    assert sum(map(len, graph.values())) > 300, "it sees few imports"
    assert not circle(graph)


@pytest.mark.parametrize(
    "back",
    [
        "from gmapi.media import probe",
        "from gmapi.media.probe import MediaInfo",
        "import gmapi.media.probe",
        "def later():\n    from gmapi.media import probe",
        "if TYPE_CHECKING:\n    from gmapi.media.probe import MediaInfo",
    ],
)
def test_a_circle_is_seen_however_it_is_imported(back: str) -> None:
    sources = {
        "gmapi.media.probe": "from gmapi.media.process import run",
        "gmapi.media.process": "from gmapi.media import progress",
        "gmapi.media.progress": "import math",
        "gmapi.media": "",
    }
    chain = {name: ast.parse(source) for name, source in sources.items()}
    assert not circle(neighbours(chain))
    found = circle(neighbours(chain | {"gmapi.media.progress": ast.parse(back)}))
    assert set(found) == {"gmapi.media.probe", "gmapi.media.process", "gmapi.media.progress"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_child_processes_start_in_the_sandbox_only(module: Path) -> None:
    if place(module) in PROCESS_STARTERS:
        return
    names = set(imports(tree(module)))
    assert not {name.partition(".")[0] for name in names} & SPAWNING_MODULES
    assert not names & {f"os.{name}" for name in SPAWNING}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert not (node.value.id == "os" and node.attr in SPAWNING), node.lineno


def test_every_room_is_known_here() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms <= set(BELOW)
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert modules == PROGRAM | GROUND - {"__version__"}


def test_the_rules_see_what_they_forbid() -> None:
    """The checks above must not pass because they look at nothing."""
    assert len(MODULES) > 40
    source = "def f():\n    import flask\n    from gmapi.web import app\n"
    assert list(imports(ast.parse(source))) == ["flask", "gmapi.web.app"]
    web_server = tree(ROOT / "web/server.py")
    assert any(name.startswith("gevent") for name in imports(web_server))
    starters = "".join(path.read_text("utf-8") for path in ROOT.glob("sandbox/*.py"))
    assert "os.fork" in starters or "subprocess" in starters


def test_a_web_process_loads_no_converter() -> None:
    """It knows tools by their requests; NumPy alone would be a tenth of its start and 25 MB."""
    code = "import sys, gmapi.web.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert {"gmapi.tools.sanjuuni", "flask"} <= loaded
    assert {"numpy", "gmapi.tools.screens.conversion", "gmapi.jobs.worker"}.isdisjoint(loaded)
