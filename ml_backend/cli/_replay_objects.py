"""`paploop replay` on a folder of images with boxes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ml_backend.cli._answer import print_json, print_table, progress_bar, say
from ml_backend.cli._measured import warn
from ml_backend.cli._open import chosen_project, opened

if TYPE_CHECKING:
    from ml_backend.experiments.replay.objects_answer import Interval, ObjectReport
    from ml_backend.experiments.replay.objects_material import Material
    from ml_backend.experiments.replay.objects_terms import Terms
    from training.data.detection_set import DetectionSet


@dataclass(frozen=True)
class Asked:
    """Command-line options of a detection replay; see `ml_backend.cli.replay`."""

    pool: Path | DetectionSet | None
    project: int | None
    test: Path | DetectionSet | None
    strategies: Sequence[str]
    seeds: int
    budgets: Sequence[int]
    pattern: str
    fraction: float
    encoder: str
    minutes: float | None
    steps: int | None
    zoom: float | None
    backbone: str
    threads: int
    work: Path | None
    plot: Path | None
    allow_left_out: bool = False


def replay_folder(asked: Asked, as_json: bool) -> None:
    """Replay, plot and print the result."""
    from ml_backend.experiments.replay.objects import replay_objects
    from ml_backend.experiments.replay.objects_material import counts
    from ml_backend.experiments.replay.objects_plot import plot
    from ml_backend.experiments.replay.objects_report import report
    from ml_backend.experiments.replay.objects_rounds import Rounds
    from ml_backend.experiments.replay.objects_terms import checked, facts

    material = _material(asked)
    warn(material.problems)
    terms = checked(material, _terms(asked))
    with _folder(asked.work) as work:
        rounds = Rounds(work, facts(material, terms))
        with progress_bar("Replaying") as progress:
            done = replay_objects(
                material, terms, rounds, progress, lambda text: typer.echo(text, err=True), asked.encoder
            )
    answer = report(done)
    if asked.plot is not None:
        plot(done, asked.plot)
    if as_json:
        about = {"data": dict(counts(material)), "steps": done.steps, "problems": list(material.problems)}
        print_json(answer.as_dict() | about)
    else:
        _show(answer)


def _material(asked: Asked) -> Material:
    from ml_backend.experiments.replay.objects_material import read_material
    from ml_backend.experiments.replay.objects_project import project_material

    with progress_bar("Reading the images") as progress:
        if asked.pool is not None:
            material = read_material(
                asked.pool,
                asked.test,
                asked.fraction,
                asked.pattern,
                progress,
                allow_left_out=asked.allow_left_out,
            )
        else:
            with opened() as services:
                project_id = chosen_project(services, asked.project)
                material = project_material(services, project_id, asked.fraction, progress)
        progress(1.0, "read")
    return material


def _terms(asked: Asked) -> Terms:
    from ml_backend.experiments.replay import objects_terms
    from training.detection.recipe import Recipe

    recipe = Recipe(
        checks=0,
        batch=objects_terms.BATCH,
        rate=objects_terms.RATE,
        zoom=asked.zoom,
        backbone=asked.backbone,
        threads=asked.threads,
    )
    return objects_terms.Terms(
        names=tuple(asked.strategies or objects_terms.STRATEGIES),
        seeds=asked.seeds,
        budgets=tuple(asked.budgets or objects_terms.BUDGETS),
        steps=asked.steps,
        minutes=None if asked.steps else asked.minutes,
        recipe=recipe,
    )


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    """The folder of the rounds; without one a temporary folder that goes away."""
    if work is not None:
        yield work
        return
    with tempfile.TemporaryDirectory(prefix="paploop-replay-") as name:
        yield Path(name)


def _show(answer: ObjectReport) -> None:
    full = answer.full
    rows = []
    for name, found in sorted(answer.strategies.items(), key=lambda entry: -entry[1].area):
        curve = [f"{ap50:.3f} ({objects:.0f})" for ap50, objects in zip(found.ap50, found.objects, strict=True)]
        goal = found.needed["0.9"]
        needed = [_count(goal.images), _count(goal.objects)]
        rows.append((name, *curve, *needed, _percent(found.saved_vs_uniform.objects)))
    budgets = next(iter(answer.strategies.values())).labels
    columns = ("strategy", *(f"{budget} images" for budget in budgets), "images for 90 %", "objects for 90 %")
    title = f"AP50 (labeled objects); all {full.labels} images, {full.objects} objects: {full.ap50:.3f}"
    print_table((*columns, "objects saved"), rows, title=title)
    say(answer.verdict)


def _count(number: float | None) -> str:
    return "-" if number is None else f"{number:.0f}"


def _percent(saved: Interval) -> str:
    if saved.percent is None:
        return ""
    return f"{saved.percent:.0f} % ({saved.low:.0f} to {saved.high:.0f})"
