"""Settings, store, Label Studio client, queue and clock: built once per process, passed to every use case."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ml_backend.errors import NotFound
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import is_local
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.models import Models
from ml_backend.state.secret_file import load_secrets
from ml_backend.state.store import Store

if TYPE_CHECKING:
    from ml_backend.images.resolver import ImageResolver
    from ml_backend.label_studio.client import LabelStudio
    from ml_backend.work_queue import WorkQueue


@dataclass(frozen=True)
class Services:
    """Everything a use case may touch; tests pass their own parts.

    Attributes:
        settings: frozen settings of the process, secrets filled in.
        store: the database.
        files: the data directory.
        clock: unix seconds now.
        label_studio_client: a client made elsewhere (tests), else one is made on first use.
    """

    settings: Settings
    store: Store
    files: DataDir
    clock: Callable[[], float] = field(default=time.time)
    label_studio_client: LabelStudio | None = None
    work_queue: WorkQueue | None = None

    @cached_property
    def label_studio(self) -> LabelStudio:
        """The client of Label Studio; importing it takes seconds, so it waits for the first use."""
        if self.label_studio_client is not None:
            return self.label_studio_client
        from ml_backend.label_studio.client import LabelStudio

        token = self.settings.label_studio_token.get_secret_value()
        return LabelStudio(self.settings.label_studio_url, token)

    @cached_property
    def queue(self) -> WorkQueue:
        """The background queue."""
        if self.work_queue is not None:
            return self.work_queue
        from ml_backend.work_queue import WorkQueue

        return WorkQueue(self.settings.redis_url, self.settings.queue_name, self.settings.job_timeout)

    @cached_property
    def images(self) -> ImageFiles:
        """Items and image addresses -> local files."""
        return ImageFiles(self._resolver)

    def _resolver(self) -> ImageResolver:
        from ml_backend.images.resolver import ImageResolver

        return ImageResolver(self.settings, self.label_studio, self.files.cache_dir, own_media=self._own_media_path)

    def _own_media_path(self, item_id: int) -> Path:
        item = self.store.items.one(item_id)
        if not is_local(item):
            raise NotFound(f"Item {item_id} has no file of its own. Use its task instead.")
        return Path(item.source)

    @property
    def models(self) -> Models:
        """The loader of run models."""
        return Models(self.store.runs, self.files, self.threads)

    @property
    def threads(self) -> int:
        """CPU threads for torch and BLAS."""
        return self.settings.threads or max(1, (os.cpu_count() or 2) // 2)


def with_secrets(settings: Settings, files: DataDir) -> Settings:
    """The settings, secrets missing from the environment taken from the data directory."""
    secrets = load_secrets(files)
    names = ("label_studio_token", "basic_auth_password", "webhook_secret", "media_secret")
    missing = {
        name: SecretStr(getattr(secrets, name)) for name in names if not getattr(settings, name).get_secret_value()
    }
    return settings.model_copy(update=missing)


def build_services(settings: Settings) -> Services:
    """Open the state of this process; secrets missing from the environment come from the data directory."""
    files = DataDir(settings.data_dir)
    filled = with_secrets(settings, files)
    return Services(filled, Store.open(filled.resolved_database_url), files)
