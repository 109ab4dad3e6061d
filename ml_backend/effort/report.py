"""What proposals saved, per project and run: counts, seconds per image, seconds saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from ml_backend.effort.kinds.base import Proposing, proposing_of
from ml_backend.effort.seconds import CONFIDENCE, Costs, Saved, Work, typical
from ml_backend.effort.shown import ELSEWHERE, PROPOSAL
from ml_backend.errors import LabelConfigError
from ml_backend.label_studio.config import parse_label_config
from ml_backend.label_studio.config.job import FAMILIES
from ml_backend.state.records import EffortRow
from ml_backend.state.store import Store
from ml_backend.times import duration


@dataclass(frozen=True)
class Part:
    """Effort on some images.

    Attributes:
        run: the run whose model's proposals were shown; None for all images with proposals.
        images: annotations that began with proposals.
        accepted: regions left as they were shown.
        moved: regions with another place or shape.
        relabeled: regions with another label, moved or not.
        deleted: shown regions that were removed.
        added: regions drawn by hand on these images.
        seconds: median time per image, s; None where none was measured.
        saved: seconds saved, None while there is not enough evidence.
        unknown: annotations of which it is not known any more what was shown, so that deletions are not counted.
    """

    run: int | None
    images: int
    accepted: int
    moved: int
    relabeled: int
    deleted: int
    added: int
    seconds: float | None
    saved: Saved | None
    unknown: int

    @property
    def shown(self) -> int:
        """Number of regions that were shown, as far as known."""
        return self.accepted + self.moved + self.relabeled + self.deleted

    @property
    def accepted_share(self) -> float | None:
        """Fraction of the shown regions that was left unchanged, in [0, 1]."""
        return self.accepted / self.shown if self.shown else None

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {**asdict(self), "shown": self.shown, "accepted_share": self.accepted_share}


@dataclass(frozen=True)
class ByHand:
    """Annotations that began with nothing: how many, their regions, and the median time of one, s."""

    images: int
    regions: int
    seconds: float | None


@dataclass(frozen=True)
class EffortReport:
    """Effort in a project.

    Attributes:
        project: Label Studio's project id.
        kind: "classification", "detection" or "segmentation"; empty when the labeling config cannot be read.
        total: all images with proposals.
        runs: the same by run, newest first.
        by_hand: annotations that began with nothing.
        elsewhere: annotations that did not come from the editor; they count nowhere.
        costs: seconds of each action as fitted, see `ml_backend.effort.seconds`.
        cut_off: images whose time was cut off, since a page must have been left open.
        lacks: what is missing before seconds can be estimated; empty when nothing is.
    """

    project: int
    kind: str
    total: Part
    runs: Sequence[Part]
    by_hand: ByHand
    elsewhere: int
    costs: dict[str, float]
    cut_off: int
    lacks: str

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        plain = {name: getattr(self, name) for name in ("project", "kind")}
        rest = {name: getattr(self, name) for name in ("elsewhere", "costs", "cut_off")}
        parts = {"total": self.total.as_dict(), "runs": [part.as_dict() for part in self.runs]}
        return {
            **plain,
            "by_hand": asdict(self.by_hand),
            **rest,
            **parts,
            "lacks": self.lacks,
            "confidence": CONFIDENCE,
            "summary": summary(self),
        }


def effort_report(store: Store, project_id: int) -> EffortReport:
    """Read what was recorded; `ml_backend.effort.record` examines new annotations.

    Raises:
        NotFound: the project is not connected.
    """
    project = store.projects.one(project_id)
    try:
        kind = str(parse_label_config(project.label_config).kind)
    except LabelConfigError:
        kind = ""
    return report_of(project_id, kind, tuple(store.effort.all(project_id)))


@lru_cache(maxsize=64)
def report_of(project_id: int, kind: str, rows: tuple[EffortRow, ...]) -> EffortReport:
    """Put the report together from the rows of a project."""
    done = [row for row in rows if row.start != ELSEWHERE]
    costs = Costs([_work(row) for row in done], whole=_proposing(kind).is_whole)
    proposed = [row for row in done if row.start == PROPOSAL]
    by_hand = [row for row in done if row.start != PROPOSAL]
    runs = sorted({row.run_id for row in proposed if row.run_id is not None}, reverse=True)
    return EffortReport(
        project=project_id,
        kind=kind,
        total=_part(None, proposed, costs),
        runs=[_part(run, [row for row in proposed if row.run_id == run], costs) for run in runs],
        by_hand=ByHand(
            images=len(by_hand),
            regions=sum(row.added for row in by_hand),
            seconds=typical([row.seconds for row in by_hand if row.seconds]),
        ),
        elsewhere=len(rows) - len(done),
        costs=costs.seconds,
        cut_off=costs.cut_off,
        lacks=costs.lacks,
    )


def _proposing(kind: str) -> Proposing:
    """Where the labeling config cannot be read, regions: what was recorded is still told."""
    return proposing_of(FAMILIES.get(kind, kind) or "objects")


def _work(row: EffortRow) -> Work:
    return Work(
        row.start == PROPOSAL,
        row.accepted,
        row.moved + row.relabeled,
        row.added,
        row.deleted or 0,
        row.seconds,
        row.run_id,
    )


def _part(run: int | None, rows: Sequence[EffortRow], costs: Costs) -> Part:
    return Part(
        run=run,
        images=len(rows),
        accepted=sum(row.accepted for row in rows),
        moved=sum(row.moved for row in rows),
        relabeled=sum(row.relabeled for row in rows),
        deleted=sum(row.deleted or 0 for row in rows),
        added=sum(row.added for row in rows),
        seconds=typical([row.seconds for row in rows if row.seconds]),
        saved=costs.saved([_work(row) for row in rows]),
        unknown=sum(row.deleted is None for row in rows),
    )


def summary(report: EffortReport) -> str:
    """The report in one or two sentences."""
    total = report.total
    if not total.images:
        return "No image with a pre-annotation is finished yet."
    share = "" if total.accepted_share is None else f" ({100 * total.accepted_share:.0f} %)"
    what = _proposing(report.kind).proposed
    said = f"{total.accepted} of {total.shown} proposed {what}{share} were kept unchanged on {total.images} images."
    if total.saved is None:
        return f"{said} Seconds saved: not enough evidence yet. {report.lacks}"
    saved = total.saved
    return (
        f"{said} Estimated time saved: {duration(saved.seconds)} "
        f"(90 % interval {duration(saved.low)} to {duration(saved.high)})."
    )
