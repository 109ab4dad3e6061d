"""`python -m tests.benchmarks.speed_picture`: time against n of what the benchmarks of acquisition measured last."""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.acquisition import TIMES

PICTURE = Path("docs/strategies-speed.png")
PALETTE = colormaps["tab20"]
Points = dict[str, dict[str, dict[str, float]]]


def draw(axes: Axes, times: Points, names: list[str], title: str) -> None:
    """One panel; baselines are dashed."""
    for place, name in enumerate(names):
        points = sorted((int(n), spent["cpu"]) for n, spent in times[name].items())
        theirs = name.startswith(("scikit", "plain", "one pass"))
        axes.loglog(
            *zip(*points, strict=True),
            "x--" if theirs else "o-",
            label=name,
            color=f"C{place}" if len(names) < 10 else PALETTE(place),
            linewidth=1.3,
            markersize=4,
        )
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("images")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=2)


def main() -> None:
    """Draw three panels: core-set, the other batch strategies, pointwise strategies."""
    times: Points = json.loads(TIMES.read_text())
    figure = Figure(figsize=(15, 6.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    core = sorted(name for name in times if "core" in name)
    pointwise = sorted(name for name in times if "regions" in name or name.startswith("one pass"))
    others = sorted(name for name in times if name not in {*core, *pointwise})
    draw(left, times, core, "core-set, 200 labels, d = 256")
    draw(middle, times, others, "100 picks (n = 50,000: 200), 200 labels, d = 256")
    draw(right, times, pointwise, "pointwise, 10 regions x 20 classes an image")
    left.set_ylabel("processor seconds, all threads together")
    figure.savefig(PICTURE, dpi=85)


if __name__ == "__main__":
    main()
