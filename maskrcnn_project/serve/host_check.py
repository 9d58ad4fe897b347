"""What stands before every request: only this page's own browser tab may talk to the server."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING = ("GET", "HEAD")
# The page loads its own files and nothing else, runs no script that stands in markup, and is shown in no frame.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",  # somebody's images
}


class HostCheck:
    """
    Refuses what another web site makes a browser send here, and adds the headers that fence the page in.

    A site can point its own name at 127.0.0.1 (DNS rebinding), and then a browser takes its scripts for ours: so the
    ``Host`` must be an address or a name known here. A site can also post here without reading the answer: so the
    ``Origin`` of a post, which browsers always send, must be the page itself.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]):
        """
        Args:
            names: of this machine, under which the page may be opened; "localhost" and addresses always may.
        """
        self.app = app
        self.names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def fenced(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self.refusal(scope["method"], Headers(scope=scope))
        answer = self.app if refusal is None else JSONResponse({"error": refusal}, 403)
        await answer(scope, receive, fenced)

    def refusal(self, method: str, headers: Headers) -> str | None:
        """One sentence for a request that is not answered, or None."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self.is_known(host):
            return (
                f"The page is not served under the name {host!r}: open it by the address that the server printed, or "
                "start the server with --allow-host and this name."
            )
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if method not in READING and (foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")):
            return "Another web site asked for this, so it is refused: open the page itself."
        return None

    def is_known(self, host: str) -> bool:
        """Whether ``host`` ("name", "name:port", "[::1]:port") is one that no stranger can have given us."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:  # a bracket that is not closed
            return False
        try:
            ip_address(name)
        except ValueError:
            return name in self.names
        return True
