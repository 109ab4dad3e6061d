"""The first picture of a TIFF file: what it holds, and its pixels as 8-bit RGB.

Pillow turns uncompressed files with an orientation into noise, reads separate planes of 16 bits as 8, unsigned 32 bits
as signed, and knows few layouts; tifffile knows what every tag says, so all TIFF files are read by it.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from training.data.depth import Numbers, RGBArray, alpha_byte, divided, over_white, to_byte
from training.data.image_errors import check_pixels, not_supported

MAGIC: Final = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
"""First bytes of TIFF files, classic and large, of either byte order."""

BYTES_PER_PIXEL: Final = 8
"""More than this times the pixels allowed is refused: a picture is held as it is before it becomes one of 8 bits."""

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR = range(7)
_COLOURS: Final = {8: "L*a*b*", 9: "L*a*b*", 10: "L*a*b*", 32803: "raw camera", 34892: "raw camera"}
_PACKED: Final = {1: "none", 2: "CCITT", 3: "CCITT", 4: "CCITT", 5: "LZW", 8: "deflate", 32773: "PackBits"}
_PACKED_TOO: Final = {32946: "deflate", 34925: "LZMA", 50000: "zstd"}
_PICTURES: Final = {7: "JPEG", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 50001: "WebP"}
_READ: Final = {**_PACKED, **_PACKED_TOO, **_PICTURES}
"""Compressions that are read. Those of pictures state a size of their own, which is looked at before decoding."""

_PREMULTIPLIED, _ALPHA = 1, 2
_USUAL: Final = "a gray or RGB TIFF with 8 or 16 bits per channel, or as PNG"


@dataclass(frozen=True)
class Tiff:
    """The first picture of an open TIFF file.

    Attributes:
        path: of the file.
        page: tifffile's page.
        orientation: 1 to 8, as in EXIF.
    """

    path: Path
    page: Any
    orientation: int

    @property
    def size(self) -> tuple[int, int]:
        """`(height, width)` px as stored."""
        return int(self.page.imagelength), int(self.page.imagewidth)

    def rgb(self, max_pixels: int) -> RGBArray:
        """The pixels as stored, `(h, w, 3)` uint8.

        Raises:
            ImageDecodeError: too large, or it holds what is not supported.
        """
        check_pixels(self.path, self.size, max_pixels)
        self._refuse()
        self._check_data(max_pixels)
        stored = self.page.asarray(squeeze=False, maxworkers=1)[:, 0]
        values = np.moveaxis(stored, 0, -1)[..., 0, :] if len(stored) > 1 else stored[0]
        byte = self._byte(values)
        return byte if byte.ndim == 3 else np.repeat(byte[..., None], 3, axis=-1)

    def _byte(self, values: Numbers) -> RGBArray:
        kind, colours = self._photometric, self._colours
        colour = values[..., 0] if colours == 1 else values[..., :colours]
        if kind == _PALETTE:
            return self._through_palette(colour)
        if kind == _CMYK:
            ink = colour if colour.dtype == np.uint8 else (colour >> 8).astype(np.uint8)
            return np.asarray(Image.fromarray(np.ascontiguousarray(ink), "CMYK").convert("RGB"))
        place, alpha = self._alpha, None
        if place is not None:
            alpha = alpha_byte(values[..., colours + place], colour)
            if self._is_deep and self._extras[place] == _PREMULTIPLIED:
                colour = divided(colour, alpha)
        byte = to_byte(colour) if self._is_deep else self._full(colour)
        if kind == _WHITE_IS_ZERO:
            byte = 255 - byte
        if place is not None and alpha is not None:
            whole = not self._is_deep and self._extras[place] == _PREMULTIPLIED
            byte = over_white(byte, alpha, premultiplied=whole)
        return byte

    def _full(self, colour: Numbers) -> RGBArray:
        """Up to 8 bits per channel, from the range of these bits to 0..255."""
        if self._bits == 8:
            return np.ascontiguousarray(colour, dtype=np.uint8)
        most = 2**self._bits - 1
        table = np.rint(np.arange(most + 1) * 255 / most).astype(np.uint8)
        return np.asarray(table[np.minimum(colour.astype(np.uint8), most)], dtype=np.uint8)

    def _through_palette(self, index: Numbers) -> RGBArray:
        table = np.asarray(self.page.colormap)
        # Some programs write 8-bit colors where 16 bits belong; libtiff sees it by the same sign.
        byte = table if table.max() < 256 else table >> 8
        return np.take(byte.astype(np.uint8).T, np.minimum(index, table.shape[1] - 1), axis=0)

    @property
    def _photometric(self) -> int:
        said = self.page.tags.get(262)
        return int(self.page.photometric) if said is not None else (_RGB if self._samples >= 3 else _BLACK_IS_ZERO)

    @property
    def _samples(self) -> int:
        return int(self.page.samplesperpixel)

    @property
    def _bits(self) -> int:
        bits = self.page.bitspersample
        return int(bits) if isinstance(bits, int) else 0

    @property
    def _is_deep(self) -> bool:
        return bool(self._bits > 8 or self.page.dtype.kind not in "ub")

    @property
    def _colours(self) -> int:
        return {_RGB: 3, _CMYK: 4, _YCBCR: 3}.get(self._photometric, 1)

    @property
    def _extras(self) -> list[int]:
        said = [int(extra) for extra in self.page.extrasamples]
        return [*said, *[0] * (self._samples - self._colours - len(said))]

    @property
    def _alpha(self) -> int | None:
        """Which of the channels beyond the colors is the alpha."""
        return next((at for at, extra in enumerate(self._extras) if extra in (_PREMULTIPLIED, _ALPHA)), None)

    def _refuse(self) -> None:
        if holds := self._unreadable():
            raise not_supported(self.path, holds, _USUAL)

    def _unreadable(self) -> str:
        """What the picture holds that cannot be read; empty where all of it can."""
        page, kind, packed = self.page, self._photometric, int(self.page.compression)
        beyond = self._samples - self._colours
        if page.dtype is None or page.dtype.kind == "c" or not 0 < self._bits <= 32:
            return f"{self._bits}-bit values ({page.dtype})" if self._bits else ("channels with different bit depths")
        if packed not in _READ:
            return f"an image with TIFF compression {getattr(page.compression, 'name', packed)}"
        if page.imagedepth > 1:
            return f"a volume of {page.imagedepth} slices"
        if kind == _YCBCR and (packed != 7 or self._bits != 8):
            return "YCbCr colors without JPEG compression"
        if kind not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR):
            return f"{_COLOURS.get(kind, 'a mask or other')} values (TIFF photometric {kind}) instead of gray or RGB"
        if kind == _CMYK and (page.dtype.kind != "u" or self._bits not in (8, 16) or page.tags.valueof(332, 1) != 1):
            return f"inks other than CMYK with 8 or 16 bits ({self._samples} channels, {page.dtype})"
        if beyond < 0:
            return f"{self._samples} channels although its colors need {self._colours}"
        if beyond and self._colours == 1 and self._alpha != 0:
            return f"{self._samples} channels of {self._bits} bits that are not declared as red, green and blue"
        if kind == _PALETTE and (page.colormap is None or page.dtype.kind != "u" or beyond):
            return f"{self._bits}-bit palette indices without a palette"
        return ""

    def _check_data(self, max_pixels: int) -> None:
        """Look at where the pixels lie and how large they unpack, before anything is unpacked."""
        page = self.page
        if page.nbytes > BYTES_PER_PIXEL * max_pixels:
            raise not_supported(
                self.path, f"{page.nbytes:,} bytes of pixels ({self._samples} channels of {self._bits} bits)", _USUAL
            )
        offsets, counts = page.dataoffsets, page.databytecounts
        wanted = math.prod(page.chunked)
        end = page.parent.filehandle.size
        if min(len(offsets), len(counts)) < wanted or any(
            start + count > end for start, count in zip(offsets, counts, strict=False)
        ):
            raise ValueError("its end is missing")
        if int(page.compression) in _PICTURES:
            most = math.prod(page.chunks[:2]) if not page.is_tiled else page.tilewidth * page.tilelength
            for start, count in zip(offsets, counts, strict=False):
                if count:
                    page.parent.filehandle.seek(start)
                    with Image.open(io.BytesIO(page.parent.filehandle.read(count))) as inner:
                        if inner.width * inner.height > most:
                            raise ValueError(f"a part states a size of {inner.width} x {inner.height} pixels")


@contextmanager
def open_tiff(path: Path) -> Iterator[Tiff]:
    """Open a TIFF file and read what its first picture holds.

    Raises:
        Exception: of nearly any kind, where the file is damaged.
    """
    import tifffile

    # What it has to say of odd tags is for programmers; what matters is raised.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        said = page.tags.valueof(274, 1)
        yield Tiff(path, page, int(said) if isinstance(said, int) and 1 <= said <= 8 else 1)
