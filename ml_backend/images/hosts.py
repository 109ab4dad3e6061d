"""Which hosts images may be fetched from: only those a setting lists, and for patterns only public addresses."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

import httpx

from ml_backend.errors import ImageError

Resolve = Callable[[str, int], Sequence[str]]
_PORTS = {"http": 80, "https": 443}


def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _reserved(address: str, *, private_too: bool) -> bool:
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return True
    return private_too and not ip.is_global


class AllowedHosts:
    """The allow-list.

    An entry is a host (`images.example.org`, `10.0.0.7`), a host with a port, or a pattern (`*.example.org`). Without
    a port, 80 and 443 are meant. A host listed by name may lie in a private network; one that only fits a pattern may
    not. Link-local addresses, where clouds keep credentials, need an entry of their own.

    Args:
        entries: the setting `fetch_hosts`.
        resolve: name and port -> addresses.
    """

    def __init__(self, entries: Sequence[str], resolve: Resolve = system_resolve) -> None:
        self._entries = [entry.strip().lower() for entry in entries if entry.strip()]
        self._resolve = resolve

    def addresses(self, url: httpx.URL) -> Sequence[str]:
        """The checked addresses of a URL's host; connect to one of these and to nothing else.

        Raises:
            ImageError: the scheme, the host or where it leads to is not allowed; or the host is unknown.
        """
        host, scheme = url.host.lower().rstrip("."), url.scheme
        if scheme not in _PORTS or not host:
            raise ImageError(
                f"Images are fetched over http and https only, not {scheme or 'a bare name'}; change the task.",
                code="image.bad_address",
            )
        port = url.port or _PORTS[scheme]
        entry = self._entry(host, port)
        if entry is None:
            shown = host if port in _PORTS.values() else f"{host}:{port}"
            raise ImageError(
                f"Images may not be fetched from {shown}; add it to PAPLOOP_FETCH_HOSTS if you trust it.",
                code="image.host_not_allowed",
            )
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise ImageError(
                f"The host {host} is unknown; check the image's address or the name server.", code="image.fetch_failed"
            )
        literal = _bare(entry) in found
        refused = [a for a in found if not literal and _reserved(a, private_too=entry.startswith("*."))]
        if refused:
            raise ImageError(
                f"{host} resolves to the reserved address {refused[0]}. Give it an entry of its own in "
                "PAPLOOP_FETCH_HOSTS if you trust it.",
                code="image.host_not_allowed",
            )
        return found

    def _entry(self, host: str, port: int) -> str | None:
        for entry in self._entries:
            name, ports = _split(entry)
            fits = host.endswith(name[1:]) and host != name[2:] if name.startswith("*.") else host == name
            if fits and port in ports:
                return entry
        return None


def _split(entry: str) -> tuple[str, Sequence[int]]:
    """Host and ports of an entry; an IPv6 address with a port stands in brackets."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        name, port = entry, ""
    return name, [int(port)] if port.isdigit() else list(_PORTS.values())


def _bare(entry: str) -> str:
    return _split(entry)[0]
