"""Any image file -> 8-bit RGB, or one clear sentence why not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from training.data import png, tiff
from training.data.depth import RGBArray, to_byte
from training.data.image_errors import ImageDecodeError, check_pixels, in_words
from training.data.pixel_limit import pixels_allowed
from training.data.tiff import Tiff, open_tiff

__all__ = [
    "IMAGE_SUFFIXES",
    "SIDES_CHANGE",
    "ImageDecodeError",
    "RGBArray",
    "content_hash",
    "image_size",
    "load_rgb",
    "open_rgb",
    "orientation_of",
]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
"""File name endings, lower case, of what a folder scan takes for an image."""

_ORIENTATION: Final = 0x0112
_TURNED: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDES_CHANGE: Final = range(5, 9)
"""Orientations in which the upright picture has the other height and width."""
_WIDE_MODES: Final = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")

# One limit holds, the caller's, and it is looked at before a pixel is decoded; Pillow's own would strike below it.
Image.MAX_IMAGE_PIXELS = None


def load_rgb(path: Path, *, max_pixels: int | None = None) -> RGBArray:
    """Decode an image as people see it.

    The orientation (EXIF, TIFF) is applied, transparency is laid over white, palette, gray, CMYK and the like become
    RGB. Pictures of more than 8 bits per channel, signed and float ones are scaled from their own range (lowest to
    highest value of all channels) to 0..255; 16-bit CMYK alone is not, for inks are absolute. Of several frames the
    first is taken.

    Args:
        path: image file.
        max_pixels: larger images are refused before they are decoded; None: the limit of this process.

    Returns:
        `(h, w, 3)` uint8.

    Raises:
        ImageDecodeError: missing, damaged, too large, not supported, or no image at all.
    """
    image, _ = open_rgb(path, max_pixels=max_pixels)
    return np.asarray(image)


def open_rgb(
    path: Path, *, max_pixels: int | None = None, enough: int | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """Like `load_rgb`, as a Pillow image, with the size `(height, width)` px of the upright original.

    Args:
        path: image file.
        max_pixels: larger images are refused before they are decoded; None: the limit of this process.
        enough: shorter side in px that suffices; JPEG files are decoded at 1/2, 1/4 or 1/8
            where that is still larger.

    Raises:
        ImageDecodeError: missing, damaged, too large, not supported, or no image at all.
    """
    most = pixels_allowed() if max_pixels is None else max_pixels
    with _opened(path) as stored:
        check_pixels(path, stored.size, most)
        size = _upright(stored)
        image = Image.fromarray(stored.rgb(most)) if isinstance(stored, Tiff) else stored.rgb(enough)
        turn = _TURNED.get(stored.orientation)
        return image if turn is None else image.transpose(turn), size


def image_size(path: Path) -> tuple[int, int]:
    """`(height, width)` px of the upright image, from its header alone.

    Raises:
        ImageDecodeError: missing or no image.
    """
    with _opened(path) as stored:
        return _upright(stored)


def orientation_of(path: Path) -> int:
    """Orientation of a file, 1 to 8 as in EXIF; 1 where it says nothing.

    Raises:
        ImageDecodeError: missing or no image.
    """
    with _opened(path) as stored:
        return stored.orientation


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes in hex.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class _Plain:
    """An open file of any kind but TIFF.

    Attributes:
        path: of the file.
        image: Pillow's, not yet decoded.
        orientation: 1 to 8, as in EXIF.
    """

    path: Path
    image: Image.Image
    orientation: int

    @property
    def size(self) -> tuple[int, int]:
        """`(height, width)` px as stored."""
        return self.image.height, self.image.width

    def rgb(self, enough: int | None) -> Image.Image:
        """The picture as stored, not turned."""
        image = self.image
        if png.is_deep(image):
            return Image.fromarray(png.deep_rgb(self.path))
        if enough is not None and image.format == "JPEG" and image.mode in ("RGB", "L"):
            ratio = min(image.size) // enough
            if ratio >= 2:
                image.draft(None, (image.width // ratio, image.height // ratio))
        image.load()
        return _to_rgb(image)


@contextmanager
def _opened(path: Path) -> Iterator[_Plain | Tiff]:
    """The picture of a file, by which size, orientation and pixels are told alike; every fault becomes a sentence."""
    try:
        with path.open("rb") as file:
            head = file.read(len(png.MAGIC))
        if head.startswith(tiff.MAGIC):
            with open_tiff(path) as stored:
                yield stored
        else:
            with _open_plain(path) as image:
                yield _Plain(path, image, _orientation(path, image))
    except ImageDecodeError:
        raise
    # Decoders fed with damaged bytes raise nearly anything, from struct.error to SyntaxError.
    except Exception as error:
        raise in_words(path, error) from error


def _open_plain(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except ValueError:
        with path.open("rb") as file:
            if file.read(len(png.MAGIC)) != png.MAGIC:
                raise
        return Image.open(png.without_texts(path))


def _orientation(path: Path, image: Image.Image) -> int:
    """What EXIF says, read without decoding a pixel; 1 where it says nothing that can be read."""
    try:
        if image.format == "PNG" and (block := png.exif(path)):
            image.info["exif"] = block
        # The method of all images: that of PNG files decodes them first.
        said = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:
        # Viewers show a picture with a broken EXIF block as it is stored.
        return 1
    return int(said) if isinstance(said, int) and 1 <= said <= 8 else 1


def _upright(stored: _Plain | Tiff) -> tuple[int, int]:
    height, width = stored.size
    return (width, height) if stored.orientation in SIDES_CHANGE else (height, width)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE_MODES:
        return Image.fromarray(to_byte(np.asarray(image))).convert("RGB")
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, seen).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
