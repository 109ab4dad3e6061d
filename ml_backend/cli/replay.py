"""`paploop replay`: does active learning pay on this data?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_json, print_table, progress_bar, say
from ml_backend.cli._measured import warn
from ml_backend.cli._open import heed_settings
from ml_backend.cli._options import AllowLeftOut, AsJson, NamePattern, NumberGap, names_in

if TYPE_CHECKING:
    from ml_backend.experiments.replay.report import Report, Saved
    from ml_backend.experiments.replay.source import LabelledSet
    from training.standalone.layout import Labels


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    pool: Annotated[Path | None, typer.Argument(help="Folder or Label Studio export that serves as the pool.")] = None,
    project: Annotated[int | None, typer.Option(help="Replay on a project's own confirmed labels instead.")] = None,
    test: Annotated[
        Path | None, typer.Option(help="Test folder of the same kind; by default, part of POOL is held out.")
    ] = None,
    strategies: Annotated[
        str, typer.Option(help="Strategy names, separated by commas; empty = the default seven.")
    ] = "",
    seeds: Annotated[int | None, typer.Option(help="Number of repetitions; default 5, for objects 3.")] = None,
    budgets: Annotated[str, typer.Option(help="Numbers of labels, separated by commas.")] = "",
    group_pattern: NamePattern = "",
    group_gap: NumberGap = 0,
    test_fraction: Annotated[float, typer.Option(help="Fraction held out if there is no --test.")] = 0.3,
    encoder: Annotated[str, typer.Option(help="Encoder of the images.")] = "lite0",
    plot: Annotated[Path | None, typer.Option(help="Write the learning curves to this image file.")] = None,
    minutes_per_round: Annotated[
        float | None, typer.Option(min=0.01, help="Objects: training time per round, minutes; converted to steps once.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Objects: training steps per round, instead of a time.")
    ] = None,
    zoom: Annotated[
        float | None, typer.Option(min=0.01, help="Objects: network pixels per image pixel; smaller is faster.")
    ] = None,
    backbone: Annotated[str, typer.Option(help="Objects: lite0 (pretrained), r18 or r50.")] = "lite0",
    threads: Annotated[int, typer.Option(min=1, help="Objects: CPU threads.")] = 1,
    work: Annotated[
        Path | None, typer.Option(help="Objects: save every round here; the same command resumes from it.")
    ] = None,
    allow_left_out: AllowLeftOut = False,
    as_json: AsJson = False,
) -> None:
    """Replay strategies on known labels: learning curves, labels saved compared with random, a verdict."""
    heed_settings()
    from ml_backend.experiments.replay import engine
    from ml_backend.experiments.replay.plot import plot as draw
    from ml_backend.experiments.replay.report import report
    from ml_backend.intake.label_files.exported import labels_in, objects

    given = None if pool is None else labels_in(pool)
    apart = None if test is None else labels_in(test)
    if _of_objects(given, project, test):
        from ml_backend.cli._replay_objects import Asked, replay_folder

        replay_folder(
            Asked(
                pool=None if given is None else objects(given),
                project=project,
                test=None if apart is None else objects(apart),
                strategies=names_in(strategies),
                seeds=3 if seeds is None else seeds,
                budgets=_numbers(budgets),
                pattern=group_pattern,
                fraction=test_fraction,
                encoder=encoder,
                minutes=minutes_per_round,
                steps=steps,
                zoom=zoom,
                backbone=backbone,
                threads=threads,
                work=work,
                plot=plot,
                allow_left_out=allow_left_out,
            ),
            as_json,
        )
        return
    chosen = names_in(strategies) or list(engine.STRATEGIES)
    seeds = 5 if seeds is None else seeds
    rounds = _numbers(budgets) or list(engine.BUDGETS)
    engine.checked(chosen, seeds)
    source, held = _source(given, project, apart, encoder, group_pattern, group_gap)
    with progress_bar("Replaying") as progress:
        done = engine.replay(source, held, chosen, seeds, rounds, fraction=test_fraction, progress=progress)
        progress(1.0, "done")
    left = sorted(set(rounds) - set(done.budgets))
    if left:
        typer.echo(f"Left out because the pool is too small (or they are below 2): {_listed(left)} labels.", err=True)
    answer = report(done)
    if plot is not None:
        draw(done, plot)
    if as_json:
        print_json(answer.as_dict())
    else:
        _show(answer)


def _of_objects(pool: Labels | None, project: int | None, test: Path | None) -> bool:
    """Whether objects are drawn on the images that are replayed."""
    from ml_backend.cli._open import chosen_project, opened
    from ml_backend.errors import BadRequest
    from ml_backend.experiments.replay.objects_project import draws_objects
    from training.standalone.layout import data_kind

    if (pool is None) == (project is None) or (project is not None and test is not None):
        raise BadRequest(
            "Give either a folder (with or without --test) or --project, for example paploop replay cells/."
        )
    if pool is not None:
        return data_kind(pool) == "objects"
    with opened() as services:
        return draws_objects(services.store, chosen_project(services, project))


def _source(
    pool: Labels | None, project: int | None, test: Labels | None, encoder: str, pattern: str, gap: int
) -> tuple[LabelledSet, LabelledSet | None]:
    if pool is not None:
        return _read(pool, test, encoder, pattern, gap)
    from ml_backend.cli._open import chosen_project, opened
    from ml_backend.experiments.replay.project import project_set

    with opened() as services:
        return project_set(services.store, services.files, chosen_project(services, project)), None


def _read(
    pool: Labels, test: Labels | None, encoder: str, pattern: str, gap: int
) -> tuple[LabelledSet, LabelledSet | None]:
    from ml_backend.experiments.replay.source import read_folders
    from ml_backend.intake.label_files.exported import named
    from training.data.class_list import ClassList

    folders = [named(pool)] if test is None else [named(pool), named(test)]
    titles = [each.title if isinstance(each, ClassList) else each for each in folders]
    warn([problem for each in folders if isinstance(each, ClassList) for problem in each.problems])
    with progress_bar("Embedding") as progress:
        sets = read_folders(folders, encoder, pattern, gap, 1, progress)
        progress(1.0, "done")
    if len(sets) == 1 and not pattern:
        typer.echo(
            "Every image counts as a separate source. If several come from one slide or patient, give "
            "--group-pattern; otherwise they are on both sides and the scores are too high.",
            err=True,
        )
    for folder, part in zip((titles[0], titles[-1]), sets, strict=False):
        if part.left_out:
            typer.echo(f"{part.left_out} images in {folder} cannot be read and are left out.", err=True)
    return sets[0], sets[1] if len(sets) > 1 else None


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _numbers(text: str) -> list[int]:
    from ml_backend.errors import BadRequest

    try:
        return [int(part) for part in names_in(text)]
    except ValueError as error:
        raise BadRequest(f"Budgets must be whole numbers separated by commas, not {text!r}.") from error


def _show(answer: Report) -> None:
    full = answer.full
    budgets = next(iter(answer.strategies.values())).labels
    rows = []
    for name, found in sorted(answer.strategies.items(), key=lambda entry: -entry[1].area):
        needed = [_count(found.needed[share]) for share in ("0.9", "0.95", "1.0")]
        curve = [f"{value:.3f}" for value in found.macro_f1]
        rows.append((name, f"{found.area:.3f}", *curve, *needed, _saved(found.saved_vs_uniform)))
    columns = ("strategy", "area", *(str(budget) for budget in budgets), "for 90 %", "for 95 %", "for 100 %", "saved")
    print_table(columns, rows, title=f"Macro-F1; all {full['labels']} labels: {full['macro_f1']:.3f}")
    say(answer.verdict)


def _saved(saved: Saved) -> str:
    if saved.percent is None:
        return ""
    interval = "" if saved.low is None or saved.high is None else f" ({saved.low:.0f} to {saved.high:.0f})"
    return f"{saved.percent:.0f} %{interval}"


def _count(labels: float | None) -> str:
    return "-" if labels is None else f"{labels:.0f}"
