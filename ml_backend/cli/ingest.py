"""`paploop ingest`: a folder of images into a project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli import INCOMPLETE
from ml_backend.cli._answer import print_facts, print_json, say
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, GroupPattern, OneProject, SeedLabels


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop ingest ./cells --project 7 --seed-labels 50")
    def ingest(
        folder: Annotated[Path, typer.Argument(help="Folder of images, searched recursively.")],
        project: OneProject = None,
        seed_labels: SeedLabels = 0,
        group_pattern: GroupPattern = "",
        as_json: AsJson = False,
    ) -> None:
        """Embed new images, find near-duplicates, import one task per image; safe to repeat.

        The exit status is 3 where everything was done but some images could not be read.
        """
        from ml_backend.intake.ingest import ingest as take_in
        from ml_backend.intake.ingest import names_below
        from ml_backend.intake.seed import seed_labels as submit_labels
        from ml_backend.intake.source_groups import proposal_for, set_group_pattern
        from ml_backend.loop.arrivals import after_ingest
        from ml_backend.operations.screen import stages

        with opened() as services, stages() as stage:
            project_id = chosen_project(services, project)
            if group_pattern:
                set_group_pattern(services.store, services.files, project_id, group_pattern, names_below(folder))
            taken = take_in(services, project_id, folder, stage=stage)
            report, notes = taken.as_dict(), taken.sentences()
            if seed_labels:
                seeded = submit_labels(
                    services.store,
                    services.label_studio,
                    project_id,
                    seed_labels,
                    progress=stage("Submitting first labels"),
                )
                report["labels_submitted"] = seeded.submitted
                notes += [seeded.why_fewer] if seeded.why_fewer else []
            proposal = proposal_for(services.store, project_id)
            if proposal is not None:
                report["proposed_group_pattern"] = proposal.pattern
                notes.append(proposal.advice(str(folder), project_id))
            following = after_ingest(services, project_id, taken)
        if as_json:
            print_json(report | {"problems": notes, "next": following})
        else:
            print_facts(_counted(report, taken.passed_over), title=f"Ingested into project {project_id}")
            for sentence in notes:
                say(sentence, style="yellow")
            for sentence in following:
                say(sentence)
        if taken.unreadable:
            raise typer.Exit(INCOMPLETE)


def _counted(report: Mapping[str, object], passed_over: Mapping[str, int]) -> dict[str, object]:
    """The report with numbers in place of lists, whose entries are named below it."""
    counts = {name: len(value) if isinstance(value, Mapping) else value for name, value in report.items()}
    counts["passed_over"] = sum(passed_over.values())
    return {name.replace("_", " "): count for name, count in counts.items()}
