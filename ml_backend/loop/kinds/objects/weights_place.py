"""Which files a project may name as the weights that a detector starts from."""

from __future__ import annotations

from pathlib import Path

from ml_backend.services import Services
from training.types import TrainingError

FETCHED = ("detectron2://", "https://")


def weights_address(address: str, services: Services) -> str:
    """The address as it was set, where it is one to fetch from or a file inside the folders that hold such files.

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
        f"The weights of the setting 'backbone_weights' must lie in {home} or in a folder of PAPLOOP_IMAGE_ROOTS; "
        "put the file there and give its name."
    )
