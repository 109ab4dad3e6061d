"""Parameters of a detection replay: strategies, rounds, and the training in each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import strategies
from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.objects_material import Material
from training.detection.recipe import Recipe

BUDGETS = (10, 20, 40, 80, 160)
STRATEGIES = ("uniform", "auto", "class_quota", "box_entropy")
STEPS = 100
START = 2
"""The first round begins with a network that knows no object and takes so many times the steps."""
BATCH, RATE = 2, 2e-3
"""Rounds are short, so their rate is higher than that of a long training."""
PACE_STEPS = 20
PREDICTION = 0.2
"""Cost of one prediction in steps of training, for the time that is left."""


@dataclass(frozen=True)
class Terms:
    """Parameters of a detection replay.

    Attributes:
        names: strategies; `uniform` is among them.
        seeds: how many repetitions.
        budgets: numbers of labeled images, rising.
        steps: of training in each round, or None where `minutes` says it.
        minutes: of training in each round; the pace is measured once, so that all rounds get the same steps.
        recipe: how to train; its seed and length are set for each round.
    """

    names: tuple[str, ...]
    seeds: int
    budgets: tuple[int, ...]
    steps: int | None = STEPS
    minutes: float | None = None
    recipe: Recipe = field(default_factory=lambda: Recipe(checks=0, batch=BATCH, rate=RATE))


def checked(material: Material, terms: Terms) -> Terms:
    """The terms with `uniform` first, without budgets that reach beyond the pool.

    Raises:
        BadRequest: nothing to replay; the message says why.
        StrategyError: an unknown strategy.
    """
    names = tuple(dict.fromkeys(("uniform", *terms.names)))
    for name in names:
        about = strategies.describe(name)
        if about.family == "goals":
            raise BadRequest(f"{name} follows the lead's choice and does not aim at a better detector. Leave it out.")
        if "mask_overlaps" in about.needs and not material.pool.has_masks:
            raise BadRequest(f"{name} compares outlines, but the pool has only boxes. Leave it out.")
    if terms.seeds < 1:
        raise BadRequest("A replay needs at least one seed. Use --seeds 3.")
    size = len(material.pool.images)
    budgets = tuple(sorted({int(budget) for budget in terms.budgets if 0 < budget <= size}))
    if not budgets:
        raise BadRequest(f"No budget fits a pool of {size} images. Give smaller ones with --budgets.")
    return replace(terms, names=names, budgets=budgets)


def facts(material: Material, terms: Terms) -> dict[str, object]:
    """Everything that rounds depend on, so that rounds of another replay are never reused by mistake."""
    recipe = terms.recipe
    return {
        "data": material.fingerprint,
        "budgets": list(terms.budgets),
        "steps_given": terms.steps,
        "minutes": terms.minutes,
        "batch": recipe.batch,
        "rate": recipe.rate,
        "zoom": recipe.zoom,
        "backbone": recipe.backbone,
    }
