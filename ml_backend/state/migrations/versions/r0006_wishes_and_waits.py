"""Runs that follow an open one, waits apart from attempts, events that were set aside, projects that are gone."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _added() -> dict[str, tuple[sa.Column[Any], ...]]:
    return {
        "projects": (
            sa.Column("gone_at", sa.Float(), nullable=True),
            sa.Column("drift", sa.String(60), nullable=False, server_default=""),
        ),
        "runs": (sa.Column("waits", sa.Integer(), nullable=False, server_default="0"),),
        "events": (
            sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("next_try_at", sa.Float(), nullable=False, server_default="0"),
            sa.Column("set_aside", sa.Boolean(), nullable=False, server_default=sa.false()),
        ),
    }


def upgrade() -> None:
    """Add what is missing; rows that are there get the values of a fresh one."""
    op.create_table(
        "wishes",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id"),
    )
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)


def downgrade() -> None:
    """Take it out again."""
    for table, columns in _added().items():
        for column in columns:
            op.drop_column(table, column.name)
    op.drop_table("wishes")
