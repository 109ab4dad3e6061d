"""A Pascal VOC folder (`Annotations/*.xml` and `JPEGImages/` or `images/`) -> `DetectionSet`.

Corners are taken as they stand, without the one-pixel shift of the original VOC tools, as most programs write them.
Objects marked `difficult` become ignore regions. An image without an XML file is not part of the set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree
from xml.parsers import expat

from training.data.coco_entries import OTHER_SIZE
from training.data.detection_set import DetectionSet, LabelledImage
from training.data.finding import Find, expect_stems, of_stem
from training.data.folders import image_files
from training.data.images import ImageDecodeError, image_size
from training.data.names import NameIndex
from training.data.reading import Notes, Objects, clipped, usable
from training.data.values import Unusable, flag, number, numbers
from training.types import FloatArray, TrainingError

ANNOTATIONS, FOLDERS = "Annotations", ("JPEGImages", "images")


def is_voc_folder(folder: Path) -> bool:
    """Whether `folder` holds `Annotations/` with XML files, or with a folder of images beside it."""
    labels = folder / ANNOTATIONS
    if not labels.is_dir():
        return False
    return any((folder / name).is_dir() for name in FOLDERS) or any(labels.glob("*.xml"))


def read_voc(folder: Path, find: Find = lambda _: None) -> DetectionSet:
    """Read a VOC folder; what cannot be used is left out with a sentence, the rest goes on.

    Args:
        folder: with `Annotations/`.
        find: finds images that do not lie beside the labels.

    Raises:
        TrainingError: no image can be used, or no object has a name.
    """
    pictures = _Pictures(folder, find)
    notes = Notes()
    found: dict[Path, tuple[str, tuple[int, int], _Read]] = {}
    files = [file for file in sorted((folder / ANNOTATIONS).glob("*.xml")) if not file.name.startswith(".")]
    pictures.expect(file.stem for file in files)
    for file in files:
        try:
            tree = _parse(file.read_bytes())
            path = pictures.of(file.stem, (tree.findtext("filename") or "").strip())
            size = _size(tree, path)
        except Unusable as error:
            notes.image_left_out(f"{file.name}: {str(error).rstrip('.')}; it was left out.", error.kind)
            continue
        if path in found:
            other = found.pop(path)[0]
            pictures.spoiled.add(path)
            sentence = f"{other} and {file.name} are both for {path.name}; they were left out."
            notes.image_left_out(sentence, "two files are for one image")
        elif path not in pictures.spoiled:
            found[path] = (file.name, size, _Read(tree, file.name, size, notes))
    names = sorted({name for _, _, read in found.values() for name in read.names})
    if not found or not names:
        reason = f" ({notes.problems[0]})" if notes.problems else ""
        raise TrainingError(
            f"No image of {folder.name} has a named object{reason}; check {ANNOTATIONS}/, and put the images into "
            f"{FOLDERS[0]}/."
        )
    images = usable([read.image(path, size, names) for path, (_, size, read) in found.items()], notes)
    return DetectionSet(tuple(names), images, notes.sentences(), notes.left_out())


class _Pictures:
    """The images beside the labels by name, and those that `find` knows."""

    def __init__(self, folder: Path, find: Find) -> None:
        self._find = find
        self._by_name: dict[str, Path] = {}
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        self.spoiled: set[Path] = set()
        for root in (folder / name for name in FOLDERS if (folder / name).is_dir()):
            for path in image_files(root).files:
                self._by_name.setdefault(path.name, path)
                self._by_stem[path.stem].append(path)
        self._paths = list(self._by_name.values())
        self._index = NameIndex((name, place) for place, name in enumerate(self._by_name))

    def expect(self, names: Iterable[str]) -> None:
        """Tell which images the XML files name."""
        wanted = list(names)
        self._index.expect(wanted)
        expect_stems(self._find, wanted)

    def of(self, stem: str, stated: str) -> Path:
        """The image of an XML file: the one it names, else the one of the same name as the file."""
        name = PureWindowsPath(stated).name
        if name in self._by_name:
            return self._by_name[name]
        beside = self._by_stem.get(stem, [])
        if len(beside) == 1:
            return beside[0]
        if beside:
            raise Unusable("more than one image has its name", ", ".join(path.name for path in beside))
        for wanted in (stated, stem):
            key = self._index.find(wanted).key
            if key is not None:
                return self._paths[key]
        path = (self._find(stated) if stated else None) or of_stem(self._find, stem)
        if path is not None:
            return path
        raise Unusable("no image has its name")


class _Read:
    """The objects of one XML file; their class numbers are known when all files are read."""

    def __init__(self, tree: ElementTree.Element, file: str, size: tuple[int, int], notes: Notes) -> None:
        self.names: set[str] = set()
        self._named: list[tuple[str, FloatArray]] = []
        self._objects = Objects()
        for place, entry in enumerate(tree.iter("object"), start=1):
            notes.entries += 1
            box = None
            try:
                sides = [entry.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
                if not all(sides):
                    raise Unusable("its box is missing")
                x1, y1, x2, y2 = numbers(sides)
                box = clipped(x1, y1, x2, y2, size)
                name = (entry.findtext("name") or "").strip()
                if not name:
                    raise Unusable("its name is missing")
                self.names.add(name)
                if flag(entry.findtext("difficult")):
                    self._objects.leave_out(box)
                else:
                    self._named.append((name, box))
            except Unusable as error:
                notes.object_left_out(f"{file}: object {place}", error)
                self._objects.leave_out(box)

    def image(self, path: Path, size: tuple[int, int], names: list[str]) -> LabelledImage:
        """The image with class numbers by these names."""
        for name, box in self._named:
            self._objects.add(box, names.index(name))
        return self._objects.image(path, path.name, size)


def _size(tree: ElementTree.Element, path: Path) -> tuple[int, int]:
    """The size of an image, which the XML must not contradict; sides of 0 say nothing."""
    try:
        height, width = size = image_size(path)
    except ImageDecodeError as error:
        raise Unusable(str(error)) from error
    sides = [(tree.findtext(f"size/{side}") or "").strip() for side in ("height", "width")]
    stated = [number(side) if side else 0 for side in sides]
    if (stated[0] or height, stated[1] or width) != size:
        raise Unusable(OTHER_SIZE, f"{stated[1]:g} x {stated[0]:g} px, {path.name} has {width} x {height}")
    return size


def _parse(content: bytes) -> ElementTree.Element:
    """XML without document types and entities, the ways to make a small file explode."""
    builder = ElementTree.TreeBuilder()

    def refuse(*_: object) -> None:
        raise Unusable("it declares a document type or an entity")

    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: builder.start(name, attributes)
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, Unusable):
            raise
        raise Unusable("it is not valid XML", f"line {parser.ErrorLineNumber}") from None
    tree = builder.close()
    if tree.tag != "annotation":
        raise Unusable("it is not a VOC file", f"it begins with <{tree.tag}>")
    return tree
