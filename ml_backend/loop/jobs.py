"""What RQ calls, by dotted name: a few lines each that build the services and hand over to a use case."""

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
    """Walk one run as far as it goes; answers its state."""
    from ml_backend.loop.cycle import execute

    end_with_parent(signal.SIGKILL)
    return str(execute(_services(), run_id).state)


def reconcile_job(project_id: int) -> dict[str, object]:
    """Find what webhooks lost in one project, and clean up where a run has left something to clean."""
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
    """Delete prediction versions that nobody sees any more."""
    end_with_parent(signal.SIGKILL)
    return _cleaned(_services(), project_id)


def _cleaned(services: Services, project_id: int) -> list[str]:
    from ml_backend.loop.steps.publish import cleanup

    try:
        return cleanup(services, project_id)
    except (Busy, Unavailable, NotFound) as error:
        log.warning("cleanup of project %d, tried again after its next poll: %s", project_id, error)
        return []
