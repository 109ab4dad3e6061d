"""Any classification model of torchvision, with its own weights or some on disk: `torchvision:<model>[@<file>]`."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from torch import nn

from training.encoders._network import PixelRecipe
from training.encoders._weights import cannot_be_had, fill, read_weights
from training.types import TrainingError

_CLASSIFIERS = ("fc", "classifier", "heads", "head")


class _Flat(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network(images)
        return answer.flatten(1)


def features(argument: str, *, pretrained: bool) -> tuple[nn.Module, PixelRecipe]:
    """The model without its classifier, and the pixel handling that its default weights were trained with.

    Raises:
        TrainingError: torchvision has no such classification model, or the weights cannot be had.
    """
    name, _, file = argument.partition("@")
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise TrainingError(
            f"torchvision has no classification model {name!r}; see torchvision.models.list_models(), then "
            "write torchvision:<model>."
        )
    best = torchvision.models.get_model_weights(name).DEFAULT
    # Those with auxiliary outputs build them by default only to train from scratch.
    extra = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    try:
        if pretrained and not file:
            network: nn.Module = torchvision.models.get_model(name, weights=best)
        else:
            network = torchvision.models.get_model(name, weights=None, **extra)
    # The library passes on whatever its download raises.
    except Exception as error:
        raise cannot_be_had(f"torchvision:{name}", error) from error
    _drop_classifier(network, name)
    if pretrained and file:
        fill(network, read_weights(Path(file)), f"torchvision:{name}")
    return _Flat(network), _recipe(best)


def _drop_classifier(network: nn.Module, name: str) -> None:
    for attribute in _CLASSIFIERS:
        if isinstance(getattr(network, attribute, None), nn.Module):
            setattr(network, attribute, nn.Identity())
            return
    raise TrainingError(f"torchvision:{name} has no classifier that can be removed. Choose another model.")


def _recipe(weights: object) -> PixelRecipe:
    transform = weights.transforms()  # type: ignore[attr-defined]  # the enums' common base declares no such method
    mean = [255.0 * float(value) for value in transform.mean]
    std = [255.0 * float(value) for value in transform.std]
    return PixelRecipe(side=int(transform.crop_size[0]), mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]))
