"""Migrations: what they make, and that they agree with the tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine

from gmapi.errors import SettingsError
from gmapi.jobs import schema
from gmapi.jobs.database import connect
from support.product.migrations import FIRST, migrate


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = connect(tmp_path / "jobs.db")
    yield made
    made.dispose()


def contents(engine: Engine) -> set[tuple[str, str, str]]:
    """Kind, name and definition of all that a database has."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT type, name, sql FROM sqlite_master")).all()
    return {(kind, name, " ".join((sql or "").split())) for kind, name, sql in rows}


def test_a_new_database_is_what_the_migrations_make(engine: Engine, tmp_path: Path) -> None:
    migrated = connect(tmp_path / "migrated.db")
    migrate(migrated, "head")
    schema.upgrade(engine)
    assert contents(engine) == contents(migrated)
    migrated.dispose()


def test_an_old_database_is_brought_to_the_newest_form(engine: Engine, tmp_path: Path) -> None:
    migrate(engine, FIRST)
    new = connect(tmp_path / "new.db")
    schema.upgrade(new)
    assert contents(engine) != contents(new)
    schema.upgrade(engine)
    assert contents(engine) == contents(new)
    new.dispose()


def test_jobs_of_an_old_database_are_shared_by_who_asked_for_them(engine: Engine) -> None:
    migrate(engine, "0002")
    columns = "id, tool, request, client, priority, state, attempt, crashes, progress, message, "
    columns += "result, created, run_after, version, finished"
    with engine.begin() as connection:
        for number, finished in enumerate(("NULL", "7.0")):
            connection.execute(
                sa.text(
                    f"INSERT INTO jobs ({columns}) VALUES ('{number}', 't', '{{}}', 'c{number}', "
                    f"0, 'pending', 0, 0, 0.0, '', '{{}}', 5.0, 5.0, 1, {finished})"
                )
            )
    schema.upgrade(engine)
    shares = schema.job_clients.c
    with engine.connect() as connection:
        found = connection.execute(
            sa.select(shares.job_id, shares.caller, shares.client, shares.created, shares.ended)
        ).all()
    assert [tuple(row) for row in found] == [
        ("0", "c0", "c0", 5.0, None),
        ("1", "c1", "c1", 5.0, 7.0),
    ]


def test_migrations_make_what_the_tables_say(engine: Engine) -> None:
    migrate(engine, "head")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        assert context.get_current_revision() == schema.HEAD
    found = sa.inspect(engine)
    for table in schema.metadata.sorted_tables:
        uniques = {tuple(c["column_names"]) for c in found.get_unique_constraints(table.name)}
        expected = {(c.name,) for c in table.columns if c.unique}
        assert uniques == expected


def test_head_is_the_newest_file() -> None:
    folder = Path(schema.__file__).parent / "migrations" / "versions"
    revisions: dict[str, str | None] = {}
    for path in folder.glob("*.py"):
        text = path.read_text("utf-8")
        revision = re.search(r'^revision = "(\w+)"$', text, re.MULTILINE)
        down = re.search(r'^down_revision = (?:"(\w+)"|None)$', text, re.MULTILINE)
        assert revision is not None
        assert down is not None
        assert path.name.startswith(revision[1] + "_")
        revisions[revision[1]] = down[1]
    newest = set(revisions) - set(revisions.values())
    assert newest == {schema.HEAD}


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(schema.leaders).values(name="reaper", owner="somebody", until=1.0)
        )
    schema.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(sa.select(schema.leaders.c.owner)).scalar_one() == "somebody"


def test_a_newer_database_is_refused_with_a_sentence(engine: Engine) -> None:
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="made by a newer version"):
        schema.upgrade(engine)


def test_a_file_that_is_no_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(b"no database, though as long as one " * 100)
    engine = connect(path)
    with pytest.raises(SettingsError, match="its database cannot be used: file"):
        schema.upgrade(engine)
    engine.dispose()


def breaking(table: str) -> Callable[..., Any]:
    """Stands for CREATE TABLE, and fails at this one."""
    real = sa.schema.CreateTable
    return lambda made, **options: real(made, **options) if made.name != table else 1 / 0


def test_a_creation_that_breaks_leaves_nothing_behind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sqlalchemy.sql.ddl.CreateTable", breaking("leaders"))
        with pytest.raises(ZeroDivisionError):
            schema.upgrade(engine)
    assert sa.inspect(engine).get_table_names() == []
    schema.upgrade(engine)
    assert {"jobs", "job_logs", "workers", "leaders"} <= set(sa.inspect(engine).get_table_names())


def test_an_upgrade_that_breaks_leaves_nothing_behind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(engine, FIRST)
    before = contents(engine)
    with monkeypatch.context() as patched:
        patched.setattr("alembic.ddl.impl.schema.CreateTable", breaking("rate_buckets"))
        with pytest.raises(ZeroDivisionError):
            schema.upgrade(engine)
    assert contents(engine) == before
    schema.upgrade(engine)
    assert "rate_buckets" in sa.inspect(engine).get_table_names()
