"""Projects and the user behind the token."""

from __future__ import annotations

import httpx

from ml_backend.label_studio.client.wire import Json, Wire


class Projects(Wire):
    """Projects: read, make, change, delete."""

    def whoami(self) -> Json:
        """The user whose token is used; the cheapest check that address and token are right."""
        return self._object("GET", "api/current-user/whoami")

    def project(self, project_id: int) -> Json:
        """One project.

        Raises:
            NotFound: there is no such project, or the user may not see it.
        """
        return self._object("GET", f"api/projects/{project_id}/")

    def projects(self) -> list[Json]:
        """All projects, over all pages, each once."""
        found: dict[int, Json] = {}
        page = 1
        while True:
            body = self._object("GET", "api/projects/", params={"page": page, "page_size": 100})
            results = body.get("results")
            if not isinstance(results, list):
                raise self._odd("GET", "api/projects/", "a page of projects")
            found.update({int(entry["id"]): entry for entry in results})
            if not body.get("next") or not results:
                return list(found.values())
            page += 1

    def create_project(self, title: str, label_config: str, **fields: object) -> Json:
        """Make a project; `fields` are Label Studio's own names, e.g. `sampling`."""
        return self._object("POST", "api/projects/", json={"title": title, "label_config": label_config, **fields})

    def update_project(self, project_id: int, **fields: object) -> Json:
        """Change fields of a project."""
        return self._object("PATCH", f"api/projects/{project_id}/", json=fields)

    def delete_project(self, project_id: int) -> None:
        """Delete a project with everything in it."""
        self._request("DELETE", f"api/projects/{project_id}/", seconds=600)

    def alive(self) -> bool:
        """Whether Label Studio responds at all; needs no token and raises nothing."""
        try:
            return self._http.get(self.base.join("health"), timeout=5.0).is_success
        except httpx.HTTPError:
            return False
