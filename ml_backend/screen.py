"""Progress bars for people, on standard error, so that standard output stays clean for answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from training.types import Progress


@contextmanager
def stages() -> Iterator[Callable[[str], Progress]]:
    """Bars one below the other: a call with a title opens one and answers the callback that moves it.

    Where standard error is no terminal, a line is written when a stage begins and ends.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<26.26}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}"),
    )
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:

        def stage(title: str) -> Progress:
            task: TaskID = bars.add_task(title, total=1.0, message="")
            if not console.is_terminal:
                console.print(f"{title} ...", markup=False)

            def report(fraction: float, message: str) -> None:
                bars.update(task, completed=fraction, message=message[:60])

            return report

        yield stage
