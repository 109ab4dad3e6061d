"""Threads and processes hammering one database."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_backend.state.records import AnnotationRow, EffortRow, NewItem
from ml_backend.state.rows.runs import Asked
from ml_backend.state.store import Store

HAMMER = """
import json, sys
from ml_backend.errors import Conflict
from ml_backend.state.records import AnnotationRow, NewItem
from ml_backend.state.rows.runs import Asked
from ml_backend.state.store import Store

store, me = Store.open(sys.argv[1]), int(sys.argv[2])
opened, changed, advanced = set(), 0, 0
for n in range(25):
    store.events.add(1, "X", {"by": me, "n": n}, 1.0)
    run, _ = store.runs.ask(1, Asked("train", str(me), 0, 0), 1.0)
    if run.reason == str(me):
        opened.add(run.id)
    rows = [AnnotationRow(i, n, result=[me], updated_at="2026-01-01") for i in (me * 1000 + n, n)]
    changed += store.labels.upsert(1, rows, 1.0)
    store.items.add(1, [NewItem(f"{i}") for i in range(n, n + 5)], 1.0)
    if n % 5 == 4 and (run := store.runs.open_of(1)):
        try:
            store.runs.advance(run.id, "prepare", "done")
            advanced += 1
        except Conflict:
            pass
print(json.dumps([sorted(opened), changed, advanced]))
"""


@pytest.mark.slow
def test_processes(url: str) -> None:
    store = Store.open(url)
    store.projects.upsert(1, "One", "", 1.0)
    processes = [
        subprocess.Popen([sys.executable, "-c", HAMMER, url, str(me)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for me in (1, 2, 3)
    ]
    answers = []
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
        answers.append(json.loads(output))
    opened = [run for answer in answers for run in answer[0]]
    assert len(opened) == len(set(opened)) == len(store.runs.latest(1, limit=1000))
    assert len(opened) - sum(answer[2] for answer in answers) == len(store.runs.all_open()) <= 1
    assert sum(answer[1] for answer in answers) == store.labels.last_change(1) == 3 * 25 + 25
    assert sorted(row.change for row in store.labels.all(1)) == list(range(1, 101))
    events = [(event.body["by"], event.body["n"]) for event in store.events.all_open(1000)]
    assert len(events) == len(set(events)) == 75
    assert sorted(int(row.source) for row in store.items.all(1)) == list(range(29))
    store.close()


@pytest.mark.slow
def test_threads_open_exactly_one_run(store: Store) -> None:
    barrier = threading.Barrier(8)

    def start(number: int) -> int:
        barrier.wait()
        return store.runs.ask(1, Asked("train", str(number), 0, 0), 1.0)[0].id

    with ThreadPoolExecutor(8) as pool:
        for before in range(5):
            assert len(set(pool.map(start, range(8)))) == 1
            assert len(store.runs.latest(1)) == before + 1
            store.runs.advance(store.runs.all_open()[0].id, "prepare", "done")


def test_two_workers_may_record_the_same_effort(store: Store) -> None:
    """On PostgreSQL a delete beside an insert of the same key clashed: duplicate key ... effort_pkey."""
    store.labels.upsert(1, [AnnotationRow(n, n, result=[1], updated_at="2026-01-01") for n in range(1, 41)], 1.0)
    barrier = threading.Barrier(4)

    def record(seconds: int) -> None:
        rows = [EffortRow(n, "2026-01-01", None, "nothing", 0, 0, 0, 1, 0, float(seconds)) for n in range(1, 41)]
        barrier.wait()
        for _ in range(20):
            store.effort.save(1, rows)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))
    assert [row.annotation_id for row in store.effort.all(1)] == list(range(1, 41))


def test_threads_number_changes_without_gaps(store: Store) -> None:
    def put(n: int) -> int:
        return store.labels.upsert(1, [AnnotationRow(n, n, result=[1], updated_at="2026-01-01")], 1.0)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, list(range(40)) * 2)) == 40
    assert sorted(row.change for row in store.labels.all(1)) == list(range(1, 41))


def test_webhooks_get_their_turn_beside_a_bulk_write(store: Store) -> None:
    done = threading.Event()
    arrived = 0

    def bulk() -> None:
        try:
            store.items.add(1, [NewItem(f"{i}") for i in range(12_000)], 1.0)
        finally:
            done.set()

    worker = threading.Thread(target=bulk)
    worker.start()
    while not done.is_set():
        store.events.add(1, "X", {}, 1.0)
        arrived += 1
    worker.join()
    assert arrived > 1
    assert len(store.items.all(1)) == 12_000
