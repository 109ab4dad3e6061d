"""Put existing labels into a project; doing it twice adds nothing, and what people labeled is never touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ml_backend.errors import BadRequest
from ml_backend.events import annotation_row
from ml_backend.ingest import Stage
from ml_backend.label_config import LabelingJob, parse_label_config
from ml_backend.labels_import.matching import Matcher
from ml_backend.labels_import.reading import Entry, Source, read_source
from ml_backend.labels_import.results import Losses, results_of
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from training.types import Progress

As = Literal["annotations", "predictions"]
NAMED = 20
"""Images that are named one by one in a report; the others are counted."""


@dataclass(frozen=True)
class ImportReport:
    """What an import did, or would do.

    Attributes:
        form: of the source.
        images: entries of the source.
        matched: those that are images of the project.
        by_name_alone: those of them whose file is another than the project's, of the same name and size.
        added: annotations or pre-annotations that were added (or would be).
        regions: labeled regions in these.
        present: images left alone because they have an annotation (or this very pre-annotation) already.
        unmatched: why entries are no images of the project, the first few.
        unmatched_count: how many there are.
        problems: one sentence for each kind of thing that was left out.
    """

    form: str
    images: int
    matched: int
    by_name_alone: int
    added: int
    regions: int
    present: int
    unmatched: Sequence[str] = ()
    unmatched_count: int = 0
    problems: Sequence[str] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class _Ready:
    """One image and what is to be added."""

    item: ItemRow
    task: int
    results: list[dict[str, Any]]


def import_labels(
    services: Services,
    project_id: int,
    source: Path,
    *,
    kind: As,
    form: str = "auto",
    dry_run: bool = False,
    stage: Stage,
) -> ImportReport:
    """Add the labels of a folder or file to the images of a project that have none.

    Annotations go to Label Studio one by one, each a whole, so an import may be broken off at any moment and started
    again. Pre-annotations are kept by PapLoop and go out with the next order, for images that no model of the project
    has an answer for.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        source: see `ml_backend.labels_import.reading`.
        kind: what the labels become.
        form: of the source; "auto" looks.
        dry_run: only report.
        stage: shows progress.

    Raises:
        NotFound, BadRequest, TrainingError: source or project cannot be used.
        LabelStudioUnavailable: it does not answer; run the same command again.
    """
    job = parse_label_config(services.store.project(project_id).label_config)
    items = services.store.items(project_id, states=("new", "ready"))
    matcher = Matcher(services, items)
    labels = read_source(source, form, matcher.find)
    _check(labels, job)
    matcher.expect(labels.entries)
    pairs, unmatched = _matched(matcher, labels.entries, stage("Matching images"))
    losses, problems = Losses(), Counter[str]()
    ready = _phrased(services, project_id, pairs, labels, job, losses, problems)
    present = _present(services, project_id, ready, kind)
    fresh = [each for each in ready if each.task not in present]
    if not dry_run:
        add = _annotate if kind == "annotations" else _propose
        add(services, project_id, fresh, stage(f"Adding {kind}"))
    counted = [sentence.format(count=count) for sentence, count in problems.items()]
    return ImportReport(
        form=labels.form,
        images=len(labels.entries),
        matched=len(pairs),
        by_name_alone=matcher.by_name_alone,
        added=len(fresh),
        regions=sum(len({result["id"] for result in each.results}) for each in fresh),
        present=len(ready) - len(fresh),
        unmatched=unmatched[:NAMED],
        unmatched_count=len(unmatched),
        problems=[*labels.problems, *counted, *losses.sentences()],
    )


def _check(labels: Source, job: LabelingJob) -> None:
    if labels.has_objects != job.finds_objects:
        theirs = "boxes or outlines of objects" if labels.has_objects else "classes of whole images"
        ours = "draws objects" if job.finds_objects else "gives whole images a class"
        raise BadRequest(f"The labels are {theirs}, but the project {ours}; choose a project of the same kind.")
    is_empty = all(entry.image is not None and not len(entry.image.boxes) for entry in labels.entries)
    if not is_empty and not set(labels.classes) & set(job.classes):
        raise BadRequest(
            f"None of the labels ({', '.join(labels.classes)}) is in the labeling config ({', '.join(job.classes)}); "
            "rename them or add them to the config."
        )


def _matched(
    matcher: Matcher, entries: Sequence[Entry], progress: Progress
) -> tuple[list[tuple[Entry, ItemRow]], list[str]]:
    pairs: list[tuple[Entry, ItemRow]] = []
    unmatched: list[str] = []
    taken: dict[int, str] = {}
    for number, entry in enumerate(entries, start=1):
        item = matcher.item_of(entry)
        if isinstance(item, str):
            unmatched.append(item)
        elif item.id in taken:
            unmatched.append(f"{entry.name} is the same image as {taken[item.id]}, which came first.")
        else:
            taken[item.id] = entry.name
            pairs.append((entry, item))
        progress(number / len(entries), f"{len(pairs)} of {number} found")
    return pairs, unmatched


def _phrased(
    services: Services,
    project_id: int,
    pairs: Sequence[tuple[Entry, ItemRow]],
    labels: Source,
    job: LabelingJob,
    losses: Losses,
    problems: Counter[str],
) -> list[_Ready]:
    shown_as = services.store.settings(project_id).shown_as
    ready = []
    for entry, item in pairs:
        if item.task_id is None:
            problems[
                "{count} images have no task yet or are near-duplicates of another one, which is asked about first; "
                "they were left out."
            ] += 1
            continue
        results = results_of(entry, labels.classes, job, shown_as, losses)
        if results is not None:
            ready.append(_Ready(item, item.task_id, results))
    return ready


def _present(services: Services, project_id: int, ready: Sequence[_Ready], kind: As) -> set[int]:
    """Tasks that are to be left alone."""
    if kind == "annotations":
        # Label Studio itself is asked: what people did a moment ago may not have arrived here.
        return set(services.label_studio.annotation_ids(project_id)) if ready else set()
    known = services.store.proposals(project_id, [each.item.id for each in ready])
    labelled = {row.task_id for row in services.store.annotations(project_id)}
    return {each.task for each in ready if each.task in labelled or known.get(each.item.id) == each.results}


def _annotate(services: Services, project_id: int, ready: Sequence[_Ready], progress: Progress) -> None:
    for number, each in enumerate(ready, start=1):
        made = services.label_studio.create_annotation(each.task, each.results)
        services.store.upsert_annotations(project_id, [annotation_row(project_id, made)], services.clock())
        progress(number / len(ready), f"{number} of {len(ready)} images")


def _propose(services: Services, project_id: int, ready: Sequence[_Ready], progress: Progress) -> None:
    services.store.save_proposals(project_id, {each.item.id: each.results for each in ready}, services.clock())
    if ready:
        from ml_backend.runs import request_run

        request_run(services, project_id, kind="rank", reason=f"{len(ready)} pre-annotations were imported.")
    progress(1.0, f"{len(ready)} images")
