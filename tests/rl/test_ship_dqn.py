"""A trained network as an agent: shipped where it plays well, chosen by its game, and without a prompt."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from playground import api, domains
from playground.domains.atari import q_network
from playground.domains.atari.q_network import network_spec
from playground.errors import BadFileError, BadValueError, UnknownNameError
from playground.rl import ship_dqn
from playground.rl.q_network import QNetwork, save_policy
from playground.web.prompt_info import prompt_info
from playground.window.agent_view import AgentView


@pytest.fixture
def run(tmp_path):
    """A run in a folder whose network always goes up in Freeway, which crosses the road now and then."""
    net = QNetwork(network_spec("nips"), 3, True)
    with torch.no_grad():
        for parameter in net.layers[-1].parameters():
            parameter.zero_()
        net.layers[-1].bias[1] = 1.0
    save_policy(net, tmp_path / "run" / "policy", {"game": "freeway", "algorithm": "pqn", "agent_steps": 500})
    rows = [
        {"agent_steps": n, "frames": 4 * n, "core_hours": n / 1e5, "score": 0.1, "loss": 1.0} for n in range(1, 501)
    ]
    (tmp_path / "run" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path / "run"


@pytest.mark.slow
def test_a_policy_is_shipped_where_it_passes_its_gate_and_a_curve_always(run, tmp_path, monkeypatch):
    monkeypatch.setitem(ship_dqn.GATES, "freeway", 1e9)
    config = ship_dqn.ship_dqn(run, 1, tmp_path / "dqn")
    assert not config["passed"]
    assert config["score"] > 10  # going up is enough to cross the road
    curve = json.loads((tmp_path / "dqn" / "freeway-nips" / "curve.json").read_text(encoding="utf-8"))
    assert len(curve["curve"]) <= 202
    assert curve["curve"][-1] == {"agent_steps": 500, "frames": 2000, "core_hours": 0.005, "score": 0.1}
    assert [file.name for file in (tmp_path / "dqn" / "freeway-nips").iterdir()] == ["curve.json"]
    monkeypatch.setitem(ship_dqn.GATES, "freeway", 5.0)
    assert ship_dqn.ship_dqn(run, 1, tmp_path / "dqn")["passed"]
    monkeypatch.setattr(q_network, "Q_POLICIES", tmp_path / "dqn")
    assert q_network.q_policy_folder("Freeway") == tmp_path / "dqn" / "freeway-nips"
    with pytest.raises(BadFileError, match="train-dqn"):
        ship_dqn.ship_dqn(tmp_path / "nothing")


def test_dqn_acts_in_its_game_and_only_there(run):
    with api.open_session("atari/Freeway", "dqn", seed=3, checkpoint=str(run / "policy")) as session:
        events = [session.step() for _ in range(40)]
    ups = [int(event.action) == 1 for event in events[1:]]
    assert np.mean(ups) > 0.9
    assert events[-1].decision is not None and events[-1].decision.latency_ms > 0
    assert prompt_info(None, "dqn", session.policy)["reads"] is False
    assert prompt_info(None, "nearest", session.policy)["reads"] is True
    with pytest.raises(BadValueError, match="its own game"):
        api.open_session("atari/Boxing", "dqn", checkpoint=str(run / "policy"))
    with pytest.raises(BadValueError, match="its own game"):
        api.open_session("classic/CartPole", "dqn", checkpoint=str(run / "policy"))
    with pytest.raises(UnknownNameError, match="CartPole"):
        api.open_session("classic/CartPole", "dqn", checkpoint=str(domains.__file__))


def test_the_window_says_that_a_dqn_reads_no_prompt(run):
    with api.open_session("atari/Freeway", "dqn", checkpoint=str(run / "policy")) as session:
        view: Any = SimpleNamespace(
            policy=session.policy, prompt="atari/Freeway#0", session=session, demonstration=None
        )
        agent_view = AgentView(lambda: 0.0)
        assert agent_view.ood_score(view) == "it reads no prompt"
        assert agent_view.attention(view) is None
