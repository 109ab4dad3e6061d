"""Representatives that have no task yet -> one Label Studio task each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self

from ml_backend.errors import AnswerLost, LabelStudioUnavailable
from ml_backend.images.items import display_name, is_local
from ml_backend.images.media_url import media_url
from ml_backend.intake.lost_import import LostImport
from ml_backend.intake.tasks import remember_tasks
from ml_backend.label_studio.config import parse_label_config
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import ItemRow
from ml_backend.state.store import Store
from training.types import Progress

if TYPE_CHECKING:
    from ml_backend.label_studio.client import LabelStudio

STILL_AT_WORK: Final = 300.0
"""Seconds for which Label Studio may go on with an import after its caller has given up waiting."""


class TaskImporter:
    """Imports the tasks of one project in a thread of its own, so that the next images are embedded meanwhile.

    Args:
        store: the database.
        label_studio: takes the tasks.
        settings: PapLoop's own image addresses.
        files: where an import without an answer is noted.
        clock: unix seconds now.
        project_id: Label Studio's project id.
    """

    def __init__(
        self,
        store: Store,
        label_studio: LabelStudio,
        settings: Settings,
        files: DataDir,
        clock: Callable[[], float],
        project_id: int,
    ) -> None:
        self._store = store
        self._label_studio = label_studio
        self._settings = settings
        self._clock = clock
        self._lost = LostImport(files, project_id)
        self._project_id = project_id
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="import")
        self._imports: list[Future[int]] = []
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def import_waiting(self) -> int:
        """Import waiting items, for example images that a lead split off their group; returns how many tasks were
        created.

        Raises:
            LabelStudioUnavailable: it does not answer; the next call goes on.
        """
        if not self._waiting():
            return 0
        self.match_lost()
        with self:
            return self.finish(lambda *_: None)

    def match_lost(self) -> None:
        """A lost import may have made its tasks: find them by their image address before importing again.

        Raises:
            LabelStudioUnavailable: it does not answer, or may still be at work on that import.
        """
        if not self._waiting():
            return
        project = self._project_id
        here = {item.task_id for item in self._store.items.all(project) if item.task_id is not None}
        unknown = sorted(self._label_studio.task_ids(project) - here)
        if unknown:
            tasks = self._label_studio.tasks_by_ids(project, unknown)
            remember_tasks(self._store, self._settings, project, tasks, self._clock(), listed=True)
        lost, since = self._lost.read()
        if not lost:
            return
        waited = self._clock() - since
        missing = lost & {item.id for item in self._waiting()}
        if missing and 0 <= waited < STILL_AT_WORK:
            raise LabelStudioUnavailable(
                f"Label Studio did not confirm an import of {len(missing)} images and may still be processing "
                f"it. So that no image appears twice, PapLoop waits {STILL_AT_WORK - waited:.0f} s before it "
                "imports those that have not appeared by then."
            )
        self._lost.clear()

    def more(self) -> None:
        """Import the items that are waiting now."""
        self._imports.append(self._thread.submit(self._import))

    def finish(self, progress: Progress) -> int:
        """Wait for every import; returns how many tasks were created.

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
        key = parse_label_config(self._store.projects.one(self._project_id).label_config).data_key
        items = self._waiting()
        bodies = [self._task(key, item) for item in items]
        try:
            ids = self._label_studio.import_tasks(self._project_id, bodies) if bodies else []
        except AnswerLost:
            self._lost.note([item.id for item in items], self._clock())
            raise
        self._store.items.set_tasks(self._project_id, {item.id: task for item, task in zip(items, ids, strict=True)})
        self._failed = False
        return len(ids)

    def _waiting(self) -> list[ItemRow]:
        """Representatives that have no task yet."""
        ready = self._store.items.all(self._project_id, states=("ready",))
        return [i for i in ready if i.task_id is None and i.group_id == i.id and is_local(i)]

    def _task(self, key: str, item: ItemRow) -> dict[str, object]:
        name = display_name(item)
        return {
            "data": {key: media_url(self._settings, self._project_id, item.id, name), "name": name},
            "meta": {"paploop_item": item.id},
        }
