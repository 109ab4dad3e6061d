"""New images -> embeddings, duplicate groups and splits; committed chunk by chunk, so a kill costs one chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml_backend.duplicates.earlier import CHECKED
from ml_backend.duplicates.joining import FRAME, Joiner
from ml_backend.duplicates.regroup import groups_lock
from ml_backend.errors import ImageError
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import display_name, split_salt
from ml_backend.state.files import DataDir
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ItemRow
from ml_backend.state.store import Store
from ml_backend.state.vectors import Vectors
from strategies.near_duplicates.frames import frame
from strategies.near_duplicates.version import GROUPS_VERSION
from training.data.images import content_hash
from training.data.split import place, source_group
from training.encoders import Encoder, embed_files, load_encoder
from training.types import FloatArray, Progress

CHUNK = 256


@dataclass(frozen=True)
class Arrived:
    """Freshly embedded items: `(n, d)` vectors, `(n, 256)` frames, sizes in px."""

    items: Sequence[ItemRow]
    vectors: FloatArray
    frames: FloatArray
    sizes: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Embedder:
    """Gives the images of one project their vector, their group and their side of the split.

    Attributes:
        store: the database.
        files: hold the vectors.
        images: item -> local file.
        max_pixels: larger images are not decoded.
        project_id: Label Studio's project id.
        settings: of the project.
        encoder: image -> vector.
        joiner: image -> group.
    """

    store: Store
    files: DataDir
    images: ImageFiles
    max_pixels: int
    project_id: int
    settings: ProjectSettings
    encoder: Encoder
    joiner: Joiner

    def embed_waiting(self, progress: Progress, settled: Callable[[], None] | None = None) -> None:
        """Embed every item that has no vector of the project's encoder yet.

        Images that cannot be had or read become `unreadable` with a reason; the rest goes on.

        Args:
            progress: called with the progress.
            settled: called whenever more items have their vector, group and split.

        Raises:
            LabelStudioUnavailable: images lie in Label Studio and it is away.
        """
        items = self.store.items.all(self.project_id, states=("new", "ready"))
        waiting = [item for item in items if item.vector_row is None or item.encoder != self.encoder.key]
        for start in range(0, len(waiting), CHUNK):
            chunk = waiting[start : start + CHUNK]

            def report(done: int, start: int = start) -> None:
                progress((start + done) / len(waiting), f"{start + done} of {len(waiting)} images")

            self._embed(chunk, report)
            if settled is not None:
                settled()
        progress(1.0, f"{len(waiting)} images embedded" if waiting else "")

    def _embed(self, chunk: Sequence[ItemRow], report: Callable[[int], None]) -> None:
        found = list(self._found(chunk))
        items, paths = [item for item, _ in found], [path for _, path in found]
        read: list[ItemRow] = []
        vectors, frames, sizes = [], [], []
        for done, answer in enumerate(embed_files(self.encoder, paths, max_pixels=self.max_pixels)):
            if answer.vector is None or answer.pixels is None:
                self._unreadable(items[answer.index], answer.reason)
            else:
                read.append(items[answer.index])
                vectors.append(answer.vector)
                frames.append(frame(answer.pixels))
                sizes.append(answer.size)
            report(done + 1)
        if not read:
            return
        arrived = Arrived(read, np.stack(vectors).astype(np.float32), np.stack(frames), sizes)
        with self.files.lock(groups_lock(self.project_id)):
            self.settle(arrived)

    def _found(self, chunk: Sequence[ItemRow]) -> Iterator[tuple[ItemRow, Path]]:
        for item in chunk:
            try:
                yield item, self.images.of(item)
            except ImageError as error:
                self._unreadable(item, str(error))

    def _unreadable(self, item: ItemRow, reason: str) -> None:
        self.store.items.update([{"id": item.id, "state": "unreadable", "reason": reason}])

    def settle(self, arrived: Arrived) -> None:
        """Give freshly embedded items their group and split; what already has one keeps it."""
        first_row = Vectors.of(self.files, self.encoder.key, self.encoder.dimension).append(arrived.vectors)
        first_frame = self.joiner.keep(arrived.frames)
        seen = self.store.items.all(self.project_id, states=("ready", "deleted", "unreadable"))
        old = {item.id: item for item in seen if item.group_id is not None}
        items = [old.get(item.id, item) for item in arrived.items]
        group_ids = self.joiner.join(items, arrived.vectors, arrived.frames, old)
        sources = {
            item.id: item.source_group or source_group(display_name(item), self.settings.group_pattern)
            for item in items
        }
        splits = place(
            new=[(item.id, sources[item.id], group_ids[item.id]) for item in items if not item.split],
            known=[(item.id, item.source_group, item.group_id, item.split) for item in old.values() if item.split],
            fraction=self.settings.validation_fraction,
            salt=split_salt(self.project_id),
        )
        self.store.items.update(
            [
                {
                    "id": item.id,
                    "state": "ready",
                    "reason": "",
                    "encoder": self.encoder.key,
                    "vector_row": first_row + row,
                    "group_id": group_ids[item.id],
                    "source_group": sources[item.id],
                    "split": item.split or splits[item.id],
                    "content_hash": item.content_hash or content_hash(self.images.of(item)),
                    "height": arrived.sizes[row][0],
                    "width": arrived.sizes[row][1],
                    "meta": {**item.meta, **_joined_now(item), FRAME: first_frame + row},
                }
                for row, item in enumerate(items)
            ]
        )


def embedder_for(
    store: Store, files: DataDir, images: ImageFiles, project_id: int, *, max_pixels: int, threads: int
) -> Embedder:
    """The embedder that a project's settings ask for, with this many CPU threads."""
    settings = store.projects.settings(project_id)
    encoder = load_encoder(settings.encoder, threads=threads, device="auto")
    joiner = Joiner(files, images, max_pixels, settings, encoder.key, encoder.dimension)
    return Embedder(store, files, images, max_pixels, project_id, settings, encoder, joiner)


def _joined_now(item: ItemRow) -> dict[str, int]:
    return {CHECKED: GROUPS_VERSION} if item.group_id is None else {}
