"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real microscopy images; tests that need it are left out where it is missing."""
    folder = Path(os.environ.get("PAPLOOP_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "README.md").is_file():
        pytest.skip(f"real images were not found at {folder}: the checks on them were left out (PAPLOOP_SHARED_DATA)")
    return folder
