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
from ml_backend.images.items import display_name, split_salt
from ml_backend.services import Services
from ml_backend.state.project_settings import ProjectSettings
from ml_backend.state.records import ItemRow
from strategies.near_duplicates.frames import frame
from strategies.near_duplicates.version import GROUPS_VERSION
from training.data.images import content_hash
from training.data.split import place, source_group
from training.encoders import Encoder, embed_files, load_encoder
from training.types import FloatArray, Progress

CHUNK = 256


def embed_waiting(
    services: Services, project_id: int, progress: Progress, settled: Callable[[], None] | None = None
) -> Encoder:
    """Embed every item of a project that has no vector of the project's encoder yet.

    Images that cannot be had or read become `unreadable` with a reason; the rest goes on.

    Args:
        services: the parts of the process.
        project_id: Label Studio's project id.
        progress: told how far it is.
        settled: called whenever more items have their vector, group and split.

    Raises:
        LabelStudioUnavailable: images lie in Label Studio and it is away.
    """
    settings = services.store.projects.settings(project_id)
    encoder = load_encoder(settings.encoder, threads=services.threads, device="auto")
    items = services.store.items.all(project_id, states=("new", "ready"))
    waiting = [item for item in items if item.vector_row is None or item.encoder != encoder.key]
    joiner = Joiner(services, settings, encoder.key, encoder.dimension)
    for start in range(0, len(waiting), CHUNK):
        chunk = waiting[start : start + CHUNK]

        def report(done: int, start: int = start) -> None:
            progress((start + done) / len(waiting), f"{start + done} of {len(waiting)} images")

        _embed_chunk(services, project_id, settings, encoder, joiner, chunk, report)
        if settled is not None:
            settled()
    progress(1.0, f"{len(waiting)} images embedded" if waiting else "")
    return encoder


def _embed_chunk(
    services: Services,
    project_id: int,
    settings: ProjectSettings,
    encoder: Encoder,
    joiner: Joiner,
    chunk: Sequence[ItemRow],
    report: Callable[[int], None],
) -> None:
    found = list(_files(services, chunk))
    items, paths = [item for item, _ in found], [path for _, path in found]
    read: list[ItemRow] = []
    vectors, frames, sizes = [], [], []
    for done, answer in enumerate(embed_files(encoder, paths, max_pixels=services.settings.max_image_pixels)):
        if answer.vector is None or answer.pixels is None:
            _unreadable(services, items[answer.index], answer.reason)
        else:
            read.append(items[answer.index])
            vectors.append(answer.vector)
            frames.append(frame(answer.pixels))
            sizes.append(answer.size)
        report(done + 1)
    if not read:
        return
    arrived = _Arrived(read, np.stack(vectors).astype(np.float32), np.stack(frames), sizes)
    with services.files.lock(groups_lock(project_id)):
        _settle(services, project_id, settings, encoder, joiner, arrived)


def _files(services: Services, chunk: Sequence[ItemRow]) -> Iterator[tuple[ItemRow, Path]]:
    for item in chunk:
        try:
            yield item, services.image_path(item)
        except ImageError as error:
            _unreadable(services, item, str(error))


def _unreadable(services: Services, item: ItemRow, reason: str) -> None:
    services.store.items.update([{"id": item.id, "state": "unreadable", "reason": reason}])


@dataclass(frozen=True)
class _Arrived:
    """Freshly embedded items: `(n, d)` vectors, `(n, 256)` frames, sizes in px."""

    items: Sequence[ItemRow]
    vectors: FloatArray
    frames: FloatArray
    sizes: Sequence[tuple[int, int]]


def _settle(
    services: Services,
    project_id: int,
    settings: ProjectSettings,
    encoder: Encoder,
    joiner: Joiner,
    arrived: _Arrived,
) -> None:
    """Give freshly embedded items their group and split; what already has one keeps it."""
    first_row = services.vectors(encoder.key, encoder.dimension).append(arrived.vectors)
    first_frame = joiner.keep(arrived.frames)
    seen = services.store.items.all(project_id, states=("ready", "deleted", "unreadable"))
    old = {item.id: item for item in seen if item.group_id is not None}
    items = [old.get(item.id, item) for item in arrived.items]
    group_ids = joiner.join(items, arrived.vectors, arrived.frames, old)
    sources = {item.id: item.source_group or source_group(display_name(item), settings.group_pattern) for item in items}
    splits = place(
        new=[(item.id, sources[item.id], group_ids[item.id]) for item in items if not item.split],
        known=[(item.id, item.source_group, item.group_id, item.split) for item in old.values() if item.split],
        fraction=settings.validation_fraction,
        salt=split_salt(project_id),
    )
    services.store.items.update(
        [
            {
                "id": item.id,
                "state": "ready",
                "reason": "",
                "encoder": encoder.key,
                "vector_row": first_row + row,
                "group_id": group_ids[item.id],
                "source_group": sources[item.id],
                "split": item.split or splits[item.id],
                "content_hash": item.content_hash or content_hash(services.image_path(item)),
                "height": arrived.sizes[row][0],
                "width": arrived.sizes[row][1],
                "meta": {**item.meta, **_joined_now(item), FRAME: first_frame + row},
            }
            for row, item in enumerate(items)
        ]
    )


def _joined_now(item: ItemRow) -> dict[str, int]:
    return {CHECKED: GROUPS_VERSION} if item.group_id is None else {}
