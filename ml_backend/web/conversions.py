"""Copies of images that browsers show, and small ones for pages: made once, one at a time, under the cache's cap."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from ml_backend.errors import ImageError, Overloaded
from training.types import TrainingError

if TYPE_CHECKING:
    from PIL import Image

    from ml_backend.images.cache import ImageCache
    from ml_backend.settings import Settings
    from ml_backend.state.files import DataDir

log = logging.getLogger(__name__)

LOSSLESS_PIXELS: Final = 4_000_000
"""Up to this size copies are PNG, above it JPEG, which is sent in a fraction of the bytes."""

LONGEST_JPEG: Final = 65_500
"""Px of the longest side that a JPEG file can have."""

PATIENCE: Final = 60.0
"""Seconds a request waits for its turn."""

RETRY_AFTER: Final = 5
"""Seconds after which a caller who was sent away may ask again."""

_VERSION: Final = 2
"""Raised when the same file is to be decoded otherwise than before, so that old copies are not shown."""


class Conversions:
    """The copies of one web process.

    A conversion holds up to 8 bytes for each pixel of the original, so one thread makes them all: others would each
    keep what they once needed. Whoever asks waits; one thread at least stays free for answers that need no image.

    Args:
        files: hold the cache.
        settings: the caps.
        clock: unix seconds now.
        patience: seconds a request waits for its turn.
    """

    def __init__(
        self, files: DataDir, settings: Settings, clock: Callable[[], float], patience: float = PATIENCE
    ) -> None:
        self._files, self._settings, self._clock = files, settings, clock
        self._patience = patience
        self._seat = ThreadPoolExecutor(1, thread_name_prefix="conversions")
        self._room = threading.BoundedSemaphore(max(1, settings.web_threads - 1))
        self._guard = threading.Lock()

    def copy(self, source: Path, name: str, side: int | None = None) -> Path:
        """A copy of an image file as browsers can show it, created on first use.

        Args:
            source: the original.
            name: whose image it is; with size and time of the file it tells copies apart.
            side: px of the longer side at most; None keeps the size.

        Raises:
            ImageError: it is not an image, or too large.
            Overloaded: too many others wait, or for too long.
        """
        stat = source.stat()
        key = f"converted {_VERSION} {name} {stat.st_mtime_ns:x} {stat.st_size:x} {side or 'whole'}"
        with self._guard:
            cache = self._cache
        if ready := cache.get(key):
            return ready
        with self._admitted(source):
            return cache.fetch(key, lambda file: self._write(source, side, file), lambda _: None)

    @cached_property
    def _cache(self) -> ImageCache:
        # Loading it takes a client and a decoder with it, which no start of the web process waits for.
        from ml_backend.images.cache import ImageCache

        files = self._files
        shutil.rmtree(files.cache_dir / "media", ignore_errors=True)  # copies of earlier versions, under no cap
        return ImageCache(files.cache_dir / "images", self._settings.image_cache_bytes, self._clock)

    @contextmanager
    def _admitted(self, source: Path) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise Overloaded(
                f"{source.name} cannot be converted now, because too many other images are waiting. Try again.",
                RETRY_AFTER,
            )
        try:
            yield
        finally:
            self._room.release()

    def _write(self, source: Path, side: int | None, file: BinaryIO) -> None:
        work = self._seat.submit(_convert, source, side, self._settings.max_image_pixels, file)
        try:
            wait([work], self._patience)
            if work.cancel():
                raise Overloaded(
                    f"{source.name} waited {self._patience:.0f} s while other images were converted. Try again.",
                    RETRY_AFTER,
                )
            work.result()
        except TrainingError as error:
            log.warning("%s cannot be shown: %s", source.name, error)
            raise ImageError(str(error)) from error


def _convert(source: Path, side: int | None, max_pixels: int, file: BinaryIO) -> None:
    from training.data.images import open_rgb

    picture, _ = open_rgb(source, max_pixels=max_pixels, enough=side)
    _save(picture, side, file)


def _save(picture: Image.Image, side: int | None, file: BinaryIO) -> None:
    if side is not None:
        from PIL import Image

        picture.thumbnail((side, side), Image.Resampling.BOX)
        picture.save(file, "JPEG", quality=85)
    elif picture.width * picture.height <= LOSSLESS_PIXELS or max(picture.size) > LONGEST_JPEG:
        picture.save(file, "PNG", compress_level=1)
    else:
        picture.save(file, "JPEG", quality=92)
