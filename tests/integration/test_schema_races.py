"""Databases that several processes or threads open and upgrade at the same moment."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from gmapi.jobs import schema
from gmapi.jobs.database import connect
from support.product.migrations import FIRST, migrate

RACER = """
import sys
from pathlib import Path
from gmapi.jobs import schema
from gmapi.jobs.database import connect
import alembic.command
print("ready", flush=True)
sys.stdin.readline()
engine = connect(Path(sys.argv[1]))
schema.upgrade(engine)
engine.dispose()
"""


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_processes_may_upgrade_at_once(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "new" / "jobs.db"
    if old:
        engine = connect(path)
        migrate(engine, FIRST)
        engine.dispose()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        _, errors = racer.communicate(timeout=60)
        assert racer.returncode == 0, errors
    engine = connect(path)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).all() == [
            (schema.HEAD,)
        ]
    engine.dispose()


def test_new_files_may_be_opened_at_once(tmp_path: Path) -> None:
    """The switch to WAL fails at once, whatever the timeout, when two do it in the same moment."""
    count, errors = 6, list[Exception]()
    barrier = threading.Barrier(count)

    def work() -> None:
        for number in range(80):
            barrier.wait()
            engine = connect(tmp_path / f"{number}.db")
            try:
                with engine.connect() as connection:
                    mode = connection.execute(sa.text("PRAGMA journal_mode")).scalar_one()
                    assert mode == "wal"
            except Exception as error:
                errors.append(error)
            engine.dispose()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
