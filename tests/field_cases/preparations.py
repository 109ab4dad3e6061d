"""Inputs of field cases that no repository should hold: odd names, odd endings, pictures of many pixels."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def _endings(work: Path) -> None:
    for seed, name in enumerate(("b.JFIF", "c.jpe", "d.jp2", "noending")):
        pixels = np.random.default_rng(seed).integers(0, 255, (36, 48, 3), np.uint8)
        Image.fromarray(pixels).save(work / "set" / name, "JPEG2000" if name.endswith("jp2") else "JPEG")
    (work / "set" / "e.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (work / "set" / "f.svs").write_bytes(b"II*\0" + bytes(100))


def _line_break(work: Path) -> None:
    (work / "set" / "other.png").rename(work / "set" / "line\nbreak.png")


def _name_of_another_encoding(work: Path) -> None:
    source = (work / "set" / "fine.png").read_bytes()
    with open(os.fsencode(str(work / "set")) + b"/caf\xe9.png", "wb") as file:
        file.write(source[:-1] + b"x")


def _panorama(work: Path) -> None:
    """A PNG of 30,000 x 6,200 px, row by row."""
    width, height = 30_000, 6_200
    row = bytes([0]) + bytes(([0] * 150 + [255] * 150) * 100)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    (work / "set").mkdir(exist_ok=True)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    (work / "set" / "panorama.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


PREPARATIONS: dict[str, Callable[[Path], None]] = {
    "images-passed-over-in-silence": _endings,
    "line-break-in-a-file-name": _line_break,
    "one-odd-file-name-stops-all": _name_of_another_encoding,
    "raised-pixel-limit": _panorama,
}
