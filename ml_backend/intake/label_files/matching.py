"""Matches entries of a label source with a project's images: by content, else by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ml_backend.errors import PapLoopError
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import display_name, image_value, is_local
from ml_backend.intake.label_files.reading import Entry
from ml_backend.intake.label_files.tables import Words
from ml_backend.label_studio.config import LabelingJob
from ml_backend.state.records import ItemRow
from training.data.images import ImageDecodeError, content_hash, image_size
from training.data.names import TRIED, NameIndex, decoded


class Matcher:
    """The images of a project by content and by name.

    Args:
        images: item -> local file.
        items: the images.

    Attributes:
        by_name_alone: entries whose file is another than the project's image of that name, of the same size in px.
    """

    def __init__(self, images: ImageFiles, items: Sequence[ItemRow]) -> None:
        self._images = images
        self.by_name_alone = 0
        # Items with a task come last and win, since copies of an image have no task of their own.
        ordered = sorted(items, key=lambda item: item.task_id is not None)
        self._by_hash = {item.content_hash: item for item in ordered if item.content_hash}
        self._by_id = {item.id: item for item in items}
        self._names = NameIndex([(name, item.id) for item in items for name in _names(item)])

    def item_of(self, entry: Entry) -> ItemRow | str:
        """The image that an entry refers to, or why no image matches."""
        if entry.path is not None:
            try:
                found = self._by_hash.get(content_hash(entry.path))
            except OSError as error:
                return f"{entry.name} cannot be read ({error.strerror}); check its permissions."
            if found is not None:
                return found
        named = self._names.find(entry.name)
        if named.key is None:
            if named.candidates:
                return f"{named.why_not(entry.name)}; give a longer path."
            return f"{entry.name} is not an image of the project (tried {TRIED}). Ingest it first."
        item = self._by_id[named.key]
        return item if entry.path is None else self._same_name(entry, entry.path, item)

    def expect(self, entries: Sequence[Entry]) -> None:
        """Register the names that the source uses: parts that several of them share do not identify an image."""
        self._names.expect(entry.name for entry in entries)

    def words(self, job: LabelingJob) -> Words:
        """What the cells of a table may mean."""
        controls = (job.from_name, *(control.from_name for control in job.controls))
        return Words(job.classes, controls, (job.data_key,), self._is_image, job.finds_objects)

    def _is_image(self, name: str) -> bool:
        return self._names.find(name).key is not None

    def _same_name(self, entry: Entry, path: Path, item: ItemRow) -> ItemRow | str:
        """A file with other bytes than the image of its name: a re-encoded copy at best."""
        try:
            size = image_size(path)
        except ImageDecodeError as error:
            return str(error)
        if item.content_hash and (not item.width or size != (item.height, item.width)):
            return (
                f"{entry.name} is a different image from the project's {display_name(item)}. If you are sure "
                "that the labels belong to it, import them without their images."
            )
        self.by_name_alone += 1
        return item

    def expect_names(self, names: Iterable[str]) -> None:
        """Register the images that will be looked up by name alone."""
        self._names.expect(names)

    def __call__(self, name: str) -> Path | None:
        """The file of the one image with this name, fetched when it is not local; None when there is none."""
        key = self._names.find(name).key
        if key is None:
            return None
        item = self._by_id[key]
        if is_local(item):
            return Path(item.source)
        try:
            return self._images.of(item)
        except PapLoopError:
            return None


def _names(item: ItemRow) -> list[str]:
    """What an image is called: below its folder, or in its address."""
    return [display_name(item)] if is_local(item) else [display_name(item), decoded(image_value(item))]
