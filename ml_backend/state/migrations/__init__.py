"""Schema migrations, run by `migrate`; one file per revision below `versions`."""

HEAD = "0007"
"""The newest revision, so that starting on an up-to-date database need not load Alembic."""
