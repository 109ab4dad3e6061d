"""Rounds of a detection replay on disk: written as soon as they are measured, so that a killed replay goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_backend.errors import BadRequest
from training.evaluation.matching import Matches
from training.files import read_json, write_json_atomic

TERMS = "replay.json"


@dataclass(frozen=True)
class Round:
    """One detector and its training data.

    Attributes:
        images: positions in the pool, in the order in which they were labeled.
        objects: how many objects are labeled on them.
        ap50: on the test images.
        ap: the same over IoU 0.5 to 0.95.
        per_class: AP50 of each class; None where the test images have no object of it.
        matches: what happened to each detection.
        seconds: of training, ranking and measuring.
    """

    images: tuple[int, ...]
    objects: int
    ap50: float
    ap: float
    per_class: Mapping[str, float | None]
    matches: Matches
    seconds: float


class Rounds:
    """The rounds of a replay in a folder.

    Args:
        root: the folder; made when it is missing.
        terms: what the rounds depend on, JSON-serializable.

    Raises:
        BadRequest: the folder holds the rounds of a replay on other terms.
    """

    def __init__(self, root: Path, terms: Mapping[str, object]) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        path = root / TERMS
        if path.is_file():
            self.terms = read_json(path)
            other = sorted(key for key in terms if self.terms.get(key) != terms[key])
            if other:
                raise BadRequest(
                    f"{root} contains the rounds of a replay with different {', '.join(other)}. Use another "
                    "folder for a new replay, or repeat the original command to continue that one."
                )
        else:
            self.terms = dict(terms)
            write_json_atomic(path, self.terms)

    def note(self, key: str, value: object) -> None:
        """Add facts measured while replaying, for example the number of steps per minute."""
        self.terms[key] = value
        write_json_atomic(self.root / TERMS, self.terms)

    def read(self, chain: str, step: int) -> Round | None:
        """A round that was finished, or None."""
        path = self.root / f"{chain}-{step}.json"
        if not path.is_file():
            return None
        held = read_json(path)
        return Round(
            images=tuple(held["images"]),
            objects=int(held["objects"]),
            ap50=float(held["ap50"]),
            ap=float(held["ap"]),
            per_class=held["per_class"],
            matches=Matches.load(path.with_suffix(".npz")),
            seconds=float(held["seconds"]),
        )

    def write(self, chain: str, step: int, done: Round) -> None:
        """Keep a round; its detector must lie in `checkpoint` already, the one before it is removed."""
        path = self.root / f"{chain}-{step}.json"
        done.matches.save(path.with_suffix(".npz"))
        fields = {
            "images": list(done.images),
            "objects": done.objects,
            "ap50": done.ap50,
            "ap": done.ap,
            "per_class": dict(done.per_class),
            "seconds": done.seconds,
        }
        write_json_atomic(path, fields)
        self.drop(chain, step - 1)

    def checkpoint(self, chain: str, step: int) -> Path:
        """Where the detector of a round lies, as long as a later round needs it."""
        return self.root / f"{chain}-{step}-detector"

    def drop(self, chain: str, step: int) -> None:
        """Remove a detector that no later round needs."""
        shutil.rmtree(self.checkpoint(chain, step), ignore_errors=True)
