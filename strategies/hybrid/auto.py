"""Coverage while the model knows little, uncertainty-weighted coverage once it does better than guessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from strategies._math.herding import herd
from strategies._math.uncertainty import measured
from strategies.base import Pool, Ranking, StrategyError
from strategies.hybrid._competence import Competence, estimated, reported


@dataclass(frozen=True)
class Auto:
    """Coverage first, then uncertainty-weighted coverage: switches on measured skill and says why.

    Doubts of a model that does no better than guessing are noise, and choosing by noise is worse than choosing
    what represents the pool. So: without a model, or while its skill is below `threshold`, `max_herding`; from then on
    `uncertainty_herding`. Skill is (b - e - 1/c) / (1 - 1/c), b the balanced accuracy on the frozen validation items,
    e its standard error, c the classes; where nothing was held out yet, b is found by leaving out one label at a time.

    Args:
        competence: the judge's measurements of the serving model (`balanced_accuracy`, `items`), or empty.
        threshold: skill from which doubts are trusted.
        width: kernel width as a share of the median distance between items.
        measure: "margin", "entropy" or "least_confidence".

    Paper: Bae, Noh, Sutherland (2024), Generalized Coverage for More Robust Low-Budget Active Learning,
        arXiv:2407.12212
    Paper: Bae, Oliveira, Sutherland (2024), Uncertainty Herding: One Active Learning Method for All Label Budgets,
        arXiv:2412.20644
    Paper: Hacohen, Dekel, Weinshall (2022), Active Learning on a Budget: Opposite Strategies Suit High and Low
        Budgets, arXiv:2202.02794
    """

    competence: Mapping[str, object] = field(default_factory=dict)
    threshold: float = 0.1
    width: float = 0.3
    measure: str = "margin"
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings"})

    def __post_init__(self) -> None:
        if not isinstance(self.competence, Mapping):
            raise StrategyError("Competence is a mapping of measurements, for example {'balanced_accuracy': 0.6}.")

    def rank(self, pool: Pool, budget: int, rng: np.random.Generator) -> Ranking:
        """See `strategies.base.Strategy`."""
        classes = pool.probs.shape[2]
        has_model = pool.probs.shape[0] > 0 and classes >= 2
        known = (reported(self.competence, classes) or estimated(pool, classes)) if has_model else None
        trusted = known is not None and known.skill >= self.threshold
        unsure = measured(pool, self.measure) if has_model else np.zeros(len(pool))
        weights = unsure if trusted else np.ones(len(pool))
        ranking = herd(pool, budget, rng, weights, self.width)
        evidence = {**ranking.evidence, "uncertainty": unsure} if trusted else ranking.evidence
        phase = "uncertainty_herding" if trusted else "max_herding"
        facts = {"phase": phase, "threshold": self.threshold, "uses_model": trusted, **_numbers(known)}
        return dataclasses.replace(ranking, evidence=evidence, note=self._reason(has_model, known), facts=facts)

    def _reason(self, has_model: bool, known: Competence | None) -> str:
        if not has_model:
            return "No model yet: images that represent the pool come first."
        if known is None:
            return "Too few labels to tell what the model knows: images that represent the pool come first."
        measure = f"balanced accuracy {known.score:.2f} {known.source}, guessing {known.chance:.2f}"
        first = "the images it is most uncertain about come first, spread out"
        if known.skill >= self.threshold and known.is_sure:
            return f"The model is good enough to trust its uncertainty ({measure}): {first}."
        if known.skill >= self.threshold:
            return f"The model seems better than guessing ({measure}), though the evidence is thin: {first}."
        return f"The model is hardly better than guessing ({measure}): images that represent the pool come first."


def _numbers(known: Competence | None) -> dict[str, object]:
    if known is None:
        return {}
    return {"balanced_accuracy": known.score, "items": known.items, "chance": known.chance, "skill": known.skill}
