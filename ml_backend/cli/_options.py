"""Options that several commands take, with their help; each is written once so that it reads the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProjectId = Annotated[
    int | None, typer.Argument(help="Label Studio's project id; not needed if there is only one project.")
]

GroupPattern = Annotated[
    str,
    typer.Option(
        help="Regular expression that finds the patient or slide in a file name; 'auto' = use the proposed one, "
        "'none' = names carry no such information."
    ),
]

Project = Annotated[int, typer.Argument(help="Label Studio's project id.")]
"""Of commands that guess no project."""

OneProject = Annotated[int | None, typer.Option("--project", help="Label Studio's project id.")]

NamePattern = Annotated[
    str, typer.Option(help="Regular expression that finds patient, slide or source image in a file name.")
]

NumberGap = Annotated[int, typer.Option(min=0, help="Merge groups whose names are numbers at most this far apart.")]

SeedLabels = Annotated[
    int, typer.Option(min=0, help="Number of images that start out labeled from their class subfolders.")
]

DataFolder = Annotated[Path, typer.Argument(help="A class, COCO, YOLO or VOC folder, or an export of Label Studio.")]

ModelFolder = Annotated[Path, typer.Argument(help="Model folder written by `paploop fit`.")]

Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
AllowLeftOut = Annotated[
    bool,
    typer.Option(
        "--allow-left-out",
        help="Continue although more than 5 % of the labels cannot be read; their places count neither as objects "
        "nor as empty.",
    ),
]


def names_in(text: str) -> list[str]:
    """The names of an option that takes several, such as `entropy,uniform`."""
    return [name for part in text.split(",") if (name := part.strip())]
