"""Job entry points that RQ calls by dotted name; each builds the services and calls a use case."""

from __future__ import annotations

import logging
import signal

from ml_backend.errors import Busy, NotFound, Unavailable
from ml_backend.kin import end_with_parent
from ml_backend.plain_text import log_to_standard_error
from ml_backend.services import Services, build_services
from ml_backend.settings import load_settings

log = logging.getLogger(__name__)


def _services() -> Services:
    settings = load_settings()
    log_to_standard_error(settings.log_level)
    return build_services(settings)


def run_job(run_id: int) -> str:
    """Advance one run as far as possible; returns its state."""
    from ml_backend.loop.cycle import execute

    end_with_parent(signal.SIGKILL)
    return str(execute(_services(), run_id).state)


def reconcile_job(project_id: int) -> dict[str, object]:
    """Find lost webhooks of one project, and clean up after its runs."""
    from ml_backend.loop.reconcile import reconcile

    end_with_parent(signal.SIGKILL)
    services = _services()
    try:
        found = reconcile(services, project_id).as_dict()
        if services.store.rankings.all(project_id, states=("retired",)):
            _cleaned(services, project_id)
        return found
    except (Unavailable, NotFound) as error:
        log.warning("reconcile of project %d: %s", project_id, error)
        return {"error": str(error)}


def cleanup_job(project_id: int) -> list[str]:
    """Delete prediction versions that are no longer shown."""
    end_with_parent(signal.SIGKILL)
    return _cleaned(_services(), project_id)


def _cleaned(services: Services, project_id: int) -> list[str]:
    from ml_backend.loop.steps.publish import cleanup

    try:
        return cleanup(services, project_id)
    except (Busy, Unavailable, NotFound) as error:
        log.warning("cleanup of project %d, tried again after its next poll: %s", project_id, error)
        return []
