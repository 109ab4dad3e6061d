"""Determines the kind of an image address and provides its local file."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import httpx

from ml_backend.errors import ImageError, NotFound
from ml_backend.images.cache import ImageCache
from ml_backend.images.fetch import Fetcher
from ml_backend.images.hosts import AllowedHosts, Resolve, system_resolve
from ml_backend.images.media_url import item_of_url
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.client.downloads import shown
from ml_backend.settings import Settings
from training.data.images import ImageDecodeError, image_size

LABEL_STUDIO_PATHS = ("/data/upload/", "/data/local-files/", "/tasks/", "/api/")
"""Paths that are Label Studio's even where an allowed folder has the same name."""


class ImageResolver:
    """Task data -> local file; safe to share among threads.

    Args:
        settings: allow-list, allowed folders, caps and time-outs.
        label_studio: hands out uploads, local files and storage URIs.
        cache_dir: fetched files are kept below it.
        own_media: PapLoop's item id -> its file, for PapLoop's own image addresses.
        transport: an httpx transport for all other hosts, for tests.
        resolve: host name and port -> addresses.
        clock: unix seconds, for the cache.
        timer: monotonic seconds, for time-outs.
    """

    def __init__(
        self,
        settings: Settings,
        label_studio: LabelStudio,
        cache_dir: Path,
        *,
        own_media: Callable[[int], Path] | None = None,
        transport: httpx.BaseTransport | None = None,
        resolve: Resolve = system_resolve,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._label_studio = label_studio
        self._own_media = own_media
        self._roots = [root.expanduser().resolve() for root in settings.image_roots]
        self._cache = ImageCache(cache_dir / "images", settings.image_cache_bytes, clock)
        self._fetcher = Fetcher(
            label_studio,
            AllowedHosts(settings.fetch_hosts, resolve),
            timeout=settings.fetch_timeout,
            max_bytes=settings.max_image_bytes,
            clock=timer,
            transport=transport,
        )

    def local_path(self, value: object, *, task_id: int | None = None) -> Path:
        """The local file of an image; fetched once, then from the cache.

        Args:
            value: what the task's data holds under the image's key.
            task_id: the task; storage URIs can be fetched only with it.

        Raises:
            ImageError: not an image address, not allowed, not there, too large, or no image.
            LabelStudioUnavailable: Label Studio holds it and is away; worth a retry.
            Unauthorized: Label Studio refuses the token.
        """
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise ImageError(
                f"The task contains {type(value).__name__} instead of an image address. Correct its data.",
                code="image.bad_address",
            )
        value = value.strip()
        if value.startswith("data:"):
            return self._cache.fetch(
                value, lambda file: self._decode(value, file), lambda part: self._check(part, "data:")
            )
        local = self._own(value) or self._below_roots(value)
        if local is not None:
            return local
        if "://" not in value and not value.startswith("/"):
            raise ImageError(
                f"{shown(value)!r} is neither an address nor a file in PAPLOOP_IMAGE_ROOTS; correct the task.",
                code="image.bad_address",
            )
        address = self._on_label_studio(value)
        key = f"{self._label_studio.base} {address}"
        hit = self._cache.get(key)
        if hit is not None:
            return hit
        return self._cache.fetch(
            key,
            lambda file: self._fetcher.fetch(address, file, task_id),
            lambda part: self._check(part, shown(address)),
        )

    def _on_label_studio(self, value: str) -> str:
        """Addresses under the names that PapLoop or browsers use for Label Studio, as paths on it."""
        for name in (str(self._label_studio.base), self._settings.label_studio_public_url):
            if name and value.startswith(f"{name.rstrip('/')}/"):
                return value[len(name.rstrip("/")) :]
        return value

    def _own(self, value: str) -> Path | None:
        """The file behind one of PapLoop's own addresses; the signature decides, not the host name."""
        project = value.partition("/media/")[2].partition("/")[0]
        if self._own_media is None or not project.isdecimal():
            return None
        item = item_of_url(self._settings, int(project), value)
        if item is None:
            return None
        try:
            return self._own_media(item)
        except NotFound as error:
            raise ImageError(str(error)) from error

    def _below_roots(self, value: str) -> Path | None:
        """A file below one of the allowed folders, links followed; None when the value means something else."""
        asked = value.startswith("file://")
        text = "/" + unquote(value.removeprefix("file://").partition("/")[2]) if asked else value
        if not asked and ("://" in text or text.startswith(LABEL_STUDIO_PATHS)):
            return None
        for root in self._roots:
            try:
                path = (root / text).resolve()
                if path.is_relative_to(root) and path.is_file():
                    self._check(path, path.name)
                    return path
            except (OSError, ValueError):
                continue
        if asked:
            raise ImageError(
                f"{shown(value)} is not a file in PAPLOOP_IMAGE_ROOTS. Add its folder there or move the file.",
                code="image.not_found",
            )
        return None

    def _decode(self, value: str, file: BinaryIO) -> None:
        head, _, body = value.partition(",")
        if not head.endswith(";base64") or len(body) > 1.4 * self._settings.max_image_bytes:
            raise ImageError(
                "The image in the task's data: address is not base64 or is too large. Import it as a file.",
                code="image.bad_data",
            )
        try:
            file.write(base64.b64decode(body, validate=True))
        except (binascii.Error, ValueError):
            raise ImageError(
                "The image in the task's data: address is damaged base64. Import it as a file.", code="image.bad_data"
            ) from None

    def _check(self, path: Path, name: str) -> None:
        """Look at size and header, without decoding a pixel."""
        if path.stat().st_size > self._settings.max_image_bytes:
            limit = self._settings.max_image_bytes / 2**20
            raise ImageError(
                f"{name} is larger than {limit:.0f} MiB; raise PAPLOOP_MAX_IMAGE_BYTES or reduce the image.",
                code="image.too_large",
            )
        try:
            height, width = image_size(path)
        except ImageDecodeError as error:
            raise ImageError(str(error).replace(path.name, name)) from None
        most = self._settings.max_image_pixels
        if height * width > most:
            raise ImageError(
                f"{name} has {width} x {height} px, more than the {most:,} allowed; raise "
                "PAPLOOP_MAX_IMAGE_PIXELS or reduce the image.",
                code="image.too_large",
            )
