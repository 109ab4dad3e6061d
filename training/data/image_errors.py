"""What is wrong with an image file, in one sentence that says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from PIL import UnidentifiedImageError

from training.data.depth import NothingToSeeError
from training.types import TrainingError

_NOT_SUPPORTED: Final = re.compile(r"(?i)unsupported|not support|cannot handle|not implemented|unknown .*(mode|layout)")
_SIZES_OF_JPEG: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS_JPEG: Final = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_SNIFF: Final = 1 << 16


class ImageDecodeError(TrainingError):
    """One image cannot be used; the message says why and what to do."""


def not_supported(path: Path, holds: str, instead: str) -> ImageDecodeError:
    """The file is sound, but holds what cannot be read.

    Args:
        path: image file.
        holds: what it holds, in words that follow "holds".
        instead: what to save it as, in words that follow "save it as".
    """
    return ImageDecodeError(f"{path.name} contains {holds}, which is not supported. Save it as {instead}.")


def check_pixels(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture that is too large, before a pixel is decoded.

    Args:
        path: image file.
        size: `(height, width)` px.
        max_pixels: the most that are allowed.

    Raises:
        ImageDecodeError: it has more.
    """
    height, width = size
    if height * width > max_pixels:
        raise ImageDecodeError(
            f"{path.name} has {width} x {height} pixels, more than the {max_pixels:,} allowed; reduce it, cut "
            "it into tiles, or raise the limit."
        )


def in_words(path: Path, error: Exception) -> ImageDecodeError:
    """Whatever a decoder raised, as one sentence."""
    name = path.name
    if isinstance(error, FileNotFoundError):
        return ImageDecodeError(f"The file {name} no longer exists. Restore it or remove its task.")
    if isinstance(error, IsADirectoryError):
        return ImageDecodeError(f"{name} is a folder, not an image; give the files in it.")
    if isinstance(error, PermissionError):
        return ImageDecodeError(f"This user may not read {name}. Change its permissions.")
    if isinstance(error, OSError) and error.errno is not None:
        return ImageDecodeError(f"{name} cannot be opened ({error.strerror}); check its name and its disk.")
    if isinstance(error, UnidentifiedImageError):
        return _unknown(path)
    if isinstance(error, MemoryError):
        return ImageDecodeError(f"{name} does not fit into memory. Reduce it or cut it into tiles.")
    if isinstance(error, NothingToSeeError):
        return ImageDecodeError(f"{name} contains no finite value, so it cannot be displayed. Export it again.")
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if _NOT_SUPPORTED.search(reason):
        return not_supported(path, f"an image ({reason})", "PNG, JPEG or TIFF with 8 or 16 bits per channel")
    return ImageDecodeError(f"{name} is damaged or truncated ({reason}). Copy it again from its source.")


def _unknown(path: Path) -> ImageDecodeError:
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(_SNIFF)
    if not head:
        return ImageDecodeError(f"{path.name} is empty; save it again as PNG, JPEG or TIFF.")
    if kind := _kind_of_jpeg(head):
        return not_supported(path, kind, "JPEG with 8 bits per channel, PNG or TIFF")
    return ImageDecodeError(
        f"{path.name} is not a readable image, or its beginning is damaged. Save it again as PNG, JPEG or TIFF."
    )


def _kind_of_jpeg(head: bytes) -> str:
    """What a JPEG file holds that common decoders do not read; empty for other files."""
    at = 2
    while head.startswith(b"\xff\xd8") and at + 10 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker in _SIZES_OF_JPEG:
            bits, channels = head[at + 4], head[at + 9]
            usual = bits == 8 and channels in (1, 3, 4) and marker not in _LOSSLESS_JPEG
            way = "lossless JPEG" if marker in _LOSSLESS_JPEG else "JPEG"
            return "" if usual else f"a {way} image with {bits} bits and {channels} channels"
        at += 2 + length
    return ""
