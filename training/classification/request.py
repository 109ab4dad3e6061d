"""What a training job is asked to do: `request.json` and `manifest.jsonl` of a run folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.data.manifest import read_manifest
from training.data.split import check_no_leak
from training.files import named_in, read_json
from training.types import Json, Sample, TrainingError

REQUEST, MANIFEST = "request.json", "manifest.jsonl"


@dataclass(frozen=True)
class Request:
    """A training job.

    Attributes:
        run_dir: folder of the run; the job writes below it only.
        classes: class names; their order is that of every probability row.
        method: file name of `training/classification`.
        seed: of every random choice.
        encoder: name for `load_encoder`.
        encoder_key: key of the encoder behind `vectors`.
        vectors: raw float32 matrix of embeddings, or None: images are embedded by the job.
        dimension: columns of that matrix.
        init: checkpoint to start from, or None.
        threads: CPU threads.
        options: settings of the method.
        samples: labeled samples whose label is one of `classes`.
        ignored: samples left out, by reason.
        fingerprint: of request and manifest; a result of another one is not mistaken for this one's.
    """

    run_dir: Path
    classes: tuple[str, ...]
    method: str
    seed: int
    encoder: str
    encoder_key: str
    vectors: Path | None
    dimension: int
    init: Path | None
    threads: int
    options: Mapping[str, object]
    samples: tuple[Sample, ...]
    ignored: Mapping[str, int]
    fingerprint: str

    def part(self, split: str) -> list[Sample]:
        """The samples of one split, in manifest order."""
        return [sample for sample in self.samples if sample.split == split]

    def targets(self, samples: list[Sample]) -> list[int]:
        """Class index of each sample."""
        index = {name: number for number, name in enumerate(self.classes)}
        return [index[str(sample.label)] for sample in samples]


def read_request(run_dir: Path) -> Request:
    """Read and check a run folder.

    Raises:
        TrainingError: a file is missing or wrong, a group leaks, or fewer than two classes have a training label.
    """
    fields = read_json(run_dir / REQUEST)
    samples = read_manifest(run_dir / MANIFEST)
    check_no_leak(samples)
    classes = _classes(fields)
    usable, ignored = _usable(samples, classes)
    check_learnable(usable)
    try:
        return Request(
            run_dir=run_dir,
            classes=classes,
            method=str(fields.get("method", "head")),
            seed=int(fields.get("seed", 0)),
            encoder=str(fields.get("encoder_name") or "lite0"),
            encoder_key=str(fields.get("encoder") or ""),
            vectors=named_in(run_dir, fields.get("vectors")),
            dimension=int(fields.get("dimension") or 0),
            init=named_in(run_dir, fields.get("init")),
            threads=max(1, int(fields.get("threads") or 1)),
            options=dict(fields.get("options") or {}),
            samples=tuple(usable),
            ignored=ignored,
            fingerprint=_fingerprint(run_dir),
        )
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{REQUEST} has a value of the wrong kind ({error}); start the run again.") from error


def _classes(fields: Json) -> tuple[str, ...]:
    names = fields.get("classes")
    if not isinstance(names, list) or len(names) < 2 or len(set(map(str, names))) != len(names):
        raise TrainingError(
            f"The classes must be at least two different names, not {names!r}; correct the project's label config."
        )
    return tuple(map(str, names))


def _usable(samples: list[Sample], classes: tuple[str, ...]) -> tuple[list[Sample], dict[str, int]]:
    usable, ignored = [], Counter[str]()
    for sample in samples:
        if sample.label is None:
            ignored["no label"] += 1
        elif sample.label not in classes:
            ignored[f"label {sample.label!r} is not among the classes"] += 1
        else:
            usable.append(sample)
    return usable, dict(ignored)


def check_learnable(samples: list[Sample]) -> None:
    """Make sure that at least two classes have a training label.

    Raises:
        TrainingError: they do not.
    """
    present = sorted({str(sample.label) for sample in samples if sample.split == "train"})
    if len(present) < 2:
        what = f"only {present[0]!r} has any" if present else "there are none"
        raise TrainingError(
            f"Training needs labels of two classes, but {what}. Label images of another class, then train again."
        )


def _fingerprint(run_dir: Path) -> str:
    digest = hashlib.sha256()
    for name in (REQUEST, MANIFEST):
        content = (run_dir / name).read_bytes()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
