import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from ml_backend.errors import Conflict
from ml_backend.settings import Settings
from ml_backend.state import migrate as migrate_module
from ml_backend.state.migrate import migrate, revision
from ml_backend.state.migrations import HEAD
from ml_backend.state.store import Store
from ml_backend.state.tables import metadata

FOLDER = Path(migrate_module.__file__).with_name("migrations")


def test_head_names_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_migrations_make_exactly_the_tables(store: Store) -> None:
    assert revision(store.database) == HEAD
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_migrated_sqlite_tables_equal_declared_ones(table: object, tmp_path: Path) -> None:
    # compare_metadata does not see partial indexes, WITHOUT ROWID or AUTOINCREMENT; SQLite's own text does.
    migrated, declared = Store.open(f"sqlite:///{tmp_path}/a.db"), Store(f"sqlite:///{tmp_path}/b.db")
    with declared.database.write() as connection:
        metadata.create_all(connection)
    texts = []
    for store in (migrated, declared):
        with store.database.read() as connection:
            query = text("SELECT name, sql FROM sqlite_master WHERE tbl_name = :name")
            rows = connection.execute(query, {"name": str(table)}).all()
        texts.append({name: sorted("".join(sql.split()).strip("()").split(",")) for name, sql in rows if sql})
        store.close()
    for name in texts[1]:
        for mark in ("WITHOUTROWID", "AUTOINCREMENT", "WHERE", "UNIQUE"):
            assert (mark in str(texts[0][name])) == (mark in str(texts[1][name])), (name, mark)
    assert set(texts[0]) == set(texts[1])


def test_the_schema_compiles_for_postgresql() -> None:
    for table in metadata.sorted_tables:
        assert CreateTable(table).compile(dialect=postgresql.dialect())
        for index in table.indexes:
            statement = str(CreateIndex(index).compile(dialect=postgresql.dialect()))
            assert ("WHERE" in statement) == (index.name == "uq_runs_open")


def test_many_threads_open_one_new_database(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store.open(url), range(8)))
    stores[0].projects.upsert(1, "One", "", 1.0)
    assert stores[7].projects.one(1).title == "One"
    for store in stores:
        store.close()


@pytest.mark.slow
def test_several_processes_open_one_new_database(url: str) -> None:
    program = (
        "import sys; from ml_backend.state.store import Store; Store.open(sys.argv[1]).upsert_project(1, '', '', 1.0)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()


def test_an_up_to_date_database_opens_without_alembic_or_torch(url: str) -> None:
    Store.open(url).close()
    program = (
        "import sys; from ml_backend.state.store import Store; from ml_backend.operations import backup;"
        "from ml_backend.state import vectors, files, secret_file; Store.open(sys.argv[1]).close();"
        "print([name for name in ('alembic', 'torch', 'faiss', 'sklearn', 'timm') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_newer_database_is_refused(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="newer PapLoop"):
        migrate(store.database)
    with pytest.raises(Conflict, match="newer PapLoop"):
        Store.open(store.url)


def test_a_failing_migration_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/a.db"

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    original = MigrationContext.run_migrations

    def run_then_fail(self: MigrationContext, **options: object) -> None:
        original(self, **options)
        fail()

    monkeypatch.setattr(MigrationContext, "run_migrations", run_then_fail)
    with pytest.raises(KeyboardInterrupt):
        Store.open(url)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    monkeypatch.undo()
    Store.open(url).close()


@pytest.mark.parametrize("name", ["a %20 b", "a?b=c", "ü #x", "a%2Fb"])
def test_data_directories_with_odd_names(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    Store.open(Settings(data_dir=folder, database_url="").resolved_database_url).close()
    assert (folder / "paploop.db").exists()
