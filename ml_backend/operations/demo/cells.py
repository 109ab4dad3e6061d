"""Draws single cells in five classes, the same ones on every machine.

What tells the classes apart is what a cytologist looks at: size and shape of the cell, the share of it that the nucleus
takes, how dark, coarse and irregular the nucleus is, a halo around it, and the color of the cytoplasm. Stain, focus,
light and neighbors vary, and neighboring classes overlap a little, so that a few labels do not suffice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

if TYPE_CHECKING:
    from training.types import Progress

Array = NDArray[np.float64]

SIZE = 144
"""Width and height of an image, px."""

COUNT = 300
PATIENTS = 30
SEED = 20260101


@dataclass(frozen=True)
class Kind:
    """How cells of one class look: means, around which each cell varies.

    Attributes:
        radius: of the cell, px.
        ratio: radius of the nucleus over radius of the cell.
        corners: how polygonal the cell is, 0 = round.
        hue: mean cytoplasm color, 0 = blue-green, 1 = pink-orange.
        dark: darkness of the nucleus, 0 to 1.
        coarse: strength of the chromatin grain.
        ragged: irregularity of the nuclear outline.
        halo: strength of the clear zone around the nucleus.
    """

    radius: float
    ratio: float
    corners: float
    hue: float
    dark: float
    coarse: float
    ragged: float
    halo: float


KINDS: Final[Mapping[str, Kind]] = {
    "superficial": Kind(56, 0.15, 0.13, 0.80, 0.80, 0.05, 0.03, 0.05),
    "intermediate": Kind(52, 0.22, 0.12, 0.30, 0.58, 0.10, 0.04, 0.08),
    "parabasal": Kind(35, 0.39, 0.03, 0.25, 0.55, 0.12, 0.04, 0.04),
    "low_grade": Kind(49, 0.35, 0.10, 0.45, 0.72, 0.22, 0.10, 0.45),
    "high_grade": Kind(32, 0.57, 0.07, 0.30, 0.82, 0.36, 0.13, 0.06),
}

CLASSES: Final = tuple(KINDS)


FREQUENCY: Final = np.hypot(*np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE)))
"""Cycles per px of each coefficient of a two-dimensional Fourier transform."""


def _field(rng: np.random.Generator, smooth: float) -> Array:
    """Smooth noise `(SIZE, SIZE)` with mean 0 and spread 1, made by blurring in the frequency domain."""
    noise = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * np.exp(-2 * (np.pi * smooth * FREQUENCY) ** 2)
    values = np.real(np.fft.ifft2(noise))
    return np.asarray((values - values.mean()) / (values.std() + 1e-9))


def _outline(rng: np.random.Generator, angle: Array, roughness: float, waves: tuple[int, int]) -> Array:
    """A closed outline as a factor on the radius at each angle."""
    factor = np.ones_like(angle)
    for wave in range(*waves):
        factor += roughness / wave**0.5 * rng.normal() * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    return factor


def _inside(distance: Array, softness: float) -> Array:
    """1 inside, 0 outside, a soft edge between; `distance` is negative inside, px."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance / softness, -30, 30))))


@dataclass(frozen=True)
class _Stain:
    """What cells of one smear share."""

    light: Array
    warm: float
    strength: float
    blur: float
    noise: float


def _stain(rng: np.random.Generator) -> _Stain:
    return _Stain(
        light=np.array([0.93, 0.92, 0.90]) + rng.normal(0, 0.025, 3),
        warm=float(rng.normal(0, 0.12)),
        strength=float(rng.uniform(0.75, 1.2)),
        blur=float(rng.uniform(0.3, 1.3)),
        noise=float(rng.uniform(0.006, 0.02)),
    )


def _cytoplasm_colour(hue: float) -> Array:
    """Absorption of red, green and blue light between blue-green (0) and pink-orange (1)."""
    blue_green, pink = np.array([0.42, 0.16, 0.14]), np.array([0.08, 0.34, 0.26])
    share = float(np.clip(hue, 0, 1))
    return np.asarray((1 - share) * blue_green + share * pink)


