from dataclasses import replace

from ml_backend.state.records import AnnotationRow, EffortRow
from ml_backend.state.store import Store

NOW = 1_800_000_000.0
EARLY, LATE = "2026-11-21T09:00:00.000000Z", "2026-11-21T10:00:00.000000Z"
REGION = {"id": "r", "type": "choices"}


def annotation(number: int, updated_at: str = EARLY, **fields: bool) -> AnnotationRow:
    return AnnotationRow(id=number, task_id=number, result=[REGION], updated_at=updated_at, **fields)


def row(number: int, updated_at: str = EARLY) -> EffortRow:
    return EffortRow(number, updated_at, 3, "proposal", 1, 0, 0, 0, None, 2.5)


def test_each_state_of_an_annotation_is_looked_at_once(store: Store) -> None:
    store.projects.upsert(1, "Cells", "", NOW)
    store.labels.upsert(1, [annotation(1), annotation(2), annotation(3, was_cancelled=True)], NOW)
    assert [found.id for found in store.effort.missing(1)] == [1, 2]
    assert [found.id for found in store.effort.missing(1, limit=1)] == [1]
    store.effort.save(1, [row(1), row(2), row(2)])
    assert store.effort.missing(1) == []
    assert store.effort.all(1) == [row(1), row(2)]
    store.labels.upsert(1, [annotation(2, LATE)], NOW)
    assert [found.id for found in store.effort.missing(1)] == [2]
    store.effort.save(1, [replace(row(2, LATE), accepted=0, relabeled=1)])
    assert store.effort.all(1)[1].relabeled == 1


def test_deleted_annotations_and_projects_leave_nothing(store: Store) -> None:
    store.projects.upsert(1, "Cells", "", NOW)
    store.labels.upsert(1, [annotation(1), annotation(2)], NOW)
    store.effort.save(1, [row(1), row(2)])
    store.labels.delete(1, [1], NOW)
    assert [found.annotation_id for found in store.effort.all(1)] == [2]
    assert store.effort.all(2) == []
    store.projects.delete(1)
    assert store.effort.all(1) == []
