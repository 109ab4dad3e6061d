"""`python -m ml_backend.cli`: the same as `paploop`."""

from __future__ import annotations

from ml_backend.cli import main

main()