def _paint(rng: np.random.Generator, absorbed: Array, kind: Kind, centre: Array, stain: _Stain, scale: float) -> None:
    """Add one cell to the absorption `(SIZE, SIZE, 3)`."""
    y, x = np.mgrid[:SIZE, :SIZE] - centre[:, None, None]
    stretch, turn = rng.uniform(0.82, 1.0), rng.uniform(0, np.pi)
    u = x * np.cos(turn) + y * np.sin(turn)
    v = (y * np.cos(turn) - x * np.sin(turn)) / stretch
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    size = kind.radius * scale * rng.normal(1, 0.13)
    cell = _inside(radius - size * _outline(rng, angle, kind.corners * rng.uniform(0.6, 1.4), (2, 7)), 1.2)

    ratio = float(np.clip(kind.ratio * rng.normal(1, 0.13), 0.08, 0.8))
    shift = rng.normal(0, 0.07, 2) * size
    du, dv = u - shift[0], (v - shift[1]) / rng.uniform(0.8, 1.0)
    inner = np.hypot(du, dv)
    edge = size * ratio * _outline(rng, np.arctan2(dv, du), kind.ragged * rng.uniform(0.5, 1.5), (2, 9))
    nucleus = _inside(inner - edge, 0.8)

    halo = _inside(inner - edge - size * 0.16, 2.0) * np.clip(kind.halo * rng.normal(1, 0.45), 0, 0.9)
    density = stain.strength * rng.uniform(0.75, 1.25) * (1 + 0.12 * _field(rng, 4.0) + 0.2 * (ratio > 0.3))
    colour = _cytoplasm_colour(kind.hue + stain.warm + rng.normal(0, 0.15))
    absorbed += (cell * density * (1 - halo) * (1 - 0.6 * nucleus))[..., None] * colour

    dark = float(np.clip(kind.dark * rng.normal(1, 0.12), 0.3, 1.0)) * stain.strength
    grain = 1 + np.clip(kind.coarse * rng.normal(1, 0.3), 0, 1) * _field(rng, rng.uniform(0.9, 1.8))
    rim = 0.25 * np.exp(-(((inner - edge) / 1.6) ** 2))
    tone = np.array([0.95, 1.05, 0.62]) + rng.normal(0, 0.04, 3)
    absorbed += (nucleus * dark * np.clip(grain, 0.2, 2.2) + rim * dark * nucleus)[..., None] * tone


def _neighbours(rng: np.random.Generator, absorbed: Array, stain: _Stain) -> None:
    """Parts of other cells and small debris near the border."""
    for _ in range(rng.integers(0, 3)):
        kind = KINDS[CLASSES[rng.integers(len(CLASSES))]]
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.62, 0.85) * SIZE
        _paint(rng, absorbed, kind, SIZE / 2 + far * np.array([np.sin(angle), np.cos(angle)]), stain, 0.8)
    y, x = np.mgrid[:SIZE, :SIZE]
    for _ in range(rng.integers(0, 9)):
        at = rng.uniform(0, SIZE, 2)
        spot = _inside(np.hypot(y - at[0], x - at[1]) - rng.uniform(1.0, 3.5), 0.7)
        absorbed += (spot * rng.uniform(0.2, 0.8))[..., None] * np.array([0.7, 0.8, 0.5])


def draw_cell(name: str, rng: np.random.Generator, stain: _Stain) -> Image.Image:
    """One cell of a class as an RGB image.

    Args:
        name: one of `CLASSES`.
        rng: source of everything that varies between cells.
        stain: what the cells of one smear share.
    """
    absorbed = np.zeros((SIZE, SIZE, 3))
    _neighbours(rng, absorbed, stain)
    centre = SIZE / 2 + rng.normal(0, 5, 2)
    _paint(rng, absorbed, KINDS[name], centre, stain, float(rng.normal(1, 0.08)))
    light = stain.light * np.exp(-absorbed) + 0.012 * _field(rng, 12.0)[..., None]
    light += rng.normal(0, stain.noise, light.shape)
    image = Image.fromarray((np.clip(light, 0, 1) * 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(stain.blur * rng.uniform(0.7, 1.3)))


def numbered_cell(number: int) -> Image.Image:
    """The demo cell with this number, independent of how many are written."""
    name, patient = _place(number)
    stain = _stain(np.random.default_rng((SEED, patient)))
    return draw_cell(name, np.random.default_rng((SEED, patient, number)), stain)


def _place(number: int) -> tuple[str, int]:
    """Class and patient of the cell of this number."""
    return CLASSES[number % len(CLASSES)], number // len(CLASSES) % PATIENTS


def write_cells(folder: Path, progress: Progress, *, count: int = COUNT) -> list[Path]:
    """Write the demo cells as `<class>/patient<number>_cell<number>.png`; files that are there are left alone.

    Args:
        folder: made if needed.
        progress: called with the progress.
        count: number of cells, spread evenly over the classes.

    Returns:
        All files, whether or not they were written now.
    """
    paths = []
    for number in range(count):
        name, patient = _place(number)
        path = folder / name / f"patient{patient:02d}_cell{number:03d}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            numbered_cell(number).save(part, format="PNG")
            part.replace(path)
        paths.append(path)
        progress((number + 1) / count, f"{number + 1} of {count} cells")
    return paths
