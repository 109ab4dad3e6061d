"""What Alembic runs: the migrations, on the connection and in the transaction that `migrate` has opened."""

from alembic import context

from ml_backend.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
context.run_migrations()
