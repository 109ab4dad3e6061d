"""Image -> embedding. `load_encoder("lite0")` is the way in; a new family is one new file, found by its name.

A family's file `<family>.py` holds `features(argument: str, *, pretrained: bool) -> (network, PixelRecipe)`, where the
encoder's name is `<family>` or `<family>:<argument>` and the network maps `(n, 3, side, side)` to `(n, d)`.
"""

from __future__ import annotations

from training.encoders._base import Encoder
from training.encoders._registry import families, load_encoder, load_features
from training.encoders._stream import Embedded, embed_files

__all__ = ["Embedded", "Encoder", "embed_files", "families", "load_encoder", "load_features"]
