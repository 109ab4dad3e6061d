"""PNG files beyond what Pillow does with them: 16 bits per channel, long texts, EXIF without decoding the pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, ImageFile

from training.data.depth import RGBArray, alpha_byte, over_white, to_byte

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_WITH_EXIF: Final = b"Raw profile type exif"
_GREY: Final = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def is_deep(image: Image.Image) -> bool:
    """Whether an open PNG file has 16 bits per channel, of which Pillow keeps 8 in all but plain gray."""
    if image.format != "PNG" or not isinstance(image, ImageFile.ImageFile):
        return False
    deep = any(str(tile[3]).endswith("16B") for tile in image.tile)
    return deep and (image.mode not in _GREY or "transparency" in image.info)


def deep_rgb(path: Path) -> RGBArray:
    """The pixels of a PNG file with 16 bits per channel, as stored, `(h, w, 3)` uint8; scaled from their own range."""
    import imagecodecs

    values = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    channels = values.shape[2] if values.ndim == 3 else 1
    values = values.reshape(*values.shape[:2], channels)
    colours = 3 if channels >= 3 else 1
    colour = values[..., 0] if colours == 1 else values[..., :3]
    byte = to_byte(colour)
    if channels in (2, 4):
        byte = over_white(byte, alpha_byte(values[..., -1], colour))
    return byte if byte.ndim == 3 else np.repeat(byte[..., None], 3, axis=-1)


def exif(path: Path) -> bytes:
    """The EXIF block of a PNG file, at any position; Pillow would decode all pixels first. Empty without one."""
    with path.open("rb") as file:
        for kind, length in _chunks(file):
            if kind == b"eXIf":
                return file.read(length)
    return b""


def without_texts(path: Path) -> io.BytesIO:
    """A PNG file less its texts and color profiles, which can be longer than Pillow reads and are not pixels."""
    kept = io.BytesIO(MAGIC)
    kept.seek(len(MAGIC))
    with path.open("rb") as file:
        for kind, length in _chunks(file):
            start = file.read(min(length, len(_WITH_EXIF)))
            if kind not in _TEXTS or start == _WITH_EXIF:
                kept.write(length.to_bytes(4, "big") + kind + start + file.read(length - len(start) + 4))
    kept.seek(0)
    return kept


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk; the file stands at its content."""
    at = len(MAGIC)
    while len(head := _at(file, at).read(8)) == 8 and head[4:].isalpha():
        length = int.from_bytes(head[:4], "big")
        yield head[4:], length
        at += length + 12


def _at(file: BinaryIO, place: int) -> BinaryIO:
    file.seek(place)
    return file
