"""The port of the demo's Airflow: the usual one when it is free."""

from __future__ import annotations

import socket

from tests.support.processes import free_port

_USUAL = 8080


class PortError(Exception):
    """The port that was asked for cannot be used."""


def choose(wanted: int | None) -> int:
    """`wanted`, which must be free; None: 8080, or any other when that is taken. Raises PortError."""
    if wanted is None:
        return _USUAL if _is_free(_USUAL) else free_port()
    if not _is_free(wanted):
        raise PortError(f"port {wanted} is taken; give another one with --port, or none and one is chosen")
    return wanted


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server will ask: a port that is only waiting for its last packets is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
