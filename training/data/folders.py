"""The image files of a folder, and a count of everything else: nothing is passed over in silence, nothing stops it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from training.data.images import IMAGE_SUFFIXES

SYSTEM: Final = frozenset(
    {
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),
        *("__macosx", "$recycle.bin", "system volume information", "lost+found"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini"),
    }
)
"""Lower-case names of folders and files that storage systems keep for themselves: thumbnails, waste baskets."""

HIDDEN, OF_SYSTEM, LINKS = "hidden", "files of the storage system", "links to folders or out of the folder"
NO_ENDING: Final = "without a file extension and without image content"
MAGIC: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"RIFF")
SAID: Final = 12


@dataclass(frozen=True)
class ImageFiles:
    """What a folder holds.

    Attributes:
        files: image files, sorted by their path.
        unusable: path below the folder, made printable -> why this image or folder cannot be used.
        passed_over: number of files by ending (`.txt`) or by reason, see the constants above.
    """

    files: tuple[Path, ...]
    unusable: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """What was not taken, for people."""
        said = [f"{name}: {reason}" for name, reason in list(self.unusable.items())[:SAID]]
        if len(self.unusable) > SAID:
            said.append(f"{len(self.unusable) - SAID} more files cannot be used.")
        if self.passed_over:
            kinds = [f"{count} {what}" for what, count in list(self.passed_over.items())[:SAID]]
            others = sum(list(self.passed_over.values())[SAID:])
            counted = ", ".join([*kinds, f"{others} others"] if others else kinds)
            said.append(
                f"Skipped, by file extension or reason: {counted}. Save images as PNG, JPEG or TIFF to use them."
            )
        return said


def image_files(folder: Path, *, inside: bool = False) -> ImageFiles:
    """All images below a folder: by their ending, or by their first bytes where the name has none.

    Args:
        folder: searched with all subfolders, in which there may be anything.
        inside: whether links that lead out of the folder are passed over; links to folders are followed otherwise.
    """
    found = _Found(folder, folder.resolve() if inside else None)
    found.enter(folder)
    passed = dict(sorted(found.passed_over.items(), key=lambda entry: (-entry[1], entry[0])))
    return ImageFiles(tuple(sorted(found.files)), dict(sorted(found.unusable.items())), passed)


class _Found:
    """A search under way."""

    def __init__(self, folder: Path, limit: Path | None) -> None:
        self.folder, self.limit = folder, limit
        self.files: list[Path] = []
        self.unusable: dict[str, str] = {}
        self.passed_over: Counter[str] = Counter()
        self._above: set[tuple[int, int]] = set()

    def enter(self, folder: Path) -> None:
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            try:
                stat = here.stat()
                if (stat.st_dev, stat.st_ino) in self._above:
                    continue
                self._above.add((stat.st_dev, stat.st_ino))
                with os.scandir(here) as entries:
                    # One folder may hold a million files: what matters of them is kept, not the listing.
                    for entry in entries:
                        waiting += self._look(entry)
            except OSError as error:
                self.unusable[self._shown(here)] = (
                    f"The folder cannot be read ({error.strerror}); check its permissions."
                )

    def _look(self, entry: os.DirEntry[str]) -> Iterator[Path]:
        """Record a file; return a folder to enter."""
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM:
            self.passed_over[HIDDEN if entry.name.startswith(".") else OF_SYSTEM] += 1
        elif self.limit is not None and entry.is_symlink() and not _leads_inside(path, self.limit):
            self.passed_over[LINKS] += 1
        elif path.is_dir():
            yield path
        elif (kind := _ending(entry.name)) in IMAGE_SUFFIXES or (not kind and _begins_like_an_image(path)):
            self._take(path)
        else:
            self.passed_over[kind or NO_ENDING] += 1

    def _take(self, path: Path) -> None:
        if not _is_text(path.relative_to(self.folder).as_posix()):
            self.unusable[self._shown(path)] = "Its name is not valid Unicode and cannot be stored. Rename it."
        elif path.is_file():
            self.files.append(path)
        else:
            self.unusable[self._shown(path)] = "It is not a file, or it is a broken link. Repair or remove it."

    def _shown(self, path: Path) -> str:
        name = path.relative_to(self.folder).as_posix()
        return os.fsencode(name).decode("utf-8", "backslashreplace")


def _leads_inside(path: Path, limit: Path) -> bool:
    """Whether a link means a file below the folder or nothing at all; folders below it are found without the link."""
    try:
        return not path.is_dir() and path.resolve().is_relative_to(limit)
    except (OSError, RuntimeError):
        return True


def _ending(name: str) -> str:
    """Lower-case ending; empty where what follows the last dot is a number or no word, as in `IM.2021-03-04`."""
    ending = Path(name).suffix.lower()
    return ending if ending.isascii() and ending[1:].isalnum() and not ending[1:].isdigit() and len(ending) < 10 else ""


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _begins_like_an_image(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(12).startswith(MAGIC)
    except OSError:
        return False
