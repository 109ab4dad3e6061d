"""Stored class probabilities carry the names of their classes.

The rows so far have none: they follow whatever order the label config had when they were written, which nobody knows
any more. They are deleted rather than guessed at. Until the next run predicts the pool again, `/predict` asks the model
itself; labels, models and orders are not touched.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of class lists, and the predictions anew."""
    op.create_table(
        "class_lists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.drop_table("predictions")
    _predictions(sa.Column("class_list", sa.Integer(), sa.ForeignKey("class_lists.id"), nullable=False))


def downgrade() -> None:
    """Drop what is new; the predictions are made again by the next run."""
    op.drop_table("predictions")
    op.drop_table("class_lists")
    _predictions()


def _predictions(*more: sa.Column[int]) -> None:
    op.create_table(
        "predictions",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("probs", sa.LargeBinary(), nullable=False),
        *more,
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "item_id"),
        sqlite_with_rowid=False,
    )
