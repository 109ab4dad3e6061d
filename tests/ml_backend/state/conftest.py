"""A store on a fresh database; on PostgreSQL too where PAPLOOP_TEST_POSTGRES names a server to create databases on."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from ml_backend.state.store import Store

SERVER = os.environ.get("PAPLOOP_TEST_POSTGRES", "")
CONFIG = "<View/>"


@pytest.fixture(params=["sqlite", "postgresql"] if SERVER else ["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'paploop.db'}"
        return
    name = f"paploop_{uuid.uuid4().hex}"
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store.open(url)
    store.projects.upsert(1, "One", CONFIG, 10.0)
    yield store
    store.close()
