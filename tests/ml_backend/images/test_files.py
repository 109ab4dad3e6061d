"""Items and addresses to local files: what is ours needs no Label Studio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ml_backend.images.files import ImageFiles
from ml_backend.images.items import task_source
from ml_backend.images.resolver import ImageResolver
from ml_backend.state.records import NewItem
from ml_backend.state.store import Store
from tests.ml_backend.images.internet import Internet, png


def test_only_images_that_are_not_ours_need_a_resolver_and_one_serves_all(internet: Internet, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'items.db'}")
    store.upsert_project(1, "Cells", "<View/>", 1.0)
    store.add_items(1, [NewItem(str(tmp_path / "ours.png"))], 1.0)
    (ours,) = store.items.all(1)
    store.close()
    theirs = replace(ours, source=task_source(7), task_id=7, data={"image": "/data/upload/1/a.png"})
    internet.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    made: list[ImageResolver] = []

    def make() -> ImageResolver:
        made.append(internet.resolver())
        return made[-1]

    images = ImageFiles(make)
    assert images.of(ours) == tmp_path / "ours.png"
    assert not made
    assert images.of(theirs).read_bytes() == images.local_path("/data/upload/1/a.png").read_bytes() == png()
    assert len(made) == 1
