"""A manifest as a file: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from training.files import write_bytes_atomic
from training.types import Json, TrainingError

Entry = TypeVar("Entry")


def write_lines(path: Path, entries: Iterable[Mapping[str, object]]) -> None:
    """Write entries to `path` in order; readers see the old file or the whole new one."""
    lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    write_bytes_atomic(path, "".join(f"{line}\n" for line in lines).encode())


def read_lines(path: Path, parse: Callable[[Json], Entry]) -> list[Entry]:
    """The entries of `path` in order.

    Args:
        path: file made by `write_lines`.
        parse: what an entry means; raises ValueError, KeyError, TypeError or AttributeError where it means nothing.

    Raises:
        TrainingError: the file is missing, or a line is not an entry; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"The manifest {path.name} cannot be read ({error}); start the run again.") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entries.append(parse(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"Line {number} of the manifest {path.name} is not a sample ({error}); write the manifest again."
            ) from error
    return entries
