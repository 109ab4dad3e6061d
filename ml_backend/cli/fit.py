"""`paploop fit`: train on a folder, without Label Studio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_backend.cli._answer import print_facts, print_json, progress_bar
from ml_backend.cli._measured import summary, warn
from ml_backend.cli._open import heed_settings
from ml_backend.cli._options import AllowLeftOut, AsJson, DataFolder, NamePattern, Threads

if TYPE_CHECKING:
    from training.standalone.answers import Fitted


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop fit blood_cells --out model --minutes 10")
    def fit(
        data: DataFolder,
        out: Annotated[Path, typer.Option("--out", help="Folder to write the model to.")],
        init: Annotated[Path | None, typer.Option("--init", help="A fitted model to continue from.")] = None,
        minutes: Annotated[
            float, typer.Option(min=0.1, help="Time limit for training on objects, minutes; classes take seconds.")
        ] = 10,
        steps: Annotated[
            int | None, typer.Option(min=1, help="Number of training steps, instead of a time limit.")
        ] = None,
        method: Annotated[str, typer.Option(help="For classes: head (seconds) or finetune (GPU).")] = "head",
        backbone: Annotated[str, typer.Option(help="For objects: lite0 (pretrained), r18, r50, r50-zoo.")] = "lite0",
        stages: Annotated[int, typer.Option(help="For objects: 2 (Faster, Mask R-CNN) or 1 (RetinaNet, boxes).")] = 2,
        weights: Annotated[str, typer.Option(help="For r50-zoo: detectron2://..., https://... or a .pkl file.")] = "",
        weights_sha256: Annotated[str, typer.Option(help="Required SHA-256 of the weights.")] = "",
        groups: NamePattern = "",
        held_out: Annotated[
            float, typer.Option(min=0.01, max=0.9, help="Fraction of images held out for evaluation.")
        ] = 0.2,
        seed: Annotated[int, typer.Option(help="Seed of all random choices.")] = 0,
        threads: Threads = 1,
        allow_left_out: AllowLeftOut = False,
        as_json: AsJson = False,
    ) -> None:
        """Train a classifier or a detector on a folder and evaluate it on held-out groups of images."""
        from ml_backend.intake.label_files.exported import labels_in, named, objects
        from training.standalone.layout import HoldOut, data_kind

        heed_settings()
        given = labels_in(data)
        kind = data_kind(given)
        metrics: Fitted
        with progress_bar("Fit") as progress:
            if kind == "objects":
                from training.detection.recipe import Recipe
                from training.standalone.objects import fit_objects

                recipe = Recipe(
                    minutes=minutes,
                    iterations=steps,
                    seed=seed,
                    threads=threads,
                    backbone=backbone,
                    stages=stages,
                    weights=weights,
                    weights_sha256=weights_sha256,
                )
                metrics = fit_objects(
                    objects(given),
                    out,
                    recipe,
                    progress,
                    init=init,
                    hold_out=HoldOut(held_out, groups),
                    allow_left_out=allow_left_out,
                )
            else:
                from training.standalone.classes import fit_classes

                metrics = fit_classes(
                    named(given),
                    out,
                    progress,
                    method=method,
                    init=init,
                    hold_out=HoldOut(held_out, groups),
                    seed=seed,
                    threads=threads,
                )
        if metrics["training"].get("rank"):
            return
        warn(metrics["problems"])
        if as_json:
            print_json(metrics)
            return
        facts = {"model": out, "classes": ", ".join(metrics["classes"]), "trained on": metrics["train"]["images"]}
        print_facts(facts | summary(metrics["held_out"]), title="Fit, evaluated on held-out images")
