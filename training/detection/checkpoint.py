"""A detector on disk: `plan.json` and `weights.safetensors` in one folder; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from training.detection.plan import Plan, from_json
from training.files import PLAN, read_json, replaced_folder, write_json_atomic
from training.types import Json, TrainingError

WEIGHTS = "weights.safetensors"
KIND = "detector"
CLASS_LAYER = {
    1: ("head.cls_score.weight", "head.cls_score.bias"),
    2: ("roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.bias"),
}
"""Tensors whose rows belong to classes, by the number of stages."""


def is_detector(folder: Path) -> bool:
    """Whether a folder holds a detector."""
    return (folder / PLAN).is_file() and (folder / WEIGHTS).is_file()


def save(folder: Path, plan: Plan, weights: Mapping[str, torch.Tensor], facts: Mapping[str, object]) -> None:
    """Write a detector; the folder holds the old one or the new one, never half of one.

    Args:
        folder: its place.
        plan: the network's shape.
        weights: tensors by name.
        facts: what is known about the training, JSON-serializable.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replaced_folder(folder) as fresh:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}, fresh / WEIGHTS)
        write_json_atomic(fresh / PLAN, {"kind": KIND, "plan": plan.to_json(), "facts": dict(facts)})


def read(folder: Path) -> tuple[Plan, dict[str, torch.Tensor], Json]:
    """Plan, weights and facts of a detector.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    if not is_detector(folder):
        raise TrainingError(f"There is no detector in {folder.name}; give the folder that `paploop fit` wrote.")
    fields = read_json(folder / PLAN)
    if fields.get("kind") != KIND or not isinstance(fields.get("plan"), dict):
        raise TrainingError(f"{folder.name}/{PLAN} does not describe a detector; train it again.")
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"The weights in {folder.name} are damaged ({error}); train the detector again.") from error
    return from_json(fields["plan"]), weights, dict(fields.get("facts") or {})


def load_exactly(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Fill a network with the weights of the same plan.

    Raises:
        TrainingError: they belong to another network.
    """
    try:
        network.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        raise TrainingError("The weights do not match the detector's plan. Train the detector again.") from error


def warm_start(network: nn.Module, plan: Plan, weights: Mapping[str, torch.Tensor], before: Plan) -> int:
    """Fill what fits from another detector; rows of the class layer follow their class names.

    Returns:
        How many tensors were taken over.
    """
    own = network.state_dict()
    taken = {name: tensor for name, tensor in weights.items() if name in own and own[name].shape == tensor.shape}
    if plan.classes != before.classes:
        for name in CLASS_LAYER[plan.stages]:
            taken[name] = _by_class(own[name].clone(), weights[name], _rows(plan), _rows(before))
    network.load_state_dict({**own, **taken})
    return len(taken)


def _rows(plan: Plan) -> tuple[str | None, ...]:
    """What the rows of a class layer stand for; None is the background, which one stage has no row for."""
    return plan.classes if plan.stages == 1 else (*plan.classes, None)


def _by_class(
    new: torch.Tensor, old: torch.Tensor, rows: tuple[str | None, ...], before: tuple[str | None, ...]
) -> torch.Tensor:
    """`new` with the rows of shared classes from `old`; several anchors repeat the rows in groups."""
    into, from_ = new.view(-1, len(rows), *new.shape[1:]), old.view(-1, len(before), *old.shape[1:])
    for row, name in enumerate(rows):
        if name in before:
            into[:, row] = from_[:, before.index(name)]
    return new
