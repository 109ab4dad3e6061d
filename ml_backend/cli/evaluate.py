"""`paploop evaluate`: evaluate a fitted model on a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, print_table, progress_bar, say
from ml_backend.cli._measured import class_rows, summary, warn
from ml_backend.cli._open import heed_settings
from ml_backend.cli._options import AllowLeftOut, AsJson, DataFolder, ModelFolder, Threads
from ml_backend.errors import BadRequest

if TYPE_CHECKING:
    from training.standalone.answers import ClassEvaluation, ObjectEvaluation


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop evaluate model blood_cells --plots pictures")
    def evaluate(
        model: ModelFolder,
        data: DataFolder,
        everything: Annotated[
            bool, typer.Option("--all", help="Include images that the model was trained on.")
        ] = False,
        plots: Annotated[
            Path | None,
            typer.Option("--plots", help="Objects: write precision-recall curves and the worst images to this folder."),
        ] = None,
        threads: Threads = 1,
        allow_left_out: AllowLeftOut = False,
        as_json: AsJson = False,
    ) -> None:
        """Evaluate a model on labeled images, leaving out those it was trained on."""
        from ml_backend.intake.label_files.exported import labels_in, named, objects
        from training.standalone.layout import data_kind, model_kind

        kind = model_kind(model)[0]
        heed_settings()
        given = labels_in(data)
        if data_kind(given) != kind:
            found, asked = ("objects", "object") if kind == "objects" else ("whole-image classes", "class")
            raise BadRequest(f"This model finds {found}. Give a folder with {asked} labels.")
        with progress_bar("Evaluate") as progress:
            if kind == "objects":
                from training.standalone.objects import evaluate_objects

                measured: ObjectEvaluation | ClassEvaluation = evaluate_objects(
                    model,
                    objects(given),
                    progress,
                    everything=everything,
                    threads=threads,
                    plots=plots,
                    allow_left_out=allow_left_out,
                )
            else:
                if plots is not None:
                    raise BadRequest("--plots works only for objects. Leave it out for whole-image classes.")
                from training.standalone.classes import evaluate_classes

                measured = evaluate_classes(model, named(given), progress, everything=everything, threads=threads)
        warn(measured["problems"])
        if as_json:
            print_json(measured)
            return
        print_facts(summary(measured), title="Measured")
        print_table(*class_rows(measured["per_class"]), title="By class")
        if "masks" in measured:
            print_table(*class_rows(measured["masks"]["per_class"]), title="Outlines by class")
        if measured["left_out_as_trained_on"]:
            say(
                f"{measured['left_out_as_trained_on']} images that the model was trained on were left out "
                "(--all includes them)."
            )
        if plots is not None:
            say(f"The precision-recall curves and the worst images are in {plots}.")
