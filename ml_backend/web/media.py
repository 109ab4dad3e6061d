"""Images of our own folders for Label Studio's editor: signed addresses, nothing else reachable."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, request, send_file
from werkzeug.routing import BaseConverter

from ml_backend.errors import BadRequest, NotFound, Unauthorized
from ml_backend.images.items import display_name, is_local
from ml_backend.images.media_url import THUMBNAIL, media_signature, printable
from ml_backend.loopback import place
from ml_backend.settings import Settings
from ml_backend.state.files import DataDir
from ml_backend.state.records import ItemRow
from ml_backend.state.rows.items import ItemRows
from ml_backend.state.store import Store
from ml_backend.web.conversions import Conversions

MAX_AGE: Final = 86_400
"""Seconds a browser keeps an image; a changed file has another ETag."""

SNIFF: Final = 32


class Decoration(BaseConverter):
    """The name at the end of an address, which decides nothing and may hold anything, line breaks too."""

    regex = "(?s:.+)"
    part_isolating = False


def media(store: Store, files: DataDir, settings: Settings, clock: Callable[[], float]) -> Blueprint:
    """The route that serves images; its address is its own proof."""
    routes = Blueprint("media", __name__)
    conversions = Conversions(files, settings, clock)
    routes.record_once(lambda setup: setup.app.url_map.converters.update(decoration=Decoration))

    @routes.get("/media/<int:project_id>/<int:item_id>/<signature>/<decoration:name>")
    def image(project_id: int, item_id: int, signature: str, name: str) -> Response:
        if not _is_signed(settings, project_id, item_id, signature):
            raise Unauthorized(
                "The signature of this image address is wrong; open the image from its task again.",
                code="image.bad_signature",
            )
        item = _item(store.items, project_id, item_id)
        path = safe_path(settings, item)
        side = _side(request.args.get("size"))
        mimetype = browser_type(path)
        etag: bool | str = True
        if mimetype is None or side is not None:
            path = conversions.copy(path, f"{project_id}-{item_id}", side)
            # The cache touches its files; their names tell originals apart.
            mimetype, etag = browser_type(path), path.name
        shown = printable(name)
        return send_file(path, mimetype=mimetype, download_name=shown, conditional=True, etag=etag, max_age=MAX_AGE)

    @routes.after_request
    def headers(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if is_label_studio(settings, origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    return routes


def _is_signed(settings: Settings, project_id: int, item_id: int, signature: str) -> bool:
    """Whether we signed the address; without a key anybody could have."""
    wanted = media_signature(settings, project_id, item_id)
    given = hmac.compare_digest(signature.encode("utf-8", "replace"), wanted.encode())
    return given and bool(settings.media_secret.get_secret_value())


def _side(asked: str | None) -> int | None:
    """Px of the longer side of what is asked for; one small size, lest every number makes a copy."""
    if asked is None:
        return None
    if asked != str(THUMBNAIL):
        raise BadRequest(
            f"The image is not available in size {asked[:20]!r}. Request size={THUMBNAIL}, or leave the size "
            "out for the full image.",
            code="image.unknown_size",
        )
    return THUMBNAIL


def safe_path(settings: Settings, item: ItemRow) -> Path:
    """The item's file, links resolved, if it still lies below the folder it was ingested from or an image root.

    Raises:
        NotFound: it does not, or is not a file.
    """
    if not is_local(item):
        raise NotFound(
            f"PapLoop has no file of item {item.id}; Label Studio has it. Open its task there.",
            code="item.not_ours",
            item=item.id,
        )
    path = Path(item.source).resolve()
    roots = [Path(root) for root in (item.data.get("root"), *settings.image_roots) if root]
    if not any(path.is_relative_to(root.expanduser().resolve()) for root in roots):
        raise NotFound(
            f"{display_name(item)} is outside the folder from which it was ingested. Add its folder to "
            "PAPLOOP_IMAGE_ROOTS.",
            code="image.outside_roots",
            item=item.id,
        )
    if not path.is_file():
        raise NotFound(
            f"The file of {display_name(item)} is missing. Restore it or ingest its folder again.",
            code="image.file_gone",
            item=item.id,
        )
    return path


def browser_type(path: Path) -> str | None:
    """The media type of a file that browsers show as people should see it, by its first bytes and not by its name.

    PNG files of 16 bits are none: a browser keeps the high byte, and what a 12-bit camera wrote is black.
    """
    with path.open("rb") as file:
        head = file.read(SNIFF)
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None if head[24:25] == b"\x10" else "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"BM"):
        return "image/bmp"
    return None


def is_label_studio(settings: Settings, origin: str) -> bool:
    """Whether a page's origin is Label Studio; the names of the local machine count as one."""
    return bool(origin) and any(
        place(origin).origin == place(url).origin
        for url in (settings.label_studio_url, settings.label_studio_public_url)
        if url
    )


def _item(items: ItemRows, project_id: int, item_id: int) -> ItemRow:
    item = items.one(item_id)
    if item.project_id != project_id:
        raise NotFound(
            f"Project {project_id} has no item {item_id}; open the image from its task again.",
            code="item.unknown",
            project=project_id,
            item=item_id,
        )
    return item
