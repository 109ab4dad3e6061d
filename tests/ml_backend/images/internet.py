"""A fake Label Studio, the rest of the web, and a resolver between them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from ml_backend.errors import NotFound
from ml_backend.images.resolver import ImageResolver
from ml_backend.settings import Settings
from tests.fakes.label_studio import LEGACY, FakeLabelStudio

PUBLIC = "93.184.216.34"


def png(width: int = 8, height: int = 6) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Internet:
    """What an image resolver may ask: a fake Label Studio, and pages of other hosts."""

    def __init__(self, tmp_path: Path) -> None:
        self.fake = FakeLabelStudio()
        self.tmp_path = tmp_path
        self.pages: dict[str, Any] = {}
        self.names: dict[str, Sequence[str]] = {}
        self.requests: list[httpx.Request] = []
        self.timer: Callable[[], float] = lambda: 0.0

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        url = f"{request.url.scheme}://{request.headers['host']}{request.url.raw_path.decode()}"
        page = self.pages.get(url, httpx.Response(404))
        if isinstance(page, Exception):
            raise page
        if isinstance(page, bytes):
            return httpx.Response(200, content=page, headers={"content-type": "image/png"})
        return page

    def _resolve(self, host: str, port: int) -> Sequence[str]:
        if host.replace(".", "").isdigit() or ":" in host:
            return [host]
        if host not in self.names:
            raise OSError("unknown")
        return self.names[host]

    def resolver(self, token: str = LEGACY, **settings: Any) -> ImageResolver:
        fields = {"media_secret": "media-secret", "public_url": "http://paploop.test:9090", **settings}
        return ImageResolver(
            Settings(label_studio_url=self.fake.url, **fields),
            self.fake.client(token),
            self.tmp_path / "cache",
            own_media=self._own,
            transport=httpx.MockTransport(self._answer),
            resolve=self._resolve,
            timer=self.timer,
        )

    def _own(self, item: int) -> Path:
        if item != 7:
            raise NotFound(f"There is no item {item}; `paploop ingest` adds images.")
        return self.tmp_path / "own.png"

    def cached(self) -> list[Path]:
        return sorted(path for path in (self.tmp_path / "cache").rglob("*") if path.is_file())
