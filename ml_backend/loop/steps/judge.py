"""Step 3: candidate and incumbent on the same frozen validation items; the better one serves."""

from __future__ import annotations

from dataclasses import replace

from ml_backend.loop.kinds.registry import kind_of_run, serving_run
from ml_backend.loop.steps.result import StepResult
from ml_backend.services import Services
from ml_backend.state.records import RunRow


def judge(services: Services, run: RunRow) -> StepResult:
    """Decide whether this run's model replaces the active one; a model of another kind is not an incumbent."""
    kind = kind_of_run(run)
    before = serving_run(services.store, run.project_id, kind)
    judged = kind.judge(services, run, before)
    metrics = replace(
        run.metrics,
        judgement={**judged.evidence, "incumbent_run": before},
        own={**run.metrics.own, **judged.own},
    )
    return StepResult("publish", metrics=metrics, decision=judged.decision, decision_reason=judged.reason)
