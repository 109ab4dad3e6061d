"""Representatives that have no task yet -> one Label Studio task each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from ml_backend.errors import AnswerLost, LabelStudioUnavailable
from ml_backend.images.items import display_name, is_local
from ml_backend.images.media_url import media_url
from ml_backend.intake.tasks import remember_tasks
from ml_backend.label_studio.config import parse_label_config
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from training.types import Progress

STILL_AT_WORK: Final = 300.0
"""Seconds for which Label Studio may go on with an import after its caller has given up waiting."""


def import_waiting(services: Services, project_id: int) -> int:
    """Import what waits, for example images that a lead split off their group; answers how many tasks were made.

    Raises:
        LabelStudioUnavailable: it does not answer; the next call goes on.
    """
    if not _waiting(services, project_id):
        return 0
    match_lost_imports(services, project_id)
    with TaskImporter(services, project_id) as importer:
        return importer.finish(lambda *_: None)


def _waiting(services: Services, project_id: int) -> list[ItemRow]:
    """Representatives that have no task yet."""
    ready = services.store.items.all(project_id, states=("ready",))
    return [i for i in ready if i.task_id is None and i.group_id == i.id and is_local(i)]


def match_lost_imports(services: Services, project_id: int) -> None:
    """An import whose answer was lost may have made its tasks: find them by their image address before importing again.

    Raises:
        LabelStudioUnavailable: it does not answer, or may still be at work on that import.
    """
    if not _waiting(services, project_id):
        return
    here = {item.task_id for item in services.store.items.all(project_id) if item.task_id is not None}
    unknown = sorted(services.label_studio.task_ids(project_id) - here)
    if unknown:
        remember_tasks(services, project_id, services.label_studio.tasks_by_ids(project_id, unknown), listed=True)
    lost, since = _lost(services, project_id)
    if not lost:
        return
    missing = lost & {item.id for item in _waiting(services, project_id)}
    waited = services.clock() - since
    if missing and 0 <= waited < STILL_AT_WORK:
        raise LabelStudioUnavailable(
            f"Label Studio has not said what became of an import of {len(missing)} images and may still be at work on "
            f"it; they are imported again in {STILL_AT_WORK - waited:.0f} s unless they have appeared by then, so that "
            "no image comes twice."
        )
    _mark(services, project_id).unlink(missing_ok=True)


def _mark(services: Services, project_id: int) -> Path:
    """Where an import without an answer is noted; it outlives the process."""
    return services.files.imports_dir / f"{project_id}.json"


def _note_lost(services: Services, project_id: int, items: Iterable[ItemRow]) -> None:
    noted = {"since": services.clock(), "items": [item.id for item in items]}
    services.files.make(services.files.imports_dir)
    services.files.write_atomic(_mark(services, project_id), json.dumps(noted))


def _lost(services: Services, project_id: int) -> tuple[set[int], float]:
    """Items of an import without an answer, and when it was given up."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        noted = json.loads(_mark(services, project_id).read_text())
        return {int(item) for item in noted["items"]}, float(noted["since"])
    return set(), 0.0


class TaskImporter:
    """Imports tasks in a thread of its own: Label Studio writes them while the next images are embedded."""

    def __init__(self, services: Services, project_id: int) -> None:
        self._services = services
        self._project_id = project_id
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="import")
        self._imports: list[Future[int]] = []
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def more(self) -> None:
        """Import what waits now."""
        self._imports.append(self._thread.submit(self._import))

    def finish(self, progress: Progress) -> int:
        """Wait for every import; answers how many tasks were made.

        Raises:
            LabelStudioUnavailable: one failed.
        """
        self.more()
        made = 0
        for number, future in enumerate(self._imports):
            made += future.result()
            progress((number + 1) / len(self._imports), f"{made} tasks")
        return made

    def _import(self) -> int:
        # After a lost answer nothing may be imported again before it was looked for: the next ingest does that.
        if self._failed:
            return 0
        self._failed = True
        store = self._services.store
        key = parse_label_config(store.projects.one(self._project_id).label_config).data_key
        items = _waiting(self._services, self._project_id)
        bodies = [_task(self._services, self._project_id, key, item) for item in items]
        try:
            ids = self._services.label_studio.import_tasks(self._project_id, bodies) if bodies else []
        except AnswerLost:
            _note_lost(self._services, self._project_id, items)
            raise
        store.items.set_tasks(self._project_id, {item.id: task for item, task in zip(items, ids, strict=True)})
        self._failed = False
        return len(ids)


def _task(services: Services, project_id: int, key: str, item: ItemRow) -> dict[str, Any]:
    name = display_name(item)
    return {
        "data": {key: media_url(services.settings, project_id, item.id, name), "name": name},
        "meta": {"paploop_item": item.id},
    }
