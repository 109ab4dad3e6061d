"""New images -> embeddings, duplicate groups and splits; committed chunk by chunk, so a kill costs one chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml_backend.duplicates.confirming import PixelCheck
from ml_backend.duplicates.regroup import groups_lock, is_founder
from ml_backend.errors import ImageError
from ml_backend.items import display_name
from ml_backend.project_settings import ProjectSettings
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from strategies.near_duplicates.groups import Grouper
from strategies.near_duplicates.index import VectorIndex
from training.data.images import content_hash
from training.data.split import place, source_group
from training.encoders import Encoder, embed_files, load_encoder
from training.types import FloatArray, IntArray, Progress

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
    settings = services.store.settings(project_id)
    encoder = load_encoder(settings.encoder, threads=services.threads, device="auto")
    items = services.store.items(project_id, states=("new", "ready"))
    waiting = [item for item in items if item.vector_row is None or item.encoder != encoder.key]
    for start in range(0, len(waiting), CHUNK):
        chunk = waiting[start : start + CHUNK]

        def report(done: int, start: int = start) -> None:
            progress((start + done) / len(waiting), f"{start + done} of {len(waiting)} images")

        _embed_chunk(services, project_id, settings, encoder, chunk, report)
        if settled is not None:
            settled()
    progress(1.0, f"{len(waiting)} images embedded" if waiting else "")
    return encoder


def _embed_chunk(
    services: Services,
    project_id: int,
    settings: ProjectSettings,
    encoder: Encoder,
    chunk: Sequence[ItemRow],
    report: Any,
) -> None:
    found = list(_files(services, project_id, chunk))
    items, paths = [item for item, _ in found], [path for _, path in found]
    read: list[ItemRow] = []
    vectors, sizes = [], []
    for done, answer in enumerate(embed_files(encoder, paths, max_pixels=services.settings.max_image_pixels)):
        if answer.vector is None:
            _unreadable(services, project_id, items[answer.index], answer.reason)
        else:
            read.append(items[answer.index])
            vectors.append(answer.vector)
            sizes.append(answer.size)
        report(done + 1)
    if not read:
        return
    matrix = np.stack(vectors).astype(np.float32)
    first_row = services.vectors(encoder.key, encoder.dimension).append(matrix)
    with services.files.lock(groups_lock(project_id)):
        _settle(services, project_id, settings, encoder, read, matrix, sizes, first_row)


def _files(services: Services, project_id: int, chunk: Sequence[ItemRow]) -> Iterator[tuple[ItemRow, Path]]:
    for item in chunk:
        try:
            yield item, services.image_path(item)
        except ImageError as error:
            _unreadable(services, project_id, item, str(error))


def _unreadable(services: Services, project_id: int, item: ItemRow, reason: str) -> None:
    services.store.update_items([{"id": item.id, "state": "unreadable", "reason": reason}])


def _settle(
    services: Services,
    project_id: int,
    settings: ProjectSettings,
    encoder: Encoder,
    items: Sequence[ItemRow],
    matrix: FloatArray,
    sizes: Sequence[tuple[int, int]],
    first_row: int,
) -> None:
    """Give freshly embedded items their group and split; what already has one keeps it."""
    ready = services.store.items(project_id, states=("ready", "deleted"))
    old = {item.id: item for item in ready if item.group_id is not None}
    group_ids = _groups(services, settings, encoder, items, matrix, old)
    sources = {item.id: item.source_group or source_group(display_name(item), settings.group_pattern) for item in items}
    splits = place(
        new=[(item.id, sources[item.id], group_ids[item.id]) for item in items if not item.split],
        known=[(item.id, item.source_group, item.group_id, item.split) for item in old.values() if item.split],
        fraction=settings.validation_fraction,
        salt=f"paploop-{project_id}",
    )
    services.store.update_items(
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
                "height": sizes[row][0],
                "width": sizes[row][1],
            }
            for row, item in enumerate(items)
        ]
    )


def _groups(
    services: Services,
    settings: ProjectSettings,
    encoder: Encoder,
    items: Sequence[ItemRow],
    matrix: FloatArray,
    old: dict[int, ItemRow],
) -> dict[int, int]:
    """Item id -> item id of its group's representative: near in the embedding, and confirmed on the pixels."""
    founders = sorted(i.id for i in old.values() if is_founder(i) and i.encoder == encoder.key)
    rows: IntArray = np.array([old[founder].vector_row for founder in founders], dtype=np.int64)
    table = services.vectors(encoder.key, encoder.dimension).rows(rows)
    fresh = [row for row, item in enumerate(items) if item.group_id is None]
    index = VectorIndex(encoder.dimension)
    index.add(table)
    waiting = {item.id: item for item in items}
    check = PixelCheck(
        lambda item_id: services.image_path(waiting.get(item_id) or old[item_id]), services.settings.max_image_pixels
    )

    def confirm(row: int, number: int) -> bool:
        founder = grouper.founder(number)
        other = founders[number] if founder is None else items[fresh[founder]].id
        return check.same(items[fresh[row]].id, other)

    grouper = Grouper(index, settings.duplicate_radius, confirm)
    numbers = grouper.assign(matrix[fresh])
    representative = {number: int(old[founder].group_id or founder) for number, founder in enumerate(founders)}
    answer = {item.id: item.group_id for item in items if item.group_id is not None}
    for row, number in zip(fresh, numbers.tolist(), strict=True):
        answer[items[row].id] = representative.setdefault(number, items[row].id)
    return answer
