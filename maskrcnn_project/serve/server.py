"""Opens a port, says where the page is, and serves it until it is interrupted."""

from __future__ import annotations

import os
import socket
import threading
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the package may be missing, which require_framework says
    from starlette.types import ASGIApp

EXTRA = ("starlette", "uvicorn")


def require_framework() -> None:
    """Raises ImportError where the packages that serve the page are missing."""
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise ImportError(f"The page needs {' and '.join(missing)}: pip install {' '.join(missing)}")


def listen(host: str, port: int) -> socket.socket:
    """
    A socket that waits for connections. Port 0: any free one.

    Raises:
        OSError: one sentence: the port is taken, the address is not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((address[0], port), family=family)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        why = os.strerror(number) if number > 0 else error  # Python's own text repeats the address
        raise OSError(
            f"The page cannot be served at {host}, port {port} ({why}): choose another --port (0 takes any that is "
            "free), or leave out --host."
        ) from error


def is_loopback(sock: socket.socket) -> bool:
    return ip_address(sock.getsockname()[0]).is_loopback


def address_of(sock: socket.socket) -> str:
    """The URL under which a browser on this machine reaches what listens at ``sock``."""
    host, port = sock.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(app: ASGIApp, sock: socket.socket, *, open_browser: bool = False) -> None:
    """Answers at ``sock`` until the process is interrupted, which is the way to end it and raises nothing."""
    import uvicorn

    if open_browser:  # it waits, as the socket listens already
        threading.Thread(target=webbrowser.open, args=(address_of(sock),), daemon=True).start()
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[sock])
