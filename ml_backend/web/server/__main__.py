"""The web process: `python -m ml_backend.web.server`, which `paploop serve` becomes."""

from __future__ import annotations

import sys

from ml_backend.errors import PapLoopError
from ml_backend.plain_text import log_to_standard_error
from ml_backend.services import build_services
from ml_backend.settings import load_settings
from ml_backend.web.app import create_app
from ml_backend.web.auth import large_body_gate
from ml_backend.web.server.server import Server, listen, serve


def main() -> None:
    """Serve with the settings of the environment."""
    settings = load_settings()
    log_to_standard_error(settings.log_level)
    try:
        listener = listen(settings.host, settings.port)
        services = build_services(settings)
    except PapLoopError as error:
        sys.exit(str(error))
    app = create_app(services)
    server = Server(
        app,
        listener,
        large_body_gate(app, services.settings),
        threads=settings.web_threads,
        max_body=settings.max_request_bytes,
    )
    try:
        serve(server)
    finally:
        app.extensions["paploop-inbox"].close()
        services.store.close()


if __name__ == "__main__":
    main()
