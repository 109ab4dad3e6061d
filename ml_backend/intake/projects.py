"""Projects of Label Studio that PapLoop creates or connects."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from xml.sax.saxutils import quoteattr

from ml_backend.errors import BadRequest, NotFound
from ml_backend.intake.ingest import names_below
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.connect import Connection, connect, disconnect
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import ProjectRow
from ml_backend.state.store import Store
from training.data.class_folders import ClassFolders

if TYPE_CHECKING:
    from ml_backend.label_studio.client import LabelStudio

MADE = "projects.json"
"""File of the data directory: what a project was made for -> Label Studio's project id."""

FALLBACK_CLASSES = ("normal", "abnormal", "unusable")
"""Classes of a folder without class subfolders; a lead changes them in Label Studio."""

FALLBACK_LABEL = "cell"
"""What is drawn where nobody says what; a lead changes it in Label Studio."""

Kind = Literal["classes", "boxes", "polygons"]

_CONTROLS: dict[Kind, tuple[str, str, str]] = {
    "classes": ("Choices", 'name="class" toName="image" choice="single" required="true" showInline="true"', "Choice"),
    "boxes": ("RectangleLabels", 'name="box" toName="image" strokeWidth="2" opacity="0.15"', "Label"),
    "polygons": ("PolygonLabels", 'name="outline" toName="image" strokeWidth="2" opacity="0.25"', "Label"),
}


_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#e377c2", "#8c564b", "#bcbd22")
"""Of labels that are drawn; those that Label Studio chooses may be alike."""


@dataclass(frozen=True)
class Interface:
    """The labeling interface of a project that `paploop up` makes.

    Attributes:
        kind: one class an image, a box around each object, or an outline around each.
        classes: their names; empty = what the folder says.
    """

    kind: Kind = "classes"
    classes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, kind: str, classes: str) -> Interface:
        """Parse a kind and comma-separated names from a command line.

        Raises:
            BadRequest: there is no such kind, or there are too few names.
        """
        known = {name: name for name in get_args(Kind)}
        if kind not in known:
            raise BadRequest(f"There is no labeling interface {kind!r}. Choose one of {', '.join(known)}.")
        names = tuple(dict.fromkeys(name.strip() for name in classes.split(",") if name.strip()))
        if kind == "classes" and len(names) == 1:
            raise BadRequest(f"{names[0]!r} is the only class. Name at least two classes.")
        return cls(known[kind], names)

    def classes_for(self, folder: Path) -> tuple[str, ...]:
        """The classes for a folder of images.

        Raises:
            NotFound, BadRequest: it is not there or holds no image.
        """
        found = tuple(classes_of(folder))
        if self.classes:
            return self.classes
        return found if self.kind == "classes" else (FALLBACK_LABEL,)


def label_config(classes: Sequence[str], kind: Kind = "classes") -> str:
    """A labeling interface with keyboard shortcuts 1 to 9."""
    control, attributes, label = _CONTROLS[kind]
    lines = []
    for number, name in enumerate(classes):
        key = f' hotkey="{number + 1}"' if number < 9 else ""
        colour = f' background="{_COLOURS[number % len(_COLOURS)]}"' if kind != "classes" else ""
        lines.append(f"    <{label} value={quoteattr(name)}{colour}{key}/>")
    labels = "\n".join(lines)
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true" zoomControl="true"/>\n'
        f"  <{control} {attributes}>\n{labels}\n  </{control}>\n</View>"
    )


def classes_of(folder: Path) -> list[str]:
    """Names of the class folders, or three classes to begin with where there are none."""
    names = names_below(folder)
    folders = ClassFolders.of(names)
    found = sorted({folders.class_of(name) for name in names} - {""})
    return found if len(found) > 1 else list(FALLBACK_CLASSES)


def attach(
    store: Store, label_studio: LabelStudio, settings: Settings, project_id: int, now: float
) -> tuple[ProjectRow, Connection]:
    """Connect a project of Label Studio to this backend; repeating it repairs what was changed by hand.

    Raises:
        NotFound: Label Studio has no such project.
        LabelConfigError: PapLoop cannot drive its labeling interface.
    """
    project = label_studio.project(project_id)
    config = str(project.get("label_config") or "")
    parse_label_config(config)
    row = store.projects.upsert(project_id, str(project.get("title") or ""), config, now)
    return row, connect(label_studio, settings, project_id)


@dataclass(frozen=True)
class Detached:
    """What disconnecting a project changed.

    Attributes:
        project: Label Studio's project id.
        done: in words; empty when PapLoop had let go of it before.
    """

    project: int
    done: list[str]


def detach(
    store: Store, label_studio: LabelStudio, settings: Settings, project_id: int, clock: Callable[[], float]
) -> Detached:
    """Disconnect a project: PapLoop removes itself from Label Studio, stops polling, and starts no more runs.

    Labels, predictions, models and everything recorded about the project stay, so that `attach` takes it up again.

    Raises:
        NotFound: neither PapLoop nor Label Studio knows the project.
        LabelStudioUnavailable: it does not answer; nothing was recorded, so the same call goes on where it stopped.
    """
    known = any(row.id == project_id for row in store.projects.all())
    try:
        done = disconnect(label_studio, settings, project_id)
    except NotFound:
        if not known:
            raise
        done = []
    if known:
        # Only now, so that what Label Studio still sent meanwhile is older than this.
        if store.projects.one(project_id).gone_at is None:
            store.projects.update(project_id, gone_at=clock())
            done.append("polls and runs have ended")
        run = store.runs.open_of(project_id)
        if run is not None and store.runs.end(run.id, "The project was disconnected.", clock()):
            done.append(f"ended run {run.id}")
    return Detached(project_id, done)


def ensure_project(
    label_studio: LabelStudio,
    files: DataDir,
    purpose: str,
    title: str,
    classes: Sequence[str],
    kind: Kind = "classes",
) -> int:
    """The project made for a purpose, created if it does not exist yet; an interrupted start creates no duplicates.

    Args:
        label_studio: where it is made.
        files: where it is remembered.
        purpose: what it is for, the key under which it is remembered.
        title: shown in Label Studio; a project with this title is taken over.
        classes: of the labeling interface.
        kind: of the labeling interface.
    """
    file = files.root / MADE
    made = _read(file)
    known = made.get(purpose)
    if known is not None and _exists(label_studio, known):
        return known
    titled = [project for project in label_studio.projects() if project.get("title") == title]
    project = titled[0] if titled else label_studio.create_project(title, label_config(classes, kind))
    project_id = int(project["id"])
    files.write_atomic(file, json.dumps({**made, purpose: project_id}, indent=1) + "\n")
    return project_id


def _exists(label_studio: LabelStudio, project_id: int) -> bool:
    try:
        label_studio.project(project_id)
    except NotFound:
        return False
    return True


def _read(file: Path) -> dict[str, int]:
    try:
        values = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {str(k): v for k, v in values.items() if isinstance(v, int)} if isinstance(values, dict) else {}
