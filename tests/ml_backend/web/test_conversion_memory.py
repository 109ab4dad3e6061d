"""Several large images at once in the real web process: it holds as much as the largest takes, not all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import tifffile

from ml_backend.images.media_url import media_url
from ml_backend.state.files import DataDir
from ml_backend.state.records import NewItem
from ml_backend.state.store import Store
from tests.fakes.machine import free_port
from tests.ml_backend.web.conftest import make_settings
from tests.ml_backend.web.test_process import MEGABYTES, PATIENCE, start

FILES, HEIGHT, WIDTH = 6, 6000, 6000
BYTES_PER_PIXEL = 8
"""What one conversion may hold: the numbers of the file, and Pillow's picture of them with four bytes a pixel."""


def peak(pid: int) -> float:
    """Most memory that a process ever held, MB."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


@pytest.mark.slow
def test_six_large_images_at_once_take_the_memory_of_one(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "data", port=free_port())
    DataDir(settings.data_dir)
    store = Store.open(settings.resolved_database_url)
    store.projects.upsert(3, "x", "", 1.0)
    addresses = []
    for number in range(FILES):
        path = tmp_path / f"slide{number}.tif"
        tifffile.imwrite(
            path, np.zeros((HEIGHT, WIDTH, 3), np.uint8), photometric="rgb", compression="zlib", rowsperstrip=500
        )
        item = NewItem(source=str(path), data={"root": str(tmp_path), "name": path.name})
        (row,) = store.items.add(3, [item], 1.0)
        addresses.append(urlsplit(media_url(settings, 3, row, path.name)).path)
    store.close()
    process = start(settings)
    try:
        with ThreadPoolExecutor(FILES) as together:
            answers = list(
                together.map(
                    lambda path: httpx.get(f"http://127.0.0.1:{settings.port}{path}", timeout=PATIENCE), addresses
                )
            )
        assert [answer.status_code for answer in answers] == [200] * FILES
        assert all(answer.content.startswith(b"\xff\xd8") for answer in answers)
        assert peak(process.pid) < MEGABYTES + BYTES_PER_PIXEL * HEIGHT * WIDTH / 2**20
    finally:
        process.kill()
        process.wait()
