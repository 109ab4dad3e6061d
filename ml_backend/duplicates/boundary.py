"""Candidate pairs of images with their agreement, and the threshold that a person's answers imply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ml_backend.duplicates.reading import image_files, read_all
from ml_backend.duplicates.search import TOO_FEW
from ml_backend.duplicates.shelf import Shelf
from ml_backend.errors import BadRequest, ImageError
from ml_backend.images.files import ImageFiles
from ml_backend.images.items import is_local
from ml_backend.progress import Stage
from ml_backend.state.files import DataDir
from ml_backend.state.rows.items import ItemRows
from ml_backend.state.vectors import Vectors
from strategies.near_duplicates.calibration import Calibration, boundary_pairs, calibrate
from strategies.near_duplicates.candidates import propose_pairs
from strategies.near_duplicates.index import VectorIndex
from strategies.near_duplicates.verification.pairs import Rules, accepted, measure
from training.types import FloatArray

LEAST_SHARE = 0.2
"""Pairs below are different beyond doubt; nobody is asked about them."""

MOST_PAIRS = 600

Answers = Mapping[tuple[str, str], bool]


@dataclass(frozen=True)
class ScoredPair:
    """Two images, by path, and the fraction of their shared textured pixels that agrees."""

    first: str
    second: str
    share: float

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {**asdict(self), "share": round(self.share, 4)}


def pairs_of_folder(folder: Path, stage: Stage, threads: int = 2) -> list[ScoredPair]:
    """Pairs that a search of the folder compares, with their agreement; paths are relative to it.

    Raises:
        NotFound, BadRequest: the folder does not exist, or holds no images.
    """
    files = image_files(folder)
    with Shelf() as shelf:
        readings = [r for r in read_all(files, shelf, stage("Read images"), threads) if r.summary is not None]
        summaries = np.stack([r.summary for r in readings if r.summary is not None])
        thumbnails = np.stack([r.thumbnail for r in readings if r.thumbnail is not None])
        pairs = propose_pairs(summaries, thumbnails)
        pairs = [(a, b) for a, b in pairs if readings[a].pixels_hash != readings[b].pixels_hash]
        names = [reading.path.relative_to(folder).as_posix() for reading in readings]
        return _scored(pairs, names, [reading.picture for reading in readings], shelf, stage)


def pairs_of_project(
    rows: ItemRows, files: DataDir, images: ImageFiles, project_id: int, stage: Stage, threads: int = 2
) -> list[ScoredPair]:
    """The nearest pairs of a project's embeddings, with their agreement; paths are those of the files.

    Raises:
        BadRequest: fewer than two images are embedded.
    """
    ready = rows.all(project_id, states=("ready",))
    encoder = next((item.encoder for item in reversed(ready) if item.encoder), "")
    items = [item for item in ready if item.encoder == encoder and item.vector_row is not None and is_local(item)]
    if len(items) < 2:
        raise BadRequest(TOO_FEW)
    vectors = Vectors.of(files, encoder).rows([item.vector_row or 0 for item in items])
    near = _nearest(vectors)
    used = sorted({place for pair in near for place in pair})
    paths: list[Path] = []
    places: list[int] = []
    for place in used:
        try:
            paths.append(images.of(items[place]))
            places.append(place)
        except ImageError:
            continue
    with Shelf() as shelf:
        readings = read_all(paths, shelf, stage("Read images"), threads)
        row = {place: number for number, place in enumerate(places) if not readings[number].reason}
        pairs = [(row[a], row[b]) for a, b in near if a in row and b in row]
        pairs = [(a, b) for a, b in pairs if readings[a].pixels_hash != readings[b].pixels_hash]
        return _scored(pairs, [str(path) for path in paths], [r.picture for r in readings], shelf, stage)


def _nearest(vectors: FloatArray) -> list[tuple[int, int]]:
    index = VectorIndex(vectors.shape[1])
    index.add(vectors)
    found: dict[tuple[int, int], float] = {}
    for start in range(0, len(vectors), 1024):
        far, positions = index.nearest(vectors[start : start + 1024], 4)
        for row, others in enumerate(positions.tolist(), start):
            for distance, other in zip(far[row - start].tolist(), others, strict=True):
                if other not in (row, -1):
                    found[min(row, other), max(row, other)] = distance
    return sorted(sorted(found), key=lambda pair: found[pair])[:MOST_PAIRS]


def _scored(
    pairs: Sequence[tuple[int, int]], names: Sequence[str], pictures: Sequence[int], shelf: Shelf, stage: Stage
) -> list[ScoredPair]:
    report = stage("Compare pixels")
    found = []
    anything = Rules(share=1e-9)
    for number, (a, b) in enumerate(pairs, 1):
        match = measure(shelf.get(pictures[a]), shelf.get(pictures[b]))
        if match is not None and match.agreement.share >= LEAST_SHARE and accepted(match, anything):
            first, second = sorted((names[a], names[b]))
            found.append(ScoredPair(first, second, match.agreement.share))
        report(number / len(pairs), f"{len(found)} of {number} candidate pairs")
    return found


def to_ask(pairs: Sequence[ScoredPair], threshold: float, count: int, seed: int) -> list[ScoredPair]:
    """The pairs to ask about, from the least alike to the most.

    Raises:
        BadRequest: there are no candidate pairs.
    """
    if not pairs:
        raise BadRequest("No two images are similar enough to ask about, so the threshold makes no difference here.")
    shares = np.array([pair.share for pair in pairs])
    return [pairs[place] for place in boundary_pairs(shares, threshold, count, np.random.default_rng(seed))]


def threshold_from(pairs: Sequence[ScoredPair], answers: Answers, precision: float, seed: int) -> Calibration:
    """The threshold that the answers imply.

    Raises:
        BadRequest: an answer is about a pair that is not a candidate.
        StrategyError: too few answers, or all the same.
    """
    place = {(pair.first, pair.second): number for number, pair in enumerate(pairs)}
    unknown = [pair for pair in answers if pair not in place]
    if unknown:
        raise BadRequest(
            f"{unknown[0][0]} and {unknown[0][1]} are not a candidate pair. Answer only the pairs that are shown."
        )
    asked = np.array([place[pair] for pair in answers], np.int64)
    said = np.array(list(answers.values()), np.bool_)
    return calibrate(np.array([pair.share for pair in pairs]), asked, said, np.random.default_rng(seed), precision)
