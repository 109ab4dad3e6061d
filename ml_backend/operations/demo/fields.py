"""Draws fields of view with several cells in three classes, and knows where each cell lies: for boxes and outlines.

The same seed gives the same pixels on every machine. Cells of a smear share its stain; they do not touch, and debris
lies between them that is not a cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Array = NDArray[np.float64]

WIDTH, HEIGHT = 320, 240
"""px."""
FEWEST, MOST = 5, 15
"""Cells on a field."""
CORNERS: Final = 40
"""Points of an outline."""
FINE: Final = 4
"""Cells are drawn so many times finer, for soft edges."""
FIELDS_OF_A_SMEAR: Final = 4


@dataclass(frozen=True)
class Kind:
    """How cells of one class look: means, around which each cell varies.

    Attributes:
        radius: of the cell, px.
        ratio: radius of the nucleus over radius of the cell.
        rough: irregularity of the outline.
        absorbs: red, green and blue light that the cytoplasm takes.
        dark: darkness of the nucleus.
    """

    radius: float
    ratio: float
    rough: float
    absorbs: tuple[float, float, float]
    dark: float


KINDS: Final[Mapping[str, Kind]] = {
    "superficial": Kind(23, 0.20, 0.07, (0.10, 0.40, 0.30), 0.9),
    "parabasal": Kind(15, 0.42, 0.03, (0.48, 0.18, 0.16), 0.65),
    "high_grade": Kind(12, 0.68, 0.06, (0.34, 0.26, 0.20), 1.15),
}
CLASSES: Final = tuple(KINDS)


@dataclass(frozen=True)
class Field:
    """One field of view and the truth about it.

    Attributes:
        path: the PNG file, named `smear<number>_field<number>.png`.
        boxes: `(r, 4)` float32, x1 y1 x2 y2 px, tight around the outlines.
        outlines: one `(k, 2)` float64 a cell, x y px, inside the image.
        classes: name of each cell's class, of `CLASSES`.
    """

    path: Path
    boxes: NDArray[np.float32]
    outlines: list[Array]
    classes: tuple[str, ...]


def write_fields(folder: Path, count: int, seed: int = 0) -> list[Field]:
    """Write `count` fields as PNG of 320 x 240 px with 5 to 15 cells each; files that are there are left alone.

    Args:
        folder: made if needed.
        count: number of fields; four make one smear.
        seed: another one gives other fields.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_field(folder, number, seed) for number in range(count)]


def _field(folder: Path, number: int, seed: int) -> Field:
    smear = number // FIELDS_OF_A_SMEAR
    stain = np.random.default_rng((seed, smear, 1))
    light = np.array([0.94, 0.93, 0.91]) + stain.normal(0, 0.02, 3)
    strength, blur = float(stain.uniform(0.8, 1.2)), float(stain.uniform(0.3, 0.8))
    rng = np.random.default_rng((seed, number, 2))
    absorbed = np.zeros((HEIGHT, WIDTH, 3))
    _debris(rng, absorbed)
    outlines: list[Array] = []
    names: list[str] = []
    for centre, name, radius in _places(rng):
        outlines.append(_cell(rng, absorbed, KINDS[name], centre, radius, strength))
        names.append(name)
    path = folder / f"smear{smear:02d}_field{number:03d}.png"
    if not path.exists():
        shown = light * np.exp(-absorbed) + rng.normal(0, 0.012, absorbed.shape)
        image = Image.fromarray((np.clip(shown, 0, 1) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
        part = path.with_suffix(".part")
        image.save(part, format="PNG")
        part.replace(path)
    boxes = np.array([[*o.min(axis=0), *o.max(axis=0)] for o in outlines], dtype=np.float32).reshape(-1, 4)
    return Field(path, boxes, outlines, tuple(names))


def _places(rng: np.random.Generator) -> list[tuple[Array, str, float]]:
    """Center, class and radius of cells that keep clear of each other and of the border."""
    placed: list[tuple[Array, str, float]] = []
    wanted = int(rng.integers(FEWEST, MOST + 1))
    for _ in range(600):
        if len(placed) == wanted:
            break
        name = CLASSES[int(rng.integers(len(CLASSES)))]
        radius = KINDS[name].radius * float(rng.uniform(0.85, 1.15))
        reach = 1.35 * radius
        centre = rng.uniform((reach, reach), (WIDTH - reach, HEIGHT - reach))
        if all(math.dist(centre, other) > reach + 1.35 * size for other, _, size in placed):
            placed.append((centre, name, radius))
    return placed


def _cell(
    rng: np.random.Generator, absorbed: Array, kind: Kind, centre: Array, radius: float, strength: float
) -> Array:
    """Add one cell to the absorption `(h, w, 3)`; returns its outline `(CORNERS, 2)` px."""
    outline = centre + _round(rng, radius, kind.rough)
    nucleus = centre + rng.normal(0, 0.05, 2) * radius + _round(rng, kind.ratio * radius, kind.rough)
    x, y = (int(value) for value in np.floor(centre - 1.4 * radius - 1))
    side = math.ceil(2.8 * radius) + 3
    x1, y1, x2, y2 = max(0, x), max(0, y), min(WIDTH, x + side), min(HEIGHT, y + side)
    window = (x1, y1, x2 - x1, y2 - y1)
    body, core = _filled(outline, window), _filled(nucleus, window)
    grain = 1 + 0.12 * rng.standard_normal(body.shape)
    density = strength * rng.uniform(0.85, 1.15)
    colour = np.array(kind.absorbs) + rng.normal(0, 0.02, 3)
    part = absorbed[y1:y2, x1:x2]
    part += (body * (1 - 0.6 * core) * density)[..., None] * colour
    part += (core * kind.dark * grain * strength)[..., None] * np.array([0.95, 1.05, 0.62])
    return outline


def _round(rng: np.random.Generator, radius: float, rough: float) -> Array:
    """A closed line `(CORNERS, 2)` around the origin: an ellipse with a few waves."""
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    factor = np.ones(CORNERS)
    for wave in range(2, 6):
        factor += rough / wave * rng.normal() * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    # Whatever the waves add, the line stays within the room that its place was given.
    reach = radius * np.clip(factor, 0.7, 1.25)
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.82, 1.0)
    along, across = reach * np.cos(angle), flat * reach * np.sin(angle)
    x = along * math.cos(turn) - across * math.sin(turn)
    y = along * math.sin(turn) + across * math.cos(turn)
    return np.stack([x, y], axis=1)


def _filled(outline: Array, window: tuple[int, int, int, int]) -> Array:
    """Share `(h, w)` of each px of a window (x, y, width, height) that lies inside an outline."""
    x, y, width, height = window
    picture = Image.new("L", (width * FINE, height * FINE))
    points = [((px - x) * FINE, (py - y) * FINE) for px, py in outline.tolist()]
    ImageDraw.Draw(picture).polygon(points, fill=255)
    return np.asarray(picture.reduce(FINE), dtype=np.float64) / 255


def _debris(rng: np.random.Generator, absorbed: Array) -> None:
    """Small dark and pale specks that are not cells."""
    for _ in range(int(rng.integers(4, 14))):
        x, y = rng.uniform((4, 4), (WIDTH - 8, HEIGHT - 8))
        window = (int(x) - 4, int(y) - 4, 9, 9)
        line = np.array([x, y]) + _round(rng, float(rng.uniform(0.8, 2.6)), 0.1)
        part = absorbed[window[1] : window[1] + 9, window[0] : window[0] + 9]
        part += (_filled(line, window) * rng.uniform(0.15, 0.5))[..., None] * np.array([0.7, 0.8, 0.5])
