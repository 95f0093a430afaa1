"""Who may talk to the server: requests for a name that it has, from its own page, to what the page uses.

A page of another site can send requests to every server that its visitor's browser reaches, and by a name that it owns
it can read the answers too (DNS rebinding). So `Host` and `Origin` are checked, of websockets as well, which browsers
let any page open. Gradio brings sixty routes of its own, uploads among them; the page needs a handful.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from playground.errors import BadValueError

_FILES = ("/pg/", "/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
_PAGES = frozenset(
    ("", "/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/gradio_api/startup-events")
)


@dataclass(frozen=True)
class Names:
    """What a server is called.

    Attributes:
        host: the address that it listens at.
        origins: where else its page is shown, as a browser names it (https://example.org): the name of a proxy.
        root: where a proxy serves the page, if not at the top: a path, or better the whole URL; empty if none.

    Raises:
        BadValueError: an origin or the root is none.
    """

    host: str = "127.0.0.1"
    origins: Sequence[str] = ()
    root: str = ""

    def __post_init__(self) -> None:
        for origin in self.origins:
            if _origin(origin).path.strip("/"):
                raise BadValueError(f"origin {origin!r} has a path; give scheme and host, such as https://example.org")
        if self.root and not self.root.startswith("/"):
            _origin(self.root)

    @property
    def path(self) -> str:
        """The path that the page is served below, without a slash at its end."""
        return (self.root if self.root.startswith("/") else urlsplit(self.root).path).rstrip("/")

    @property
    def urls(self) -> list[SplitResult]:
        """Every other place of the page."""
        return [urlsplit(url) for url in (*self.origins, self.root) if "://" in url]


def _origin(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or "@" in parts.netloc:
        raise BadValueError(f"{text!r} is no address of a page; give one such as https://example.org")
    return parts


class Access:
    """Middleware that refuses who has no business here, and takes off the path that the page is served below.

    Addresses in numbers are always taken for the server's own: nobody can let those mean another machine. An answer
    has the code 403 where the sender is foreign, and 404 where there is nothing; a websocket is closed unopened.

    Args:
        app: what is guarded.
        names: what the server is called.
    """

    def __init__(self, app: ASGIApp, names: Names):
        machine = socket.gethostname().lower()
        self._app, self._path = app, names.path
        self._origins = {f"{url.scheme}://{url.netloc}".lower() for url in names.urls}
        self._hosts = {"localhost", names.host.lower(), machine, f"{machine}.local"}
        self._hosts |= {str(url.hostname) for url in names.urls}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        code, reason = 403, self._foreign(headers.get("host", ""), headers.get("origin"))
        path = scope["path"]
        if self._path and path == self._path:  # what the page loads is beside it
            return await RedirectResponse(f"{self._path}/")(scope, receive, send)
        if self._path and path.startswith(f"{self._path}/"):  # else the proxy took it off
            path = path.removeprefix(self._path)
        if not reason and not _used(path, scope.get("method", "GET")):
            code, reason = 404, f"there is nothing at {path[:100]!r}; the page is at {self._path}/"
        if not reason:
            return await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 4403, "reason": reason[:100]})
        await JSONResponse({"error": reason}, code)(scope, receive, send)

    def _foreign(self, host: str, origin: str | None) -> str:
        """Why a request is refused; empty if it is not."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if name not in self._hosts and not _is_number(name):
            return f"this server is not called {host!r:.100}; if it is, name it: --allow-origin http://{host:.100}"
        if origin is None or origin.lower() in self._origins or origin.lower().partition("://")[2] == host.lower():
            return ""
        return f"pages of {origin!r:.100} may not talk to this server; if they may, name them: --allow-origin"


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _used(path: str, method: str) -> bool:
    """Whether the page uses a path; what it may send, it sends to /pg/."""
    reads = method in ("GET", "HEAD")
    return path.startswith("/pg/") or (reads and (path in _PAGES or path.startswith(_FILES)))
