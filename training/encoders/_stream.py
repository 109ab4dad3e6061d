"""Files -> embeddings, decoding the next batches while the network works on this one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from training.data.images import ImageDecodeError, RGBArray
from training.encoders._base import Encoder, Prepared
from training.types import FloatArray


@dataclass(frozen=True)
class Embedded:
    """What happened to one file.

    Attributes:
        index: position of the file in what was asked.
        vector: `(d,)` float32 of unit length, or None when the image cannot be used.
        size: `(height, width)` px of the upright image; (0, 0) when it cannot be used.
        reason: why it cannot be used, in a sentence; empty otherwise.
        pixels: `(side, side, 3)` uint8 as the network saw it, or None when it cannot be used.
    """

    index: int
    vector: FloatArray | None
    size: tuple[int, int]
    reason: str = ""
    pixels: RGBArray | None = None


def embed_files(
    encoder: Encoder,
    paths: Iterable[Path],
    *,
    max_pixels: int | None = None,
    batch: int = 16,
    decoders: int | None = None,
    keep: RGBArray | None = None,
) -> Iterator[Embedded]:
    """Embed files in order; an image that cannot be used yields its reason, and the rest goes on.

    Args:
        encoder: what embeds.
        paths: image files.
        max_pixels: larger images are refused; None: the limit of this process.
        batch: images per forward pass.
        decoders: threads that decode; by default one a core, at most 4.
        keep: `(n, side, side, 3)` uint8 that the prepared images are written into, for callers that need them again.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    workers = decoders or min(4, os.cpu_count() or 1)
    todo = enumerate(paths)
    waiting: deque[tuple[int, Future[Prepared | str]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:

        def top_up() -> None:
            for index, path in islice(todo, 3 * batch - len(waiting)):
                waiting.append((index, pool.submit(_prepare, encoder, path, max_pixels)))

        try:
            top_up()
            while waiting:
                ready = [waiting.popleft() for _ in range(min(batch, len(waiting)))]
                decoded = [(index, future.result()) for index, future in ready]
                # The decoders get the batch after next before this thread disappears into the forward pass.
                top_up()
                for index, item in decoded:
                    if keep is not None and isinstance(item, Prepared):
                        keep[index] = item.pixels
                yield from _embed(encoder, decoded)
        finally:
            for _, future in waiting:
                future.cancel()


def _prepare(encoder: Encoder, path: Path, max_pixels: int | None) -> Prepared | str:
    try:
        return encoder.prepare(path, max_pixels=max_pixels)
    except ImageDecodeError as error:
        return str(error)


def _embed(encoder: Encoder, decoded: Sequence[tuple[int, Prepared | str]]) -> Iterator[Embedded]:
    good = [item.pixels for _, item in decoded if isinstance(item, Prepared)]
    vectors = iter(encoder.embed_prepared(np.stack(good))) if good else iter(())
    for index, item in decoded:
        if isinstance(item, Prepared):
            yield Embedded(index, next(vectors), item.size, pixels=item.pixels)
        else:
            yield Embedded(index, None, (0, 0), item)
