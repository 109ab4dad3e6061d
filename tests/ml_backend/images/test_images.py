"""The image resolver: every kind of address that a task may hold."""

from __future__ import annotations

import base64

import pytest

from ml_backend.errors import ImageError, PapLoopError
from ml_backend.images.media_url import media_url
from tests.fakes.label_studio import LEGACY, FakeLabelStudio
from tests.ml_backend.images.internet import PUBLIC, Internet, png


@pytest.mark.parametrize("personal", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        "/data/upload/3/42d40bad-a_b.png",
        "/data/local-files/?d=set 1/ä.png",
        "http://label-studio.test/data/upload/3/x.png",
    ],
)
def test_label_studios_own_files(internet: Internet, value: str, personal: bool) -> None:
    content = png()
    internet.fake.state.files[value.removeprefix("http://label-studio.test")] = (content, "image/png")
    resolver = internet.resolver(internet.fake.personal_token if personal else LEGACY)
    path = resolver.local_path(value)
    assert path.read_bytes() == content
    assert resolver.local_path(f"http://label-studio.test{value.removeprefix('http://label-studio.test')}") == path
    internet.fake.down = True
    assert resolver.local_path(value) == path


def test_an_expired_token_is_renewed_on_the_way(internet: Internet) -> None:
    internet.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    resolver = internet.resolver(internet.fake.personal_token)
    internet.fake.access_token()
    resolver._label_studio.whoami()
    internet.fake.expire_access()
    assert resolver.local_path("/data/upload/1/a.png").exists()


def test_the_public_name_of_label_studio_means_label_studio(internet: Internet) -> None:
    internet.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    resolver = internet.resolver(label_studio_public_url="https://labels.example.org/")
    assert resolver.local_path("https://labels.example.org/data/upload/1/a.png").exists()
    assert internet.requests == []


@pytest.mark.parametrize("value", ["/data/upload/1/a.png", "/label-studio/data/upload/1/a.png"])
def test_label_studio_under_a_path(internet: Internet, value: str) -> None:
    internet.fake = FakeLabelStudio(prefix="/label-studio")
    internet.fake.state.files["/data/upload/1/a.png"] = (png(), "image/png")
    assert internet.resolver().local_path(value).exists()


def test_storage_uris_go_through_their_task(internet: Internet) -> None:
    internet.fake.add_project(tasks=1)
    internet.fake.state.files["s3://bucket/slides/a ü.png"] = (png(), "image/png")
    internet.fake.state.files["gs://bucket/b.png"] = (b"https://signed.test/b.png?X-Goog-Signature=ab12", "redirect")
    internet.names["signed.test"] = [PUBLIC]
    internet.pages["https://signed.test/b.png?X-Goog-Signature=ab12"] = png()
    resolver = internet.resolver(fetch_hosts=["signed.test"])
    assert resolver.local_path("s3://bucket/slides/a ü.png", task_id=1).exists()
    assert resolver.local_path("gs://bucket/b.png", task_id=1).exists()
    assert "authorization" not in internet.requests[-1].headers
    with pytest.raises(ImageError, match="through its task"):
        resolver.local_path("s3://bucket/other.png")


def test_paploops_own_addresses_are_files(internet: Internet) -> None:
    resolver = internet.resolver()
    settings = resolver._settings
    (internet.tmp_path / "own.png").write_bytes(png())
    url = media_url(settings, 3, 7, "cell 1.png")
    assert resolver.local_path(url) == internet.tmp_path / "own.png"
    assert resolver.local_path(url.replace("paploop.test:9090", "localhost:1")) == internet.tmp_path / "own.png"
    forged = url.replace("/media/3/7/", "/media/3/8/")
    with pytest.raises(ImageError, match="may not be fetched"):
        resolver.local_path(forged)
    with pytest.raises(ImageError, match="no item 9"):
        resolver.local_path(media_url(settings, 3, 9, "x.png"))
    for odd in ("http://x/media/3/²/ab/c", "http://x/media/3/7/ü/c", "http://x/media//", "http://[x/media/3/7/a/c"):
        with pytest.raises(ImageError):
            resolver.local_path(odd)
    assert internet.fake.calls == []


def test_files_below_the_allowed_folders_and_nothing_else(internet: Internet) -> None:
    root = internet.tmp_path / "images"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a b.png").write_bytes(png())
    outside = internet.tmp_path / "secret.png"
    outside.write_bytes(png())
    (root / "link.png").symlink_to(outside)
    (root / "inner.png").symlink_to(root / "sub" / "a b.png")
    resolver = internet.resolver(image_roots=[root])
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
    assert all(path.startswith("/") for _, path in internet.fake.calls)
    with pytest.raises(ImageError, match="PAPLOOP_IMAGE_ROOTS"):
        internet.resolver().local_path(f"file://{root}/sub/a%20b.png")


@pytest.mark.parametrize(
    "value", [None, "", "  ", 5, ["a.png"], {"url": "a.png"}, "a\0b", "x.png", "javascript:alert(1)"]
)
def test_values_that_are_no_address(internet: Internet, value: object) -> None:
    with pytest.raises(ImageError, match=r"[Cc]orrect (its data|the task)"):
        internet.resolver().local_path(value)
    assert internet.fake.calls == []


def test_images_inside_the_task(internet: Internet) -> None:
    resolver = internet.resolver(max_image_bytes=10_000)
    text = base64.b64encode(png()).decode()
    assert resolver.local_path(f"data:image/png;base64,{text}").read_bytes() == png()
    for bad in ("data:image/png,abc", "data:image/png;base64,%%%", "data:image/png;base64," + "A" * 20_000):
        with pytest.raises(ImageError, match="Import it as a file"):
            resolver.local_path(bad)
