"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# A busy machine is no failure: how long an example takes is for the benchmarks to say. Derandomised, so that a suite
# that passed passes again; PAPLOOP_FIXED_EXAMPLES=0 looks for new examples.
hypothesis.settings.register_profile(
    "paploop",
    deadline=None,
    derandomize=os.environ.get("PAPLOOP_FIXED_EXAMPLES", "1") != "0",
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("paploop")

# What they give was trained, came from a program that was started, or is the whole folder of real images.
SLOW_FIXTURES = frozenset(
    {"cells", "detector", "process", "real_stack", "redis_url", "shared_data", "small_objects", "stack", "trained"}
)

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what takes a fixture that is; `make test-fast` leaves it out."""
    for item in items:
        if not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real microscopy images; tests that need it are left out where it is missing."""
    folder = Path(os.environ.get("PAPLOOP_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "README.md").is_file():
        pytest.skip(f"real images were not found at {folder}: the checks on them were left out (PAPLOOP_SHARED_DATA)")
    return folder
