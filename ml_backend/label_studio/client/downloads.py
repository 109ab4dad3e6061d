"""Files that Label Studio stores or can fetch, streamed with a size limit."""

from __future__ import annotations

import base64
from typing import BinaryIO
from urllib.parse import quote

import httpx

from ml_backend.errors import ImageError, LabelStudioUnavailable
from ml_backend.label_studio.client.failures import clean, detail, failure, parsed, unreachable
from ml_backend.label_studio.client.wire import Wire

FILE_PLACES = ("data/", "storage-data/", "tasks/", "static/")
"""Where Label Studio keeps what task data may point to."""


class Downloads(Wire):
    """Uploads, local files and storage URIs."""

    def owns(self, url: str) -> bool:
        """Whether an absolute URL lies on Label Studio's own scheme, host and port; only there the token is sent."""
        try:
            other = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        return _origin(other) == _origin(self.base)

    def absolute(self, value: str, task_id: int | None = None) -> str:
        """The address at which Label Studio serves a task's value.

        Args:
            value: a path on Label Studio, with or without its own path prefix, an absolute URL on it, or a storage URI.
            task_id: the task that holds the value; storage URIs are signed per task.

        Raises:
            ImageError: a storage URI without its task.
        """
        scheme = value.split("://", 1)[0].lower() if "://" in value else ""
        if scheme in ("http", "https"):
            return value
        if scheme:
            if task_id is None:
                raise ImageError(
                    f"The storage address {value!r} can only be fetched through its task. Open its task.",
                    code="image.bad_address",
                )
            uri = quote(base64.urlsafe_b64encode(value.encode()).decode())
            return str(self.base.join(f"tasks/{task_id}/resolve/?fileuri={uri}"))
        prefix = self.base.path
        path = "/" + value.lstrip("/")
        if prefix != "/" and path.startswith(prefix):
            path = path[len(prefix) - 1 :]
        return str(self.base.join(path[1:]))

    def download(self, url: str, target: BinaryIO, max_bytes: int, task_id: int | None = None) -> str | None:
        """Write a file of Label Studio's own host to `target`.

        Args:
            url: what `absolute` takes.
            target: an open binary file.
            max_bytes: size at which the download is given up.
            task_id: the task that holds the value.

        Returns:
            None when the file was written, else the address that Label Studio sends us on to (nothing was written); the
            caller decides whether to follow it, without the token.

        Raises:
            ImageError: the address is not on Label Studio, the file is missing, too large, or no file but a page.
            Unauthorized: the token is refused.
            LabelStudioUnavailable: Label Studio is away; worth a retry.
        """
        address = self.absolute(url, task_id)
        if not self.owns(address):
            raise ImageError(
                f"{shown(address)} is not on Label Studio at {self.base}, so PapLoop does not send the token there.",
                code="image.bad_address",
            )
        if not self._holds_files(address):
            raise ImageError(
                f"{shown(address)} is not a path where Label Studio keeps files. Correct the task's data.",
                code="image.bad_address",
            )
        what = f"GET {shown(url)}"
        request = self._http.build_request("GET", address, headers={"Accept": "*/*", "Accept-Encoding": "identity"})
        response = self._send(request, what, stream=True, seconds=self.timeout)
        try:
            if response.has_redirect_location:
                return str(response.url.join(response.headers["location"]))
            if not response.is_success:
                response.read()
                raise self._no_file(what, response)
            save(response, target, max_bytes, what)
        except httpx.HTTPError as error:
            raise unreachable(str(self.base), what, error, self.timeout) from None
        finally:
            response.close()
        return None

    def _holds_files(self, address: str) -> bool:
        """Whether an address on Label Studio names a file: a task must not make us call its API with our token."""
        path = httpx.URL(address).path
        inside = path[len(self.base.path) :] if path.startswith(self.base.path) else ""
        return inside.startswith(FILE_PLACES)

    def _no_file(self, what: str, response: httpx.Response) -> Exception:
        body = parsed(response)
        # Label Studio answers 500 with JSON for uploads that are gone: no reason to try again later.
        gone = response.status_code in (400, 403, 404, 410) or (response.status_code == 500 and isinstance(body, dict))
        if not gone:
            return failure(str(self.base), what, response, self._credentials.scrub)
        said = clean(detail(body), self._credentials.scrub)
        return ImageError(
            f"Label Studio did not return the file of {what} "
            f"({response.status_code}{': ' if said else ''}{said}); check that the file exists and, for local "
            "files, that a storage includes its folder.",
            code="image.not_handed_out",
        )


def shown(address: str) -> str:
    """An address for people: without user names, queries (they can hold signatures) and excess length."""
    bare = address.split("&")[0] if "/local-files/?d=" in address else address.split("?")[0]
    scheme, separator, rest = bare.partition("://")
    if separator:
        host, slash, path = rest.partition("/")
        bare = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return bare if len(bare) <= 120 else f"{bare[:119]}…"


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host.lower(), url.port or {"http": 80, "https": 443}.get(url.scheme)


def save(response: httpx.Response, target: BinaryIO, max_bytes: int, what: str) -> int:
    """Stream a body into a file; returns its size in bytes.

    Raises:
        ImageError: it is larger than `max_bytes`, empty, or a web page.
        LabelStudioUnavailable: the body ended early.
    """
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in ("text/html", "application/json"):
        raise ImageError(
            f"{what} returned a page ({kind}) instead of an image. Check that its address needs no login.",
            code="image.is_a_page",
        )
    limit = f"{what} is larger than {max_bytes / 2**20:.0f} MiB; raise PAPLOOP_MAX_IMAGE_BYTES or use a smaller image."
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise ImageError(limit, code="image.too_large")
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > max_bytes:
            raise ImageError(limit, code="image.too_large")
        target.write(chunk)
    if size == 0:
        raise ImageError(f"{what} returned an empty file. Replace the image.", code="image.empty")
    encoded = response.headers.get("content-encoding", "identity") != "identity"
    if announced.isdigit() and not encoded and size < int(announced):
        raise LabelStudioUnavailable(f"The download of {what} stopped after {size} of {announced} bytes. Try again.")
    return size
