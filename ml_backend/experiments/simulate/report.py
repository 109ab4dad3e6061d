"""The results of a study: numbers, a verdict in words, a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ml_backend.experiments.simulate.averages import Places
from ml_backend.experiments.simulate.study import Bench, Curve, Study, names_of

NO_MODEL: Final = "No strategy got as far as a model. Use more labels."


@dataclass(frozen=True)
class Average:
    """One strategy, means over the seeds.

    Attributes:
        labels: labels given, at each place of the curve.
        trained: labels that the model learned from.
        macro_f1: on the test part, of the model that annotators see.
        sd: its standard deviation over the seeds.
        candidate: macro-F1 of the model that was just trained.
        scikit_learn: macro-F1 of plain scikit-learn on the same labels.
        area: mean macro-F1 over the curve.
        pre_annotations_right: share of the pre-annotations that were right.
    """

    labels: list[int]
    trained: list[float]
    macro_f1: list[float]
    sd: list[float]
    candidate: list[float]
    scikit_learn: list[float]
    area: float
    pre_annotations_right: float


@dataclass(frozen=True)
class Summary:
    """The results of a study.

    Attributes:
        pool: images that experts were asked about.
        test: images held back.
        classes: their names.
        seeds: repetitions of each strategy.
        strategies: by name.
        curves: of each strategy and seed.
    """

    pool: int
    test: int
    classes: tuple[str, ...]
    seeds: int
    strategies: Mapping[str, Average]
    curves: Sequence[Curve]

    @property
    def verdict(self) -> str:
        """The outcome in one or two sentences."""
        return verdict(self.strategies)

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {
            "images": {"pool": self.pool, "test": self.test},
            "classes": list(self.classes),
            "seeds": self.seeds,
            "strategies": {name: asdict(one) for name, one in self.strategies.items()},
            "verdict": self.verdict,
            "runs": [
                {"strategy": c.strategy, "seed": c.seed, "agreed": c.agreed, "points": [asdict(p) for p in c.points]}
                for c in self.curves
            ],
        }

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Columns and rows: strategy, labels, macro-F1 with spread, scikit-learn on the same labels."""
        columns = ("strategy", "labels", "macro-F1, active model", "candidate", "plain scikit-learn")
        return columns, [
            (
                name,
                str(labels),
                f"{one.macro_f1[place]:.3f} ± {one.sd[place]:.3f}",
                f"{one.candidate[place]:.3f}",
                f"{one.scikit_learn[place]:.3f}",
            )
            for name, one in self.strategies.items()
            for place, labels in enumerate(one.labels)
        ]

    def plot(self, target: Path) -> None:
        """Draw the learning curves: the loop as lines with spread, scikit-learn as dashes."""
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(7.2, 4.6), dpi=140)
        for number, (name, one) in enumerate(self.strategies.items()):
            colour, mean, spread = f"C{number}", np.array(one.macro_f1), np.array(one.sd)
            axes.plot(one.labels, mean, "o-", color=colour, label=f"{name}, in the loop")
            axes.fill_between(one.labels, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
            axes.plot(one.labels, one.scikit_learn, "--", color=colour, label=f"{name}, plain scikit-learn")
        axes.set_xlabel("labels given")
        axes.set_ylabel("macro-F1 on the held-out test part")
        axes.set_title(f"{self.pool} images in the pool, {self.test} held back")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.tight_layout()
        figure.savefig(target)
        plt.close(figure)


def summarise(study: Study, bench: Bench, curves: Sequence[Curve]) -> Summary:
    """Per strategy the mean and spread over seeds at each number of labels."""
    return Summary(
        pool=len(bench.parts.pool),
        test=len(bench.parts.test),
        classes=bench.classes,
        seeds=study.seeds,
        strategies={name: _one([c for c in curves if c.strategy == name]) for name in names_of(curves)},
        curves=curves,
    )


def _one(curves: Sequence[Curve]) -> Average:
    places = Places([curve.points for curve in curves])
    return Average(
        labels=[round(mean) for mean in places.means(lambda point: point.labels)],
        trained=places.means(lambda point: point.trained),
        macro_f1=places.means(lambda point: point.active),
        sd=places.spreads(lambda point: point.active),
        candidate=places.means(lambda point: point.candidate),
        scikit_learn=places.means(lambda point: point.plain),
        area=places.area(lambda point: point.active),
        pre_annotations_right=float(np.mean([curve.agreed for curve in curves])) if curves else 0.0,
    )


def verdict(strategies: Mapping[str, Average]) -> str:
    """The outcome in one or two sentences."""
    ended = {name: one for name, one in strategies.items() if one.macro_f1}
    if not ended:
        return NO_MODEL
    parts = [
        f"{name} reached {one.macro_f1[-1]:.3f} after {one.labels[-1]} labels (area {one.area:.3f})"
        for name, one in sorted(ended.items(), key=lambda entry: -entry[1].area)
    ]
    gap = float(np.mean([one.candidate[-1] - one.scikit_learn[-1] for one in ended.values()]))
    against = f"The loop's models stand {abs(gap):.3f} {'above' if gap >= 0 else 'below'}"
    return f"{'; '.join(parts)}. {against} plain scikit-learn on the same labels."
