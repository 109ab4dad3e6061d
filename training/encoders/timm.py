"""Any model of the timm library, with its own pretrained weights or weights on disk: `timm:<model>[@<file>]`."""

from __future__ import annotations

from pathlib import Path

import timm
from torch import nn

from training.encoders._network import PixelRecipe
from training.encoders._weights import cannot_be_had, fill, read_weights
from training.types import TrainingError


def features(argument: str, *, pretrained: bool) -> tuple[nn.Module, PixelRecipe]:
    """The model without its classifier, and the pixel handling that it was trained with.

    Raises:
        TrainingError: timm knows no such model, or the weights cannot be had.
    """
    name, _, file = argument.partition("@")
    if not name or not timm.is_model(name.split(".")[0]):
        raise TrainingError(
            f"timm has no model {name!r}; find the name with timm.list_models(), then write timm:<model>."
        )
    fetch = pretrained and not file
    try:
        network: nn.Module = timm.create_model(name, pretrained=fetch, num_classes=0)
    # The library passes on whatever its download layers raise.
    except Exception as error:
        raise cannot_be_had(f"timm:{name}", error) from error
    if pretrained and file:
        fill(network, read_weights(Path(file)), f"timm:{name}")
    settings = timm.data.resolve_data_config({}, model=network)
    mean, std = (tuple(255.0 * float(value) for value in settings[key]) for key in ("mean", "std"))
    if len(mean) != 3 or len(std) != 3:
        raise TrainingError(f"timm:{name} takes images with {len(mean)} channels, not RGB. Choose another model.")
    side = int(settings["input_size"][-1])
    return network, PixelRecipe(side=side, mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]))
