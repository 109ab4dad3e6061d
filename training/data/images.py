"""Any image file -> 8-bit RGB, or one clear sentence why not."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from training.types import TrainingError

RGBArray = NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
"""File name endings, lower case, of what a folder scan takes for an image."""

MAX_PIXELS = 150_000_000

_ORIENTATION = 0x0112
_TRANSPOSED = range(5, 9)
_WIDE_MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")

# The limits below are checked before a pixel is decoded; Pillow's own warning at half of its limit only makes noise.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageDecodeError(TrainingError):
    """One image cannot be used; the message says why and what to do."""


def load_rgb(path: Path, *, max_pixels: int = MAX_PIXELS) -> RGBArray:
    """Decode an image as people see it.

    EXIF orientation is applied, transparency is laid over white, palette, grey, CMYK and the like become RGB. 16-bit
    and float pictures are scaled from their own range (lowest to highest value) to 0..255. Of several frames the first
    is taken.

    Args:
        path: image file.
        max_pixels: larger images are refused before they are decoded.

    Returns:
        `(h, w, 3)` uint8.

    Raises:
        ImageDecodeError: missing, damaged, too large, or no image at all.
    """
    image, _ = open_rgb(path, max_pixels=max_pixels)
    return np.asarray(image)


def open_rgb(
    path: Path, *, max_pixels: int = MAX_PIXELS, enough: int | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """Like `load_rgb`, as a Pillow image, with the size `(height, width)` px of the upright original.

    Args:
        path: image file.
        max_pixels: larger images are refused before they are decoded.
        enough: shorter side in px that suffices; JPEG files are decoded at 1/2, 1/4 or 1/8
            where that is still larger.

    Raises:
        ImageDecodeError: missing, damaged, too large, or no image at all.
    """
    try:
        with Image.open(path) as image:
            size = _upright_size(image)
            _check_pixels(path, size, max_pixels)
            if enough is not None and image.format == "JPEG" and image.mode in ("RGB", "L"):
                ratio = min(image.size) // enough
                if ratio >= 2:
                    image.draft(None, (image.width // ratio, image.height // ratio))
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _to_rgb(upright), size
    except ImageDecodeError:
        raise
    # Decoders fed with damaged bytes raise nearly anything, from struct.error to SyntaxError.
    except Exception as error:
        raise _in_words(path, error, max_pixels) from error


def image_size(path: Path) -> tuple[int, int]:
    """`(height, width)` px of the upright image, from its header alone.

    Raises:
        ImageDecodeError: missing or no image.
    """
    try:
        with Image.open(path) as image:
            return _upright_size(image)
    except Exception as error:
        raise _in_words(path, error, MAX_PIXELS) from error


def orientation_of(path: Path) -> int:
    """EXIF orientation of a file, 1 to 8; 1 where it has none.

    Raises:
        ImageDecodeError: missing or no image.
    """
    try:
        with Image.open(path) as image:
            said = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:
        raise _in_words(path, error, MAX_PIXELS) from error
    return int(said) if isinstance(said, int) and 1 <= said <= 8 else 1


def content_hash(path: Path) -> str:
    """SHA-256 of the file's bytes in hex.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _upright_size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(_ORIENTATION) in _TRANSPOSED
    return (image.width, image.height) if turned else (image.height, image.width)


def _check_pixels(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    height, width = size
    if height * width > max_pixels:
        raise ImageDecodeError(
            f"{path.name} has {width} x {height} pixels, more than the {max_pixels:,} allowed; "
            "make it smaller, cut it into tiles, or raise the limit."
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WIDE_MODES:
        return Image.fromarray(_scale_to_byte(np.asarray(image))).convert("RGB")
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, seen).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _scale_to_byte(values: NDArray[np.generic]) -> RGBArray:
    wide = values.astype(np.float32)
    finite = wide[np.isfinite(wide)]
    if finite.size == 0:
        raise ValueError("it holds no finite value")
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        # An even picture has no range of its own: read it as part of 0..255 or of the 16 bits.
        full = 255.0 if high <= 255 else 65535.0
        return np.full(wide.shape, round(min(max(high / full, 0.0), 1.0) * 255), dtype=np.uint8)
    scaled = (np.nan_to_num(wide, nan=low, posinf=high, neginf=low) - low) * (255.0 / (high - low))
    return np.asarray(np.rint(scaled), dtype=np.uint8)


def _in_words(path: Path, error: Exception, max_pixels: int) -> ImageDecodeError:
    name = path.name
    if isinstance(error, FileNotFoundError):
        return ImageDecodeError(f"There is no file {name} any more; put it back or remove its task.")
    if isinstance(error, IsADirectoryError):
        return ImageDecodeError(f"{name} is a folder, not an image; give the files in it.")
    if isinstance(error, PermissionError):
        return ImageDecodeError(f"{name} may not be read by this user; change its permissions.")
    if isinstance(error, UnidentifiedImageError):
        empty = path.is_file() and path.stat().st_size == 0
        what = "is empty" if empty else "is not an image that can be read, or its beginning is damaged"
        return ImageDecodeError(f"{name} {what}; save it again as PNG, JPEG or TIFF.")
    if isinstance(error, Image.DecompressionBombError):
        return ImageDecodeError(
            f"{name} has far more pixels than the {max_pixels:,} allowed; make it smaller or cut it into tiles."
        )
    if isinstance(error, MemoryError):
        return ImageDecodeError(f"{name} does not fit into memory; make it smaller or cut it into tiles.")
    reason = str(error) or type(error).__name__
    return ImageDecodeError(f"{name} is damaged or cut off ({reason}); copy it again from its source.")
