"""What a study of strategies says where objects are drawn: numbers, a verdict in words, a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ml_backend.experiments.replay.objects_material import Material
from ml_backend.experiments.simulate.object_study import ObjectCurve
from ml_backend.experiments.simulate.report import NO_MODEL
from ml_backend.experiments.simulate.study import Study


def summarise_objects(study: Study, material: Material, curves: Sequence[ObjectCurve]) -> dict[str, Any]:
    """A study as JSON: per strategy the means over seeds at each number of images."""
    names = list(dict.fromkeys(curve.strategy for curve in curves))
    strategies = {name: _one([curve for curve in curves if curve.strategy == name]) for name in names}
    return {
        "kind": "objects",
        "images": {"pool": len(material.pool.images), "test": len(material.test.images)},
        "classes": list(material.pool.classes),
        "seeds": study.seeds,
        "strategies": strategies,
        "verdict": _verdict(strategies),
        "runs": [
            {"strategy": c.strategy, "seed": c.seed, "points": [asdict(point) for point in c.points]} for c in curves
        ],
        "problems": list(material.problems),
    }


def _one(curves: Sequence[ObjectCurve]) -> dict[str, Any]:
    shortest = min(len(curve.points) for curve in curves)
    points = [[curve.points[place] for curve in curves] for place in range(shortest)]
    active = [[point.active or 0.0 for point in row] for row in points]
    proposed = sum(curve.proposed for curve in curves)
    return {
        "labels": [round(float(np.mean([point.labels for point in row]))) for row in points],
        "objects": [float(np.mean([point.objects for point in row])) for row in points],
        "ap50": [float(np.mean(row)) for row in active],
        "sd": [float(np.std(row, ddof=1)) if len(row) > 1 else 0.0 for row in active],
        "candidate": [float(np.mean([point.candidate or 0.0 for point in row])) for row in points],
        "area": float(np.mean(active)) if active else 0.0,
        "pre_annotations_right": sum(curve.right for curve in curves) / proposed if proposed else None,
    }


def _verdict(strategies: dict[str, dict[str, Any]]) -> str:
    ended = {name: one for name, one in strategies.items() if one["labels"]}
    if not ended:
        return NO_MODEL
    order = sorted(ended, key=lambda name: -ended[name]["area"])
    parts = [
        f"{name} reached AP50 {ended[name]['ap50'][-1]:.3f} with {ended[name]['objects'][-1]:.0f} objects on "
        f"{ended[name]['labels'][-1]} images (area {ended[name]['area']:.3f})"
        for name in order
    ]
    return "; ".join(parts) + "."


def object_rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """Table rows: strategy, images, objects, AP50 of the model that annotators see, of the one just trained."""
    return [
        (
            name,
            str(labels),
            f"{one['objects'][place]:.0f}",
            f"{one['ap50'][place]:.3f} ± {one['sd'][place]:.3f}",
            f"{one['candidate'][place]:.3f}",
        )
        for name, one in summary["strategies"].items()
        for place, labels in enumerate(one["labels"])
    ]


def plot_objects(summary: dict[str, Any], target: Path) -> None:
    """Draw AP50 against labeled images and against labeled objects."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, effort in zip(figure.subplots(1, 2, sharey=True), ("labels", "objects"), strict=True):
        for name, one in summary["strategies"].items():
            axes.errorbar(one[effort], one["ap50"], yerr=one["sd"], marker="o", markersize=4, label=name)
        axes.set_xlabel("labeled images" if effort == "labels" else "labeled objects")
        axes.set_ylabel("AP50 on the held-back test part")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(target, dpi=110)
