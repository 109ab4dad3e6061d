"""The results of a study of strategies for objects: numbers, a verdict in words, a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ml_backend.experiments.replay.objects_material import Material
from ml_backend.experiments.simulate.averages import Places
from ml_backend.experiments.simulate.object_study import ObjectCurve
from ml_backend.experiments.simulate.report import NO_MODEL
from ml_backend.experiments.simulate.study import Study


@dataclass(frozen=True)
class ObjectAverage:
    """One strategy, means over the seeds.

    Attributes:
        labels: labeled images, at each place of the curve.
        objects: objects drawn on them.
        ap50: on the test part, of the model that annotators see.
        sd: its standard deviation over the seeds.
        candidate: AP50 of the model that was just trained.
        area: mean AP50 over the curve.
        pre_annotations_right: share of the proposed objects that were right; None where none was proposed.
    """

    labels: list[int]
    objects: list[float]
    ap50: list[float]
    sd: list[float]
    candidate: list[float]
    area: float
    pre_annotations_right: float | None


@dataclass(frozen=True)
class ObjectSummary:
    """The results of a study for objects.

    Attributes:
        material: pool and test part.
        seeds: repetitions of each strategy.
        strategies: by name.
        curves: of each strategy and seed.
    """

    material: Material
    seeds: int
    strategies: Mapping[str, ObjectAverage]
    curves: Sequence[ObjectCurve]

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        ended = {name: one for name, one in self.strategies.items() if one.labels}
        if not ended:
            return NO_MODEL
        parts = [
            f"{name} reached AP50 {one.ap50[-1]:.3f} with {one.objects[-1]:.0f} objects on {one.labels[-1]} images "
            f"(area {one.area:.3f})"
            for name, one in sorted(ended.items(), key=lambda entry: -entry[1].area)
        ]
        return "; ".join(parts) + "."

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {
            "kind": "objects",
            "images": {"pool": len(self.material.pool.images), "test": len(self.material.test.images)},
            "classes": list(self.material.pool.classes),
            "seeds": self.seeds,
            "strategies": {name: asdict(one) for name, one in self.strategies.items()},
            "verdict": self.verdict,
            "runs": [
                {"strategy": c.strategy, "seed": c.seed, "points": [asdict(point) for point in c.points]}
                for c in self.curves
            ],
            "problems": list(self.material.problems),
        }

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Columns and rows: strategy, images, objects, AP50 with spread, AP50 of the model that was just trained."""
        columns = ("strategy", "images", "objects", "AP50, active model", "candidate")
        return columns, [
            (
                name,
                str(labels),
                f"{one.objects[place]:.0f}",
                f"{one.ap50[place]:.3f} ± {one.sd[place]:.3f}",
                f"{one.candidate[place]:.3f}",
            )
            for name, one in self.strategies.items()
            for place, labels in enumerate(one.labels)
        ]

    def plot(self, target: Path) -> None:
        """Draw AP50 against labeled images and against labeled objects."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 4.6), layout="constrained")
        images, objects = figure.subplots(1, 2, sharey=True)
        for name, one in self.strategies.items():
            for axes, effort in ((images, one.labels), (objects, one.objects)):
                axes.errorbar(effort, one.ap50, yerr=one.sd, marker="o", markersize=4, label=name)
        for axes, title in ((images, "labeled images"), (objects, "labeled objects")):
            axes.set_xlabel(title)
            axes.set_ylabel("AP50 on the held-out test part")
            axes.grid(alpha=0.3)
            axes.legend(fontsize=8)
        figure.savefig(target, dpi=110)


def summarise_objects(study: Study, material: Material, curves: Sequence[ObjectCurve]) -> ObjectSummary:
    """Per strategy the means over seeds at each number of images."""
    names = list(dict.fromkeys(curve.strategy for curve in curves))
    averages = {name: _one([curve for curve in curves if curve.strategy == name]) for name in names}
    return ObjectSummary(material, study.seeds, averages, curves)


def _one(curves: Sequence[ObjectCurve]) -> ObjectAverage:
    places = Places([curve.points for curve in curves])
    proposed = sum(curve.proposed for curve in curves)
    return ObjectAverage(
        labels=[round(mean) for mean in places.means(lambda point: point.labels)],
        objects=places.means(lambda point: point.objects),
        ap50=places.means(lambda point: point.active or 0.0),
        sd=places.spreads(lambda point: point.active or 0.0),
        candidate=places.means(lambda point: point.candidate or 0.0),
        area=places.area(lambda point: point.active or 0.0),
        pre_annotations_right=sum(curve.right for curve in curves) / proposed if proposed else None,
    )
