"""Which group new images join: proposed by embedding and by frame, decided on the pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ml_backend.duplicates.confirming import PixelCheck
from ml_backend.duplicates.regroup import is_founder
from ml_backend.images.files import ImageFiles
from ml_backend.state.files import DataDir
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ItemRow
from ml_backend.state.vectors import Vectors
from strategies.near_duplicates.approximate import EXACT_UP_TO, ApproximateIndex, choose_probes, learn_cells
from strategies.near_duplicates.frames import DIMENSION, RADIUS, FrameIndex
from strategies.near_duplicates.groups import Grouper
from strategies.near_duplicates.index import NeighbourSearch, VectorIndex
from strategies.near_duplicates.verification.pairs import Rules
from training.types import FloatArray

FRAME = "frame"
"""Key in an item's `meta`: the row of its frame."""

_FRAMES = "frames-1"


class Joiner:
    """The groups of one project while images arrive; its indexes grow with them instead of being built for each batch.

    Args:
        files: hold the embeddings.
        images: looked at where groups are decided on pixels.
        max_pixels: larger images are not decoded.
        settings: of the project.
        encoder: key of the embeddings.
        dimension: their length.
        same: tells of two items by their ids whether they show the same; by default their pixels are compared.
    """

    def __init__(
        self,
        files: DataDir,
        images: ImageFiles,
        max_pixels: int,
        settings: ProjectSettings,
        encoder: str,
        dimension: int,
        same: Callable[[int, int], bool] | None = None,
    ) -> None:
        self._encoder, self._settings = encoder, settings
        self._vectors = Vectors.of(files, encoder, dimension)
        # a radius of 0 is how a lead says "equal images only"
        self._frame_radius = RADIUS if settings.duplicate_radius > 0 else 0.0
        self._frame_rows = Vectors.of(files, _FRAMES, DIMENSION)
        self._known: dict[int, ItemRow] = {}
        self._same = (
            same
            or PixelCheck(
                lambda item_id: images.of(self._known[item_id]),
                max_pixels,
                Rules(share=settings.duplicate_share),
            ).same
        )
        self._founders: list[int] = []
        self._grouper: Grouper | None = None
        self._frames: FrameIndex | None = None
        self._fresh: Sequence[ItemRow] = ()

    def keep(self, frames: FloatArray) -> int:
        """Store `(k, 256)` frames; the number of the first row."""
        return self._frame_rows.append(frames)

    def join(
        self, items: Sequence[ItemRow], vectors: FloatArray, frames: FloatArray, old: Mapping[int, ItemRow]
    ) -> dict[int, int]:
        """Item id -> group id of every item; existing groups stay unchanged.

        Args:
            items: in order of arrival; one that has a group keeps it.
            vectors: `(n, d)` their embeddings.
            frames: `(n, 256)` their frames.
            old: all items of the project that have a group, as they are now.
        """
        self._known = {**old, **{item.id: item for item in items}}
        grouper = self._with_founders(old)
        rows = [row for row, item in enumerate(items) if item.group_id is None]
        self._fresh = [items[row] for row in rows]
        before = len(self._founders)
        numbers = grouper.assign(vectors[rows], frames[rows]).tolist()
        groups = {item.id: item.group_id for item in items if item.group_id is not None}
        for item, number in zip(self._fresh, numbers, strict=True):
            if number < before:
                founder = old[self._founders[number]]
                groups[item.id] = founder.group_id or founder.id
                continue
            if number == len(self._founders):
                self._founders.append(item.id)
            groups[item.id] = self._founders[number]
        return groups

    def _with_founders(self, old: Mapping[int, ItemRow]) -> Grouper:
        """Add founders that appeared since the last call, for example by a correction by hand; none ever goes."""
        known = set(self._founders)
        new = [old[i] for i in sorted(old) if i not in known and is_founder(old[i]) and old[i].encoder == self._encoder]
        table = self._vectors.rows([item.vector_row or 0 for item in new])
        framed = [(place, item.meta[FRAME]) for place, item in enumerate(new) if isinstance(item.meta.get(FRAME), int)]
        pictures = np.zeros((len(new), DIMENSION), np.float32)
        pictures[[place for place, _ in framed]] = self._frame_rows.rows([row for _, row in framed])
        if self._grouper is None or self._frames is None:
            self._frames = FrameIndex(self._frame_radius, _index(pictures, self._frame_radius, self._settings.seed))
            index = _index(table, self._settings.duplicate_radius, self._settings.seed)
            self._grouper = Grouper(index, self._settings.duplicate_radius, self._confirm, self._frames)
        self._frames.add(pictures, len(self._founders) + np.arange(len(new)))
        self._grouper.index.add(table)
        self._founders += [item.id for item in new]
        return self._grouper

    def _confirm(self, row: int, number: int) -> bool:
        founded = self._grouper.founder(number) if self._grouper is not None else None
        other = self._founders[number] if founded is None else self._fresh[founded].id
        return self._same(self._fresh[row].id, other)


def _index(table: FloatArray, radius: float, seed: int) -> NeighbourSearch:
    """Exact for as long as that is fast, in cells with a measured recall above."""
    rows = table[np.einsum("ij,ij->i", table, table) > 0.5]
    if len(rows) <= EXACT_UP_TO:
        return VectorIndex(table.shape[1])
    rng = np.random.default_rng(seed)
    cells = ApproximateIndex(learn_cells(rows, rng))
    choose_probes(cells, rows, radius, rng)
    return cells
