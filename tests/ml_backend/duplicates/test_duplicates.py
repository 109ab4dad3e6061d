"""Copies in the running loop: one task each specimen, labels offered to copies, corrections by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml_backend.duplicates.earlier import CHECKED
from ml_backend.duplicates.recheck import Doubt, recheck
from ml_backend.duplicates.regroup import correct, groups_of
from ml_backend.duplicates.review import copy_list
from ml_backend.intake.ingest import ingest
from ml_backend.reports.overview import overview
from ml_backend.runs import request_run
from ml_backend.state.records import ItemRow
from tests.fakes.label_studio import choice
from tests.fakes.progress import quiet
from tests.ml_backend.loop.classes import Loop


@pytest.fixture
def copies(loop: Loop, tmp_path: Path) -> list[ItemRow]:
    """Two images of the loop's folder in a second folder: turned, and mirrored with half the size."""
    folder = tmp_path / "more"
    folder.mkdir()
    originals = [item for item in loop.store.items.all(loop.project) if item.task_id is not None][:2]
    first, second = (Image.open(item.source).convert("RGB") for item in originals)
    Image.fromarray(np.rot90(np.asarray(first)).copy()).save(folder / "a.png")
    half = (second.width // 2, second.height // 2)
    Image.fromarray(np.asarray(second)[:, ::-1].copy()).resize(half).save(folder / "b.jpg", quality=80)
    report = ingest(loop.services, loop.project, folder, stage=quiet)
    assert (report.new, report.near_duplicates, report.tasks) == (2, 2, 0)
    return originals


def by_name(loop: Loop, name: str) -> ItemRow:
    return next(item for item in loop.store.items.all(loop.project) if item.source.endswith(name))


def rechecked(loop: Loop, *, apply: bool = False) -> list[Doubt]:
    parts, most = loop.services, loop.services.settings.max_image_pixels
    return recheck(parts.store, parts.files, parts.images, loop.project, quiet(""), apply=apply, max_pixels=most)


def test_copies_are_not_asked_about_and_a_split_by_hand_brings_them_a_task(loop: Loop, copies: list[ItemRow]) -> None:
    turned = by_name(loop, "/a.png")
    assert (turned.group_id, turned.split) == (copies[0].group_id, copies[0].split)
    correct(loop.services.store, loop.services.files, loop.project, split=[turned.id])
    tasks = len(loop.fake.state.tasks_of(loop.project))
    request_run(loop.services.store, loop.project, kind="rank", reason="Test.", now=loop.services.clock())
    loop.settle()
    assert len(loop.fake.state.tasks_of(loop.project)) == tasks + 1
    assert by_name(loop, "/a.png").task_id is not None
    assert by_name(loop, "/b.jpg").task_id is None
    again = ingest(loop.services, loop.project, Path(turned.source).parent, stage=quiet)
    assert (again.new, again.tasks) == (0, 0)
    assert by_name(loop, "/a.png").group_id == turned.id


def test_groups_of_an_earlier_check_are_looked_at_again_and_taken_apart_when_asked(
    loop: Loop, copies: list[ItemRow]
) -> None:
    project = loop.project
    unlike = [item for item in loop.store.items.all(project) if item.task_id is not None][5]
    # as the check of the pixels' agreement alone had joined it
    loop.store.items.update([{"id": unlike.id, "group_id": copies[0].id}])
    doubts = rechecked(loop)
    assert [(doubt.item, doubt.group) for doubt in doubts] == [(unlike.id, copies[0].id)]
    assert loop.store.items.one(unlike.id).group_id == copies[0].id
    assert rechecked(loop, apply=True) == doubts
    assert loop.store.items.one(unlike.id).group_id == unlike.id
    assert by_name(loop, "/a.png").group_id == copies[0].id
    assert rechecked(loop) == []


def test_images_of_an_earlier_check_are_told_of_until_they_are_compared_again(
    loop: Loop, copies: list[ItemRow]
) -> None:
    services, project = loop.services, loop.project
    assert overview(services.store, project, now=services.clock()).groups_note == ""
    unlike = [item for item in loop.store.items.all(project) if item.task_id is not None][5]
    turned = by_name(loop, "/a.png")
    # as a version before the mark left them
    unmarked = {key: value for key, value in turned.meta.items() if key != CHECKED}
    loop.store.items.update([{"id": turned.id, "meta": unmarked}])
    loop.store.items.update([{"id": unlike.id, "group_id": copies[0].id, "meta": {**unlike.meta, CHECKED: 2}}])
    note = overview(services.store, project, now=services.clock()).groups_note
    assert note.startswith("2 images joined a group under an earlier")
    assert f"groups {project} --recheck" in note
    rechecked(loop)
    assert by_name(loop, "/a.png").meta == turned.meta
    assert overview(services.store, project, now=services.clock()).groups_note.startswith("1 image joined")
    rechecked(loop, apply=True)
    assert overview(services.store, project, now=services.clock()).groups_note == ""


def test_what_is_not_asked_about_is_counted_with_its_pair(loop: Loop, copies: list[ItemRow]) -> None:
    view = overview(loop.services.store, loop.project, now=loop.services.clock())
    assert view.copies == len([i for i in loop.store.items.all(loop.project) if i.group_id != i.id])
    pairs = copy_list(loop.services.store.items, loop.project, 50)
    assert len(pairs) == view.copies >= 2
    pair = next(pair for pair in pairs if pair["name"].endswith("a.png"))
    assert (pair["task"], pair["shown"]) == (copies[0].task_id, copies[0].data["name"])
    assert len(copy_list(loop.services.store.items, loop.project, 1)) == 1


def test_a_label_on_one_member_is_offered_to_the_others(loop: Loop) -> None:
    first, second, third = [i for i in loop.store.items.all(loop.project, states=("ready",)) if i.task_id is not None][
        :3
    ]
    correct(loop.services.store, loop.services.files, loop.project, merge=[first.id, second.id])
    name = loop.truth[int(first.task_id or 0)]
    loop.services.label_studio.create_annotation(int(first.task_id or 0), choice(name, "class", "image"), 1.0)
    loop.apply()
    request_run(loop.services.store, loop.project, kind="rank", reason="Test.", now=loop.services.clock())
    loop.settle()
    ranking = loop.store.rankings.active(loop.project)
    assert ranking is not None
    wanted = {"strategy", "parameters", "seed", "model_run", "encoder", "index_version", "data_hash"}
    assert wanted <= set(ranking.provenance.as_dict())
    entries = {entry.item_id: entry for entry in loop.store.rankings.entries(ranking.id)}
    assert f"labeled {name}: that label is proposed" in entries[second.id].why
    assert "proposed" not in entries[third.id].why
    shown = [
        prediction["result"][0]["value"]["choices"]
        for prediction in loop.fake.state.predictions_of(int(second.task_id or 0))
        if prediction["model_version"] == ranking.version
    ]
    assert shown == [[name]]
    assert len(groups_of(loop.store.items.all(loop.project))[first.group_id or 0]) == 2
