"""Which of a project's images an entry of a label source means: by content, else by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ml_backend.errors import PapLoopError
from ml_backend.items import display_name, is_local
from ml_backend.labels_import.reading import Entry
from ml_backend.services import Services
from ml_backend.state.records import ItemRow
from training.data.images import ImageDecodeError, content_hash, image_size


class Matcher:
    """The images of a project by content and by name.

    Args:
        services: the parts of the process.
        items: the images.

    Attributes:
        by_name_alone: entries whose file is another than the project's image of that name, of the same size in px.
    """

    def __init__(self, services: Services, items: Sequence[ItemRow]) -> None:
        self._services = services
        self.by_name_alone = 0
        self._shared: Counter[str] = Counter()
        # Items with a task come last and win, since copies of an image have no task of their own.
        ordered = sorted(items, key=lambda item: item.task_id is not None)
        self._by_hash = {item.content_hash: item for item in ordered if item.content_hash}
        self._by_name: dict[str, list[ItemRow]] = defaultdict(list)
        for item in items:
            for name in _endings(display_name(item)):
                self._by_name[name].append(item)

    def item_of(self, entry: Entry) -> ItemRow | str:
        """The image that an entry means, or why there is none."""
        if entry.path is not None:
            try:
                found = self._by_hash.get(content_hash(entry.path))
            except OSError as error:
                return f"{entry.name} cannot be read ({error.strerror}); check its permissions."
            if found is not None:
                return found
        named = self._named(entry.name)
        if not named:
            return f"{entry.name} is no image of the project; ingest it first."
        if len(named) > 1:
            return f"{entry.name} may be any of {len(named)} images of the project; give a longer path."
        if entry.path is None:
            return named[0]
        return self._same_name(entry, entry.path, named[0])

    def expect(self, entries: Sequence[Entry]) -> None:
        """Tell which names the source uses more than once: these say too little without their folders."""
        self._shared = Counter(_endings(entry.name)[-1] for entry in entries if _endings(entry.name))

    def _same_name(self, entry: Entry, path: Path, item: ItemRow) -> ItemRow | str:
        """A file with other bytes than the image of its name: a re-encoded copy at best."""
        try:
            size = image_size(path)
        except ImageDecodeError as error:
            return str(error)
        if item.content_hash and (not item.width or size != (item.height, item.width)):
            return (
                f"{entry.name} is another picture than {display_name(item)} of the project; "
                "give the labels without their images if you are sure that they belong to it."
            )
        self.by_name_alone += 1
        return item

    def find(self, name: str) -> Path | None:
        """The file of the one image with this name, fetched when it is not local; None when there is none."""
        named = self._named(name)
        if len(named) != 1:
            return None
        if is_local(named[0]):
            return Path(named[0].source)
        try:
            return self._services.image_path(named[0])
        except PapLoopError:
            return None

    def _named(self, name: str) -> list[ItemRow]:
        """Images whose path ends like the name; the longest ending that any has decides."""
        endings = _endings(PurePosixPath(name.replace("\\", "/")).as_posix())
        for ending in endings:
            too_short = ending == endings[-1] != endings[0] and self._shared[ending] > 1
            if ending in self._by_name and not too_short:
                return self._by_name[ending]
        return []


def _endings(name: str) -> list[str]:
    """`a/b/c.png` -> `a/b/c.png`, `b/c.png`, `c.png`."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return ["/".join(parts[start:]) for start in range(len(parts))]
