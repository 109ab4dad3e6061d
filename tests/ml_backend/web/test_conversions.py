"""Copies for browsers: as people see the image, made once, one at a time, small for pages, under the cache's cap."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ml_backend.errors import ImageError, Overloaded
from ml_backend.images.cache import ImageCache
from ml_backend.images.media_url import thumbnail_url
from ml_backend.services import Services
from ml_backend.web.conversions import Conversions
from ml_backend.web.dashboard.page import project_page
from tests.ml_backend.web.conftest import Loop, WebWorld, make_settings
from tests.ml_backend.web.test_media import save, take_in


def shown(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def copies(services: Services) -> list[Path]:
    return [path for path in (services.files.cache_dir / "images").glob("*/*") if path.is_file()]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_small_copy_of_any_image(world: WebWorld, folder: Path, name: str) -> None:
    address = take_in(world, save(folder / name, size=(1000, 500)), folder)
    small = world.client.get(thumbnail_url(address))
    assert (small.status_code, small.content_type) == (200, "image/jpeg")
    assert shown(small.data).size == (384, 192)
    assert world.client.get(thumbnail_url(address), headers={"If-None-Match": small.headers["ETag"]}).status_code == 304
    assert shown(world.client.get(address).data).size == (1000, 500)
    assert world.client.get(thumbnail_url(address.replace("/media/3/", "/media/4/"))).status_code == 401


def test_other_sizes_are_not_made(world: WebWorld, folder: Path) -> None:
    address = take_in(world, save(folder / "a.png"), folder)
    for size in ("385", "0", "-1", "x", ""):
        answer = world.client.get(f"{address}?size={size}")
        assert (answer.status_code, "size=384" in answer.json["error"]) == (400, True)
    assert copies(world.services) == []


def test_pages_show_small_copies(world: WebWorld, loop: Loop) -> None:
    following = project_page(world.services, loop.project).next_items
    assert following
    assert all(entry["image"].endswith(".png?size=384") for entry in following)


def test_what_a_12_bit_camera_wrote_is_not_black_in_the_editor(world: WebWorld, folder: Path) -> None:
    path = folder / "deep.png"
    Image.fromarray(np.linspace(0, 4095, 64, dtype=np.uint16).reshape(8, 8)).save(path)
    picture = np.asarray(shown(world.client.get(take_in(world, path, folder)).data))
    assert (picture.min(), picture.max()) == (0, 255)


def test_a_turned_tiff_stands_upright_in_the_editor(world: WebWorld, folder: Path) -> None:
    path = folder / "turned.tif"
    tifffile.imwrite(path, np.zeros((8, 20, 3), np.uint8), photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    assert shown(world.client.get(take_in(world, path, folder)).data).size == (8, 20)


def test_a_panorama_that_no_jpeg_can_hold(world: WebWorld, folder: Path) -> None:
    path = folder / "wide.tif"
    tifffile.imwrite(path, np.zeros((70, 66_000), np.uint8), photometric="minisblack", compression="zlib")
    assert shown(world.client.get(take_in(world, path, folder)).data).size == (66_000, 70)


def test_many_who_ask_for_one_image_get_one_conversion(world: WebWorld, folder: Path) -> None:
    path = save(folder / "a.tif", size=(300, 200))
    conversions, made = Conversions(world.services.files, world.services.settings, world.services.clock), []
    original = conversions._write
    conversions._write = lambda *words: (made.append(words[0]), original(*words))[1]
    together, found = threading.Barrier(6), []

    def ask() -> None:
        together.wait()
        found.append(conversions.copy(path, "3-1"))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), made) == (6, 1, [path])


def test_one_is_converted_at_a_time_and_too_many_are_sent_away(world: WebWorld, folder: Path, tmp_path: Path) -> None:
    services = Services(make_settings(tmp_path / "data", web_threads=2), world.store, world.services.files)
    conversions = Conversions(services.files, services.settings, services.clock, patience=0.01)
    done = threading.Event()
    conversions._seat.submit(done.wait)
    with pytest.raises(Overloaded, match=r"a\.tif waited 0 s while other images were converted"):
        conversions.copy(save(folder / "a.tif"), "3-1")
    done.set()
    conversions = Conversions(services.files, services.settings, services.clock)
    with conversions._admitted(folder / "b.tif"), pytest.raises(Overloaded, match="too many other images") as refused:
        conversions.copy(save(folder / "b.tif"), "3-2")
    assert refused.value.retry_after > 0
    assert conversions.copy(folder / "a.tif", "3-1").is_file()
    (folder / "c.tif").write_text("text")
    with pytest.raises(ImageError, match="not a readable image"):
        conversions.copy(folder / "c.tif", "3-3")
    assert conversions.copy(folder / "b.tif", "3-2").is_file()


def test_whoever_is_sent_away_is_told_when_to_come_back(
    world: WebWorld, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise Overloaded("Too many images are being converted; ask again.", 5)

    monkeypatch.setattr(Conversions, "copy", full)
    answer = world.client.get(take_in(world, save(folder / "a.tif"), folder))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_copies_count_in_the_cap_of_the_cache(world: WebWorld, folder: Path, tmp_path: Path) -> None:
    """Old copies go before new ones, whoever wrote them: copies and fetched images share one cap."""
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    for number in range(8):
        Image.fromarray(noise).save(folder / f"{number}.tif")
    now = [1_000_000.0]
    files = world.services.files
    services = Services(
        make_settings(tmp_path / "data", image_cache_bytes=100_000), world.store, files, clock=lambda: now[0]
    )
    old = files.make(files.cache_dir / "media")
    (old / "3-1-old.png").write_bytes(b"x" * 1000)
    conversions = Conversions(services.files, services.settings, services.clock)
    for number in range(8):
        copy = conversions.copy(folder / f"{number}.tif", f"3-{number}")
        os.utime(copy, (now[0], now[0]))
        now[0] += 100
    assert sum(path.stat().st_size for path in copies(services)) <= 100_000
    assert copy.is_file()
    assert not old.exists(), "copies of an earlier version, which counted nowhere"


def test_two_processes_share_one_cap(tmp_path: Path) -> None:
    now = [1_000_000.0]
    caches = [ImageCache(tmp_path, 100_000, lambda: now[0]) for _ in range(2)]
    for number in range(40):
        path = caches[number % 2].fetch(f"{number}", lambda file: file.write(b"x" * 9_000) and None, lambda _: None)
        os.utime(path, (now[0], now[0]))
        now[0] += 100
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 110_000
