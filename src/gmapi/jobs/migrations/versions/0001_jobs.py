"""Jobs, their logs, workers and leaders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("tool", sa.String(32), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("key", sa.String(64), unique=True),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(80)),
        sa.Column("lease_until", sa.Float),
        sa.Column("file_id", sa.String(32)),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("eta", sa.Float),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("error_code", sa.String(40)),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("run_after", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("finished", sa.Float),
        sa.Column("accessed", sa.Float),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("jobs_state", "jobs", ["state", "priority", "seq"])
    op.create_index("jobs_finished", "jobs", ["finished"])
    op.create_index("ix_jobs_file_id", "jobs", ["file_id"])
    op.create_table(
        "job_logs",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("job_logs_job", "job_logs", ["job_id", "id"])
    op.create_table(
        "workers",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
        sa.Column("job_id", sa.String(32)),
        sa.Column("info", sa.JSON, nullable=False),
    )
    op.create_table(
        "leaders",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )


def downgrade() -> None:
    for table in ("leaders", "workers", "job_logs", "jobs"):
        op.drop_table(table)
