"""Readouts: the numbers that page and window show of a running session."""

import numpy as np
import pytest

from playground.policies import ReplayPolicy
from playground.session import Session
from playground.viewing.readouts import readouts
from tests.toy import MAX_STEPS, toy_task


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """A point that walks off to the right, in a task that random behaviour solves three times in ten."""
    scores = {"toy/point": {"random": 0.3, "expert": 1.0}}
    monkeypatch.setattr("playground.viewing.readouts.reference_scores", lambda: scores)
    task = toy_task()
    walk = np.tile(np.array([1, 0], np.float32), (MAX_STEPS, 1))
    return Session(task.make(64), ReplayPolicy(walk), seed=3, goal=(-0.5, 0.5), task=task)


def test_there_is_no_score_while_the_episode_can_still_be_solved(session: Session):
    shown = [readouts(session) for _ in session.episode()]
    assert [one["t"] for one in shown] == list(range(MAX_STEPS + 1))
    assert [one["score"] for one in shown[:-1]] == [None] * MAX_STEPS
    assert shown[-1]["done"] and shown[-1]["score"] == pytest.approx(-0.3 / 0.7)


def test_a_solved_episode_has_its_score_at_once(session: Session):
    session.step()
    start = session.env.position  # type: ignore[attr-defined]
    session.goal = (float(start[0]) + 0.1, float(start[1]))
    session.reset()
    session.step()
    assert readouts(session)["score"] is None
    session.step()
    found = readouts(session)
    assert found["success"] and not found["done"] and found["score"] == 1.0
