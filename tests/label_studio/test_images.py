"""The image resolver: every kind of address, the rules about hosts, and what goes wrong on the way."""

from __future__ import annotations

import base64
import io
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from ml_backend.errors import ImageError, LabelStudioUnavailable, NotFound, PapLoopError, Unauthorized
from ml_backend.images import ImageResolver
from ml_backend.media_url import media_url
from ml_backend.settings import Settings
from tests.fakes.label_studio import LEGACY, FakeLabelStudio

PUBLIC = "93.184.216.34"


def png(width: int = 8, height: int = 6) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class World:
    """A fake Label Studio, the rest of the web, and a resolver between them."""

    def __init__(self, tmp_path: Path):
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


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("personal", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        "/data/upload/3/42d40bad-a_b.png",
        "/data/local-files/?d=set 1/ä.png",
        "http://label-studio.test/data/upload/3/x.png",
    ],
)
def test_label_studios_own_files(world: World, value: str, personal: bool) -> None:
    content = png()
    world.fake.state.files[value.removeprefix("http://label-studio.test")] = (content, "image/png")
    resolver = world.resolver(world.fake.personal_token if personal else LEGACY)
    path = resolver.local_path(value)
    assert path.read_bytes() == content
    world.fake.down = True
    assert resolver.local_path(value) == path


def test_an_expired_token_is_renewed_on_the_way(world: World) -> None:
    world.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    resolver = world.resolver(world.fake.personal_token)
    world.fake.access_token()
    resolver._label_studio.whoami()
    world.fake.expire_access()
    assert resolver.local_path("/data/upload/1/a.png").exists()


def test_the_public_name_of_label_studio_means_label_studio(world: World) -> None:
    world.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    resolver = world.resolver(label_studio_public_url="https://labels.example.org/")
    assert resolver.local_path("https://labels.example.org/data/upload/1/a.png").exists()
    assert world.requests == []


@pytest.mark.parametrize("value", ["/data/upload/1/a.png", "/label-studio/data/upload/1/a.png"])
def test_label_studio_under_a_path(world: World, value: str) -> None:
    world.fake = FakeLabelStudio(prefix="/label-studio")
    world.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    assert world.resolver().local_path(value).exists()


def test_storage_uris_go_through_their_task(world: World) -> None:
    world.fake.add_project(tasks=1)
    world.fake.state.files["s3://bucket/slides/a ü.png"] = (png(), "image/png")
    world.fake.state.files["gs://bucket/b.png"] = (b"https://signed.test/b.png?X-Goog-Signature=ab12", "redirect")
    world.names["signed.test"] = [PUBLIC]
    world.pages["https://signed.test/b.png?X-Goog-Signature=ab12"] = png()
    resolver = world.resolver(fetch_hosts=["signed.test"])
    assert resolver.local_path("s3://bucket/slides/a ü.png", task_id=1).exists()
    assert resolver.local_path("gs://bucket/b.png", task_id=1).exists()
    assert "authorization" not in world.requests[-1].headers
    with pytest.raises(ImageError, match="needs its task"):
        resolver.local_path("s3://bucket/other.png")


def test_a_signed_address_on_a_strange_host_is_refused_without_its_signature(world: World) -> None:
    world.fake.add_project(tasks=1)
    world.fake.state.files["s3://bucket/a.png"] = (b"https://evil.test/a.png?X-Amz-Signature=ab12", "redirect")
    with pytest.raises(ImageError, match=r"may not be fetched from evil\.test") as caught:
        world.resolver().local_path("s3://bucket/a.png", task_id=1)
    assert "ab12" not in str(caught.value)
    assert world.requests == []


