"""Opening the state of this machine for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_backend.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from ml_backend.services import Services


def heed_settings() -> None:
    """Apply the environment's pixel limit for a command that opens no state."""
    from ml_backend.settings import load_settings

    load_settings()


@contextmanager
def opened() -> Iterator[Services]:
    """The parts of this process, closed afterwards."""
    from ml_backend.services import build_services
    from ml_backend.settings import load_settings

    services = build_services(load_settings())
    try:
        yield services
    finally:
        services.store.close()


def chosen_project(services: Services, project_id: int | None) -> int:
    """The named project, or the only one.

    Raises:
        NotFound: there is no such project.
        BadRequest: none was named and there are several.
    """
    if project_id is not None:
        return services.store.projects.one(project_id).id
    known = services.store.projects.all()
    if not known:
        raise NotFound("There is no project yet. Run `paploop connect PROJECT` or `paploop up` first.")
    if len(known) > 1:
        listed = ", ".join(f"{row.id} ({row.title})" for row in known)
        raise BadRequest(f"There are several projects; name one of them: {listed}.")
    return known[0].id
