"""Learning curves as a figure, beside each strategy's gain over random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.engine import Replayed
from ml_backend.experiments.replay.report import AT, area_gap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#6a3d9a")
"""Told apart by color-blind readers too (Okabe, Ito 2008); random is gray."""


def plot(replayed: Replayed, path: Path) -> None:
    """Write macro-F1 against labels and each strategy's area above random, as PNG, SVG or PDF.

    Bands and whiskers are 95 percent intervals over the seeds; bands are drawn for the best strategy and for random.

    Raises:
        BadRequest: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2.2, 1))
    order = sorted(replayed.macro_f1, key=lambda name: -float(replayed.macro_f1[name].mean()))
    others = [name for name in order if name != "uniform"]
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(others)} | {"uniform": "#555555"}
    _curves(left, replayed, order, colours)
    _gaps(right, replayed, others, colours)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise BadRequest(f"The figure cannot be written to {path} ({error}). Choose another file.") from error


def _curves(axes: Axes, replayed: Replayed, order: list[str], colours: dict[str, str]) -> None:
    budgets = np.array(replayed.budgets)
    for name in order:
        scores = replayed.macro_f1[name]
        curve, strong = scores.mean(axis=0), name in (order[0], "uniform")
        axes.plot(
            budgets,
            curve,
            "--" if name == "uniform" else "-",
            color=colours[name],
            linewidth=2.2 if strong else 1.1,
            marker="o",
            markersize=4 if strong else 2.5,
            zorder=3 if strong else 2,
            label=f"{name} ({scores.mean():.3f})",
        )
        if strong and len(scores) > 1:
            reach = t.ppf(0.975, len(scores) - 1) * scores.std(axis=0, ddof=1) / np.sqrt(len(scores))
            axes.fill_between(budgets, curve - reach, curve + reach, color=colours[name], alpha=0.12, linewidth=0)
    full = replayed.full["macro_f1"]
    axes.axhline(full, color="black", linewidth=0.9, label=f"all {replayed.full['labels']} labels ({full:.3f})")
    axes.axhline(AT * full, color="black", linewidth=0.9, linestyle=":", label=f"{100 * AT:.0f} % of it")
    axes.set_xlabel("labels")
    axes.set_ylabel("macro-F1 on held-out images")
    axes.set_title(f"Learning curves, {len(replayed.full_by_seed)} seeds", loc="left", fontsize=11)
    axes.legend(title="strategy (area)", fontsize=8, title_fontsize=8, loc="lower right")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _gaps(axes: Axes, replayed: Replayed, others: list[str], colours: dict[str, str]) -> None:
    for place, name in enumerate(others):
        gap = area_gap(replayed, name)
        if gap.low is not None and gap.high is not None:
            axes.plot([gap.low, gap.high], [place, place], color=colours[name], linewidth=2)
        axes.plot(gap.mean, place, "o", color=colours[name])
    axes.axvline(0, color="#555555", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(others)), others)
    axes.invert_yaxis()
    axes.set_xlabel("area above random")
    axes.set_title("Gain, 95 % interval", loc="left", fontsize=11)
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)
