"""The socket: visitors are numbered, limited, and found again; nonsense is survived."""

import pytest
from fastapi.testclient import TestClient

from playground.errors import UnknownNameError
from playground.web import server
from tests.conftest import TASK

pytestmark = pytest.mark.usefixtures("demonstrations")


@pytest.fixture
def client():
    with TestClient(server.build_app("random", None, TASK)) as client:
        yield client


def test_a_lost_page_finds_its_session_and_a_second_one_gets_its_own(client):
    with client.websocket_connect("/stage") as socket:
        first = socket.receive_json()["visitor"]
        assert socket.receive_bytes()
        with client.websocket_connect(f"/stage?visitor={first}") as other:
            assert other.receive_json()["visitor"] != first
    with client.websocket_connect(f"/stage?visitor={first}") as socket:
        assert socket.receive_json()["visitor"] == first


def test_a_full_house_says_so(client, monkeypatch):
    monkeypatch.setattr(server, "MAX_VISITORS", 1)
    with client.websocket_connect("/stage") as socket:
        socket.receive_json()
        with client.websocket_connect("/stage") as other:
            assert "1 visitors are here already" in other.receive_json()["full"]


def test_nonsense_is_survived_and_unacknowledged_news_are_held_back(client):
    with client.websocket_connect("/stage") as socket:
        socket.receive_json()
        for nonsense in ("{", "3", "[]", '{"speed": "fast"}', '{"playing": 1}'):
            socket.send_text(nonsense)
        for _ in range(server.MAX_UNACKNOWLEDGED):
            socket.receive_bytes()
        socket.send_json({"ack": True, "playing": True})
        assert socket.receive_bytes()


def test_unknown_task_is_refused_at_start():
    with pytest.raises(UnknownNameError):
        server.build_app("random", None, "babyai/Nonsense")
