"""Arrivals in any batches and corrections by hand in between, through the same code as an ingest."""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml_backend.duplicates import joining
from ml_backend.duplicates.joining import Joiner
from ml_backend.duplicates.regroup import correct, groups_of
from ml_backend.duplicates.thorough import search_project
from ml_backend.errors import BadRequest
from ml_backend.intake.embedding import Arrived, Embedder
from ml_backend.services import Services
from ml_backend.state.records import ItemRow, NewItem
from ml_backend.state.store import Store
from strategies.near_duplicates.frames import DIMENSION, frame
from tests.fakes.progress import quiet
from tests.fakes.world import open_services, settings_in
from tests.strategies.near_duplicates.specimens import specimen, turned

D = 8


class Encoder:
    key = "lines-1"
    dimension = D


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("joining") / "paploop.db"
    store = Store.open(f"sqlite:///{path}")
    store.projects.upsert(1, "cells", "<View/>", 0.0)
    store.close()
    return path


@contextmanager
def services(template: Path, root: Path) -> Iterator[Services]:
    root.mkdir()
    shutil.copy(template, root / "paploop.db")
    opened = open_services(settings_in(root))
    yield opened
    opened.store.close()


def arrive(services: Services, names: Sequence[str], vectors: np.ndarray, frames: np.ndarray) -> None:
    """One ingest of one batch; "3/b.png" is an image of patient 3."""
    store = services.store
    configured = store.projects.settings(1).changed(group_pattern=r"^(\d)/", validation_fraction=0.5)
    new = [NewItem(source=f"/{n}", content_hash=n, data={"root": "/", "name": n}) for n in names]
    ids = store.items.add(1, new, 0.0)
    items = store.items.by_id(1, ids)
    joiner = Joiner(services.files, services.images, 10**6, configured, Encoder.key, D, lambda first, second: True)
    encoder: Any = Encoder()
    embedder = Embedder(store, services.files, services.images, 10**6, 1, configured, encoder, joiner)
    embedder.settle(Arrived([items[i] for i in ids], vectors, frames, [(9, 9)] * len(ids)))


def state(services: Services) -> dict[str, tuple[int | None, str]]:
    return {item.source: (item.group_id, item.split) for item in services.store.items.all(1)}


def check_sides(items: Sequence[ItemRow]) -> None:
    for members in groups_of(items).values():
        assert len({item.split for item in members} - {"quarantine"}) <= 1
        assert members[0].group_id in {item.id for item in members}


Correction = tuple[str, frozenset[int]]
KINDS = st.tuples(st.sampled_from(["merge", "split"]), st.frozensets(st.integers(1, 14), min_size=1, max_size=3))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    specimens=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=3, max_size=14),
    corrections=st.lists(st.tuples(st.integers(1, 13), KINDS), max_size=3),
    cuts=st.lists(st.integers(1, 13), max_size=3),
)
def test_corrections_stay_whatever_arrives_in_any_batches(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    specimens: list[tuple[int, int]],
    corrections: list[tuple[int, Correction]],
    cuts: list[int],
) -> None:
    names = [f"{patient}/{number}.png" for number, (_, patient) in enumerate(specimens)]
    vectors = np.eye(D, dtype=np.float32)[[which for which, _ in specimens]]
    frames = np.zeros((len(names), DIMENSION), np.float32)
    stops = sorted({min(place, len(names)) for place, _ in corrections})

    def run(bounds: set[int]) -> dict[str, tuple[int | None, str]]:
        root = tmp_path_factory.mktemp("state")
        with services(template, root / "data") as made:
            for low, high in itertools.pairwise(sorted(bounds | {0, len(names), *stops})):
                before = state(made)
                arrive(made, names[low:high], vectors[low:high], frames[low:high])
                assert {source: value for source, value in state(made).items() if source in before} == before
                check_sides(made.store.items.all(1))
                for place, (verb, ids) in corrections:
                    if min(place, len(names)) == high:
                        apply(made, verb, sorted(ids))
                        check_sides(made.store.items.all(1))
            return state(made)

    assert run(set()) == run({cut for cut in cuts if cut < len(names)})


def apply(services: Services, verb: str, ids: list[int]) -> None:
    here = {item.id: item for item in services.store.items.all(1)}
    before = {item.source: item.split for item in here.values()}
    try:
        if verb == "merge":
            correct(services.store, services.files, 1, merge=[i for i in ids if i in here])
        else:
            correct(services.store, services.files, 1, split=[i for i in ids if i in here])
    except BadRequest:
        return
    for source, (_, split) in state(services).items():
        assert split == before[source] or "quarantine" in (split, before[source])


@pytest.mark.parametrize("exact_up_to", [300_000, 0])
def test_turned_copies_join_across_ingests_and_a_radius_of_0_switches_that_off(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact_up_to: int
) -> None:
    monkeypatch.setattr(joining, "EXACT_UP_TO", exact_up_to)
    images = {"0/a.png": specimen(1), "1/b.png": np.rot90(specimen(1)).copy(), "2/c.png": specimen(2)}
    names = list(images)
    paths = {name: tmp_path / name.replace("/", "-") for name in names}
    for name, path in paths.items():
        Image.fromarray(images[name]).save(path)
    vectors = np.eye(D, dtype=np.float32)[:3]
    shapes = []
    for number, radius in enumerate((0.08, 0.0)):
        with services(template, tmp_path / f"data{number}") as made:
            chosen = made.store.projects.settings(1).changed(duplicate_radius=radius)
            encoder: Any = Encoder()
            for row, name in enumerate(names):
                item = NewItem(source=str(paths[name]), content_hash=name, data={"root": str(tmp_path), "name": name})
                (item_id,) = made.store.items.add(1, [item], 0.0)
                joiner = Joiner(made.files, made.images, 10**6, chosen, Encoder.key, D)
                frames = frame(images[name])[None]
                arrived = Arrived([made.store.items.one(item_id)], vectors[row : row + 1], frames, [(9, 9)])
                Embedder(made.store, made.files, made.images, 10**6, 1, chosen, encoder, joiner).settle(arrived)
            shapes.append([len(members) for members in groups_of(made.store.items.all(1)).values()])
    assert shapes == [[2, 1], [1, 1, 1]]


@pytest.mark.slow
def test_a_search_finds_what_ingest_did_not_propose_and_leaves_what_was_split(template: Path, tmp_path: Path) -> None:
    cut = turned(specimen(1), 33.0)[10:, :-20].copy()
    for name, image in {"a": specimen(1), "b": cut, "c": specimen(2)}.items():
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    with services(template, tmp_path / "data") as made:
        new = [NewItem(source=str(tmp_path / f"{name}.png"), data={"root": str(tmp_path)}) for name in "abc"]
        first, second, third = made.store.items.add(1, new, 0.0)
        made.store.items.update([{"id": i, "group_id": i, "state": "ready"} for i in (first, second, third)])
        assert search_project(made.store, made.files, made.images, 1, quiet) == [first]
        assert sorted(groups_of(made.store.items.all(1))) == [first, third]
        correct(made.store, made.files, 1, split=[second])
        assert search_project(made.store, made.files, made.images, 1, quiet) == []
        assert sorted(groups_of(made.store.items.all(1))) == [first, second, third]
