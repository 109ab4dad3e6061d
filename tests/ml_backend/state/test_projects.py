import pytest

from ml_backend.errors import NotFound
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import AnnotationRow, NewItem, RankingEntry
from ml_backend.state.store import Store
from tests.fakes.runs import open_run


def test_upsert_keeps_settings_and_creation_time(store: Store) -> None:
    store.projects.save_settings(1, ProjectSettings(strategy="margin"))
    row = store.projects.upsert(1, "Renamed", "<View></View>", 99.0, settings=ProjectSettings(strategy="uniform"))
    assert (row.title, row.label_config, row.created_at) == ("Renamed", "<View></View>", 10.0)
    assert store.projects.settings(1).strategy == "margin"


def test_settings_of_a_new_project_can_be_given(store: Store) -> None:
    store.projects.upsert(2, "Two", "", 1.0, settings=ProjectSettings(encoder="timm:x"))
    assert store.projects.settings(2).encoder == "timm:x"
    assert [row.id for row in store.projects.all()] == [1, 2]


def test_update_project(store: Store) -> None:
    store.projects.update(1, reconciled_until="2026-01-01T00:00:00.000000Z", reconciled_at=5.0)
    assert store.projects.one(1).reconciled_at == 5.0
    with pytest.raises(TypeError, match="no column colour"):
        store.projects.update(1, colour="red")


@pytest.mark.parametrize("call", ["one", "settings"])
def test_unknown_project_says_what_to_do(store: Store, call: str) -> None:
    with pytest.raises(NotFound, match="Project 7 is not connected to PapLoop\\. Run `paploop connect 7`"):
        getattr(store.projects, call)(7)
    with pytest.raises(NotFound):
        store.projects.update(7, title="x")
    with pytest.raises(NotFound):
        store.items.add(7, [NewItem("a")], 1.0)
    with pytest.raises(NotFound):
        open_run(store, 7)
    with pytest.raises(NotFound):
        store.labels.upsert(7, [AnnotationRow(1, 1)], 1.0)


def test_delete_project_takes_everything_and_only_its_own(store: Store) -> None:
    store.projects.upsert(2, "Two", "", 1.0)
    for project in (1, 2):
        (item,) = store.items.add(project, [NewItem("a", task_id=5)], 1.0)
        store.labels.upsert(project, [AnnotationRow(project, 5, result=[1], updated_at="2026-01-01")], 1.0)
        run = open_run(store, project)
        store.rankings.add(
            project, run.id, run.id, f"v{project}", "entropy", {}, [RankingEntry(item, 0, 0.0, 1.0)], 1.0
        )
        store.events.add(project, "X", {}, 1.0)
    store.projects.delete(1)
    store.projects.delete(1)
    assert [row.id for row in store.projects.all()] == [2]
    assert (
        len(store.items.all(2))
        == len(store.labels.all(2))
        == len(store.runs.latest(2))
        == len(store.rankings.all(2))
        == 1
    )
    assert [event.project_id for event in store.events.all_open()] == [2]
    store.projects.upsert(1, "again", "", 1.0)
    assert store.items.all(1) == [] == store.runs.latest(1)


def test_numbers_are_never_used_twice(store: Store) -> None:
    run = open_run(store, 1)
    (item,) = store.items.add(1, [NewItem("a")], 1.0)
    store.projects.delete(1)
    store.projects.upsert(1, "again", "", 1.0)
    again = open_run(store, 1)
    assert again.id > run.id
    assert store.items.add(1, [NewItem("a")], 1.0)[0] > item
