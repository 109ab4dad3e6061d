"""What a wing does for one kind of project stands in a file of the kind's name, and is found by that name."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ml_backend.errors import PapLoopError


def module_for(family: str, pattern: str) -> ModuleType:
    """The module of a wing for a kind of project.

    Args:
        family: the kind's name, see `LabelingJob.family`.
        pattern: dotted name of the module with {} in place of the kind's name.

    Raises:
        PapLoopError: this version of PapLoop has none.
    """
    name = pattern.format(family)
    try:
        if family.isidentifier():
            return import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise
    raise PapLoopError(f"This version of PapLoop does not know the kind of project {family[:60]!r}; update PapLoop.")
