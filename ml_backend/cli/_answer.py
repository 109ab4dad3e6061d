"""Output of commands: a table for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_backend.plain_text import plain

if TYPE_CHECKING:
    from training.types import Progress as Report


def print_json(value: object) -> None:
    """Write a value as JSON; dates, paths and numpy numbers become text or numbers."""
    json.dump(value, sys.stdout, indent=2, default=_plain)
    sys.stdout.write("\n")


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else str(value)


def say(text: str, *, style: str = "") -> None:
    """Write one line for people, on standard output."""
    from rich.console import Console

    Console().print(plain(text), style=style, markup=False, highlight=False, soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Write a table for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(plain(title)) if title else None, title_justify="left")
    for column in columns:
        table.add_column(Text(plain(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else plain(str(cell))) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)
    console.print(table)


def print_facts(facts: Mapping[str, object], *, title: str = "") -> None:
    """Write names and values for people, lists as sentences one after the other."""
    rows = [(name, "; ".join(map(str, one)) if isinstance(one, list | tuple) else one) for name, one in facts.items()]
    print_table(("", ""), rows, title=title)


def when(moment: float | None) -> str:
    """A unix time as local date and time, empty for None and 0."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) if moment else ""


@contextmanager
def progress_bar(title: str) -> Iterator[Report]:
    """One progress bar."""
    from ml_backend.operations.screen import stages

    with stages() as stage:
        yield stage(title)
