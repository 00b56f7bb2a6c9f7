"""How the wall clock stood when the times of the jobs were right."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "clocks",
        sa.Column("boot", sa.String(80), primary_key=True),
        sa.Column("ahead", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("clocks")
