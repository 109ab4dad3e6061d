"""Import existing labels into a project; a second import adds nothing, and what people labeled is never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ml_backend.errors import BadRequest
from ml_backend.intake.label_files.matching import Matcher
from ml_backend.intake.label_files.reading import Entry, Source, read_source, spelled_as
from ml_backend.intake.label_files.repairing import Repair, repair, repairable
from ml_backend.intake.label_files.results import Losses, Said, results_of
from ml_backend.label_studio.bodies.annotations import annotation_row
from ml_backend.label_studio.config import LabelingJob, parse_label_config
from ml_backend.progress import Stage
from ml_backend.runs import request_run
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from ml_backend.state.store import Store
from training.data.reading import refuse_many, together
from training.types import Progress

if TYPE_CHECKING:
    from ml_backend.label_studio.client import LabelStudio
    from ml_backend.label_studio.client.wire import Json

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
        repaired: annotations of an earlier import that were replaced, see `import_labels`.
        pre_annotated: images whose labels became pre-annotations, for something on them was left out.
        complete: whether no label of a matched image was left out, in part or as a whole.
        left_out: objects and images that could not be read, by reason.
        unmatched: why entries are not images of the project, the first few.
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
    repaired: int = 0
    pre_annotated: int = 0
    complete: bool = True
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unmatched: Sequence[str] = ()
    unmatched_count: int = 0
    problems: Sequence[str] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True)
class _Ready:
    """One image and what is to be added."""

    item: ItemRow
    task: int
    said: Said


def import_labels(
    services: Services,
    project_id: int,
    source: Path,
    *,
    kind: As,
    form: str = "auto",
    dry_run: bool = False,
    allow_left_out: bool = False,
    replace_imported: bool = False,
    stage: Stage,
) -> ImportReport:
    """Add the labels of a folder or file to the images of a project that have none.

    Annotations go to Label Studio one by one, each a whole, so an import may be broken off at any moment and started
    again. Pre-annotations are kept by PapLoop and go out with the next order, for images that no model of the project
    has an answer for.

    An annotation says that nothing is where nothing is marked. So an image of which something was left out gets none:
    what is known of it becomes a pre-annotation, and the repaired labels can be imported afterwards.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        source: see `ml_backend.intake.label_files.reading`.
        kind: what the labels become.
        form: of the source; "auto" looks.
        dry_run: only report.
        allow_left_out: go on where more than a few percent of the objects cannot be read.
        replace_imported: put the labels in place of other ones that an earlier import made and nobody touched.
        stage: shows progress.

    Raises:
        NotFound, BadRequest, TrainingError: source or project cannot be used.
        LabelStudioUnavailable: it does not answer; run the same command again.
    """
    store, label_studio = services.store, services.label_studio
    job = parse_label_config(store.projects.one(project_id).label_config)
    items = store.items.all(project_id, states=("new", "ready"))
    matcher = Matcher(services.images, items)
    labels = spelled_as(read_source(source, form, matcher, matcher.words(job)), job.classes)
    refuse_many(labels.left_out, allow=allow_left_out)
    _check(labels, job)
    matcher.expect(labels.entries)
    pairs, unmatched, contradicted = _matched(matcher, labels.entries, stage("Matching images"))
    losses, problems = Losses(), Counter[str]()
    shown_as = store.projects.settings(project_id).shown_as
    ready = _phrased(shown_as, pairs, labels, job, losses, problems)
    fresh, repairs, present = _sorted(store, label_studio, project_id, ready, kind, replace_imported=replace_imported)
    whole = [each for each in fresh if each.said.whole or kind == "predictions"]
    parts = [each for each in fresh if not each.said.whole and kind == "annotations" and each.said.results]
    if not dry_run:
        if kind == "annotations":

            def keep(made: Json) -> None:
                store.labels.upsert(project_id, [annotation_row(project_id, made)], services.clock())

            _annotate(label_studio, whole, keep, stage("Adding annotations"))
            repair(label_studio, repairs, keep, stage("Replacing annotations"))
        proposed = parts if kind == "annotations" else whole
        progress = stage("Adding pre-annotations")
        store.proposals.save(project_id, {each.item.id: each.said.results for each in proposed}, services.clock())
        if proposed:
            request_run(
                services.store,
                project_id,
                kind="rank",
                reason=f"{len(proposed)} pre-annotations were imported.",
                now=services.clock(),
            )
        progress(1.0, f"{len(proposed)} images")
    counted = [sentence.format(count=count) for sentence, count in problems.items()]
    doubtful = sum(not each.said.whole for each in fresh)
    if doubtful and kind == "annotations":
        known = f"; the known labels of {len(parts)} of them became pre-annotations" if parts else ""
        counted.append(
            f"On {doubtful} images something was left out, so they count as not labeled{known}. Correct the "
            "labels or the config and import again."
        )
    counted += [f"{name} has more than one label and was left out." for name in contradicted]
    lost = any(labels.left_out.as_dict().values()) or bool(losses.sentences()) or bool(contradicted)
    return ImportReport(
        form=labels.form,
        images=len(labels.entries),
        matched=len(pairs),
        by_name_alone=matcher.by_name_alone,
        added=len(whole),
        regions=sum(len({result["id"] for result in each.said.results}) for each in whole),
        present=present,
        repaired=len(repairs),
        pre_annotated=len(parts),
        complete=not lost and not doubtful,
        left_out=labels.left_out.as_dict(),
        unmatched=unmatched[:NAMED],
        unmatched_count=len(unmatched),
        problems=[*counted, *losses.sentences(), *labels.problems],
    )


def _check(labels: Source, job: LabelingJob) -> None:
    if labels.has_objects != job.finds_objects:
        theirs = "boxes or outlines of objects" if labels.has_objects else "classes of whole images"
        ours = "draws objects" if job.finds_objects else "gives whole images a class"
        raise BadRequest(
            f"The labels are {theirs}, but the project {ours}. Choose a project of the same kind.",
            code="labels.other_kind",
        )
    is_empty = all(entry.image is not None and not len(entry.image.boxes) for entry in labels.entries)
    if not is_empty and not set(labels.classes) & set(job.classes):
        raise BadRequest(
            f"None of the labels ({', '.join(labels.classes)}) is in the labeling config ({', '.join(job.classes)}); "
            "rename them or add them to the config.",
            code="labels.no_class_known",
        )


def _matched(
    matcher: Matcher, entries: Sequence[Entry], progress: Progress
) -> tuple[list[tuple[Entry, ItemRow]], list[str], list[str]]:
    """Entries with their images, why others have none, and the names of images with several classes."""
    found: dict[int, tuple[Entry, ItemRow]] = {}
    unmatched: list[str] = []
    contradicted: set[int] = set()
    for number, entry in enumerate(entries, start=1):
        item = matcher.item_of(entry)
        if isinstance(item, str):
            unmatched.append(item)
        elif item.id not in found:
            found[item.id] = entry, item
        else:
            first = found[item.id][0]
            unmatched.append(f"{entry.name} is the same image as {first.name}; only the first is used.")
            if first.image is not None and entry.image is not None:
                found[item.id] = replace(first, image=together(first.image, entry.image)), item
            elif first.label != entry.label:
                contradicted.add(item.id)
        progress(number / len(entries), f"{len(found)} of {number} found")
    names = [found.pop(item_id)[0].name for item_id in sorted(contradicted)]
    return list(found.values()), unmatched, names


def _phrased(
    shown_as: str,
    pairs: Sequence[tuple[Entry, ItemRow]],
    labels: Source,
    job: LabelingJob,
    losses: Losses,
    problems: Counter[str],
) -> list[_Ready]:
    ready = []
    for entry, item in pairs:
        if item.task_id is None:
            problems[
                "{count} images have no task yet or are near-duplicates of an image that is labeled first; "
                "they were left out."
            ] += 1
            continue
        said = results_of(entry, labels.classes, job, shown_as, losses)
        if said is not None:
            ready.append(_Ready(item, item.task_id, said))
    return ready


def _sorted(
    store: Store,
    label_studio: LabelStudio,
    project_id: int,
    ready: Sequence[_Ready],
    kind: As,
    *,
    replace_imported: bool,
) -> tuple[list[_Ready], list[Repair], int]:
    """What is to be added, what is to be replaced, and how many images are left alone."""
    if kind == "predictions":
        known = store.proposals.of(project_id, [each.item.id for each in ready])
        labelled = {row.task_id for row in store.labels.all(project_id)}
        fresh = [each for each in ready if each.task not in labelled and known.get(each.item.id) != each.said.results]
        return fresh, [], len(ready) - len(fresh)
    # Label Studio itself is asked: what people did a moment ago may not have arrived here.
    taken = label_studio.annotation_ids(project_id) if ready else {}
    fresh = [each for each in ready if each.task not in taken]
    present = {each.task: each.said.results for each in ready if each.task in taken and each.said.whole}
    repairs = repairable(label_studio, present) if replace_imported else []
    return fresh, repairs, len(ready) - len(fresh) - len(repairs)


def _annotate(
    label_studio: LabelStudio, ready: Sequence[_Ready], keep: Callable[[Json], None], progress: Progress
) -> None:
    for number, each in enumerate(ready, start=1):
        keep(label_studio.create_annotation(each.task, each.said.results))
        progress(number / len(ready), f"{number} of {len(ready)} images")
