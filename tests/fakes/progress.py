"""The progress that jobs tell, where a test does not look at it."""

from __future__ import annotations

from training.types import Progress


def silent(fraction: float, message: str) -> None:
    """Shows nothing, and holds every job to what it may tell."""
    assert -1e-9 <= fraction <= 1 + 1e-9
    assert isinstance(message, str)


def quiet(_title: str) -> Progress:
    """A stage of a command that shows nothing."""
    return silent
