"""Image addresses prove themselves and lead to images of ours, nowhere else."""

import io
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from ml_backend.images.media_url import media_url
from ml_backend.state.records import NewItem
from ml_backend.web.media import is_label_studio
from tests.ml_backend.web.conftest import WebWorld, make_settings


def take_in(world: WebWorld, path: Path, root: Path, project: int = 3) -> str:
    """Record a file as ingest does; answers the path of its address."""
    world.store.projects.upsert(project, "x", "", 1.0)
    data = {"root": str(root), "name": path.name}
    (item,) = world.store.items.add(project, [NewItem(source=str(path), data=data)], 1.0)
    return urlsplit(media_url(world.services.settings, project, item, path.name)).path


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Path:
    Image.new(mode, size, 120).save(path)
    return path


@pytest.mark.parametrize(
    "name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "with space äöü.png", "line\nbreak.png", "tab\tend\r.png"]
)
def test_browser_formats_are_sent_as_they_are(world: WebWorld, folder: Path, name: str) -> None:
    path = save(folder / name)
    answer = world.client.get(take_in(world, path, folder))
    assert answer.status_code == 200
    assert answer.data == path.read_bytes()
    assert answer.content_type.startswith("image/")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_address_made_with_a_line_break_still_works(world: WebWorld, folder: Path) -> None:
    path = save(folder / "line\nbreak.png")
    address = take_in(world, path, folder)
    assert "%0A" not in address
    assert world.client.get(address.rsplit("/", 1)[0] + "/line%0Abreak.png").data == path.read_bytes()


def test_the_first_bytes_say_what_a_file_is(world: WebWorld, folder: Path) -> None:
    Image.new("RGB", (4, 4)).save(folder / "lies.png", "JPEG")
    assert world.client.get(take_in(world, folder / "lies.png", folder)).content_type == "image/jpeg"


@pytest.mark.parametrize(("size", "kind"), [((9, 7), "PNG"), ((2100, 2000), "JPEG")])
def test_other_formats_are_converted_once(world: WebWorld, folder: Path, size: tuple[int, int], kind: str) -> None:
    address = take_in(world, save(folder / "a.tif", size=size), folder)
    first, second = world.client.get(address), world.client.get(address)
    assert first.data == second.data
    with Image.open(io.BytesIO(first.data)) as image:
        assert (image.format, image.size) == (kind, size)
    (folder / "a.tif").write_bytes(save(folder / "b.tif", size=(5, 5)).read_bytes())
    with Image.open(io.BytesIO(world.client.get(address).data)) as image:
        assert image.size == (5, 5)


def test_what_is_no_image_is_not_served(world: WebWorld, folder: Path) -> None:
    path = folder / "secrets.png"
    path.write_text("root:x:0:0")
    answer = world.client.get(take_in(world, path, folder))
    assert answer.status_code == 400
    assert b"root:x" not in answer.data
    assert answer.json["error"].endswith(".")


def test_ranges_and_conditional_requests_work(world: WebWorld, folder: Path) -> None:
    path = save(folder / "a.png", size=(80, 80))
    address = take_in(world, path, folder)
    part = world.client.get(address, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.data) == (206, path.read_bytes()[:10])
    whole = world.client.get(address)
    assert world.client.get(address, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert world.client.head(address).data == b""


def test_a_wrong_signature_opens_nothing(world: WebWorld, folder: Path) -> None:
    address = take_in(world, save(folder / "a.png"), folder)
    _, media, project, item, signature, name = address.split("/")
    for wrong in ("0" * 32, signature[:-1], signature[::-1], "ü" * 32):
        assert world.client.get(f"/{media}/{project}/{item}/{wrong}/{name}").status_code == 401
    assert world.client.get(f"/{media}/4/{item}/{signature}/{name}").status_code == 401
    assert world.client.get(f"/{media}/{project}/999/{signature}/{name}").status_code == 401
    assert world.client.get(f"/{media}/{project}/{item}/{signature}/other.png").status_code == 200


def test_a_link_that_leaves_the_folder_is_not_followed(world: WebWorld, folder: Path, tmp_path: Path) -> None:
    outside = save(tmp_path / "outside.png")
    link = folder / "link.png"
    link.symlink_to(outside)
    answer = world.client.get(take_in(world, link, folder))
    assert answer.status_code == 404
    assert "PAPLOOP_IMAGE_ROOTS" in answer.json["error"]
    stray = world.client.get(take_in(world, folder / ".." / "outside.png", folder, project=4))
    assert stray.status_code == 404


def test_image_roots_may_be_followed_into(world: WebWorld, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "archive"
    outside.mkdir()
    (folder / "link.png").symlink_to(save(outside / "a.png"))
    address = take_in(world, folder / "link.png", folder)
    world.services.settings.image_roots.append(outside)
    assert world.client.get(address).status_code == 200


def test_a_file_that_went_away_is_said_to_be_gone(world: WebWorld, folder: Path) -> None:
    path = save(folder / "a.png")
    address = take_in(world, path, folder)
    path.unlink()
    answer = world.client.get(address)
    assert (answer.status_code, "missing" in answer.json["error"]) == (404, True)


@pytest.mark.usefixtures("folder")
def test_tasks_of_label_studio_have_no_file_here(world: WebWorld) -> None:
    world.store.projects.upsert(3, "x", "", 1.0)
    (item,) = world.store.items.add(3, [NewItem(source="task:9", task_id=9)], 1.0)
    assert world.client.get(urlsplit(media_url(world.services.settings, 3, item, "a.png")).path).status_code == 404


def test_without_a_key_no_address_is_valid(world: WebWorld, folder: Path) -> None:
    address = take_in(world, save(folder / "a.png"), folder)
    object.__setattr__(world.services.settings, "media_secret", type(world.services.settings.media_secret)(""))
    item = address.split("/")[3]
    forged = urlsplit(media_url(world.services.settings, 3, int(item), "a.png")).path
    assert world.client.get(forged).status_code == 401


def test_label_studio_may_read_pixels_and_others_may_not(world: WebWorld, folder: Path) -> None:
    address = take_in(world, save(folder / "a.png"), folder)
    own = world.client.get(address, headers={"Origin": "http://localhost:8080"})
    assert own.headers["Access-Control-Allow-Origin"] == "http://localhost:8080"
    assert "Origin" in own.headers["Vary"]
    other = world.client.get(address, headers={"Origin": "http://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("https://localhost:8080", False),
        ("http://localhost:8081", False),
        ("https://labels.example.org", True),
        ("https://labels.example.org:443", True),
        ("https://labels.example.org.evil.example", False),
        ("null", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_which_origins_are_label_studio(tmp_path: Path, origin: str, is_ours: bool) -> None:
    settings = make_settings(tmp_path, label_studio_public_url="https://labels.example.org/")
    assert is_label_studio(settings, origin) is is_ours
