"""`paploop groups`: list and correct a project's duplicate groups, and find conflicting labels."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_json, print_table, say
from ml_backend.cli._open import chosen_project, opened
from ml_backend.cli._options import AsJson, ProjectId
from ml_backend.errors import BadRequest

if TYPE_CHECKING:
    from ml_backend.services import Services

Items = Annotated[list[int] | None, typer.Option(help="Item number; repeat the option for each item.")]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop groups 7 --merge 12 --merge 40; paploop groups 7 --split 15")
    def groups(
        project: ProjectId = None,
        merge: Items = None,
        split: Items = None,
        search: Annotated[
            bool,
            typer.Option(
                "--search", help="Compare all images by local features and merge those that show the same specimen."
            ),
        ] = False,
        conflicts: Annotated[
            bool, typer.Option("--conflicts", help="List only groups with conflicting labels.")
        ] = False,
        recheck: Annotated[
            bool, typer.Option("--recheck", help="List images that are in a group without showing the same specimen.")
        ] = False,
        apply: Annotated[bool, typer.Option("--apply", help="With --recheck: remove them from their groups.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """List duplicate groups; merge the groups of items or split items off. Both are permanent."""
        if apply and not recheck:
            raise BadRequest("--apply works only with --recheck. Give both.")
        from ml_backend.duplicates.regroup import correct
        from ml_backend.duplicates.review import group_list

        with opened() as services:
            project_id = chosen_project(services, project)
            if merge or split:
                correct(services.store, services.files, project_id, merge=merge or (), split=split or ())
            if search:
                from ml_backend.duplicates.thorough import search_project
                from ml_backend.operations.screen import stages

                with stages() as stage:
                    search_project(
                        services.store, services.files, services.images, project_id, stage, threads=services.threads
                    )
            if recheck:
                _recheck(services, project_id, apply, as_json)
                return
            rows = [row for row in group_list(services.store, project_id) if row["conflict"] or not conflicts]
        if as_json:
            print_json(rows)
            return
        table = [
            (row["group"], m["item"], m["task"], m["name"], m["split"], m["label"], m["offered"])
            for row in rows
            for m in row["members"]
        ]
        print_table(("group", "item", "task", "image", "split", "label", "proposed"), table)
        covered = sum(m["task"] is None and m["offered"] is not None for row in rows for m in row["members"])
        say(f"{len(rows)} groups, {sum(row['conflict'] for row in rows)} with different labels.")
        say(f"{covered} images without their own task are covered by their group's label.")


def _recheck(services: Services, project_id: int, apply: bool, as_json: bool) -> None:
    from ml_backend.duplicates.recheck import recheck
    from ml_backend.operations.screen import stages

    with stages() as stage:
        doubts = recheck(
            services.store,
            services.files,
            services.images,
            project_id,
            stage("Compare pixels"),
            apply=apply,
            max_pixels=services.settings.max_image_pixels,
        )
    if as_json:
        print_json([asdict(doubt) for doubt in doubts])
        return
    rows = [(doubt.group, doubt.item, doubt.name, doubt.shown) for doubt in doubts]
    print_table(("group", "item", "image", "not the same as"), rows)
    if not doubts:
        say("Every image in a group shows the same specimen as its representative.")
    elif apply:
        say(f"{len(doubts)} images were removed from their groups. Each gets its own task with the next run or ingest.")
    else:
        say(
            f"{len(doubts)} images. Run `paploop groups {project_id} --recheck --apply` to remove them from their "
            "groups."
        )
