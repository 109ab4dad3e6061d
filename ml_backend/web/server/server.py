"""The loop that reads and writes for all connections, and the threads that handle complete requests."""

from __future__ import annotations

import contextlib
import logging
import resource
import signal
import socket
import time
from types import FrameType
from typing import Final
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from ml_backend.errors import Conflict
from ml_backend.web.server.connections import Connection
from ml_backend.web.server.requests import MAX_HEAD, Admits

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 400
"""Open at once; one more closes the one that has kept PapLoop waiting longest."""

TURN: Final = 1.0
"""Seconds between looks at who is late."""

FAREWELL: Final = 3.0
"""Seconds that responses in progress get once the process is asked to stop."""

FILES: Final = 4096
"""Open files the process asks for: a connection, and a temporary file for a large body or answer of it."""

NEVER: Final = 2**62


class Server(TcpWSGIServer):
    """Waitress with deadlines, a bounded number of connections, and an orderly shutdown."""

    channel_class = Connection

    def __init__(
        self, application: WSGIApplication, listener: socket.socket, admits: Admits, *, threads: int, max_body: int
    ) -> None:
        self.admits = admits
        self._looked = 0.0
        self._stopping = False
        adjustments = Adjustments(
            sockets=[listener],
            threads=threads,
            ident="PapLoop",
            max_request_header_size=MAX_HEAD,
            max_request_body_size=max_body + 1,
            # Answers wait on disk for slow readers, so that no thread waits for one.
            outbuf_high_watermark=NEVER,
            # Both are done here, by the monotonic clock.
            connection_limit=NEVER,
            cleanup_interval=NEVER,
            log_socket_errors=False,
        )
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(threads)
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application, {}, True, listener, dispatcher=dispatcher, adj=adjustments, bind_socket=False, sockinfo=where
        )

    def handle_accept(self) -> None:
        """Accept a new connection; if there are too many, close the slowest one."""
        super().handle_accept()
        if len(self.active_channels) <= MAX_CONNECTIONS:
            return
        waiting = [place for place in self._connections() if not place.working and not place.will_close]
        if waiting:
            now = time.monotonic()
            max(waiting, key=lambda place: place.overdue(now)).drop()

    def run(self) -> None:
        """Serve until `stop`, then finish the responses in progress."""
        while not self._stopping:
            self._turn()
        self.del_channel()
        self.socket.close()
        end = time.monotonic() + FAREWELL
        while any(place.busy for place in self._connections()) and time.monotonic() < end:
            self._turn(0.1)
        self.task_dispatcher.shutdown(timeout=max(0.1, end - time.monotonic()))
        for place in self._connections():
            place.handle_close()
        self.trigger.close()

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        if not self._stopping:
            # In this order: once told to stop, `run` may close the trigger.
            self.pull_trigger()
            self._stopping = True

    def _turn(self, seconds: float = TURN) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
        now = time.monotonic()
        if now - self._looked >= TURN:
            self._looked = now
            for place in self._connections():
                if place.overdue(now) > 0:
                    place.drop()

    def _connections(self) -> list[Connection]:
        return list(self.active_channels.values())


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        Conflict: the port is taken or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise Conflict(
            f"PapLoop cannot listen on {host} port {port} ({error.strerror or error}); stop the program that "
            "uses the port, or set PAPLOOP_HOST and PAPLOOP_PORT.",
            code="server.port_in_use",
            port=port,
        ) from error


def serve(server: Server) -> None:
    """Run a server in the main thread of a process until SIGTERM or SIGINT."""
    _allow_files()
    # It tells of every request that waits for a thread; /metrics has the latencies.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)

    def end(_number: int, _frame: FrameType | None) -> None:
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    server.run()


def _allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
