"""The socket: visitors are numbered, limited, and found again; nonsense is survived."""

import pytest
from fastapi import WebSocketDisconnect
from fastapi.testclient import TestClient

from playground.errors import UnknownNameError
from playground.web import connection, outbox, server
from playground.web.access import Names
from playground.web.publisher import Publisher
from tests.conftest import TASK
from tests.web.test_visitor import unpacked

pytestmark = pytest.mark.usefixtures("demonstrations")

HERE = Names("testserver")


@pytest.fixture
def client():
    with TestClient(server.build_app("random", None, TASK, names=HERE)) as client:
        yield client


@pytest.mark.slow
def test_a_lost_page_finds_its_session_and_a_second_one_gets_its_own(client):
    with client.websocket_connect("/pg/stage") as socket:
        first = socket.receive_json()["visitor"]
        assert socket.receive_bytes()
        with client.websocket_connect(f"/pg/stage?visitor={first}") as other:
            assert other.receive_json()["visitor"] != first
    with client.websocket_connect(f"/pg/stage?visitor={first}") as socket:
        assert socket.receive_json()["visitor"] == first


@pytest.mark.slow
def test_a_full_house_queues_and_lets_the_next_one_in():
    with TestClient(server.build_app("random", None, TASK, limit=1, names=HERE)) as client:
        with client.websocket_connect("/pg/stage") as socket:
            first = socket.receive_json()["visitor"]
            with client.websocket_connect("/pg/stage") as other:
                assert other.receive_json() == {"queue": 1, "limit": 1}
                assert client.get("/pg/house").json() == {"visitors": 1, "waiting": 1, "limit": 1}
                socket.close()
                assert other.receive_json()["visitor"] != first
        assert client.get(f"/pg/episode/{first}").status_code == 404


def test_only_what_is_meant_to_be_served_is_served(client):
    assert client.get("/pg/static/main.js").status_code == 200
    for path in (
        "/pg/static/../server.py",
        "/pg/static/%2e%2e/server.py",
        "/pg/kept/nobody/x.mp4",
        "/pg/episode/nobody",
    ):
        assert client.get(path).status_code == 404
    assert "unknown task" in client.get("/pg/gallery", params={"task": "no/such"}).json()["error"]


def test_an_episode_goes_out_and_comes_back_as_a_prompt(client):
    with client.websocket_connect("/pg/stage") as socket:
        id = socket.receive_json()["visitor"]
        socket.send_json({"playing": False, "reset": True})
        for _ in range(5):
            socket.send_json({"step": 1})
        notices = _until(socket, lambda notice: notice.get("live", {}).get("t") == 5)
        content = client.get(f"/pg/episode/{id}").content
        assert client.post(f"/pg/upload/{id}", content=content).json() == {"episodes": 1}
        notices = _until(socket, lambda notice: "new" in notice)
        assert notices[-1]["new"][0].startswith("yours/")
        refused = client.post(f"/pg/upload/{id}", content=b"no zip file")
        assert refused.status_code == 400 and "no whole zip file" in refused.json()["error"]


def _until(socket, wanted):
    """Takes messages, acknowledging them, until one is as wanted."""
    notices = []
    while not notices or not wanted(notices[-1]):
        notices.append(unpacked(socket.receive_bytes())[0])
        socket.send_json({"ack": True})
    return notices


def test_nonsense_is_survived_and_unacknowledged_news_are_held_back(client):
    with client.websocket_connect("/pg/stage") as socket:
        socket.receive_json()
        for nonsense in ("{", "3", "[]", '{"speed": "fast"}', '{"playing": 1}'):
            socket.send_text(nonsense)
        for _ in range(connection.MAX_UNACKNOWLEDGED):
            socket.receive_bytes()
        socket.send_json({"ack": True, "playing": True})
        assert socket.receive_bytes()


def test_a_message_that_cannot_be_made_ends_the_session_loudly(client, monkeypatch):
    def refuse(goal):
        raise TypeError("object of type 'int' has no len()")

    with client.websocket_connect("/pg/stage") as socket:
        socket.receive_json()
        _until(socket, lambda notice: "live" in notice)
        monkeypatch.setattr(outbox, "readable_goal", refuse)
        socket.send_json({"prompt": f"{TASK}#1"})
        with pytest.raises(WebSocketDisconnect) as ended:
            _until(socket, lambda notice: False)
    assert ended.value.code == connection.FAILED_CODE and "TypeError: object of type" in ended.value.reason
    assert client.get("/pg/house").json()["visitors"] == 0


def test_a_stage_that_cannot_even_show_its_error_ends_the_session_loudly(client, monkeypatch):
    def refuse(*_):
        raise KeyError("goal")

    with client.websocket_connect("/pg/stage") as socket:
        id = socket.receive_json()["visitor"]
        _until(socket, lambda notice: "live" in notice)
        monkeypatch.setattr(Publisher, "publish", refuse)
        with pytest.raises(WebSocketDisconnect) as ended:
            _until(socket, lambda notice: False)
    assert ended.value.code == connection.FAILED_CODE and "KeyError: 'goal'" in ended.value.reason
    assert client.get(f"/pg/episode/{id}").status_code == 404


def test_numbers_that_json_lacks_do_not_stop_a_page():
    header, _ = unpacked(outbox.packed({"return": float("nan"), "list": [float("-inf"), 1.5]}))
    assert header == {"return": None, "list": [None, 1.5], "blobs": []}
    assert b"NaN" not in outbox.packed({"return": float("nan")})


def test_unknown_task_is_refused_at_start():
    with pytest.raises(UnknownNameError):
        server.build_app("random", None, "babyai/Nonsense")
