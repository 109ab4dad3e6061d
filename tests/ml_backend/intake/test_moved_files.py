"""A renamed folder: the images are found again by content instead of being taken in twice."""

from __future__ import annotations

import shutil
from pathlib import Path

from ml_backend.intake.ingest import ingest
from ml_backend.intake.moved_files import missing_files
from ml_backend.loop.steps.prepare import prepare
from ml_backend.runs import request_run
from tests.fakes.progress import quiet, silent
from tests.ml_backend.loop.classes import Loop, make_loop
from training.jobs.classes import train


def test_images_of_a_renamed_folder_keep_their_tasks_and_sides(tmp_path: Path, cells: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(cells, old)
    loop: Loop = make_loop(tmp_path / "state", old)
    before = {item.id: (item.task_id, item.split, item.group_id) for item in loop.store.items.all(loop.project)}
    gone = sorted(old.rglob("*.png"))[0]
    name = gone.relative_to(old)
    new = tmp_path / "new"
    old.rename(new)
    (new / name).rename(new / "renamed.png")
    shutil.copy(new / "renamed.png", new / "twice.png")
    report = ingest(loop.services, loop.project, new, stage=quiet)
    assert report.moved == len(before)
    assert (report.new, report.near_duplicates, report.tasks) == (1, 1, 0)
    items = {item.id: item for item in loop.store.items.all(loop.project)}
    assert {i: (items[i].task_id, items[i].split, items[i].group_id) for i in before} == before
    assert all(loop.services.images.of(items[i]).is_file() for i in before)
    assert sum(items[i].data["name"] in ("renamed.png", "twice.png") for i in before) == 1
    again = ingest(loop.services, loop.project, new, stage=quiet)
    assert (again.moved, again.new, again.tasks) == (0, 0, 0)
    loop.store.close()


def test_a_run_goes_on_after_the_data_directory_was_moved(tmp_path: Path, cells: Path) -> None:
    loop: Loop = make_loop(tmp_path / "state", cells)
    loop.label(24)
    loop.apply()
    run = request_run(
        loop.services.store, loop.project, kind="train", reason="A test asks for it.", now=loop.services.clock()
    )
    assert prepare(loop.services, run).following == "train"
    folder = loop.services.files.run_dir(run.id).relative_to(tmp_path / "state")
    loop.store.close()
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    assert str(tmp_path / "state") not in (tmp_path / "elsewhere" / folder / "request.json").read_text()
    assert train(tmp_path / "elsewhere" / folder, silent)["classes"]


def test_images_that_are_not_where_they_were_are_named(tmp_path: Path, cells: Path) -> None:
    pool = tmp_path / "pool"
    shutil.copytree(cells, pool)
    loop: Loop = make_loop(tmp_path / "state", pool)
    assert missing_files(loop.store) == []
    pool.rename(tmp_path / "new")
    (sentence,) = missing_files(loop.store)
    assert (
        f"{len(loop.store.items.all(loop.project))} images of project {loop.project} are no longer in their place"
        in sentence
    )
    assert "paploop ingest" in sentence
    loop.store.close()
