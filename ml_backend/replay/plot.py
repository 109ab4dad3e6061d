"""Learning curves as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ml_backend.errors import BadRequest
from ml_backend.replay.engine import Replayed


def plot(replayed: Replayed, path: Path) -> None:
    """Write macro-F1 against labels, one line a strategy with its standard error, as PNG, SVG or PDF.

    Raises:
        BadRequest: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for name, scores in sorted(replayed.macro_f1.items(), key=lambda entry: -float(entry[1].mean())):
        curve = scores.mean(axis=0)
        error = scores.std(axis=0, ddof=1) / np.sqrt(len(scores)) if len(scores) > 1 else np.zeros(len(curve))
        dashed = "--" if name == "uniform" else "-"
        axes.plot(replayed.budgets, curve, dashed, marker="o", markersize=3, label=f"{name} ({scores.mean():.3f})")
        axes.fill_between(replayed.budgets, curve - error, curve + error, alpha=0.12)
    full = replayed.full
    axes.axhline(
        full["macro_f1"], color="grey", linewidth=1, label=f"all {full['labels']} labels ({full['macro_f1']:.3f})"
    )
    axes.set_xlabel("labels")
    axes.set_ylabel("macro-F1 on held-out images")
    axes.legend(title="strategy (mean over budgets)", fontsize=8)
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise BadRequest(f"The picture cannot be written to {path} ({error}); name another file.") from error
