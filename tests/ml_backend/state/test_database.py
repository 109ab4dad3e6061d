import contextlib
import os
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import bindparam, text

from ml_backend.errors import BadRequest, PapLoopError, Unavailable
from ml_backend.state.database import CHUNK, Database, chunks, paced, to_json
from ml_backend.state.records import NewItem
from ml_backend.state.store import Store
from ml_backend.state.tables import metadata


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "p.db"
    store = Store.open(f"sqlite:///{path}")
    store.projects.upsert(1, "One", "", 1.0)
    store.close()
    return path


def test_sqlite_is_set_up_for_several_writers(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    with database.read() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 30000}


def test_locked_for_too_long_is_said_in_words(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = Store.open(f"sqlite:///{path}", lock_wait=0.1)
    with pytest.raises(Unavailable, match=r"kept the database locked for 0\.1 s\. Try again"):
        store.events.add(1, "X", {}, 1.0)
    assert store.projects.one(1).title == "One"  # readers do not wait
    other.execute("ROLLBACK")
    store.events.add(1, "X", {}, 1.0)
    store.close()
    other.close()


def test_writers_wait_for_their_turn(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    timer.start()
    store = Store.open(f"sqlite:///{path}")
    store.events.add(1, "X", {}, 1.0)
    timer.join()
    assert [event.action for event in store.events.all_open()] == ["X"]
    store.close()
    other.close()


def test_full_disk_is_said_in_words_and_loses_nothing(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}")
    with store.database.engine.connect() as connection:  # the pool hands this very connection out again
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count={pages + 8}"))
    store.events.add(1, "before", {}, 1.0)
    with pytest.raises(Unavailable, match=r"disk with the database is full\. Free some space"):
        store.items.add(1, [NewItem(f"{i}" * 50) for i in range(2000)], 1.0)
    with store.database.engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count=1000000"))
    assert store.items.all(1) == []
    assert [event.action for event in store.events.all_open()] == ["before"]
    assert len(store.items.add(1, [NewItem("a")], 1.0)) == 1
    store.close()


def test_damaged_and_foreign_files_are_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "p.db").write_text("no database, but long enough to be looked at " * 100)
    with pytest.raises(Unavailable, match="not a SQLite database"):
        Store.open(f"sqlite:///{tmp_path}/p.db")
    with pytest.raises(Unavailable, match="cannot be opened"):
        Store.open(f"sqlite:///{tmp_path}/missing/p.db")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://x/y", "not mysql"),
        ("sqlite://", "in-memory"),
        ("sqlite:///:memory:", "in-memory"),
        ("nonsense", "is not valid"),
        ("", "is not valid"),
        ("postgresql+nodriver://x/y", "is not valid"),
    ],
)
def test_unusable_urls(url: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Store.open(url)


def test_a_forked_child_opens_connections_of_its_own(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}")
    store.events.add(1, "parent", {}, 1.0)
    child = os.fork()
    if child == 0:
        try:
            store.events.add(1, "child", {}, 1.0)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    store.events.add(1, "parent", {}, 1.0)
    assert sorted(event.action for event in store.events.all_open()) == ["child", "parent", "parent"]
    store.close()


def test_json() -> None:
    assert to_json({"a": np.float32(0.5), "b": np.arange(2), "c": {2, 1}}) == '{"a":0.5,"b":[0,1],"c":[1,2]}'
    nested: list[object] = []
    nested.append(nested)
    for value in (float("nan"), {"a": object()}, nested, np.float32("inf")):
        with pytest.raises(BadRequest, match="cannot be stored as JSON"):
            to_json(value)


def test_unstorable_json_reaches_the_caller_as_a_sentence(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}")
    with pytest.raises(BadRequest, match="JSON"):
        store.events.add(1, "X", {"a": float("nan")}, 1.0)
    store.close()


def test_parts() -> None:
    assert [list(part) for part in chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]
    pauses: list[float] = []
    assert len(list(paced(range(2 * CHUNK + 1), pauses.append))) == 3
    assert len(pauses) == 2
    assert list(paced([])) == []


@pytest.mark.parametrize("value", [2**63, -(2**70), "\ud800", {"a": 1}, object()])
def test_a_value_that_no_retry_stores_is_the_callers(value: object, path: Path) -> None:
    """Told apart from a database that is away, or one such value would be tried for ever."""
    store = Store.open(f"sqlite:///{path}")
    table = metadata.tables["projects"]
    for statement in (
        text("UPDATE projects SET title = :value"),
        table.update().values(active_run_id=bindparam("value")),
        table.select().where(table.c.id == bindparam("value")),
    ):
        with contextlib.suppress(BadRequest), store.database.write() as connection:
            connection.execute(statement, {"value": value})
    store.projects.upsert(1, "still at work", "", 1.0)
    assert store.projects.one(1).title == "still at work"
    store.close()


def test_a_statement_that_the_schema_refuses_is_no_outage(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}")
    with pytest.raises(PapLoopError, match="refused a statement") as caught, store.database.read() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))
    assert not isinstance(caught.value, Unavailable)
    store.close()
