"""Measures earlier models on the current validation items, because scores on different items do not form a curve."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ml_backend.errors import PapLoopError
from ml_backend.runs import has_model
from ml_backend.services import Services
from ml_backend.state.records import RunRow
from training.types import TrainingError

log = logging.getLogger(__name__)

LOOKED_AT: Final = 200
"""Runs of a project among which earlier models are looked for."""

Score = tuple[float, float | None, float | None]
"""A score in [0, 1] and the ends of its interval."""


def scores_on_one_set(
    services: Services,
    run: RunRow,
    truth: Iterable[tuple[int, str]],
    known: Mapping[int, Score],
    ask: Callable[[RunRow], Score | None],
    most: int,
) -> dict[str, Any]:
    """Scores of the models of a project on the validation items of a run, for the judgement of that run.

    Args:
        services: the parts of the process.
        run: the run that is being judged.
        truth: item id and label of each validation item; they are the identity of the set.
        known: scores measured already, by run.
        ask: measures an earlier model on the same items; None where it cannot.
        most: so many models are asked at most, promoted ones first, then the newest.
    """
    scores = dict(known)
    for earlier in _earlier(services, run, known)[:most]:
        try:
            score = ask(earlier)
        except (TrainingError, PapLoopError, OSError) as error:
            log.info("run %d is missing from the curve: %s", earlier.id, error)
            continue
        if score is not None:
            scores[earlier.id] = score
    listed = sorted(truth)
    return {
        "validation": hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16],
        "items": len(listed),
        "scores": {str(number): list(scores[number]) for number in sorted(scores)},
    }


def _earlier(services: Services, run: RunRow, known: Mapping[int, Score]) -> list[RunRow]:
    found = [
        other
        for other in services.store.runs.latest(run.project_id, limit=LOOKED_AT)
        if other.id not in known
        and other.id != run.id
        and other.state == "done"
        and other.decision
        and other.request.trains == run.request.trains
        and has_model(services.files, other.id)
    ]
    return sorted(found, key=lambda other: (other.decision != "promoted", -other.id))
