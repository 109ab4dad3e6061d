"""A database from before predictions had class names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from ml_backend.state import migrate as migrate_module
from ml_backend.state.records import NewItem, RankingEntry
from ml_backend.state.store import Store
from tests.fakes.runs import open_run


def test_answers_without_names_are_made_again_and_everything_else_stays(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.db"
    store = Store.open(url)
    store.projects.upsert(1, "Old", "", 1.0)
    (item,) = store.items.add(1, [NewItem("a.png", task_id=7, state="ready")], 1.0)
    run = open_run(store, 1)
    store.runs.advance(run.id, "prepare", "done", decision="promoted")
    entry = RankingEntry(item, 0, 0.0, 1.0, "why")
    store.rankings.activate(store.rankings.add(1, run.id, run.id, "v1", "entropy", {}, [entry], 1.0), run.id)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate_module.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    with store.database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        connection.execute(
            text("INSERT INTO predictions (run_id, item_id, probs) VALUES (:run, :item, :probs)"),
            {"run": run.id, "item": item, "probs": np.array([0.99, 0.01], "<f4").tobytes()},
        )
    store.close()

    store = Store.open(url)
    served = store.answers.served(1, [7])[7]
    assert (served.probs, served.classes, served.run_id, served.version) == (None, (), run.id, "v1")
    assert store.answers.items(run.id) == set()
    assert store.projects.one(1).active_run_id == run.id
    assert store.runs.one(run.id).decision == "promoted"
    store.answers.save(run.id, [item], np.array([[0.01, 0.99]], np.float32), ["HSIL", "NILM"])
    assert store.answers.served(1, [7])[7].classes == ("HSIL", "NILM")
    store.close()
