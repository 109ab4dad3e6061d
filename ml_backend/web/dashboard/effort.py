"""The effort section of a project's page: what was kept of the proposals by run, time saved, thresholds and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ml_backend.effort.report import EffortReport, Part, effort_report, summary
from ml_backend.predictions.thresholds import Limits, limits_shown
from ml_backend.state.store import Store
from ml_backend.times import duration

SHOWN = 12
WIDTH = 100
KINDS = ("accepted", "moved", "relabeled", "deleted")
BASES = {
    "own": "fewest expected corrections",
    "all": "fewest expected corrections over all classes; too few objects of this one",
    "default": "the default",
    "set": "set by hand",
}


@dataclass(frozen=True)
class EffortLine:
    """One line of the table, ready to print; `bar` shows what happened to the shown regions."""

    name: str
    images: int
    bar: Markup
    counts: Sequence[int]
    share: str
    seconds: str
    saved: str


@dataclass(frozen=True)
class LimitLine:
    """The score threshold for showing objects of a class."""

    name: str
    shown_from: str
    basis: str


@dataclass(frozen=True)
class EffortPanel:
    """Everything the section shows."""

    summary: str
    lines: Sequence[EffortLine]
    by_hand: str
    why: str
    limits: Sequence[LimitLine]


def effort_panel(store: Store, project_id: int) -> EffortPanel:
    """Read the section of a project."""
    report = effort_report(store, project_id)
    limits = limits_shown(store, project_id)
    return panel_of(report, limits)


def panel_of(report: EffortReport, limits: Limits | None) -> EffortPanel:
    """Put a report into words."""
    parts = [(f"run {part.run}", part) for part in report.runs[:SHOWN]]
    lines = [_line(name, part) for name, part in [("all", report.total), *parts]] if report.total.images else []
    hand, by_hand = report.by_hand, ""
    if hand.images:
        typical = "" if hand.seconds is None else f", {hand.seconds:.1f} s an image (median)"
        by_hand = f"Without proposals: {hand.images} images{typical}."
    return EffortPanel(
        summary=summary(report),
        lines=lines,
        by_hand=by_hand,
        why=limits.why if limits is not None else "",
        limits=[LimitLine(each.name, f"{each.shown_from:.2f}", BASES[each.basis]) for each in limits.classes]
        if limits is not None
        else [],
    )


def _line(name: str, part: Part) -> EffortLine:
    saved = part.saved
    return EffortLine(
        name=name,
        images=part.images,
        bar=bar([getattr(part, kind) for kind in KINDS]),
        counts=[*(getattr(part, kind) for kind in KINDS), part.added],
        share="" if part.accepted_share is None else f"{100 * part.accepted_share:.0f} %",
        seconds="" if part.seconds is None else f"{part.seconds:.1f} s",
        saved="" if saved is None else f"{duration(saved.seconds)} ({duration(saved.low)} to {duration(saved.high)})",
    )


def bar(counts: Sequence[int]) -> Markup:
    """Shares of the kinds side by side; colors come from the style sheet."""
    total, at, parts = sum(counts) or 1, 0.0, []
    said = ", ".join(f"{count} {kind}" for kind, count in zip(KINDS, counts, strict=True))
    for kind, count in zip(KINDS, counts, strict=True):
        width = WIDTH * count / total
        if width:
            parts.append(
                Markup('<rect class="{}" x="{:.2f}" width="{:.2f}" height="8"/>').format(f"share-{kind}", at, width)
            )
        at += width
    name = Markup('<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label="{}">')
    track = Markup('<rect class="track" width="100" height="8"/>')
    return (
        name.format(said) + Markup("<title>{}</title>").format(said) + track + Markup("").join(parts) + Markup("</svg>")
    )