def test_paploops_own_addresses_are_files(world: World) -> None:
    resolver = world.resolver()
    settings = resolver._settings
    (world.tmp_path / "own.png").write_bytes(png())
    url = media_url(settings, 3, 7, "cell 1.png")
    assert resolver.local_path(url) == world.tmp_path / "own.png"
    assert resolver.local_path(url.replace("paploop.test:9090", "localhost:1")) == world.tmp_path / "own.png"
    forged = url.replace("/media/3/7/", "/media/3/8/")
    with pytest.raises(ImageError, match="may not be fetched"):
        resolver.local_path(forged)
    with pytest.raises(ImageError, match="no item 9"):
        resolver.local_path(media_url(settings, 3, 9, "x.png"))
    for odd in ("http://x/media/3/²/ab/c", "http://x/media/3/7/ü/c", "http://x/media//", "http://[x/media/3/7/a/c"):
        with pytest.raises(ImageError):
            resolver.local_path(odd)
    assert world.fake.calls == []


def test_files_below_the_allowed_folders_and_nothing_else(world: World) -> None:
    root = world.tmp_path / "images"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a b.png").write_bytes(png())
    outside = world.tmp_path / "secret.png"
    outside.write_bytes(png())
    (root / "link.png").symlink_to(outside)
    (root / "inner.png").symlink_to(root / "sub" / "a b.png")
    resolver = world.resolver(image_roots=[root])
    wanted = (root / "sub" / "a b.png").resolve()
    for value in (
        str(root / "sub" / "a b.png"),
        f"file://{root}/sub/a%20b.png",
        "sub/a b.png",
        str(root / "inner.png"),
    ):
        assert resolver.local_path(value) == wanted
    for value in (f"file://{outside}", f"file://{root}/../secret.png", f"file://{root}/link.png", "../secret.png"):
        with pytest.raises(ImageError, match="PAPLOOP_IMAGE_ROOTS"):
            resolver.local_path(value)
    for value in (str(outside), f"{root}/../secret.png", str(root / "link.png"), "/etc/passwd"):
        with pytest.raises(PapLoopError):
            resolver.local_path(value)
    assert all(path.startswith("/") for _, path in world.fake.calls)
    with pytest.raises(ImageError, match="PAPLOOP_IMAGE_ROOTS"):
        world.resolver().local_path(f"file://{root}/sub/a%20b.png")


def test_a_web_host_is_asked_only_if_listed_and_without_token(world: World) -> None:
    world.names |= {"img.test": [PUBLIC], "port.test": [PUBLIC]}
    world.pages |= {"https://img.test/a.png": png(), "http://port.test:8000/b.png": png()}
    resolver = world.resolver(fetch_hosts=["IMG.test", "port.test:8000"])
    assert resolver.local_path("https://img.test/a.png").exists()
    assert resolver.local_path("http://port.test:8000/b.png").exists()
    for request in world.requests:
        assert request.url.host == PUBLIC
        assert "authorization" not in request.headers
    assert world.requests[0].extensions["sni_hostname"] == "img.test"
    for value in (
        "https://other.test/a.png",
        "http://img.test:8000/a.png",
        "http://port.test/b.png",
        "http://img.test.evil.test/a.png",
        "http://img.test@evil.test/a.png",
        "http://127.0.0.1/a.png",
        "http://2130706433/a.png",
        "http://[::1]/a.png",
        "http://localhost/a.png",
        "http://label-studio.test:8081/data/upload/1/a.png",
        "https://label-studio.test/data/upload/1/a.png",
    ):
        with pytest.raises(ImageError, match="PAPLOOP_FETCH_HOSTS"):
            resolver.local_path(value)
    assert len(world.requests) == 2


