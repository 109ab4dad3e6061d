"""Ports: the requested one, the last one used, or the next free one."""

from __future__ import annotations

import socket

from ml_backend.errors import Conflict

TRIED = 50


def is_free(host: str, port: int) -> bool:
    """Whether a program could listen on the port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


def choose(host: str, wanted: int, *, fixed: bool, program: str, variable: str, taken: frozenset[int]) -> int:
    """A port for a program.

    Args:
        host: address it listens on.
        wanted: first choice.
        fixed: no other will do, because it was asked for or is written into tasks already.
        program: its name for people.
        variable: how to ask for another port.
        taken: ports promised to other programs.

    Raises:
        Conflict: the port is in use and no other will do.
    """
    tried = [wanted] if fixed else range(wanted, min(wanted + TRIED, 65536))
    for port in tried:
        if port not in taken and is_free(host, port):
            return port
    if fixed:
        raise Conflict(
            f"Port {wanted} for {program} is in use by another program. Stop that program or choose another "
            f"port: make run {variable}={wanted + 1}."
        )
    raise Conflict(
        f"No port from {wanted} to {wanted + TRIED} is free for {program}. Choose another one: make run "
        f"{variable}=PORT."
    )
