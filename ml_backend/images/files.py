"""The local file of an image, whether it is one of ours or has to be fetched."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ml_backend.images.items import image_value, is_local
from ml_backend.state.records import ItemRow

if TYPE_CHECKING:
    from ml_backend.images.resolver import ImageResolver


class ImageFiles:
    """Provides local files of images; safe to share among threads.

    Args:
        make_resolver: makes what fetches images; called when the first one is asked for that is not a file of ours, as
            that needs the client of Label Studio.
    """

    def __init__(self, make_resolver: Callable[[], ImageResolver]) -> None:
        self._make_resolver = make_resolver

    @cached_property
    def _resolver(self) -> ImageResolver:
        return self._make_resolver()

    def of(self, item: ItemRow) -> Path:
        """The local file of an item, fetched when it is not local yet.

        Raises:
            ImageError: the image cannot be had.
            LabelStudioUnavailable: Label Studio holds it and is away.
        """
        return Path(item.source) if is_local(item) else self.local_path(image_value(item), task_id=item.task_id)

    def local_path(self, value: object, *, task_id: int | None = None) -> Path:
        """The local file of an image address; arguments and errors as `ImageResolver.local_path`."""
        return self._resolver.local_path(value, task_id=task_id)
