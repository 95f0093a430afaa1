"""Who may talk to the server, and that its page is whole below a path."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from playground.errors import BadValueError
from playground.web import server
from playground.web.access import Names
from tests.conftest import TASK

pytestmark = pytest.mark.usefixtures("demonstrations")

HERE = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def client():
    names = Names("127.0.0.1", ["https://play.example.org"])
    with TestClient(server.build_app("random", None, TASK, names=names), HERE) as client:
        yield client


@pytest.mark.parametrize(
    ("host", "origin", "welcome"),
    [
        ("127.0.0.1:7860", None, True),
        ("127.0.0.1:7860", "http://127.0.0.1:7860", True),
        ("localhost:9000", "http://localhost:9000", True),  # a forwarded port
        ("[::1]:7860", "http://[::1]:7860", True),
        ("192.168.0.7:7860", "http://192.168.0.7:7860", True),
        ("play.example.org", "https://play.example.org", True),
        ("127.0.0.1:7860", "https://play.example.org", True),  # a proxy that writes its own Host
        ("127.0.0.1:7860", "http://evil.example", False),
        ("127.0.0.1:7860", "http://127.0.0.1:8000", False),  # another server of this machine
        ("127.0.0.1:7860", "http://play.example.org", False),  # whoever sits on the line can be that
        ("127.0.0.1:7860", "null", False),  # a sandboxed frame
        ("evil.example", None, False),
        ("evil.example:7860", "http://evil.example:7860", False),  # a name that was bound again
        ("127.0.0.1.evil.example", None, False),
        ("play.example.org.evil.example", None, False),
        ("", None, False),
        ("[", None, False),
    ],
)
def test_only_its_own_page_talks_to_it_by_its_own_names(client, host: str, origin: str | None, welcome: bool):
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    for path in ("/", "/pg/house", "/pg/static/main.js"):
        assert client.get(path, headers=headers).status_code == (200 if welcome else 403)
    started = client.post("/pg/experiment-run/nonsense", headers=headers)
    assert started.status_code == (400 if welcome else 403)
    assert welcome or "--allow-origin" in started.json()["error"]
    if welcome:
        with client.websocket_connect("/pg/stage", headers=headers) as socket:
            assert "visitor" in socket.receive_json() or "queue" in socket.receive_json()
    else:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/pg/stage", headers=headers):
            pass


def test_what_gradio_brings_and_the_page_does_not_use_is_closed(client):
    for path in ("upload", "queue/join", "run/predict", "component_server", "vibe-edit", "process_recording", "cancel"):
        assert client.post(f"/gradio_api/{path}", files={"files": b"x"}).status_code == 404
    for path in (
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/info",
        "/config",
        "/docs",
        "/openapi.json",
        "/monitoring",
    ):
        assert client.get(path).status_code == 404
    assert client.post("/").status_code == 404


class Links(HTMLParser):
    """What a page loads; a manifest is for those who install it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        link = given.get("href" if tag == "link" else "src")
        if tag in ("link", "script") and link and given.get("rel") != "manifest" and not link.startswith("data:"):
            self.found.append(link)


@pytest.mark.parametrize("root", ["/deep/play", "/deep/play/", "https://play.example.org/deep/play"])
def test_below_a_path_everything_is_found(root: str):
    """Whether the proxy cuts the path off or not."""
    names = Names("127.0.0.1", ["https://play.example.org"], root)
    with TestClient(server.build_app("random", None, TASK, names=names), "http://play.example.org") as client:
        assert client.get("/deep/play", follow_redirects=False).headers["location"] == "/deep/play/"
        page = client.get("/deep/play/")
        assert page.status_code == 200 and b"requestFrame" in page.content
        base = re.search(r'"root":\s*"([^"]+)"', page.text)
        assert base and re.fullmatch("https?://play.example.org/deep/play", base[1])
        links = Links()
        links.feed(page.text)
        assert len(links.found) == 2
        for link in [*links.found, "theme.css", "pg/catalogue", "pg/static/main.js"]:
            for place in ("/deep/play/", "/"):
                assert client.get(urljoin(place, link)).status_code == 200, link
        with client.websocket_connect("ws://play.example.org/deep/play/pg/stage") as socket:
            assert "visitor" in socket.receive_json()


@pytest.mark.parametrize("origin", ["example.org", "ftp://example.org", "https://", "https://[", "https://a@b.org"])
def test_what_is_no_origin_is_refused(origin: str):
    with pytest.raises(BadValueError, match=r"such as https://example\.org"):
        Names(origins=[origin])
    with pytest.raises(BadValueError, match=r"such as https://example\.org"):
        Names(root=origin)


def test_every_address_is_shown_as_a_browser_takes_it():
    assert server._url("::1", 7860) == "http://[::1]:7860"
    assert server._url("::", 7860) == server._url("0.0.0.0", 7860) == "http://127.0.0.1:7860"
    assert server._url("example.org", 80) == "http://example.org:80"
