"""Thirty runs and more: rows and folders of the past do not pile up, and a roll-back still works."""

from __future__ import annotations

from sqlalchemy import Table, func, select

from ml_backend.runs import request_run, rollback
from ml_backend.state.tables import predictions, ranking_entries
from tests.fakes.runs import open_run
from tests.ml_backend.loop.classes import Loop

KEPT = 3


def rows(loop: Loop, table: Table, column: str) -> int:
    with loop.store.database.read() as connection:
        distinct = func.count(func.distinct(table.c[column]))
        return int(connection.execute(select(distinct)).scalar_one())


def test_thirty_orders_and_runs_leave_what_serves(loop: Loop) -> None:
    settings = loop.services.settings
    object.__setattr__(settings, "keep_runs", KEPT)
    loop.settle()
    loop.label(30)
    loop.apply()
    request_run(loop.services.store, loop.project, kind="train", reason="First model.", now=loop.services.clock())
    first = loop.settle()
    assert first.decision == "promoted"
    for number in range(30):
        now = loop.services.clock()
        run = open_run(loop.store, loop.project, reason="Old.", now=now, state="done")
        folder = loop.services.files.run_dir(run.id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.jsonl").write_text("{}")
        item = loop.store.items.all(loop.project)[0]
        probs = loop.store.answers.of(first.id)
        loop.store.answers.save(run.id, [item.id], probs.probs[:1], probs.classes)
        loop.store.rankings.add(
            loop.project, run.id, run.id, f"paploop-{loop.project}-old-{number}", "margin", {}, [], now
        )
        old = loop.store.rankings.of_run(run.id)
        assert old is not None
        loop.store.rankings.set_state(old.id, "retired")
    for _ in range(4):
        request_run(loop.services.store, loop.project, kind="rank", reason="Again.", now=loop.services.clock())
        loop.settle()
    assert rows(loop, ranking_entries, "ranking_id") <= 2
    assert rows(loop, predictions, "run_id") <= 2
    left = sorted(path.name for path in loop.services.files.runs_dir.iterdir())
    assert len(left) <= KEPT + 1
    assert loop.services.files.run_dir(first.id).name in left
    loop.store.answers.delete(first.id)
    back = rollback(loop.services.store, loop.services.files, loop.project, first.id, now=loop.services.clock())
    assert loop.settle().state == "done"
    assert loop.store.runs.one(back.id).state == "done"
    assert len(loop.store.answers.of(first.id).ids) > 0
