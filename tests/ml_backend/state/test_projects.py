import pytest

from ml_backend.errors import NotFound
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import AnnotationRow, NewItem, RankingEntry
from ml_backend.state.store import Store


def test_upsert_keeps_settings_and_creation_time(store: Store) -> None:
    store.save_settings(1, ProjectSettings(strategy="margin"))
    row = store.upsert_project(1, "Renamed", "<View></View>", 99.0, settings=ProjectSettings(strategy="uniform"))
    assert (row.title, row.label_config, row.created_at) == ("Renamed", "<View></View>", 10.0)
    assert store.settings(1).strategy == "margin"


def test_settings_of_a_new_project_can_be_given(store: Store) -> None:
    store.upsert_project(2, "Two", "", 1.0, settings=ProjectSettings(encoder="timm:x"))
    assert store.settings(2).encoder == "timm:x"
    assert [row.id for row in store.projects()] == [1, 2]


def test_update_project(store: Store) -> None:
    store.update_project(1, reconciled_until="2026-01-01T00:00:00.000000Z", reconciled_at=5.0)
    assert store.project(1).reconciled_at == 5.0
    with pytest.raises(TypeError, match="no column colour"):
        store.update_project(1, colour="red")


@pytest.mark.parametrize("call", ["project", "settings"])
def test_unknown_project_says_what_to_do(store: Store, call: str) -> None:
    with pytest.raises(NotFound, match="does not know project 7; run `paploop connect 7`"):
        getattr(store, call)(7)
    with pytest.raises(NotFound):
        store.update_project(7, title="x")
    with pytest.raises(NotFound):
        store.add_items(7, [NewItem("a")], 1.0)
    with pytest.raises(NotFound):
        store.open_run(7, kind="train", reason="", seed=0, change=0, now=1.0)
    with pytest.raises(NotFound):
        store.upsert_annotations(7, [AnnotationRow(1, 1)], 1.0)


def test_delete_project_takes_everything_and_only_its_own(store: Store) -> None:
    store.upsert_project(2, "Two", "", 1.0)
    for project in (1, 2):
        (item,) = store.add_items(project, [NewItem("a", task_id=5)], 1.0)
        store.upsert_annotations(project, [AnnotationRow(project, 5, result=[1], updated_at="2026-01-01")], 1.0)
        run = store.open_run(project, kind="train", reason="", seed=0, change=0, now=1.0)
        assert run is not None
        store.add_ranking(project, run.id, run.id, f"v{project}", "entropy", {}, [RankingEntry(item, 0, 0.0, 1.0)], 1.0)
        store.add_event(project, "X", {}, 1.0)
    store.delete_project(1)
    store.delete_project(1)
    assert [row.id for row in store.projects()] == [2]
    assert len(store.items(2)) == len(store.annotations(2)) == len(store.runs(2)) == len(store.rankings(2)) == 1
    assert [event.project_id for event in store.open_events()] == [2]
    store.upsert_project(1, "again", "", 1.0)
    assert store.items(1) == [] == store.runs(1)


def test_numbers_are_never_used_twice(store: Store) -> None:
    run = store.open_run(1, kind="train", reason="", seed=0, change=0, now=1.0)
    (item,) = store.add_items(1, [NewItem("a")], 1.0)
    assert run is not None
    store.delete_project(1)
    store.upsert_project(1, "again", "", 1.0)
    again = store.open_run(1, kind="train", reason="", seed=0, change=0, now=1.0)
    assert again is not None
    assert again.id > run.id
    assert store.add_items(1, [NewItem("a")], 1.0)[0] > item
