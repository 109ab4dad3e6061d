"""AP50 against labeled images and against labeled objects, as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ml_backend.errors import BadRequest
from ml_backend.experiments.replay.objects import ObjectReplay
from ml_backend.experiments.replay.objects_report import AT, Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot(replayed: ObjectReplay, path: Path) -> None:
    """Write both curves as PNG, SVG or PDF: one line per strategy, with thin lines for its seeds.

    Raises:
        BadRequest: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    sides = figure.subplots(1, 2, sharey=True)
    whole = Sample(replayed, np.arange(len(replayed.curves["uniform"])), None)
    for axes, effort in zip(sides, ("images", "objects"), strict=True):
        _side(axes, replayed, whole, effort)
    sides[0].set_ylabel("AP50 on held-out images")
    sides[1].legend(fontsize=8)
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise BadRequest(f"The figure cannot be written to {path} ({error}). Choose another file.") from error


def _side(axes: Axes, replayed: ObjectReplay, whole: Sample, effort: str) -> None:
    for name, curves in whole.curves.items():
        style = "--" if name == "uniform" else "-"
        line = axes.plot(getattr(curves, effort), curves.ap50, style, marker="o", markersize=4, label=name)[0]
        for chain in replayed.curves[name]:
            spent = [each.objects if effort == "objects" else len(each.images) for each in chain]
            axes.plot(spent, [each.ap50 for each in chain], style, color=line.get_color(), linewidth=0.6, alpha=0.35)
    label = f"all {len(replayed.full.images)} images, {replayed.full.objects} objects: {whole.full:.3f}"
    axes.axhline(whole.full, color="grey", linewidth=1, label=label)
    axes.axhline(AT * whole.full, color="grey", linewidth=1, linestyle=":", label=f"{AT:.0%} of that")
    axes.set_xlabel(f"labeled {effort}")
    axes.grid(alpha=0.3)
