"""How large a picture this process decodes: one number for every reader of images."""

from __future__ import annotations

from typing import Final

MAX_PIXELS: Final = 150_000_000
"""Width times height where nobody says otherwise."""

_allowed = MAX_PIXELS


def allow_pixels(most: int) -> None:
    """Set the limit of this process, once, where its settings are read.

    Args:
        most: width times height of the largest picture that is decoded.
    """
    global _allowed
    _allowed = most


def pixels_allowed() -> int:
    """The limit of this process."""
    return _allowed
