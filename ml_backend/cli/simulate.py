"""`paploop simulate`: a simulated expert, alone or to compare strategies."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, print_table, say
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, NamePattern, NumberGap, OneProject, names_in
from ml_backend.errors import BadRequest


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        epilog="Example: paploop simulate --labels 60; "
        "paploop simulate DIR --strategies entropy,uniform --seeds 3 --labels 120 --plot curves.png"
    )
    def simulate(
        oracle: Annotated[
            Path | None,
            typer.Argument(
                help="The true labels: a folder, a table or a Label Studio export; default = from folder names."
            ),
        ] = None,
        project: OneProject = None,
        labels: Annotated[int, typer.Option(min=1, help="Number of labels that the expert gives.")] = 60,
        error_rate: Annotated[float, typer.Option(min=0, max=1, help="Fraction of wrong labels.")] = 0.0,
        think_time: Annotated[float, typer.Option(min=0, help="Seconds before each label.")] = 0.0,
        wait: Annotated[
            bool, typer.Option("--wait/--no-wait", help="Wait for each run to end before continuing.")
        ] = True,
        strategies: Annotated[str, typer.Option(help="Strategies (a,b,...) to compare in temporary projects.")] = "",
        seeds: Annotated[int, typer.Option(min=1, help="Number of repetitions of each strategy.")] = 3,
        step: Annotated[int, typer.Option(min=1, help="Number of labels between two runs.")] = 20,
        test_fraction: Annotated[
            float, typer.Option(min=0.05, max=0.9, help="Fraction held out for evaluation.")
        ] = 0.3,
        group_pattern: NamePattern = "",
        group_gap: NumberGap = 0,
        train_minutes: Annotated[
            float | None, typer.Option(min=0.01, help="Time limit for training a detector in a run, minutes.")
        ] = None,
        keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary projects.")] = False,
        seed: Annotated[int, typer.Option(help="Seed of the expert's errors.")] = 0,
        plot: Annotated[Path | None, typer.Option(help="Write the learning curves as PNG.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Label as an expert would: next task, true label, wait for runs, report the learning curve."""
        from ml_backend.experiments.simulate import session
        from ml_backend.experiments.simulate.expert import Manner
        from ml_backend.experiments.simulate.study import Study
        from ml_backend.operations.screen import stages

        if strategies:
            if oracle is None:
                raise BadRequest("Comparing strategies needs a class folder or a COCO folder: paploop simulate DIR ...")
            study = Study(
                folder=oracle,
                strategies=tuple(names_in(strategies)),
                seeds=seeds,
                labels=labels,
                step=step,
                test_fraction=test_fraction,
                group_pattern=group_pattern,
                group_gap=group_gap,
                error_rate=error_rate,
                keep=keep,
                settings={} if train_minutes is None else {"train_minutes": train_minutes},
            )
            with opened() as services, stages() as stage:
                summary = session.run_study(services, study, stage, plot)
            if as_json:
                print_json(summary.as_dict())
                return
            print_table(*summary.table())
            say(summary.verdict)
            return
        with opened() as services, stages() as stage:
            project_id = chosen_project(services, project)
            manner = Manner(error_rate, think_time, seed)
            report = session.label_project(services, project_id, oracle, labels, manner, wait, stage("Labeling"))
        if as_json:
            print_json(asdict(report))
            return
        facts = {name: value for name, value in asdict(report).items() if name != "curve"}
        print_facts(facts, title=f"Project {project_id}")
        rows = [(*row[:3], "" if row[3] is None else f"{row[3]:.3f}") for row in report.curve]
        score = "AP50 on validation" if report.objects else "macro-F1 on validation"
        print_table(("labels", "run", "decision", score), rows)
