"""Progress bars for people, on standard error, so that standard output contains only results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_backend.plain_text import plain

if TYPE_CHECKING:
    from rich.progress import TaskID

    from training.types import Progress


@contextmanager
def stages() -> Iterator[Callable[[str], Progress]]:
    """Bars one below the other: a call with a title opens one and returns the callback that moves it.

    Where standard error is not a terminal, a line is written when a stage has ended.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<26.26}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:

        def stage(title: str) -> Progress:
            task: TaskID = bars.add_task(plain(title), total=1.0, message="")
            started = time.monotonic()
            ended = False

            def report(fraction: float, message: str) -> None:
                nonlocal ended
                bars.update(task, completed=fraction, message=plain(message, kept="")[:60])
                if fraction >= 1.0 and not ended and not console.is_terminal:
                    ended = True
                    note = f" ({message})" if message else ""
                    console.print(
                        plain(f"{title}: {time.monotonic() - started:.1f} s{note}"), markup=False, highlight=False
                    )

            return report

        yield stage
