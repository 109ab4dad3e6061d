"""An import of tasks without a response: recorded in a file, so that it outlives the process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress

from ml_backend.state.files import DataDir


class LostImport:
    """The project's import that Label Studio has not confirmed, if there is one.

    Args:
        files: where it is noted.
        project_id: Label Studio's project id.
    """

    def __init__(self, files: DataDir, project_id: int) -> None:
        self._files = files
        self._note = files.imports_dir / f"{project_id}.json"

    def note(self, items: Iterable[int], now: float) -> None:
        """Record the items whose tasks were to be made, and that waiting for them ended now."""
        noted = {"since": now, "items": list(items)}
        self._files.make(self._files.imports_dir)
        self._files.write_atomic(self._note, json.dumps(noted))

    def read(self) -> tuple[set[int], float]:
        """Its items, none where no import was lost, and when it was given up, unix seconds."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            noted = json.loads(self._note.read_text())
            return {int(item) for item in noted["items"]}, float(noted["since"])
        return set(), 0.0

    def clear(self) -> None:
        """Remove the record: the outcome is known."""
        self._note.unlink(missing_ok=True)
