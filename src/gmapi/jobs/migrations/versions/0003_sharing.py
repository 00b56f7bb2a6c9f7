"""Who shares a job."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "job_clients",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("caller", sa.String(64), nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("label", sa.String(200)),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("withdrawn", sa.Float),
        sa.Column("ended", sa.Float),
    )
    op.create_index("job_clients_job", "job_clients", ["job_id", "caller"], unique=True)
    op.create_index("job_clients_caller", "job_clients", ["caller", "job_id"])
    op.create_index("job_clients_client", "job_clients", ["client", "ended"])
    op.execute(
        "INSERT INTO job_clients (job_id, caller, client, created, ended) "
        "SELECT id, client, client, created, finished FROM jobs ORDER BY seq"
    )
    op.drop_index("jobs_client", "jobs")


def downgrade() -> None:
    op.create_index("jobs_client", "jobs", ["client", "finished"])
    op.drop_table("job_clients")
