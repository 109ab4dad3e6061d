"""What a study says: numbers, a verdict in words, a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from ml_backend.experiments.simulate.study import Bench, Curve, Study, names_of

NO_MODEL: Final = "No strategy came to a model; give more labels."


def summarise(study: Study, bench: Bench, curves: Sequence[Curve]) -> dict[str, Any]:
    """A study as JSON: per strategy the mean and spread over seeds at each number of labels."""
    strategies = {name: _one([c for c in curves if c.strategy == name]) for name in names_of(curves)}
    return {
        "images": {"pool": len(bench.parts.pool), "test": len(bench.parts.test)},
        "classes": list(bench.classes),
        "seeds": study.seeds,
        "strategies": strategies,
        "verdict": verdict(strategies),
        "runs": [
            {"strategy": c.strategy, "seed": c.seed, "agreed": c.agreed, "points": [asdict(p) for p in c.points]}
            for c in curves
        ],
    }


def _one(curves: Sequence[Curve]) -> dict[str, Any]:
    shortest = min((len(curve.points) for curve in curves), default=0)
    points = [[curve.points[place] for curve in curves] for place in range(shortest)]
    active = [[point.active for point in row] for row in points]
    return {
        "labels": [round(float(np.mean([point.labels for point in row]))) for row in points],
        "trained": [float(np.mean([point.trained for point in row])) for row in points],
        "macro_f1": [float(np.mean(row)) for row in active],
        "sd": [float(np.std(row, ddof=1)) if len(row) > 1 else 0.0 for row in active],
        "candidate": [float(np.mean([point.candidate for point in row])) for row in points],
        "scikit_learn": [float(np.mean([point.plain for point in row])) for row in points],
        "area": float(np.mean(active)) if active else 0.0,
        "pre_annotations_right": float(np.mean([curve.agreed for curve in curves])) if curves else 0.0,
    }


def verdict(strategies: Mapping[str, Mapping[str, Any]]) -> str:
    """The outcome in one or two sentences."""
    ended = {name: one for name, one in strategies.items() if one["macro_f1"]}
    if not ended:
        return NO_MODEL
    parts = []
    order = sorted(ended, key=lambda name: -ended[name]["area"])
    for name in order:
        one = ended[name]
        parts.append(
            f"{name} reached {one['macro_f1'][-1]:.3f} after {one['labels'][-1]} labels (area {one['area']:.3f})"
        )
    gaps = [one["candidate"][-1] - one["scikit_learn"][-1] for one in ended.values()]
    against = f"The loop's models stand {abs(float(np.mean(gaps))):.3f} {'above' if np.mean(gaps) >= 0 else 'below'}"
    return f"{'; '.join(parts)}. {against} plain scikit-learn on the same labels."


def rows(strategies: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Table rows: strategy, labels, macro-F1 with spread, scikit-learn on the same labels."""
    table: list[tuple[str, ...]] = []
    for name, one in strategies.items():
        for place, labels in enumerate(one["labels"]):
            table.append(
                (
                    name,
                    str(labels),
                    f"{one['macro_f1'][place]:.3f} ± {one['sd'][place]:.3f}",
                    f"{one['candidate'][place]:.3f}",
                    f"{one['scikit_learn'][place]:.3f}",
                )
            )
    return table


def plot(summary: Mapping[str, Any], target: Path) -> None:
    """Draw the learning curves: the loop as lines with spread, scikit-learn as dashes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 4.6), dpi=140)
    for number, (name, one) in enumerate(summary["strategies"].items()):
        colour = f"C{number}"
        labels, mean, spread = one["labels"], np.array(one["macro_f1"]), np.array(one["sd"])
        axes.plot(labels, mean, "o-", color=colour, label=f"{name}, in the loop")
        axes.fill_between(labels, mean - spread, mean + spread, color=colour, alpha=0.15, linewidth=0)
        axes.plot(labels, one["scikit_learn"], "--", color=colour, label=f"{name}, plain scikit-learn")
    axes.set_xlabel("labels given")
    axes.set_ylabel("macro-F1 on the held-back test part")
    axes.set_title(f"{summary['images']['pool']} images in the pool, {summary['images']['test']} held back")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(target)
    plt.close(figure)
