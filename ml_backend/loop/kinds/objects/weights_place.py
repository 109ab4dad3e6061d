"""The files that a project may use as initial weights of a detector."""

from __future__ import annotations

from pathlib import Path

from ml_backend.services import Services
from training.types import TrainingError

FETCHED = ("detectron2://", "https://")


def weights_address(address: str, services: Services) -> str:
    """The configured address, if it can be downloaded or is a file in an allowed folder.

    A project's settings can be changed over HTTP, and what a training says about a file tells what the file holds.

    Raises:
        TrainingError: a file elsewhere, whether it exists or not.
    """
    if not address or address.startswith(FETCHED):
        return address
    home = services.files.root / "weights"
    place = Path(address).expanduser()
    place = (place if place.is_absolute() else home / place).resolve()
    if any(place.is_relative_to(root.expanduser().resolve()) for root in (home, *services.settings.image_roots)):
        return str(place)
    raise TrainingError(
        f"The weights in the setting 'backbone_weights' must be in {home} or in a folder of "
        "PAPLOOP_IMAGE_ROOTS. Put the file there and use its name."
    )
