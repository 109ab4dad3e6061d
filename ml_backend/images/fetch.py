"""Fetch an image over HTTP hop by hop: each hop is checked before it is asked, the token goes to Label Studio only."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, cast

import httpx

from ml_backend.errors import ImageError
from ml_backend.images.hosts import AllowedHosts
from ml_backend.label_studio.client import LabelStudio
from ml_backend.label_studio.client.downloads import save, shown

MAX_HOPS = 5
TRIED_ADDRESSES = 3


class _InTime:
    """A file that refuses to be written after a deadline: a host that drips bytes cannot hold a thread for hours."""

    def __init__(self, file: BinaryIO, seconds: float, clock: Callable[[], float], what: str) -> None:
        self._file = file
        self._end = clock() + seconds
        self._clock = clock
        self._late = f"{what} took longer than {seconds:g} s; raise PAPLOOP_FETCH_TIMEOUT or move the image closer."

    def write(self, data: bytes) -> int:
        if self._clock() > self._end:
            raise ImageError(self._late, code="image.fetch_failed")
        return self._file.write(data)


class Fetcher:
    """Follows an address to its bytes.

    Args:
        label_studio: hands out what lies on its own host.
        hosts: the allow-list for all others.
        timeout: seconds for one image.
        max_bytes: size at which an image is given up.
        clock: monotonic seconds.
        transport: an httpx transport, for tests.
    """

    def __init__(
        self,
        label_studio: LabelStudio,
        hosts: AllowedHosts,
        *,
        timeout: float,
        max_bytes: int,
        clock: Callable[[], float],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._label_studio = label_studio
        self._hosts = hosts
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._clock = clock
        # No proxies from the environment: the addresses checked must be the ones connected to.
        self._http = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            headers={"User-Agent": "PapLoop", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"},
            trust_env=False,
        )

    def fetch(self, address: str, file: BinaryIO, task_id: int | None) -> None:
        """Download an address to a file.

        Args:
            address: an absolute URL, a path on Label Studio or a storage URI.
            file: an open binary file.
            task_id: the task that names the image.

        Raises:
            ImageError: it cannot be had.
            LabelStudioUnavailable: Label Studio holds it and is away.
        """
        target = cast(BinaryIO, _InTime(file, self._timeout, self._clock, f"Fetching {shown(address)}"))
        place: str | None = self._label_studio.absolute(address, task_id)
        for _ in range(MAX_HOPS):
            if place is None:
                return
            if self._label_studio.owns(place):
                place = self._label_studio.download(place, target, self._max_bytes, task_id)
            else:
                place = self._outside(place, target)
        if place is not None:
            raise ImageError(
                f"{shown(address)} redirects more than {MAX_HOPS} times. Use the image's final address.",
                code="image.fetch_failed",
            )

    def _outside(self, address: str, target: BinaryIO) -> str | None:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL:
            raise ImageError(
                f"{shown(address)!r} is not a valid address. Correct the task's data.", code="image.bad_address"
            ) from None
        what = f"GET {shown(address)}"
        failed: httpx.HTTPError | None = None
        for number in self._hosts.addresses(url)[:TRIED_ADDRESSES]:
            try:
                return self._ask(url, number, target, what)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
            except httpx.HTTPError as error:
                failed = error
                break
        raise ImageError(
            f"{shown(address)} cannot be fetched ({type(failed).__name__}); check that its host is running, "
            "then try again.",
            code="image.fetch_failed",
        ) from failed

    def _ask(self, url: httpx.URL, number: str, target: BinaryIO, what: str) -> str | None:
        """One hop, to exactly the address that was checked; returns where it is sent on to, if it is."""
        request = self._http.build_request(
            "GET",
            url.copy_with(host=number, username=None, password=None),
            headers={"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host},
        )
        response = self._http.send(request, stream=True)
        try:
            if response.has_redirect_location:
                return str(url.join(response.headers["location"]))
            if not response.is_success:
                raise ImageError(
                    f"{what} returned {response.status_code}. Check that the image exists.",
                    code="image.fetch_failed",
                )
            save(response, target, self._max_bytes, what)
        finally:
            response.close()
        return None
