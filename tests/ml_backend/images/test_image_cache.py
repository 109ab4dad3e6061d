"""What the image resolver keeps, and what it tells when an image cannot be had."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import pytest

from ml_backend.errors import ImageError, LabelStudioUnavailable, Unauthorized
from ml_backend.images.cache import ImageCache
from tests.ml_backend.images.internet import PUBLIC, Internet, png


def _damaged() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (httpx.Response(404), "returned 404"),
        (httpx.Response(500, text="<html>"), "returned 500"),
        (httpx.Response(200, html="<html>please log in</html>"), "a page"),
        (httpx.Response(200, content=b"", headers={"content-type": "image/png"}), "empty file"),
        (httpx.Response(200, content=b"GIF nonsense"), "not a readable image"),
        (httpx.Response(200, content=_damaged()), "img.test"),
        (httpx.Response(200, content=png(400, 400)), "larger than"),
        (httpx.Response(200, stream=httpx.ByteStream(png(400, 400)), headers={"content-length": "9"}), "larger than"),
        (httpx.Response(200, content=png(100, 60)), "100 x 60 px"),
        (httpx.ConnectTimeout("slow"), "ConnectTimeout"),
        (httpx.ReadTimeout("slow"), "ReadTimeout"),
        (httpx.ConnectError("refused"), "ConnectError"),
        (httpx.RemoteProtocolError("odd"), "RemoteProtocolError"),
    ],
)
def test_a_bad_answer_is_one_sentence_and_leaves_nothing(internet: Internet, page: Any, reason: str) -> None:
    internet.names["img.test"] = [PUBLIC]
    internet.pages["http://img.test/a.png?secret=42"] = page
    resolver = internet.resolver(fetch_hosts=["img.test"], max_image_bytes=100_000, max_image_pixels=5000)
    with pytest.raises(ImageError, match=reason) as caught:
        resolver.local_path("http://u:pw@img.test/a.png?secret=42")
    text = str(caught.value)
    assert "; " in text or ". " in text
    assert text.endswith(".")
    assert not any(word in text for word in ("secret", "pw@", ".part", str(internet.tmp_path)))
    assert internet.cached() == []


def test_a_dripping_host_is_given_up(internet: Internet) -> None:
    ticks = iter(range(10_000))
    internet.timer = lambda: float(next(ticks))
    internet.names["img.test"] = [PUBLIC]

    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield from (b"x" for _ in range(10_000))

    internet.pages["http://img.test/a.png"] = httpx.Response(200, stream=Drip())
    with pytest.raises(ImageError, match="took longer than 20 s"):
        internet.resolver(fetch_hosts=["img.test"]).local_path("http://img.test/a.png")
    assert internet.cached() == []


def test_label_studio_away_is_worth_a_retry_and_a_missing_file_is_not(internet: Internet) -> None:
    resolver = internet.resolver()
    with pytest.raises(ImageError, match="did not return"):
        resolver.local_path("/data/upload/1/gone.png")
    internet.fake.fail_next(1, 502)
    with pytest.raises(LabelStudioUnavailable):
        resolver.local_path("/data/upload/1/gone.png")
    internet.fake.down = True
    with pytest.raises(LabelStudioUnavailable):
        resolver.local_path("/data/upload/1/gone.png")
    internet.fake.down = False
    with pytest.raises(Unauthorized):
        internet.resolver("wrong").local_path("/data/upload/1/gone.png")
    assert internet.cached() == []


def test_many_threads_fetch_one_image_once(internet: Internet) -> None:
    internet.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    resolver = internet.resolver()
    together = threading.Barrier(8)
    found: list[Path] = []

    def ask() -> None:
        together.wait()
        found.append(resolver.local_path("/data/upload/1/a.png"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert internet.fake.count("GET", "/data/upload/1/a.png") == 1


def test_a_reader_never_sees_half_a_file(internet: Internet) -> None:
    internet.fake.state.files["/data/upload/1/a.png"] = (png(64, 64), "image/png")
    resolver = internet.resolver()
    seen: list[list[Path]] = []
    internet.fake.faults.on_call = lambda *_: seen.append(
        [p for p in internet.cached() if not p.name.startswith(".part-")]
    )
    resolver.local_path("/data/upload/1/a.png")
    assert seen == [[]]
    assert [path.read_bytes() for path in internet.cached()] == [png(64, 64)]


def test_the_cache_keeps_under_its_cap_and_drops_the_oldest(internet: Internet) -> None:
    size = len(png(32, 32))
    for number in range(6):
        internet.fake.state.files[f"/data/upload/1/{number}.png"] = (png(32, 32), "image/png")
    resolver = internet.resolver(image_cache_bytes=int(size * 3.5))
    paths = []
    for number in range(3):
        path = resolver.local_path(f"/data/upload/1/{number}.png")
        os.utime(path, (1000.0 + number, 1000.0 + number))
        paths.append(path)
    resolver.local_path("/data/upload/1/0.png")
    resolver.local_path("/data/upload/1/3.png")
    resolver.local_path("/data/upload/1/4.png")
    assert paths[0].exists(), "used again"
    assert not paths[1].exists(), "the oldest"
    assert sum(path.stat().st_size for path in internet.cached()) <= size * 3.5
    left = internet.tmp_path / "cache" / "images" / ".part-abandoned"
    left.write_bytes(b"x")
    os.utime(left, (1000.0, 1000.0))
    resolver.local_path("/data/upload/1/5.png")
    assert not left.exists()


def test_a_clock_that_jumps_ahead_takes_no_file_from_whoever_writes_it(tmp_path: Path) -> None:
    ahead = ImageCache(tmp_path / "cache", 10_000, lambda: time.time() + 7 * 86400)

    def write(file: BinaryIO) -> None:
        file.write(b"first half, ")
        ahead.fetch("other", lambda other: other.writelines([b"x"]), lambda path: None)
        file.write(b"second half")

    path = ImageCache(tmp_path / "cache", 10_000, time.time).fetch("mine", write, lambda part: None)
    assert path.read_bytes() == b"first half, second half"
