"""TIFF pictures against what was put into them, over all that a TIFF can vary, and against OpenCV (libtiff)."""

from __future__ import annotations

import itertools
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from training.data.images import ImageDecodeError, image_size, load_rgb, open_rgb, orientation_of

HEIGHT, WIDTH = 37, 53
KINDS = ("bool", "uint8", "12 bits", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32")
CHANNELS: dict[str, tuple[int, dict[str, Any]]] = {
    "grey": (1, {"photometric": "minisblack"}),
    "white is zero": (1, {"photometric": "miniswhite"}),
    "grey, alpha": (2, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
    "colour": (3, {"photometric": "rgb"}),
    "colour, alpha": (4, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "colour, premultiplied": (4, {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
    "colour, more": (5, {"photometric": "rgb", "extrasamples": ["unspecified", "unspecified"]}),
}
PACKED = (None, "lzw", "zlib", "packbits", "zstd", "lzma")
PLACES = tuple(itertools.product(("contig", "separate"), range(1, 9), "<>", (None, (16, 32)), (None, 5)))
"""Planes, orientation, byte order, tiles, rows of a strip."""


def values(kind: str, channels: int) -> np.ndarray:
    """A picture that no turn and no exchange of channels maps onto itself."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    ramp = np.stack([rows * (3 + n) + columns * (7 - n) + 11 * n for n in range(channels)], axis=-1).astype(float)
    ramp = (ramp - ramp.min()) / (ramp.max() - ramp.min())
    if kind == "bool":
        return ramp > 0.5
    if kind == "12 bits":
        return np.rint(200 + ramp * 3895).astype(np.uint16)
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return (ramp * 0.9 + 0.05).astype(dtype)
    info = np.iinfo(dtype)
    return (info.min * 0.9 + ramp * (info.max * 0.9 - info.min * 0.9)).astype(dtype)


def seen(stored: np.ndarray, name: str) -> np.ndarray:
    """What people see of it, reckoned another way than in the product; `(h, w, 3)` float."""
    colours = 1 if stored.shape[2] < 3 else 3
    colour = stored[..., :colours].astype(np.float64)
    cover = np.ones((HEIGHT, WIDTH, 1))
    if "alpha" in name or "premultiplied" in name:
        alpha = stored[..., colours : colours + 1].astype(np.float64)
        full = 1.0 if stored.dtype.kind in "fb" else 4095.0 if stored.max() == 4095 else np.iinfo(stored.dtype).max
        cover = np.clip(alpha / full, 0, 1)
    if stored.dtype == bool:
        colour = colour * 255
    elif stored.dtype != np.uint8:
        colour = np.divide(colour, cover, out=0 * colour, where=cover > 0) if "premultiplied" in name else colour
        colour = (colour - colour.min()) / (colour.max() - colour.min()) * 255
    elif "premultiplied" in name:
        return np.minimum(colour + (1 - cover) * 255, 255)
    if "zero" in name:
        colour = 255 - colour
    return np.broadcast_to(colour * cover + 255 * (1 - cover), (HEIGHT, WIDTH, 3))


def turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    flipped = {2: picture[:, ::-1], 3: picture[::-1, ::-1], 4: picture[::-1]}
    across = picture.transpose(1, 0, 2)
    flipped |= {5: across, 6: across[:, ::-1], 7: across[::-1, ::-1], 8: across[::-1]}
    return flipped.get(orientation, picture)


def write(path: Path, stored: np.ndarray, planes: str = "contig", orientation: int = 1, **options: Any) -> Path:
    if planes == "separate" and stored.ndim == 3:
        stored, options["planarconfig"] = np.ascontiguousarray(stored.transpose(2, 0, 1)), "separate"
    elif stored.ndim == 3 and "planarconfig" not in options:
        options["planarconfig"] = "contig"
    tag = [(274, "H", 1, orientation, True)] if orientation > 1 else []
    tifffile.imwrite(path, stored, extratags=tag, metadata=None, **options)
    return path


@pytest.mark.parametrize(
    ("kind", "name"), [("bool", "grey"), ("bool", "white is zero"), *itertools.product(KINDS[1:], CHANNELS)]
)
def test_every_kind_is_read_right_wherever_its_numbers_lie(tmp_path: Path, kind: str, name: str) -> None:
    channels, options = CHANNELS[name]
    stored = values(kind, channels)
    # Every combination of planes and compression, and the other places in turn.
    start = (KINDS.index(kind) * len(CHANNELS) + list(CHANNELS).index(name)) * 12
    for number, (planes, packed) in enumerate(itertools.product(("contig", "separate"), PACKED)):
        _, orientation, order, tile, rows = PLACES[(start + number) * 37 % len(PLACES)]
        # Signed alpha has no meaning that programs agree on.
        if kind in ("int8", "int16", "int32") and ("alpha" in name or "premultiplied" in name):
            continue
        plain = stored[..., 0] if channels == 1 else stored
        places: dict[str, Any] = {"tile": tile} if tile else {"rowsperstrip": rows}
        path = write(
            tmp_path / f"{number}.tif", plain, planes, orientation, compression=packed, byteorder=order,
            **places, **options,
        )  # fmt: skip
        expected = turned(seen(stored, name), orientation)
        picture = load_rgb(path).astype(float)
        where = f"{planes} {packed} {orientation} {order} {places}"
        assert picture.shape == expected.shape == (*image_size(path), 3), where
        assert np.abs(picture - expected).max() <= (2 if "alpha" in name or "premultiplied" in name else 1), where
        assert orientation_of(path) == orientation


def test_it_agrees_with_opencv(tmp_path: Path) -> None:
    """libtiff reads the same numbers, so that one library's writer and reader do not merely agree with themselves."""
    compared = 0
    for kind, name in itertools.product(("uint8", "12 bits", "uint16", "float32"), ("grey", "colour")):
        stored = values(kind, CHANNELS[name][0])
        # OpenCV itself scrambles separate planes of 16 bits.
        deep = stored.dtype != np.uint8
        for planes, packed in itertools.product(("contig", "separate")[: 2 - deep], (None, "lzw", "zlib", "packbits")):
            options = CHANNELS[name][1]
            plain = stored[..., 0] if stored.shape[2] == 1 else stored
            path = write(tmp_path / "a.tif", plain, planes, compression=packed, **options)
            other = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if other is None:
                continue
            other = other[..., ::-1] if other.ndim == 3 else other[..., None]
            assert np.abs(load_rgb(path).astype(float) - seen(np.ascontiguousarray(other), name)).max() <= 1
            compared += 1
    assert compared >= 24


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float16", "float32"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_differences_are_summed_up_again(tmp_path: Path, kind: str, planes: str, order: str) -> None:
    """Predictors 2 and 3, in classic and large files."""
    stored = values(kind, 3)
    for packed, big in (("lzw", False), ("zlib", True)):
        path = write(
            tmp_path / "a.tif", stored, planes, compression=packed, predictor=True, byteorder=order, bigtiff=big,
            photometric="rgb",
        )  # fmt: skip
        assert np.abs(load_rgb(path) - seen(stored, "colour")).max() <= 1


MODES = ("L", "RGB", "RGBA", "CMYK", "P", "LA", "1", "I;16", "I", "F")
WRITTEN = [(mode, writer) for mode in MODES for writer in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits")]
WRITTEN += [(mode, "jpeg") for mode in ("L", "RGB", "CMYK")]


@pytest.mark.parametrize(("mode", "writer"), WRITTEN)
def test_what_libtiff_wrote(tmp_path: Path, mode: str, writer: str) -> None:
    rgb = Image.fromarray(values("uint8", 3))
    image = Image.fromarray(values("uint16", 1)[..., 0]) if mode == "I;16" else rgb.convert(mode)
    path = tmp_path / "a.tif"
    image.save(path, compression=writer)
    if mode in ("I;16", "I", "F"):
        numbers = np.asarray(image).astype(float)
        expected = np.repeat(((numbers - numbers.min()) / np.ptp(numbers) * 255)[..., None], 3, -1)
    else:
        expected = np.asarray(image.convert("RGB")).astype(float)
    difference = np.abs(load_rgb(path) - expected)
    assert difference.max() <= 1 if writer != "jpeg" else difference.mean() < 8


@pytest.mark.parametrize("packed", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("white", [0, 1])
def test_facsimile(tmp_path: Path, packed: str, white: int) -> None:
    image = Image.fromarray(values("bool", 1)[..., 0])
    path = tmp_path / "a.tif"
    image.save(path, compression=packed, tiffinfo={262: white})
    with Image.open(path) as other:
        expected = np.asarray(other.convert("RGB"))
    assert np.array_equal(load_rgb(path), expected)


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_odd_bits_are_unpacked(tmp_path: Path, bits: int, photometric: str) -> None:
    most = 2**bits - 1
    numbers = (values("float32", 1)[..., 0] / 0.95 * most).astype(np.uint8 if bits < 8 else np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, numbers, bitspersample=bits, photometric=photometric, metadata=None)
    wide = numbers.astype(float)
    expected = wide / most * 255 if bits < 8 else (wide - wide.min()) / np.ptp(wide) * 255
    expected = 255 - expected if photometric == "miniswhite" else expected
    assert np.abs(load_rgb(path)[..., 1] - expected).max() <= 1


def test_a_palette_of_8_bit_colours_is_not_black(tmp_path: Path) -> None:
    index = (values("uint8", 1)[..., 0] // 64).astype(np.uint8)
    colours = np.zeros((3, 256), dtype=np.uint16)
    colours[:, :4] = np.random.default_rng(0).integers(0, 256, (3, 4))
    for table in (colours, colours * 257):
        path = write(tmp_path / "a.tif", index, photometric="palette", colormap=table)
        assert np.array_equal(load_rgb(path), colours.T[index])


@pytest.mark.parametrize("packed", ["jpeg", "jpeg2000", "webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_parts_that_are_pictures_themselves(tmp_path: Path, packed: str, orientation: int) -> None:
    smooth = values("uint8", 3)
    path = write(
        tmp_path / "a.tif", smooth, "contig", orientation, compression=packed, photometric="rgb", tile=(16, 16)
    )
    picture, size = open_rgb(path)
    assert size == (picture.height, picture.width) == ((WIDTH, HEIGHT) if orientation == 6 else (HEIGHT, WIDTH))
    assert np.abs(np.asarray(picture) - turned(smooth, orientation).astype(float)).mean() < 4


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
def test_jpeg_in_tiff_has_the_colours_that_libtiff_sees(tmp_path: Path, photometric: str) -> None:
    path = write(
        tmp_path / "a.tif", values("uint8", 3), compression="jpeg", photometric=photometric, subsampling=(2, 2)
    )
    assert np.abs(load_rgb(path).astype(int) - cv2.imread(str(path))[..., ::-1]).max() <= 2


REFUSED: dict[str, tuple[np.ndarray, dict[str, Any], str]] = {
    "two stains": (values("uint16", 2), {"photometric": "minisblack"}, "2 channels of 16 bits"),
    "three stains": (values("uint8", 3), {"photometric": "minisblack"}, "3 channels of 8 bits"),
    "five stains": (values("float32", 5), {"photometric": "minisblack"}, "5 channels of 32 bits"),
    "float64": (values("float32", 1)[..., 0].astype(float), {}, r"64-bit values \(float64\)"),
    "complex": (values("float32", 1)[..., 0].astype(np.complex64), {}, r"64-bit values \(complex64\)"),
    "lab": (values("uint8", 3), {"photometric": "cielab"}, "L\\*a\\*b\\* values"),
    "raw": (values("uint16", 1)[..., 0], {"photometric": "cfa"}, "raw camera values"),
    "ycbcr": (values("uint8", 3), {"photometric": "ycbcr"}, "YCbCr colors without JPEG"),
    "inks": (values("float32", 4), {"photometric": "separated"}, "inks other than CMYK"),
    "jpeg xl": (values("uint8", 3), {"photometric": "rgb", "compression": "jpegxl"}, "compression JPEGXL"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_not_called_damaged(tmp_path: Path, name: str) -> None:
    stored, options, holds = REFUSED[name]
    path = write(tmp_path / "a.tif", stored, **options)
    with pytest.raises(
        ImageDecodeError, match=rf"a\.tif contains .*{holds}.*not supported\. Save it as .*\."
    ) as refused:
        load_rgb(path)
    assert "damaged" not in str(refused.value)
    assert image_size(path) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.9])
def test_a_cut_off_file_is_damaged_not_half_a_picture(tmp_path: Path, packed: str | None, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    path = write(tmp_path / "a.tif", noise, compression=packed, photometric="rgb", rowsperstrip=5)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ImageDecodeError, match="damaged"):
        load_rgb(path)


@pytest.mark.slow
def test_a_part_that_unpacks_to_more_than_it_may_is_not_unpacked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((16, 16), np.uint8), compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
        counts = file.pages.first.tags[279].valueoffset
    bomb = zlib.compress(b"\0" * 300_000_000, 9)
    content = bytearray(path.read_bytes())
    content[counts : counts + 4] = len(bomb).to_bytes(4, "little")
    path.write_bytes(bytes(content[:start]) + bomb)
    with pytest.raises(ImageDecodeError, match="damaged"):
        load_rgb(path)


def test_a_jpeg_part_that_says_it_is_huge_is_not_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((16, 16), np.uint8), compression="jpeg", photometric="minisblack")
    content = path.read_bytes()
    at = content.index(b"\xff\xc0") + 5
    path.write_bytes(content[:at] + (60_000).to_bytes(2, "big") * 2 + content[at + 4 :])
    with pytest.raises(ImageDecodeError, match="60000 x 60000"):
        load_rgb(path)


@pytest.mark.slow
def test_sizes_are_refused_before_a_pixel_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    tifffile.imwrite(path, shape=(60_000, 60_000), dtype=np.uint8, photometric="minisblack", metadata=None)
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(ImageDecodeError, match="60000 x 60000 pixels, more than the 150,000,000"):
        load_rgb(path)
    many = write(tmp_path / "many.tif", np.zeros((20, 20, 9), np.uint16), photometric="rgb")
    with pytest.raises(ImageDecodeError, match="9 channels of 16 bits"):
        load_rgb(many, max_pixels=400)
