"""Signed addresses of PapLoop's own images: what Label Studio's task data holds, read and written in one place."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import quote, urlsplit

from ml_backend.settings import Settings

THUMBNAIL: Final = 384
"""Px of the longer side of a small copy for pages."""


def media_signature(settings: Settings, project_id: int, item_id: int) -> str:
    """The 32 hex digits that make an image address unguessable."""
    key = settings.media_secret.get_secret_value().encode()
    return hmac.new(key, f"{project_id}/{item_id}".encode(), hashlib.sha256).hexdigest()[:32]


def media_url(settings: Settings, project_id: int, item_id: int, name: str) -> str:
    """The address under which Label Studio's editor shows an item.

    Args:
        settings: holds the public URL and the signing key.
        project_id: Label Studio's project id.
        item_id: our item id.
        name: file name shown to people at the end of the address.
    """
    signature = media_signature(settings, project_id, item_id)
    return f"{settings.resolved_public_url}/media/{project_id}/{item_id}/{signature}/{quote(printable(name))}"


def printable(name: str) -> str:
    """The last part of a name without line breaks and the like, which neither proxies nor headers take."""
    return "".join(letter if letter.isprintable() else "_" for letter in name.split("/")[-1]) or "image"


def thumbnail_url(address: str) -> str:
    """The small copy of an image of ours, for pages; its signature is the image's."""
    return f"{address}?size={THUMBNAIL}"


def item_of_url(settings: Settings, project_id: int, url: str) -> int | None:
    """The item of one of our addresses, or None when it is not ours or its signature is wrong."""
    try:
        parts = urlsplit(url).path.split("/media/", 1)
    except ValueError:
        return None
    fields = parts[1].split("/") if len(parts) == 2 else []
    if len(fields) != 4 or fields[0] != str(project_id) or not fields[1].isdecimal():
        return None
    item_id = int(fields[1])
    return (
        item_id
        if hmac.compare_digest(fields[2].encode(), media_signature(settings, project_id, item_id).encode())
        else None
    )
