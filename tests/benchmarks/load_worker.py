"""A worker without end: train a head, store 10,000 predictions and an order, report progress."""

import json
from pathlib import Path

import numpy as np

from ml_backend.services import Services, build_services
from ml_backend.settings import load_settings
from ml_backend.state.records import RankingEntry
from tests.fakes.runs import open_run
from training.data.manifest import write_manifest
from training.jobs.classes import train
from training.types import Sample

ROWS, DIMENSION = 2000, 1280


def train_once(services: Services, folder: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    folder.mkdir(parents=True, exist_ok=True)
    vectors = folder / "vectors.f32"
    rng.standard_normal((ROWS, DIMENSION)).astype("<f4").tofile(vectors)
    names = ("Cat", "Dog")
    write_manifest(
        folder / "manifest.jsonl",
        [
            Sample(row, folder / f"{row}.png", names[row % 2], "train" if row % 5 else "validation", str(row), row)
            for row in range(ROWS)
        ],
    )
    request = {"classes": list(names), "method": "head", "seed": number, "encoder": "bench", "encoder_name": "lite0"}
    request |= {"vectors": str(vectors), "dimension": DIMENSION, "init": None, "threads": 1}
    (folder / "request.json").write_text(json.dumps(request))
    run = open_run(services.store, 3, reason="bench", seed=number, change=0)
    train(folder, lambda fraction, message: services.store.runs.update(run.id, progress=fraction, message=message))
    publish_once(services, run.id, rng)
    services.store.runs.update(run.id, state="done")


def publish_once(services: Services, run_id: int, rng: np.random.Generator) -> None:
    items = services.store.items.all(3)
    probs = rng.dirichlet([1, 1], len(items)).astype(np.float32)
    services.store.answers.save(run_id, [item.id for item in items], probs, ["Cat", "Dog"])
    entries = [RankingEntry(item.id, place, place / len(items), 0.5, "") for place, item in enumerate(items)]
    services.store.rankings.add(3, run_id, run_id, f"bench-{run_id}", "entropy", {}, entries, 1.0)


def main() -> None:
    services = build_services(load_settings())
    for number in range(10**6):
        train_once(services, services.files.root / "bench" / str(number), number)


if __name__ == "__main__":
    main()
