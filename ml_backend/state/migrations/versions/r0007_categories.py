"""Numbers of the classes in exported files; until a project's next export it has none."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "categories",
        sa.Column("project_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "name"),
        sa.UniqueConstraint("project_id", "number"),
    )


def downgrade() -> None:
    """Drop the table; the next export of a newer PapLoop numbers the classes anew."""
    op.drop_table("categories")
