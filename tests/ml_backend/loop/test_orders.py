"""Every way in ends with an order: the worker opens a rank run for images that the present one does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_backend.errors import QueueUnavailable
from ml_backend.intake.ingest import ingest
from ml_backend.loop.arrivals import ask_for_order
from ml_backend.loop.pulse import beat
from ml_backend.loop.reconcile import reconcile
from ml_backend.loop.schedule import order_due
from ml_backend.operations.demo.cells import write_cells
from tests.fakes.progress import quiet, silent
from tests.ml_backend.loop.classes import Loop


def test_an_ingest_alone_ends_with_an_order(loop: Loop) -> None:
    assert order_due(loop.services, loop.project) == "There is no order yet."
    beat(loop.services)
    opened = loop.store.runs.open_of(loop.project)
    assert opened is not None
    assert opened.kind == "rank"
    loop.settle()
    ranking = loop.store.rankings.active(loop.project)
    assert ranking is not None
    assert ranking.provenance.newest_item == max(item.id for item in loop.store.items.all(loop.project))
    assert order_due(loop.services, loop.project) is None
    beat(loop.services)
    assert loop.store.runs.open_of(loop.project) is None


def test_tasks_that_a_poll_finds_are_ordered_once(loop: Loop, tmp_path: Path) -> None:
    loop.settle()
    before = loop.store.rankings.active(loop.project)
    client = loop.services.label_studio
    more = write_cells(tmp_path / "more", silent, count=93)[90:]
    known = loop.store.items.all(loop.project)[0]
    assert before is not None
    client.import_tasks(loop.project, [{"data": {"image": path.as_uri()}} for path in more])
    loop.fake.sent.clear()
    assert reconcile(loop.services, loop.project).tasks_new == 3
    assert order_due(loop.services, loop.project) is not None
    loop.settle()
    # These cannot be fetched, so they are set aside with a reason, and nothing is ordered again and again.
    after = loop.store.rankings.active(loop.project)
    assert after is not None
    assert after.id != before.id
    assert order_due(loop.services, loop.project) is None
    assert loop.store.items.one(known.id).state == "ready"


def test_a_failed_order_is_not_tried_at_every_beat(loop: Loop) -> None:
    beat(loop.services)
    opened = loop.store.runs.open_of(loop.project)
    assert opened is not None
    loop.store.runs.end(opened.id, "The disk is full.", loop.services.clock())
    assert order_due(loop.services, loop.project) is None


def test_who_comes_in_by_command_hears_what_to_do_next(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.services.queue, "workers", lambda: 0, raising=False)
    run, said = ask_for_order(loop.services, loop.project, "New images were added.")
    assert run.kind == "rank"
    assert said.startswith("Start `paploop worker`")
    monkeypatch.setattr(loop.services.queue, "workers", lambda: 1)
    assert "is ranking the images" in ask_for_order(loop.services, loop.project, "Again.")[1]

    def away() -> int:
        raise QueueUnavailable("Redis does not respond. Start it and then the worker.")

    monkeypatch.setattr(loop.services.queue, "workers", away)
    assert "Start it and then the worker" in ask_for_order(loop.services, loop.project, "Again.")[1]


def test_an_ingest_that_adds_to_an_order_is_noticed(loop: Loop, tmp_path: Path) -> None:
    loop.settle()
    folder = tmp_path / "new"
    paths = write_cells(folder, silent, count=95)
    for path in paths[:90]:
        path.unlink()
    assert ingest(loop.services, loop.project, folder, stage=quiet).tasks > 0
    assert order_due(loop.services, loop.project) == "Images were added that the current order does not include."
