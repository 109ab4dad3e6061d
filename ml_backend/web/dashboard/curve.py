"""The learning curve as inline SVG: score of each model on one validation set over its labels, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 720, 280
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 40
TICKS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Point:
    """One run on the curve.

    Attributes:
        run: its number.
        labels: labeled images it learned from and was judged on.
        value: score on validation, in [0, 1].
        low: lower end of its interval, or None.
        high: upper end, or None.
        decision: "promoted" or "kept".
        is_active: whether it is the model in use.
        measure: what the score is.
    """

    run: int
    labels: int
    value: float
    low: float | None
    high: float | None
    decision: str
    is_active: bool
    measure: str = "macro-F1"


def learning_curve(points: Sequence[Point]) -> Markup:
    """Draw the curve; colors come from the style sheet, so it follows the page into the dark.

    Args:
        points: any number of runs, in any order.

    Returns:
        An `<svg>` element; empty when there is no point.
    """
    if not points:
        return Markup("")
    ordered = sorted(points, key=lambda point: (point.labels, point.run))
    ticks = label_ticks(max(point.labels for point in ordered))
    scale = _Scale(ticks[-1])
    parts = [*_axes(scale, ticks), _line(scale, ordered), *(_mark(scale, point) for point in ordered)]
    measure = ordered[-1].measure
    name = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{} on validation over labels">')
    return name.format(WIDTH, HEIGHT, measure[:1].upper() + measure[1:]) + Markup("").join(parts) + Markup("</svg>")


def label_ticks(largest: int) -> list[int]:
    """Round numbers from 0 to at least `largest`, about five of them."""
    step = 1
    while step * 5 < largest:
        base = 10 ** (len(str(step)) - 1)
        step = next(int(base * factor) for factor in TICKS if int(base * factor) > step)
    return list(range(0, largest + step, step)) if largest else [0, 1]


class _Scale:
    def __init__(self, most: int) -> None:
        self.most = most

    def x(self, labels: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * labels / self.most

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, value)))


def _axes(scale: _Scale, ticks: Sequence[int]) -> list[Markup]:
    parts = []
    for fifth in range(6):
        y = scale.y(fifth / 5)
        parts.append(_tag("line", "grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        parts.append(_text("axis end", LEFT - 8, y + 4, f"{fifth / 5:.1f}"))
    parts.extend(_text("axis middle", scale.x(tick), HEIGHT - BOTTOM + 18, str(tick)) for tick in ticks)
    parts.append(_text("axis middle", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "labeled images"))
    return parts


def _line(scale: _Scale, points: Sequence[Point]) -> Markup:
    """The path of the model in use: the promoted runs."""
    steps = [f"{scale.x(p.labels):.1f},{scale.y(p.value):.1f}" for p in points if p.decision == "promoted"]
    return _tag("polyline", "curve", points=" ".join(steps)) if len(steps) > 1 else Markup("")


def _mark(scale: _Scale, point: Point) -> Markup:
    x, y = scale.x(point.labels), scale.y(point.value)
    said = f"run {point.run}: {point.measure} {point.value:.3f}"
    whisker = Markup("")
    if point.low is not None and point.high is not None:
        said += f" ({point.low:.3f} to {point.high:.3f})"
        whisker = _tag("line", "whisker", x1=x, x2=x, y1=scale.y(point.low), y2=scale.y(point.high))
    said += f" with {point.labels} labeled images, {point.decision or 'not judged'}"
    kind = "active" if point.is_active else ("promoted" if point.decision == "promoted" else "kept")
    dot = _tag("circle", f"dot {kind}", cx=x, cy=y, r=6 if point.is_active else 4.5)
    return Markup("<g>") + Markup("<title>{}</title>").format(said) + whisker + dot + Markup("</g>")


def _tag(name: str, kind: str, **values: float | str) -> Markup:
    attributes = Markup("").join(
        Markup(' {}="{}"').format(key, f"{value:.1f}" if isinstance(value, float) else escape(value))
        for key, value in values.items()
    )
    return Markup('<{} class="{}"{}/>').format(name, kind, attributes)


def _text(kind: str, x: float, y: float, said: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x, y, said)
