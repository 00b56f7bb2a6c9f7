"""The `gmapi` command as people call it: as a process, in a folder, by no one's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from gmapi.cli import main


class Command:
    """Starts `gmapi` in `folder`, by settings that no running server fits; temporary files go to
    the folder `temporary` beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder.parent / "temporary"
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("GMAPI_")}
        self._environment |= {
            "GMAPI_PORT": "0",
            "GMAPI_DATA_DIR": str(folder.parent / "data"),
            "TMPDIR": str(self.temporary),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, *words: str, piped: bool = False, **settings: str) -> subprocess.Popen[bytes]:
        """Start it with these words and environment variables; `piped` opens standard input."""
        return subprocess.Popen(
            [sys.executable, "-m", "gmapi", *words],
            cwd=self.folder,
            env=self._environment | settings,
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, *words: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
        """The same, to its end."""
        with self.start(*words, **settings) as process:
            output, errors = process.communicate(timeout=90)
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def here(
        self, *words: str, given: bytes = b"", **settings: str
    ) -> subprocess.CompletedProcess[bytes]:
        """The same in this process, which takes a fraction of the time, with `given` as standard
        input. The process must be in the folder, and its temporary files must go where those of
        this command go."""
        assert Path.cwd() == self.folder
        unset = {name: None for name in os.environ if name.startswith("GMAPI_")}
        environment = {**unset, **self._environment, **settings}
        done = CliRunner().invoke(main, words, input=given, env=environment)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(
            words, done.exit_code, done.stdout_bytes, done.stderr_bytes
        )

    def left(self) -> list[str]:
        """What lies in the folder and among the temporary files."""
        return sorted(p.name for place in (self.folder, self.temporary) for p in place.iterdir())
