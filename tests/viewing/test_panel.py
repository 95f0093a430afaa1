"""A panel without a screen: who acts, what a person did to it, and what is kept of it."""

from typing import Any

import numpy as np
import pytest

from playground.errors import BadValueError
from playground.events import Decision
from playground.policies import RandomPolicy, ReplayPolicy
from playground.session import Session
from playground.viewing.panel import MIN_RECORDED_STEPS, PUSH_STEPS, Panel
from tests.loop_toy import LINE, LineEnv
from tests.viewing.test_lockstep import goal_prompt


class Eyes(RandomPolicy):
    """Remembers what it was shown."""

    def act(self, observation: dict[str, Any]) -> Decision:
        self.seen = observation
        return super().act(observation)


def seen(panel: Panel) -> np.ndarray:
    """The state that the policy was shown last."""
    assert isinstance(panel.policy, Eyes)
    return panel.policy.seen["state"]


@pytest.fixture
def panel() -> Panel:
    env = LineEnv(max_steps=30)
    panel = Panel(Session(env, Eyes(env.action_space), seed=3, task=LINE), max_recorded=10)
    panel.step()
    return panel


def test_a_person_drives_while_the_policy_goes_on_proposing(panel: Panel):
    panel.take_over()
    panel.controller.press("ArrowRight")
    event = panel.step()
    assert event.action == 1 and event.decision.action != 1 and panel.touched and not panel.waits
    panel.release()
    assert panel.step().action != 1  # what was held is forgotten


def test_a_blindfold_hides_the_observation_and_stays_on_for_another_policy(panel: Panel):
    panel.step()
    assert seen(panel).any() and not panel.touched
    panel.mask.on = True
    panel.step()
    assert not seen(panel).any() and panel.touched
    panel.switch(Eyes(panel.env.action_space))
    panel.step()
    assert not seen(panel).any()


def test_a_push_without_a_body_is_a_few_random_actions(panel: Panel):
    panel.push()
    actions = [float(panel.step().action[0]) for _ in range(PUSH_STEPS)]
    assert set(map(abs, actions)) == {1.0} and panel.touched and not panel.pulled
    assert abs(panel.step().action[0]) != 1


def test_a_push_pulls_a_body_and_lets_go(panel: Panel, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []
    monkeypatch.setattr(panel.env, "grab", lambda x, y: not calls.append("grab"))
    monkeypatch.setattr(panel.env, "drag", lambda x, y: calls.append("drag"))
    monkeypatch.setattr(panel.env, "release", lambda: calls.append("release"))
    panel.push()
    assert calls == ["grab", "drag"] and panel.pulled
    for _ in range(PUSH_STEPS):
        panel.step()
    assert calls == ["grab", "drag", "release"]
    panel.reset()
    panel.step()
    assert not panel.pulled and not panel.touched


def test_what_happened_is_a_demonstration_up_to_a_length(panel: Panel):
    with pytest.raises(BadValueError, match="0 steps so far"):
        panel.recording()
    for _ in range(MIN_RECORDED_STEPS):
        panel.step()
    assert len(panel.recording()) == MIN_RECORDED_STEPS and panel.recording().seed == 3
    for _ in range(20):
        panel.step()
    assert len(panel.recording()) == 10
    panel.reset()
    panel.step()
    assert panel.running is None


def test_a_replay_reads_no_prompt():
    env = LineEnv()
    panel = Panel(Session(env, ReplayPolicy(np.ones((4, 1), np.float32)), task=LINE))
    panel.swap(goal_prompt(0.5))
    assert panel.prompt == "none" and panel.session.prompt is None
