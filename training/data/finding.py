"""The image files that a label file names, beside it or wherever somebody else knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from training.data.folders import image_files
from training.data.images import IMAGE_SUFFIXES
from training.data.names import Found, NameIndex

Find = Callable[[str], Path | None]
IMAGES = "images"


@runtime_checkable
class Expecting(Protocol):
    """A finder that wants to know all names first, so that what two of them share is not taken for either."""

    def expect_names(self, names: Iterable[str]) -> None:
        """Tell the names that will be asked for."""


def expect_names(find: object, names: Iterable[str]) -> None:
    """Tell a finder which names it will be asked for, if it wants to know."""
    if isinstance(find, Expecting):
        find.expect_names(names)


def expect_stems(find: Find, stems: Iterable[str]) -> None:
    """Tell a finder which names without their endings `of_stem` will ask for."""
    expect_names(find, [f"{stem}{ending}" for stem in stems for ending in ("", *IMAGE_SUFFIXES)])


def of_stem(find: Find, stem: str) -> Path | None:
    """The one image whose name without its ending is `stem`; None where there is none or more than one."""
    if (found := find(stem)) is not None:
        return found
    others = {path for ending in sorted(IMAGE_SUFFIXES) if (path := find(f"{stem}{ending}")) is not None}
    return others.pop() if len(others) == 1 else None


class ImageFinder:
    """Finds images in `images/` below a folder or right in it, by their path there, however it is written.

    Args:
        folder: of the label file.
        more: knows images that lie elsewhere.
    """

    def __init__(self, folder: Path, more: Find | None = None) -> None:
        self._folder, self._more = folder, more
        self._expected: list[str] = []
        self._index: tuple[NameIndex, list[Path]] | None = None

    def expect_names(self, names: Iterable[str]) -> None:
        """Tell the names that will be asked for."""
        self._expected += names
        self._index = None
        if self._more is not None:
            expect_names(self._more, self._expected)

    def __call__(self, name: str) -> Path | None:
        """The one image that a name means, None where there is none or nobody can know which."""
        found = self._exact(name)
        if found is None:
            index, paths = self._known()
            key = index.find(name).key
            found = None if key is None else paths[key]
        return self._more(name) if found is None and self._more is not None else found

    def locate(self, name: str) -> Path | str:
        """The same, with a sentence in place of None."""
        path = self(name)
        if path is not None:
            return path
        found: Found = self._known()[0].find(name)
        if found.candidates:
            return found.why_not(name)
        if self._more is not None:
            return f"The project has no image {name}, and there is no file with that name"
        return f"There is no file {name} in {IMAGES}/ or beside it, and files outside the folder are not read"

    def _exact(self, name: str) -> Path | None:
        for root in (self._folder / IMAGES, self._folder):
            try:
                path = (root / name).resolve()
                if path.is_relative_to(root.resolve()) and path.is_file():
                    return path
            except (OSError, ValueError, RuntimeError):
                continue
        return None

    def _known(self) -> tuple[NameIndex, list[Path]]:
        if self._index is None:
            inside = self._folder / IMAGES
            named = [(path.relative_to(inside).as_posix(), path) for path in _files(inside)]
            beside = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
            named += [(path.name, path) for path in beside if path.suffix.lower() in IMAGE_SUFFIXES]
            index = NameIndex([(name, key) for key, (name, _) in enumerate(named)], shorter=False)
            index.expect(self._expected)
            self._index = index, [path for _, path in named]
        return self._index


def _files(folder: Path) -> tuple[Path, ...]:
    return image_files(folder).files if folder.is_dir() else ()
