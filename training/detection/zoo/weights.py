"""Weights of Detectron2's model zoo for a `r50-zoo` backbone: fetched or given, checked, read without unpickling.

The zoo's R-50 models learned from pictures in blue, green, red order, less their mean; the first layer is turned here
to take red, green, blue.
"""

from __future__ import annotations

import hashlib
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import nn

from training.detection.zoo.pickles import read_plain
from training.types import TrainingError

ZOO: Final = "https://dl.fbaipublicfiles.com/detectron2/"
"""Where addresses that begin with `detectron2://` lead."""
MOST: Final = 1 << 30
"""Bytes of a weights file at most."""
FIRST_LAYER: Final = "backbone.bottom_up.stem.conv1.weight"
LEAST: Final = 200
"""Tensors that must fit; a ResNet-50 alone has 265."""


def fill(network: nn.Module, address: str, sha256: str = "") -> int:
    """Take over every tensor of a zoo model that has the same name and shape.

    Args:
        network: of a plan with the backbone `r50-zoo`.
        address: `detectron2://...`, `https://...` or a file; nothing is fetched unless it is one of the first two.
        sha256: of the file in hex; empty: not checked.

    Returns:
        How many tensors were taken over.

    Raises:
        TrainingError: the file cannot be had, is not what was expected, or holds another network.
    """
    with tempfile.TemporaryFile() as room, _opened(address, room) as file:
        _check(file, sha256)
        content = read_plain(file)
    tensors = _tensors(content)
    own = network.state_dict()
    taken = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    if len(taken) < LEAST or FIRST_LAYER not in taken:
        raise TrainingError(
            f"Only {len(taken)} tensors of the weights fit a ResNet-50 with a feature pyramid. Use a model "
            "named ..._R_50_FPN_... of Detectron2's model zoo."
        )
    taken[FIRST_LAYER] = taken[FIRST_LAYER].flip(1)
    network.load_state_dict({**own, **taken})
    return len(taken)


def _opened(address: str, room: IO[bytes]) -> IO[bytes]:
    """The file at an address, at its beginning; what is fetched is put into `room`."""
    place = ZOO + address.removeprefix("detectron2://") if address.startswith("detectron2://") else address
    scheme = urlsplit(place).scheme
    if scheme == "https":
        _fetch(place, room)
        return room
    if scheme in ("http", "ftp"):
        raise TrainingError(f"Weights cannot be downloaded over {scheme}. Use an address that starts with https://.")
    try:
        return Path(place).open("rb")
    except OSError as error:
        raise TrainingError(f"The weights {place} cannot be read ({error.strerror}); check the path.") from error


def _fetch(place: str, room: IO[bytes]) -> None:
    try:
        with _https_only().open(place, timeout=60) as answer:
            while block := answer.read(1 << 20):
                room.write(block)
                if room.tell() > MOST:
                    raise TrainingError(f"The weights are larger than {MOST} bytes. Use a smaller model.")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"The weights cannot be downloaded ({error}). Download the file elsewhere and give its path."
        ) from error


def _https_only() -> urllib.request.OpenerDirector:
    """What fetches over https, redirected or not, and knows no other way."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _check(file: IO[bytes], sha256: str) -> None:
    file.seek(0)
    if not sha256:
        return
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    if digest.hexdigest() != sha256.lower():
        # Without the file's own digest: whoever sets these two must not learn what other files of the machine hold.
        raise TrainingError(
            f"The weights do not have the SHA-256 {sha256}, so they were not loaded; compare it with the "
            "published one and download the file again."
        )
    file.seek(0)


def _tensors(content: object) -> dict[str, torch.Tensor]:
    model = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(model, Mapping):
        raise TrainingError(
            "The weights file has no tensors with Detectron2's names. Use a model trained by Detectron2 itself."
        )
    arrays = {str(name): each for name, each in model.items() if isinstance(each, np.ndarray)}
    return {
        name: torch.from_numpy(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).copy())
        for name, array in arrays.items()
    }