@pytest.mark.parametrize(
    ("entry", "address", "allowed"),
    [
        ("img.test", "10.0.0.5", True),
        ("img.test", "127.0.0.1", True),
        ("img.test", "169.254.169.254", False),
        ("img.test", "fe80::1%eth0", False),
        ("img.test", "::ffff:169.254.169.254", False),
        ("img.test", "0.0.0.0", False),
        ("*.test", PUBLIC, True),
        ("*.test", "10.0.0.5", False),
        ("*.test", "::1", False),
        ("*.test", "::ffff:10.0.0.1", False),
        ("*.test", "100.64.0.1", False),
        ("*.mg.test", PUBLIC, False),
    ],
)
def test_where_a_name_may_lead(world: World, entry: str, address: str, allowed: bool) -> None:
    world.names["img.test"] = [address]
    world.pages["http://img.test/a.png"] = png()
    resolver = world.resolver(fetch_hosts=[entry])
    if allowed:
        assert resolver.local_path("http://img.test/a.png").exists()
    else:
        with pytest.raises(ImageError, match="PAPLOOP_FETCH_HOSTS"):
            resolver.local_path("http://img.test/a.png")
        assert world.requests == []


def test_an_address_listed_by_itself_is_allowed(world: World) -> None:
    world.pages |= {"http://169.254.1.2/a.png": png(), "http://[fd00::1]:8000/b.png": png()}
    resolver = world.resolver(fetch_hosts=["169.254.1.2", "[fd00::1]:8000"])
    assert resolver.local_path("http://169.254.1.2/a.png").exists()
    assert resolver.local_path("http://[fd00::1]:8000/b.png").exists()


def test_every_redirect_is_checked(world: World) -> None:
    world.names |= {"img.test": [PUBLIC], "cdn.test": [PUBLIC]}
    to = lambda place: httpx.Response(302, headers={"location": place})  # noqa: E731
    world.pages |= {
        "http://img.test/good": to("https://cdn.test/1"),
        "https://cdn.test/1": to("/2"),
        "https://cdn.test/2": png(),
        "http://img.test/bad": to("http://169.254.169.254/latest/meta-data"),
        "http://img.test/file": to("file:///etc/passwd"),
        "http://img.test/loop": to("http://img.test/loop"),
        "http://img.test/ls": to("http://label-studio.test/data/upload/1/a.png"),
    }
    resolver = world.resolver(fetch_hosts=["img.test", "cdn.test"])
    assert resolver.local_path("http://img.test/good").read_bytes() == png()
    with pytest.raises(ImageError, match=r"may not be fetched from 169\.254"):
        resolver.local_path("http://img.test/bad")
    with pytest.raises(ImageError, match="over http and https only"):
        resolver.local_path("http://img.test/file")
    with pytest.raises(ImageError, match="sent on more than 5 times"):
        resolver.local_path("http://img.test/loop")
    world.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    assert resolver.local_path("http://img.test/ls").exists()


def test_the_next_address_of_a_host_is_tried(world: World) -> None:
    world.names["img.test"] = ["2001:db8::1", PUBLIC]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host != PUBLIC:
            raise httpx.ConnectError("unreachable")
        return httpx.Response(200, content=png())

    resolver = ImageResolver(
        Settings(fetch_hosts=["img.test"]),
        world.fake.client(),
        world.tmp_path,
        transport=httpx.MockTransport(answer),
        resolve=world._resolve,
    )
    assert resolver.local_path("http://img.test/a.png").exists()


def _damaged() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (httpx.Response(404), "answered with 404"),
        (httpx.Response(500, text="<html>"), "answered with 500"),
        (httpx.Response(200, html="<html>please log in</html>"), "a page"),
        (httpx.Response(200, content=b"", headers={"content-type": "image/png"}), "empty file"),
        (httpx.Response(200, content=b"GIF nonsense"), "not an image"),
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
def test_a_bad_answer_is_one_sentence_and_leaves_nothing(world: World, page: Any, reason: str) -> None:
    world.names["img.test"] = [PUBLIC]
    world.pages["http://img.test/a.png?secret=42"] = page
    resolver = world.resolver(fetch_hosts=["img.test"], max_image_bytes=100_000, max_image_pixels=5000)
    with pytest.raises(ImageError, match=reason) as caught:
        resolver.local_path("http://u:pw@img.test/a.png?secret=42")
    text = str(caught.value)
    assert ";" in text
    assert text.endswith(".")
    assert not any(word in text for word in ("secret", "pw@", ".part", str(world.tmp_path)))
    assert world.cached() == []


