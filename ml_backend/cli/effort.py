"""`paploop effort`: the work that pre-annotations save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ml_backend.cli._answer import print_json, print_table, say
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, ProjectId

if TYPE_CHECKING:
    from ml_backend.effort.report import EffortReport, Part
    from ml_backend.predictions.thresholds import Limits

COLUMNS = ("run", "images", "shown", "accepted", "moved", "relabeled", "deleted", "added", "s an image", "time saved")
BASES = {
    "own": "chosen for this class",
    "all": "chosen for all classes together: too few objects of this one",
    "default": "the default",
    "set": "set in the project's settings",
}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop effort 7 --json")
    def effort(project: ProjectId = None, as_json: AsJson = False) -> None:
        """Show which proposed regions experts kept, corrected or deleted, what they added, and the time saved, by
        run."""
        from ml_backend.effort.record import record_effort
        from ml_backend.effort.report import effort_report
        from ml_backend.predictions.thresholds import limits_shown

        with opened() as services:
            project_id = chosen_project(services, project)
            record_effort(services.store, project_id)
            report = effort_report(services.store, project_id)
            limits = limits_shown(services.store, project_id)
        if as_json:
            print_json({**report.as_dict(), "thresholds": limits.as_dict() if limits else None})
        else:
            _print(report, limits)


def _print(report: EffortReport, limits: Limits | None) -> None:
    from ml_backend.effort.report import summary

    say(summary(report))
    if report.total.images:
        rows = [_row("all", report.total), *(_row(part.run, part) for part in report.runs)]
        print_table(COLUMNS, rows)
    hand = report.by_hand
    if hand.images:
        typical = "" if hand.seconds is None else f", {hand.seconds:.1f} s an image"
        say(f"Without proposals: {hand.images} images, {hand.regions} labels{typical}.")
    if report.elsewhere:
        say(f"{report.elsewhere} annotations came from imports or scripts and are not counted.")
    if report.costs:
        said = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.costs.items())
        say(f"Estimated time per action: {said}.")
    if limits is not None:
        say(limits.why)
        shown = [(each.name, f"{each.shown_from:.3g}", BASES[each.basis], each.objects) for each in limits.classes]
        print_table(("class", "shown from", "why", "objects"), shown)


def _row(name: object, part: Part) -> tuple[object, ...]:
    from ml_backend.times import duration

    saved = part.saved
    time = "" if saved is None else f"{duration(saved.seconds)} ({duration(saved.low)} to {duration(saved.high)})"
    typical = "" if part.seconds is None else f"{part.seconds:.1f}"
    counts = (part.images, part.shown, part.accepted, part.moved, part.relabeled, part.deleted, part.added)
    return (name, *counts, typical, time)
