"""`find_duplicates`: a folder of images -> groups of images that show the same specimen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ml_backend.duplicates.reading import Reading, image_files, read_all
from ml_backend.duplicates.report import Conflict, Group, Kinship, Member, Report
from ml_backend.duplicates.shelf import Shelf
from ml_backend.progress import Stage
from strategies.near_duplicates.candidates import PARTNERS, propose_pairs
from strategies.near_duplicates.verification.clusters import Cluster, cluster
from strategies.near_duplicates.verification.pairs import Match, Rules, compare, compare_near
from strategies.near_duplicates.verification.picture import Matrix, Picture
from strategies.near_duplicates.verification.relation import EXACT_BYTES, EXACT_PIXELS, relation

"""Opens a progress bar with a title; returns the callback that moves it."""


TOO_FEW: Final = "There are fewer than two embedded images. Run `paploop ingest` first."


@dataclass(frozen=True)
class Plan:
    """How to search.

    Attributes:
        rules: what counts as a duplicate.
        partners: images that FAISS proposes for each; more finds more and takes longer.
        threads: images read at the same time.
        join_copies: let groups of exact copies join one another when they show the same.
        exact_only: compare bytes and decoded pixels only.
    """

    rules: Rules = field(default_factory=Rules)
    partners: int = PARTNERS
    threads: int = 1
    join_copies: bool = False
    exact_only: bool = False


def find_duplicates(folder: Path, plan: Plan, stage: Stage) -> Report:
    """Search a folder and all folders in it.

    Args:
        folder: where the images are.
        plan: how to search.
        stage: opens a progress bar.

    Raises:
        NotFound: no such folder.
        BadRequest: it holds no image.
    """
    return compare_files(image_files(folder), folder, plan, stage)


def compare_files(files: Sequence[Path], folder: Path, plan: Plan, stage: Stage) -> Report:
    """Search among files, all of them below `folder`."""
    with Shelf() as shelf:
        readings = read_all(files, shelf, stage("Read images"), plan.threads)
        unreadable = {_name(r, folder): r.reason for r in readings if r.reason}
        copies = _copies([reading for reading in readings if not reading.reason])
        groups, kin = _compared(copies, _Pictures(shelf, copies), folder, plan, stage)
    return Report(len(readings), groups, _conflicts(groups), unreadable, kin)


class _Pictures:
    """Pictures of images without their copies, by number."""

    def __init__(self, shelf: Shelf, copies: Sequence[Sequence[Reading]]) -> None:
        self._shelf, self.leads = shelf, [same[0] for same in copies]

    def __getitem__(self, number: int) -> Picture:
        return self._shelf.get(self.leads[number].picture)


def _compared(
    copies: Sequence[Sequence[Reading]], pictures: _Pictures, folder: Path, plan: Plan, stage: Stage
) -> tuple[list[Group], list[Kinship]]:
    def confirm(first: int, second: int, guess: Matrix) -> Match | None:
        return compare_near(pictures[first], pictures[second], guess, plan.rules)

    matches = {} if plan.exact_only else _verified(pictures, plan, stage)
    leaders = [] if plan.join_copies else [number for number, same in enumerate(copies) if len(same) > 1]
    groups = _groups(cluster(matches, confirm, leaders), copies, pictures, folder)
    kin = [
        Kinship(_name(copies[a][0], folder), _name(copies[b][0], folder), relation(pictures[a], pictures[b], match))
        for (a, b), match in matches.items()
        if {a, b} <= set(leaders)
    ]
    return groups, kin


def _copies(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Images with equal pixels together, in order of their first file."""
    together: dict[str, list[Reading]] = {}
    for reading in readings:
        together.setdefault(reading.pixels_hash, []).append(reading)
    return list(together.values())


def _verified(pictures: _Pictures, plan: Plan, stage: Stage) -> dict[tuple[int, int], Match]:
    """Propose pairs and keep those whose pixels agree; `(i, j)` -> the match that maps i onto j."""
    if len(pictures.leads) < 2:
        return {}
    report = stage("Propose pairs")
    summaries = np.stack([lead.summary for lead in pictures.leads if lead.summary is not None])
    thumbnails = np.stack([lead.thumbnail for lead in pictures.leads if lead.thumbnail is not None])
    pairs = propose_pairs(summaries, thumbnails, plan.partners)
    report(1.0, f"{len(pairs)} pairs")
    report = stage("Compare pixels")
    matches = {}
    for number, (first, second) in enumerate(pairs, 1):
        match = compare(pictures[first], pictures[second], plan.rules)
        if match is not None:
            matches[first, second] = match
        report(number / len(pairs), f"{len(matches)} of {number} pairs agree")
    return matches


def _groups(
    clusters: Sequence[Cluster], copies: Sequence[Sequence[Reading]], pictures: _Pictures, folder: Path
) -> list[Group]:
    found = {c.representative: c.members for c in clusters}
    taken = {member for c in clusters for member in c.members}
    groups = []
    for number, same in enumerate(copies):
        matches = found.get(number, {})
        if number in taken or (len(same) == 1 and not matches):
            continue
        members = [Member(_name(r, folder), _exact(r, same[0]), 1.0) for r in same[1:]]
        for other, match in matches.items():
            word = relation(pictures[other], pictures[number], match)
            members += [Member(_name(r, folder), word, round(match.similarity, 4)) for r in copies[other]]
        groups.append(Group(_name(same[0], folder), tuple(sorted(members, key=lambda member: member.path))))
    return groups


def _exact(reading: Reading, lead: Reading) -> str:
    return EXACT_BYTES if reading.bytes_hash == lead.bytes_hash else EXACT_PIXELS


def _conflicts(groups: Sequence[Group]) -> list[Conflict]:
    conflicts = []
    for group in groups:
        paths = sorted(group.paths)
        labels = [path.rpartition("/")[0] for path in paths]
        if len(Counter(labels)) > 1:
            conflicts.append(Conflict(tuple(paths), tuple(labels)))
    return conflicts


def _name(reading: Reading, folder: Path) -> str:
    return reading.path.relative_to(folder).as_posix()
