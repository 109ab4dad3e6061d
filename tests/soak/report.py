"""What a soak found, for people and machines."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_backend.state.tables import OPEN_STATES
from tests.soak.memory import Use

if TYPE_CHECKING:
    from tests.soak.session import Session

DISK_FULL = "The disk is full"


@dataclass(frozen=True)
class Survived:
    """One fault.

    Attributes:
        name: what went wrong.
        at: seconds after the beginning.
        lasted: seconds until what it hit was well again.
        problem: why it was not survived; empty where it was.
    """

    name: str
    at: float
    lasted: float
    problem: str


@dataclass(frozen=True)
class Report:
    """A soak in numbers; times in seconds and milliseconds as named, memory in MB."""

    made_on: Mapping[str, Any]
    seconds: float
    faults: Sequence[Survived]
    problems: Sequence[str]
    done: Mapping[str, int]
    labels_acknowledged: int
    labels_kept: int
    worst_submit_ms: Mapping[str, float | None]
    runs: Mapping[str, int]
    memory_mb: Mapping[str, Mapping[str, float | None]]

    @classmethod
    def of(
        cls,
        session: Session,
        faults: Sequence[Survived],
        problems: Sequence[str],
        seconds: float,
        use: Mapping[str, Use],
    ) -> Report:
        """Count."""
        runs = session.store.runs.latest(session.project, limit=10_000)
        # A run that the full disk ended says so; its labels count as new, and a later run takes them.
        failed = [
            f"run {run.id} ({run.kind}) failed: {run.error}"
            for run in runs
            if run.state == "failed" and DISK_FULL not in run.error
        ]
        stuck = [f"run {run.id} is still in {run.state}" for run in runs if run.state in OPEN_STATES]
        unfit = [f"{fault.name}: {fault.problem}" for fault in faults if fault.problem]
        kept = {row.id for row in session.store.labels.all(session.project)}
        acknowledged = session.ledger.kept.keys() - session.ledger.doubtful
        calm, troubled = session.ledger.worst(calm=True), session.ledger.worst(calm=False)
        return cls(
            made_on={**machine(), "disk": session.scene.disk.kind, "seed": session.plan.seed},
            seconds=seconds,
            faults=faults,
            problems=[*unfit, *problems, *failed, *stuck],
            done=dict(session.ledger.counts),
            labels_acknowledged=len(acknowledged),
            labels_kept=len(acknowledged & kept),
            worst_submit_ms={
                "no fault": None if calm is None else 1000 * calm,
                "during a fault": None if troubled is None else 1000 * troubled,
            },
            runs=dict(Counter(f"{run.kind} {run.state}" for run in runs)),
            memory_mb={
                name: {
                    "peak": max(each.samples, default=0.0),
                    "peak with children": each.peak_with_children,
                    "growth": each.growth(),
                }
                for name, each in use.items()
            },
        )

    def as_json(self) -> str:
        """For machines."""
        return json.dumps(asdict(self), indent=1)

    def as_markdown(self) -> str:
        """For people."""
        told = "**Nothing was lost.**" if not self.problems else f"**Problems: {len(self.problems)}.**"
        lines = [
            f"{told} {self.seconds / 60:.1f} minutes of labeling, {len(self.faults)} faults, "
            f"{self.labels_acknowledged} acknowledged annotations remain, and PapLoop has {self.labels_kept} of them.",
            "",
            *_table(("environment", ""), self.made_on.items()),
            *_table(
                ("fault", "at, s", "recovered after, s", "survived"),
                [(f.name, f"{f.at:.0f}", f"{f.lasted:.0f}", f.problem or "yes") for f in self.faults],
            ),
            *_table(("annotator action", "count"), self.done.items()),
            *_table(("slowest submission", "ms"), [(k, _number(v)) for k, v in self.worst_submit_ms.items()]),
            *_table(("runs", "count"), self.runs.items()),
            *_table(
                ("memory, MB", "peak", "peak with children", "growth"),
                [(name, *(_number(value) for value in use.values())) for name, use in self.memory_mb.items()],
            ),
        ]
        lines += [f"- {problem}" for problem in self.problems]
        return "\n".join(lines).rstrip() + "\n"


def _number(value: float | None) -> str:
    return "-" if value is None else str(round(value))


def _table(head: Sequence[str], rows: Any) -> list[str]:
    lines = [tuple(map(str, row)) for row in rows]
    return [*("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *lines)), ""] if lines else []


def machine() -> dict[str, Any]:
    """Where and on what a soak ran."""
    root = Path(__file__).resolve().parents[2]
    commit = subprocess.run(("git", "-C", str(root), "rev-parse", "--short", "HEAD"), capture_output=True, check=False)
    return {
        "commit": commit.stdout.decode().strip() or "unknown",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load average over 1, 5, 15 minutes": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
