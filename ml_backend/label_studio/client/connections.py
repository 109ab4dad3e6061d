"""ML backends and webhooks of a project."""

from __future__ import annotations

from ml_backend.label_studio.client.wire import Json, Wire

SETUP_SECONDS = 60.0
"""Label Studio calls the backend's health and setup several times inside these requests."""


class Connections(Wire):
    """ML backends and webhooks: list, add, change, delete."""

    def ml_backends(self, project_id: int) -> list[Json]:
        """The ML backends of a project; the first is the one that Label Studio requests predictions from."""
        return self._objects("GET", "api/ml/", params={"project": project_id}, seconds=SETUP_SECONDS)

    def add_ml_backend(self, project_id: int, url: str, title: str, **fields: object) -> Json:
        """Connect an ML backend; it must be running, because Label Studio calls it at once."""
        body = {"project": project_id, "url": url, "title": title, **fields}
        return self._object("POST", "api/ml/", json=body, seconds=SETUP_SECONDS)

    def update_ml_backend(self, backend_id: int, project_id: int, url: str, **fields: object) -> Json:
        """Change an ML backend; Label Studio requires project and address each time."""
        body = {"project": project_id, "url": url, **fields}
        return self._object("PATCH", f"api/ml/{backend_id}", json=body, seconds=SETUP_SECONDS)

    def delete_ml_backend(self, backend_id: int) -> None:
        """Disconnect an ML backend; the webhook it registered stays."""
        self._request("DELETE", f"api/ml/{backend_id}", seconds=SETUP_SECONDS)

    def webhooks(self, project_id: int) -> list[Json]:
        """The webhooks of a project."""
        return self._objects("GET", "api/webhooks/", params={"project": project_id})

    def create_webhook(self, project_id: int, url: str, **fields: object) -> Json:
        """Register a webhook."""
        return self._object("POST", "api/webhooks/", json={"project": project_id, "url": url, **fields})

    def update_webhook(self, webhook_id: int, **fields: object) -> Json:
        """Change a webhook."""
        return self._object("PATCH", f"api/webhooks/{webhook_id}/", json=fields)

    def delete_webhook(self, webhook_id: int) -> None:
        """Remove a webhook."""
        self._request("DELETE", f"api/webhooks/{webhook_id}/")
