from __future__ import annotations

import contextlib
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.images import ImageDecodeError, content_hash, image_size, load_rgb, open_rgb

TRAILERS = ("gif", "tiff", "webp", "png")
"""Formats whose last bytes carry no pixels that a decoder needs."""


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 255, (5, 6, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_plain_png_comes_back_exactly(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(picture()))
    assert np.array_equal(load_rgb(path), picture())
    assert load_rgb(path).dtype == np.uint8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", Image.fromarray(picture()), exif=exif)
    pixels = picture()
    upright = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: np.rot90(pixels, 2).transpose(1, 0, 2),
        8: np.rot90(pixels, 1),
    }[orientation]
    assert np.array_equal(load_rgb(path), upright)
    assert image_size(path) == upright.shape[:2]


def test_cmyk(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(picture()).convert("CMYK"), quality=95)
    with Image.open(path) as image:
        assert image.mode == "CMYK"
    assert np.abs(load_rgb(path).astype(int) - picture()).mean() < 8


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_is_scaled_from_its_range(tmp_path: Path, suffix: str) -> None:
    deep = np.linspace(1000, 5000, 40 * 60).reshape(40, 60).astype(np.uint16)
    pixels = load_rgb(save(tmp_path / f"a.{suffix}", Image.fromarray(deep)))
    assert pixels.shape == (40, 60, 3)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.array_equal(pixels[..., 0], np.rint((deep - 1000.0) * 255 / 4000).astype(np.uint8))


def test_float_tiff_with_holes(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    values[0, 0] = np.nan
    pixels = load_rgb(save(tmp_path / "a.tiff", Image.fromarray(values)))
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == 255


@pytest.mark.parametrize(("value", "expected"), [(200, 200), (65535, 255), (0, 0)])
def test_even_16_bit_is_not_divided_by_zero(tmp_path: Path, value: int, expected: int) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(np.full((4, 4), value, dtype=np.uint16)))
    assert (load_rgb(path) == expected).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "PA"])
def test_grey_palette_and_their_kin_become_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(picture()).convert("L" if mode != "P" else "RGB").convert("P" if mode == "PA" else mode)
    path = save(tmp_path / ("a.tiff" if mode == "PA" else "a.png"), image)
    pixels = load_rgb(path)
    assert pixels.shape == (40, 60, 3)
    assert np.array_equal(pixels, np.asarray(image.convert("RGB")))


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 3, 4), dtype=np.uint8)
    rgba[:, 0] = (255, 0, 0, 255)
    rgba[:, 1] = (255, 0, 0, 0)
    rgba[:, 2] = (0, 0, 0, 128)
    pixels = load_rgb(save(tmp_path / "a.png", Image.fromarray(rgba)))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[0, 1].tolist() == [255, 255, 255]
    assert abs(int(pixels[0, 2, 0]) - 127) <= 1


def test_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    pixels = load_rgb(save(tmp_path / "a.png", image, transparency=0))
    assert pixels[0].tolist() == [[255, 255, 255], [200, 100, 50]]


def test_first_frame_of_several(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (5, 5), colour) for colour in ("red", "blue")]
    path = tmp_path / "a.tiff"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert load_rgb(path)[0, 0].tolist() == [255, 0, 0]


CUTS = [
    (suffix, kept)
    for suffix in ("png", "jpg", "bmp", "tiff", "webp", "gif")
    for kept in (0, 3, 30, 0.5, 0.97)
    if kept != 0.97 or suffix not in TRAILERS
]


@pytest.mark.parametrize(("suffix", "kept"), CUTS)
def test_cut_off_files_say_so(tmp_path: Path, suffix: str, kept: float) -> None:
    path = save(tmp_path / f"cell.{suffix}", Image.fromarray(picture()))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept if kept == int(kept) else kept * len(content))])
    with pytest.raises(ImageDecodeError, match=r"cell.*\.$"):
        load_rgb(path)


def test_bombs_are_refused_before_a_pixel_is_decoded(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"0" * 10)), (b"IEND", b""))
    )
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(ImageDecodeError, match="pixels"):
        load_rgb(path)


def test_the_pixel_limit_is_the_callers(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(picture()))
    with pytest.raises(ImageDecodeError, match=r"60 x 40 pixels.*2,399"):
        load_rgb(path, max_pixels=2399)
    assert load_rgb(path, max_pixels=2400).shape == (40, 60, 3)


def test_what_is_no_image(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no image at all")
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, what in (
        (text, "not a readable image"),
        (empty, "is empty"),
        (tmp_path, "folder"),
        (tmp_path / "gone", "no longer exists"),
    ):
        for reader in (load_rgb, image_size):
            with pytest.raises(ImageDecodeError, match=what):
                reader(path)


def test_random_bytes_never_escape_as_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = save(tmp_path / "a.png", Image.fromarray(picture()))
    original = {
        suffix: save(tmp_path / f"o.{suffix}", Image.fromarray(picture())).read_bytes()
        for suffix in ("png", "jpg", "tiff")
    }
    for trial in range(150):
        suffix = ("png", "jpg", "tiff")[trial % 3]
        content = np.frombuffer(original[suffix], dtype=np.uint8).copy()
        spots = rng.integers(8, len(content), 6)
        content[spots] = rng.integers(0, 256, 6)
        path = tmp_path / f"broken.{suffix}"
        path.write_bytes(content.tobytes())
        with contextlib.suppress(ImageDecodeError):
            assert load_rgb(path, max_pixels=1_000_000).ndim == 3


def test_content_hash_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"cells")
    assert content_hash(path) == hashlib.sha256(b"cells").hexdigest()


def test_large_jpegs_are_decoded_small_and_keep_their_size(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(picture(1200, 1600)), quality=90)
    image, size = open_rgb(path, enough=448)
    assert size == (1200, 1600)
    assert min(image.size) == 600
    whole = Image.fromarray(load_rgb(path)).resize(image.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(image).astype(int) - np.asarray(whole)).mean() < 2