def test_an_unknown_host(world: World) -> None:
    with pytest.raises(ImageError, match=r"The host gone\.test is unknown"):
        world.resolver(fetch_hosts=["gone.test"]).local_path("http://gone.test/a.png")


def test_a_dripping_host_is_given_up(world: World) -> None:
    ticks = iter(range(10_000))
    world.timer = lambda: float(next(ticks))
    world.names["img.test"] = [PUBLIC]

    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield from (b"x" for _ in range(10_000))

    world.pages["http://img.test/a.png"] = httpx.Response(200, stream=Drip())
    with pytest.raises(ImageError, match="took longer than 20 s"):
        world.resolver(fetch_hosts=["img.test"]).local_path("http://img.test/a.png")
    assert world.cached() == []


def test_label_studio_away_is_worth_a_retry_and_a_missing_file_is_not(world: World) -> None:
    resolver = world.resolver()
    with pytest.raises(ImageError, match="does not hand out"):
        resolver.local_path("/data/upload/1/gone.png")
    world.fake.fail_next(1, 502)
    with pytest.raises(LabelStudioUnavailable):
        resolver.local_path("/data/upload/1/gone.png")
    world.fake.down = True
    with pytest.raises(LabelStudioUnavailable):
        resolver.local_path("/data/upload/1/gone.png")
    world.fake.down = False
    with pytest.raises(Unauthorized):
        world.resolver("wrong").local_path("/data/upload/1/gone.png")
    assert world.cached() == []


@pytest.mark.parametrize(
    "value", [None, "", "  ", 5, ["a.png"], {"url": "a.png"}, "a\0b", "x.png", "javascript:alert(1)"]
)
def test_values_that_are_no_address(world: World, value: object) -> None:
    with pytest.raises(ImageError, match=r"correct (its data|the task)"):
        world.resolver().local_path(value)
    assert world.fake.calls == []


def test_images_inside_the_task(world: World) -> None:
    resolver = world.resolver(max_image_bytes=10_000)
    text = base64.b64encode(png()).decode()
    assert resolver.local_path(f"data:image/png;base64,{text}").read_bytes() == png()
    for bad in ("data:image/png,abc", "data:image/png;base64,%%%", "data:image/png;base64," + "A" * 20_000):
        with pytest.raises(ImageError, match="import it as a file"):
            resolver.local_path(bad)


def test_many_threads_fetch_one_image_once(world: World) -> None:
    world.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    resolver = world.resolver()
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
    assert world.fake.count("GET", "/data/upload/1/a.png") == 1


def test_a_reader_never_sees_half_a_file(world: World) -> None:
    world.fake.state.files["/data/upload/1/a.png"] = (png(64, 64), "image/png")
    resolver = world.resolver()
    seen: list[list[Path]] = []
    world.fake.faults.on_call = lambda *_: seen.append([p for p in world.cached() if not p.name.startswith(".part-")])
    resolver.local_path("/data/upload/1/a.png")
    assert seen == [[]]
    assert [path.read_bytes() for path in world.cached()] == [png(64, 64)]


def test_the_cache_keeps_under_its_cap_and_drops_the_oldest(world: World) -> None:
    size = len(png(32, 32))
    for number in range(6):
        world.fake.state.files[f"/data/upload/1/{number}.png"] = (png(32, 32), "image/png")
    resolver = world.resolver(image_cache_bytes=int(size * 3.5))
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
    assert sum(path.stat().st_size for path in world.cached()) <= size * 3.5
    left = world.tmp_path / "cache" / "images" / ".part-abandoned"
    left.write_bytes(b"x")
    os.utime(left, (1000.0, 1000.0))
    resolver.local_path("/data/upload/1/5.png")
    assert not left.exists()
