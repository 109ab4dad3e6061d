"""PNG, JPEG, WebP and BMP of every mode against OpenCV; orientation, sizes and limits without decoding a pixel."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.training.data.test_tiff import turned, values
from training.data.images import ImageDecodeError, image_size, load_rgb, open_rgb, orientation_of

WRITTEN = {
    "png": ("1", "L", "P", "RGB", "RGBA", "LA"),
    "bmp": ("1", "L", "P", "RGB", "RGBA"),
    "webp": ("RGB", "RGBA"),
    "jpg": ("L", "RGB", "CMYK"),
    "gif": ("1", "L", "P"),
    "jp2": ("L", "RGB"),
}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(path: Path, numbers: np.ndarray, colour_type: int, bits: int, *more: bytes, late: bytes = b"") -> Path:
    """A PNG file written by hand: `numbers` of `(h, w, channels)` below 2**bits."""
    height, width, channels = numbers.shape
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in numbers]
    else:
        spread = np.unpackbits(numbers.astype(np.uint8).reshape(height, -1, 1), axis=-1)[..., 8 - bits :]
        rows = [np.packbits(row).tobytes() for row in spread.reshape(height, -1)]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(more)
        + chunk(b"IDAT", body)
        + late
        + chunk(b"IEND", b"")
    )
    assert channels == {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    return path


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes().removeprefix(b"Exif\0\0")


def scaled(colour: np.ndarray) -> np.ndarray:
    wide = colour.astype(float)
    return (wide - wide.min()) / np.ptp(wide) * 255


@pytest.mark.parametrize("used", [12, 16])
@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
@pytest.mark.parametrize("orientation", [1, 6])
def test_16_bits_are_scaled_from_their_range_whatever_the_channels(
    tmp_path: Path, colour_type: int, used: int, orientation: int
) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    numbers = values("12 bits" if used == 12 else "uint16", channels)
    if channels in (2, 4):
        numbers[..., -1] = 2**used - 1
    path = png(tmp_path / "a.png", numbers, colour_type, 16, chunk(b"eXIf", exif(orientation)))
    other = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    other = other[..., None] if other.ndim == 2 else other
    colour = other[..., 2::-1] if other.shape[2] >= 3 else other[..., :1]
    expected = turned(np.broadcast_to(scaled(colour), (*colour.shape[:2], 3)), orientation)
    picture = load_rgb(path)
    assert picture.shape[:2] == image_size(path) == expected.shape[:2]
    assert np.abs(picture - expected).max() <= 1


def test_a_colour_that_stands_for_nothing_in_16_bits_is_white(tmp_path: Path) -> None:
    numbers = values("uint16", 3)
    path = png(tmp_path / "a.png", numbers, 2, 16, chunk(b"tRNS", struct.pack(">HHH", *numbers[3, 5].tolist())))
    assert load_rgb(path)[3, 5].tolist() == [255, 255, 255]
    assert np.abs(load_rgb(path) - scaled(numbers))[10:].max() <= 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits_of_grey(tmp_path: Path, bits: int) -> None:
    numbers = (values("uint8", 1) >> (8 - bits)).astype(np.uint8)
    path = png(tmp_path / "a.png", numbers, 0, bits)
    assert np.abs(load_rgb(path)[..., :1] - numbers * (255 / (2**bits - 1))).max() <= 0.5
    assert np.array_equal(load_rgb(path), cv2.imread(str(path)))


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in WRITTEN.items() for mode in modes])
def test_modes_agree_with_opencv(tmp_path: Path, suffix: str, mode: str) -> None:
    image = Image.fromarray(values("uint8", 3)).convert(mode)
    path = tmp_path / f"a.{suffix}"
    image.save(path, **({"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}))
    other = cv2.imread(str(path), cv2.IMREAD_COLOR)
    expected = np.asarray(image.convert("RGB")) if other is None else other[..., ::-1]
    difference = np.abs(load_rgb(path) - expected.astype(float))
    assert difference.max() <= (1 if mode != "CMYK" else 12), difference.max()


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_bmp_of_every_depth(tmp_path: Path, bits: int) -> None:
    colours = values("uint8", 3)[:8, :8]
    if bits == 16:
        five = (colours >> 3).astype(np.uint16)
        rows = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
    else:
        rows = np.zeros((8, 8, bits // 8), np.uint8)
        rows[..., :3] = colours[..., ::-1]
    body = rows[::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, bits, 0, len(body), 0, 0, 0, 0)
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", 54 + len(body), 0, 0, 54) + header + body)
    assert np.abs(load_rgb(path).astype(int) - colours).max() <= (8 if bits == 16 else 0)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_pixels_turn_together(tmp_path: Path, suffix: str, orientation: int) -> None:
    block = Image.Exif()
    block[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(values("uint8", 3)).save(path, exif=block, quality=95)
    picture, size = open_rgb(path)
    assert size == image_size(path) == (picture.height, picture.width)
    assert orientation_of(path) == orientation
    assert np.abs(np.asarray(picture) - turned(values("uint8", 3), orientation).astype(float)).mean() < 3


def test_exif_behind_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", values("uint8", 3), 2, 8, late=chunk(b"eXIf", exif(6)))
    assert orientation_of(path) == 6
    assert load_rgb(path).shape[:2] == image_size(path) == (53, 37)


def test_a_broken_exif_block_leaves_the_picture_as_it_is_stored(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", values("uint8", 3), 2, 8, chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"))
    assert np.array_equal(load_rgb(path), values("uint8", 3))


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "tEXt", "iCCP"])
def test_long_texts_beside_the_picture_are_passed_over(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.png"
    info = PngImagePlugin.PngInfo()
    block = Image.Exif()
    block[0x0112] = 6
    long = "settings " * 400_000
    profile = long.encode() if kind == "iCCP" else None
    if kind != "iCCP":
        add = info.add_itxt if kind == "iTXt" else info.add_text
        add("Comment", long, zip=kind != "tEXt")
    Image.fromarray(values("uint8", 3)).save(path, pnginfo=info, exif=block, icc_profile=profile)
    assert kind.encode() in path.read_bytes()
    assert np.array_equal(load_rgb(path), turned(values("uint8", 3), 6))
    assert image_size(path) == (53, 37)


@pytest.mark.slow
def test_a_text_that_unpacks_to_a_gigabyte_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    text = b"Comment\0\0" + b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(1000)) + packer.flush()
    path = png(tmp_path / "a.png", values("uint8", 3), 2, 8, chunk(b"zTXt", text))
    tracemalloc.start()
    load_rgb(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 32_000_000


def test_a_header_alone_tells_the_size(tmp_path: Path) -> None:
    """Pillow decodes a PNG file to look for EXIF behind its pixels; a bomb would go off at `image_size`."""
    path = png(tmp_path / "a.png", values("uint8", 3), 2, 8)
    content = path.read_bytes()
    at = content.index(b"IHDR") + 4
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(content[: at - 8] + chunk(b"IHDR", header) + content[at + 17 :])
    assert image_size(path) == (60_000, 60_000)
    with pytest.raises(ImageDecodeError, match="60000 x 60000 pixels, more than the 150,000,000 allowed"):
        load_rgb(path)


@pytest.mark.slow
def test_a_raised_limit_holds_and_so_does_a_lowered_one(tmp_path: Path) -> None:
    """200 million pixels are above Pillow's own limit, which would strike first and name a wrong number."""
    path = tmp_path / "wide.png"
    header = struct.pack(">IIBBBBB", 200_000, 1000, 1, 0, 0, 0, 0)
    body = zlib.compress((b"\0" + b"\xff" * 25_000) * 1000)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    with pytest.raises(ImageDecodeError, match="199,999,999"):
        load_rgb(path, max_pixels=199_999_999)
    image, size = open_rgb(path, max_pixels=200_000_000)
    assert size == (1000, 200_000) == (image.height, image.width)


def test_a_jpeg_of_12_bits_is_not_called_damaged(tmp_path: Path) -> None:
    import imagecodecs

    path = tmp_path / "a.jpg"
    path.write_bytes(imagecodecs.jpeg_encode(values("12 bits", 1)[..., 0], bitspersample=12))
    with pytest.raises(ImageDecodeError, match=r"contains a JPEG image with 12 bits and 1 channels.*Save it as"):
        load_rgb(path)
    path.write_bytes(imagecodecs.ljpeg_encode(values("uint16", 1)[..., 0]))
    with pytest.raises(ImageDecodeError, match=r"contains a lossless JPEG image with 16 bits"):
        load_rgb(path)
