"""A torch network as an encoder: pixel handling, freezing for speed, unit vectors."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from training.data.images import RGBArray, open_rgb
from training.device import pick_device
from training.encoders._base import Prepared
from training.types import FloatArray, TrainingError


@dataclass(frozen=True)
class PixelRecipe:
    """How pixels reach the network.

    Attributes:
        side: px; images are resized to a square of it, without cropping: what lies at the border of a cell counts.
        mean: per channel, in 0..255.
        std: per channel, in 0..255.
    """

    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Embedder(nn.Module):
    """Pixels `(n, side, side, 3)` uint8 -> embeddings `(n, d)` of unit length, as the encoder freezes it."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, features: nn.Module, recipe: PixelRecipe) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / torch.tensor(recipe.std).view(1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        # (n, h, w, 3) uint8 seen as (n, 3, h, w) is channels_last already: no copy, and the layout CPUs like best.
        images = (pixels.permute(0, 3, 1, 2).float() - self.mean) * self.scale
        return nn.functional.normalize(self.features(images), dim=1)


class NetworkEncoder:
    """An `Encoder` around a torch feature extractor `(n, 3, side, side) -> (n, d)`.

    Args:
        name: start of the key.
        features: network in any mode; it is copied, set to eval, fused and frozen.
        recipe: pixel handling.
        threads: CPU threads, for the whole process.
        device: `cpu`, `cuda` or `auto`.
    """

    def __init__(
        self, name: str, features: nn.Module, recipe: PixelRecipe, *, threads: int = 1, device: str = "cpu"
    ) -> None:
        torch.set_num_threads(max(1, threads))
        self.recipe = recipe
        self.device = pick_device(device)
        self.key = f"{name}-{_digest(features, recipe)}"
        self._network = freeze(Embedder(features, recipe), recipe.side, self.device)
        with torch.inference_mode():
            sample = torch.zeros(1, recipe.side, recipe.side, 3, dtype=torch.uint8, device=self.device)
            self.dimension = int(self._network(sample).shape[1])

    def prepare(self, path: Path, *, max_pixels: int | None = None) -> Prepared:
        """Decode and resize one file; safe in any thread."""
        image, size = open_rgb(path, max_pixels=max_pixels, enough=2 * self.recipe.side)
        return Prepared(self._resize(image), size)

    def embed(self, images: Sequence[RGBArray]) -> FloatArray:
        """Embeddings `(n, d)` float32 of images `(h, w, 3)` uint8."""
        if not images:
            return np.zeros((0, self.dimension), dtype=np.float32)
        parts = []
        for start in range(0, len(images), 16):
            chunk = [self._resize(Image.fromarray(image)) for image in images[start : start + 16]]
            parts.append(self.embed_prepared(np.stack(chunk)))
        return np.concatenate(parts)

    def embed_prepared(self, pixels: RGBArray) -> FloatArray:
        """Embeddings `(n, d)` float32 of prepared images `(n, side, side, 3)` uint8."""
        with torch.inference_mode():
            batch = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(self.device)
            vectors: FloatArray = self._network(batch).float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise TrainingError(f"The encoder {self.key} returned values that are not finite. Choose another encoder.")
        return vectors

    def _resize(self, image: Image.Image) -> RGBArray:
        side = self.recipe.side
        if image.size == (side, side):
            return np.asarray(image)
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0))


def freeze(module: nn.Module, side: int, device: torch.device) -> nn.Module:
    """Fold batch norm into convolutions and fix the graph; about twice as fast as eager on a CPU thread."""
    still = copy.deepcopy(module).to(device).eval()
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8, device=device)
    with torch.inference_mode(False), torch.no_grad():
        still = still.to(memory_format=torch.channels_last)
        with warnings.catch_warnings():
            # Deprecated in favour of torch.compile, which needs a compiler and minutes and came out slower on a CPU.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            trace: Callable[..., nn.Module] = torch.jit.trace
            traced = trace(still, example, check_trace=False)
            frozen: nn.Module = torch.jit.freeze(traced)
        for _ in range(2):
            frozen(example)
    return frozen


def _digest(features: nn.Module, recipe: PixelRecipe) -> str:
    digest = hashlib.sha256(repr(recipe).encode())
    for name, tensor in sorted(features.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
