"""Backup and restore of what cannot be recomputed: database, waiting events, embeddings, active models, keys.

Not in it: images, fetched copies, models that are not active, and Label Studio's own data.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

from ml_backend.errors import BadRequest, Conflict, PapLoopError
from ml_backend.settings import Settings
from ml_backend.state.archive import Member, Progress, read_archive, write_archive
from ml_backend.state.files import DataDir, in_words, sync_folder
from ml_backend.state.migrate import revision
from ml_backend.state.rows.runs import Asked
from ml_backend.state.secret_file import secrets_path
from ml_backend.state.snapshot import check_integrity, snapshot
from ml_backend.state.store import Store

SERVICE_LOCKS = ("up", "service")
"""Held by `paploop up`, and (shared) by what runs without it, so that nothing is restored under their feet."""


@dataclass(frozen=True)
class BackupReport:
    """What a backup or a restore moved; `moved_aside` is where a restore put the state before it."""

    path: Path
    projects: int
    runs: int
    files: int
    bytes: int
    moved_aside: Path | None = None


def _silent(fraction: float, message: str) -> None:
    """No progress wanted."""


def backup(
    settings: Settings,
    store: Store,
    target: Path,
    *,
    now: float | None = None,
    force: bool = False,
    all_runs: bool = False,
    progress: Progress = _silent,
) -> BackupReport:
    """Write the state to a `.tar.gz`, while PapLoop runs if need be.

    Args:
        settings: where the data directory is.
        store: the open database.
        target: file to write; it holds keys, so only its owner may read it.
        now: time of the backup, unix seconds; the present if None.
        force: replace a file that is there.
        all_runs: take every run folder, not only those of the active models (what roll-back needs).
        progress: called with the progress.

    Raises:
        Conflict: the file exists, or the database is PostgreSQL.
        Unavailable: the disk is full, or a file cannot be read or written.
    """
    data = DataDir(settings.data_dir)
    if target.exists() and not force:
        raise Conflict(f"{target} already exists. Choose another name, or replace it with --force.")
    with in_words(f"write {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(data, ()) as folder:
        # Before the database: an event that moves into it meanwhile is then in both, which does no harm.
        waiting = list(_inbox_members(data))
        progress(0.0, "Copying the database.")
        copy = folder / "paploop.db"
        with in_words(f"copy the database to {folder}"):
            snapshot(store.database, copy)
        with _opened(copy) as still:
            projects = still.projects.all()
            about = {"revision": revision(still.database), "created_at": time.time() if now is None else now}
        runs = [] if all_runs else sorted({row.active_run_id for row in projects if row.active_run_id is not None})
        # The matrix is read after the database: it only grows, so every row the copy names is in it.
        members = [
            Member("paploop.db", copy.stat().st_size, copy),
            *_vector_members(data),
            *_run_members(data, None if all_runs else runs),
            *_secret_members(data),
            *waiting,
        ]
        write_archive(target, members, about, progress)
    progress(1.0, "Done.")
    return _report(target, len(projects), [member.name for member in members], sum(m.size for m in members))


def _vector_members(data: DataDir) -> Iterator[Member]:
    for state in sorted(data.root.glob("vectors/*/rows.json")):
        content = state.read_bytes()
        try:
            values = json.loads(content)
            size = int(values["rows"]) * int(values["dimension"]) * 4
        except (ValueError, KeyError, TypeError) as error:
            raise Conflict(
                f"{state} cannot be read ({error}). Remove that folder and embed the images again."
            ) from error
        name = f"vectors/{state.parent.name}"
        yield Member(f"{name}/rows.json", len(content), content)
        yield Member(f"{name}/vectors.f32", size, state.with_name("vectors.f32") if size else b"")


def _run_members(data: DataDir, runs: list[int] | None) -> Iterator[Member]:
    names = None if runs is None else {f"{run:06d}" for run in runs}
    for folder in sorted(data.runs_dir.glob("*")):
        if not folder.name.isdigit() or (names is not None and folder.name not in names):
            continue
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.endswith((".part", ".lock")):
                yield Member(path.relative_to(data.root).as_posix(), path.stat().st_size, path)


def _inbox_members(data: DataDir) -> Iterator[Member]:
    for path in sorted((data.root / "inbox").glob("*.json")):
        with suppress(FileNotFoundError):
            content = path.read_bytes()
            yield Member(f"inbox/{path.name}", len(content), content)


def _secret_members(data: DataDir) -> Iterator[Member]:
    path = secrets_path(data)
    if path.exists():
        content = path.read_bytes()
        yield Member("secrets.json", len(content), content)


def restore(
    settings: Settings,
    source: Path,
    *,
    now: float | None = None,
    force: bool = False,
    progress: Progress = _silent,
) -> BackupReport:
    """Restore the state of a backup; PapLoop must not be running.

    The archive is unpacked and checked completely before anything is touched. What was there is moved into a folder of
    the data directory, never deleted. Runs that were open are closed as failed, with the reason.

    Args:
        settings: where the data directory and the database are.
        source: file made by `backup`.
        now: time of the restore, unix seconds; the present if None.
        force: replace state that is there.
        progress: called with the progress.

    Raises:
        BadRequest: the file is not a backup, damaged or holds anything else.
        Conflict: there is state already, PapLoop is running, or the backup is of a newer PapLoop.
        Unavailable: the disk is full or cannot be written.
    """
    data = DataDir(settings.data_dir)
    database = _database_file(settings)
    with _scratch(data, SERVICE_LOCKS) as unpacked:
        if not force and _holds_state(data, database):
            raise Conflict(
                f"{data.root} already contains state. Use --force to replace it (it is moved aside, not deleted)."
            )
        files = read_archive(source, unpacked, progress)
        projects = _check(unpacked / "paploop.db", time.time() if now is None else now)
        aside = _swap(data, database, unpacked)
    progress(1.0, "Done.")
    return _report(source, projects, list(files), sum(files.values()), aside)


def _database_file(settings: Settings) -> Path:
    url = make_url(settings.resolved_database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise Conflict(
            "The state is in PostgreSQL. Restore it with `pg_restore`, then copy the folders 'vectors' and "
            "'runs' and the file 'secrets.json' into the data directory."
        )
    return Path(url.database)


def _holds_state(data: DataDir, database: Path) -> bool:
    if any(data.root.glob("vectors/*/rows.json")) or any(data.runs_dir.glob("*")):
        return True
    if not database.exists():
        return False
    try:
        with _opened(database) as store:
            return revision(store.database) is not None and bool(store.projects.all())
    except PapLoopError:
        return True  # damaged or foreign: not ours to replace unasked


def _check(database: Path, now: float) -> int:
    """Check and update an unpacked database; returns its number of projects."""
    check_integrity(database)
    with _opened(database) as store:
        if revision(store.database) is None:
            raise BadRequest("The backup does not contain a PapLoop database. Use another backup.")
    with _opened(database, migrated=True) as store:
        for run in store.runs.all_open():
            reason = "The run was open when the backup was made. A new run starts when one is due."
            store.runs.update(run.id, state="failed", error=reason, finished_at=now)
        projects = store.projects.all()
        for project in projects:
            # Label Studio may meanwhile use an order that this state knows nothing of.
            if store.items.has_tasks_after(project.id, 0):
                asked = Asked(
                    "rank",
                    "The state was restored from a backup.",
                    store.projects.settings(project.id).seed,
                    store.labels.last_change(project.id),
                )
                store.runs.ask(project.id, asked, now)
        return len(projects)


def _swap(data: DataDir, database: Path, unpacked: Path) -> Path | None:
    aside = data.root / f"before-restore-{secrets.token_hex(4)}"
    companions = [database.with_name(database.name + suffix) for suffix in ("-wal", "-shm")]
    folders = [data.root / name for name in ("vectors", "inbox")]
    old = [*folders, data.runs_dir, secrets_path(data), *companions, database]
    moved = None
    with in_words(f"replace the state in {data.root}"):
        for path in old:
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                aside.mkdir(exist_ok=True)
                shutil.move(path, aside / path.name)
                moved = aside
        for name in ("vectors", "runs", "inbox", "secrets.json"):
            if (unpacked / name).exists():
                target = data.root / name
                if target.is_dir():
                    target.rmdir()
                os.replace(unpacked / name, target)
        shutil.move(unpacked / "paploop.db", database)
        sync_folder(database.parent)
        sync_folder(data.root)
    return moved


@contextmanager
def _scratch(data: DataDir, names: tuple[str, ...]) -> Iterator[Path]:
    """A folder to work in, while nobody else holds the named locks or makes or restores a backup."""
    with ExitStack() as stack:
        for name in (*names, "backup"):
            stack.enter_context(data.lock(name, wait=False))
        with in_words(f"write to {data.root}"):
            for left in data.root.glob(".backup-*"):
                shutil.rmtree(left)
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=data.root, prefix=".backup-"))
        yield Path(folder)


@contextmanager
def _opened(path: Path, *, migrated: bool = False) -> Iterator[Store]:
    url = URL.create("sqlite", database=str(path.resolve())).render_as_string()
    store = Store.open(url) if migrated else Store(url)
    try:
        yield store
    finally:
        store.close()


def _report(path: Path, projects: int, names: list[str], size: int, aside: Path | None = None) -> BackupReport:
    runs = {name.split("/")[1] for name in names if name.startswith("runs/")}
    return BackupReport(path, projects, len(runs), len(names), size, aside)
