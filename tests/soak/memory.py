"""How much memory the programs take, sampled while they work."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ml_backend import kin
from ml_backend.operations.launch.stack import Stack

EVERY = 1.0


def resident(pid: int) -> float:
    """Memory of a process, MB; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Use:
    """Memory of one program, MB: its own process over time, and the most of it with its children."""

    samples: list[float] = field(default_factory=list)
    peak_with_children: float = 0.0

    def growth(self) -> float | None:
        """Median of the last tenth of the samples less that of the second tenth, when it was warm; MB."""
        tenth = len(self.samples) // 10
        if tenth < 3:
            return None
        early, late = sorted(self.samples[tenth : 2 * tenth]), sorted(self.samples[-tenth:])
        return late[len(late) // 2] - early[len(early) // 2]


class Watch(threading.Thread):
    """Samples until stopped."""

    def __init__(self, stack: Stack, names: tuple[str, ...] = ("web", "worker")) -> None:
        super().__init__(name="memory", daemon=True)
        self.stack = stack
        self.use = {name: Use() for name in names}
        self.stopping = threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self.stopping.wait(EVERY):
            for name, use in self.use.items():
                pid = self.stack.pid(name)
                if pid is None:
                    continue
                sizes = [resident(each) for each in (pid, *kin.descendants(pid))]
                use.samples.append(sizes[0])
                use.peak_with_children = max(use.peak_with_children, sum(sizes))
