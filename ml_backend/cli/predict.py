"""`paploop predict`: a fitted model's predictions, as a COCO file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_backend.cli._answer import print_json, progress_bar, say
from ml_backend.cli._measured import warn
from ml_backend.cli._open import heed_settings
from ml_backend.cli._options import AsJson, ModelFolder, Threads


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog="Example: paploop predict model new_images --out found.json")
    def predict(
        model: ModelFolder,
        images: Annotated[Path, typer.Argument(help="Folder of images, or one image.")],
        out: Annotated[Path, typer.Option("--out", help="COCO file to write.")],
        score: Annotated[float, typer.Option(min=0, max=1, help="Lowest score of objects to write.")] = 0.05,
        threads: Threads = 1,
        as_json: AsJson = False,
    ) -> None:
        """Write objects with boxes and outlines, or whole-image classes, each with score and class distribution."""
        from training.standalone.layout import image_files, model_kind

        kind = model_kind(model)[0]
        root, files = image_files(images)
        out.parent.mkdir(parents=True, exist_ok=True)
        heed_settings()
        with progress_bar("Predict") as progress:
            if kind == "objects":
                from training.standalone.objects import predict_objects

                report = predict_objects(model, files, root, out, progress, threads=threads, score=score)
            else:
                from training.standalone.classes import predict_classes

                report = predict_classes(model, files, root, out, progress, threads=threads)
        warn(report["problems"])
        if as_json:
            print_json(report)
        else:
            say(f"Wrote {report['regions']} regions of {report['images']} images to {out}.")
