"""Missions of several subtasks, and an agent that carries them out one at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor

from playground.agent import BatchAgent
from playground.agent.subtasks import SubtaskTracker
from playground.domains import task
from playground.domains.babyai.missions import subtasks
from playground.model import GeneralistModel, preset
from playground.tokens.timestep import TimestepSpec


def test_tracker_begins_anew_after_the_last_subtask_and_with_another_instruction() -> None:
    tracker = SubtaskTracker(subtasks)
    read = [tracker.follow("a and b")]
    for _ in range(2):
        tracker.advance()
        read.append(tracker.follow("a and b"))
    tracker.advance()
    assert [*read, tracker.follow("c, then d")] == ["a", "b", "a", "c"]


class _Told(BatchAgent):
    """Is told at which of the timesteps it asks about something is done."""

    def __init__(self, *given, done_at: set[int]):
        super().__init__(*given)
        self._asked, self._done_at = -1, done_at

    def _subtask_done(self, h: Tensor, rows) -> list[bool]:
        self._asked += 1
        return [self._asked in self._done_at] * len(rows)


@pytest.mark.parametrize("watched", [False, True])
def test_agent_reads_the_current_subtask(watched: bool) -> None:
    """Where a subtask is done, the timestep is read once more, with the next subtask in its place."""
    torch.manual_seed(0)
    model = GeneralistModel(preset("tiny")).eval()
    if watched:  # the modules themselves compute, not the loops
        model.decoder.head.register_forward_hook(lambda *_: None)
    env = task("babyai/GoToLocal").make(64)
    form = TimestepSpec.from_spaces(env.observation_space, env.action_space)
    seen = [env.reset(seed=1)[0]] + [env.step(action)[0] for action in (0, 2)]
    agent, plain = _Told(model, form, 1, env.subtasks, done_at={1}), BatchAgent(model, form, 1)
    decisions = [agent.act([o | {"mission": "go to a key, then open a door"}], [0])[0] for o in seen]
    wanted = [
        plain.act([seen[t] | {"mission": part}], [0])[0]
        for t, part in ((0, "go to a key"), (1, "go to a key"), (1, "open a door"), (2, "open a door"))
    ]
    for found, expected in zip(decisions, (wanted[0], wanted[2], wanted[3]), strict=True):
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        assert found.live_steps == expected.live_steps
    assert np.abs(wanted[1].probabilities - wanted[2].probabilities).max() > 1e-4
    agent.reset([0])
    again = agent.act([seen[0] | {"mission": "go to a key, then open a door"}], [0])[0]
    np.testing.assert_allclose(again.probabilities, wanted[0].probabilities, atol=1e-5)  # the first subtask again


def test_untrained_model_never_takes_a_subtask_for_done() -> None:
    model = GeneralistModel(preset("tiny"))
    assert (model.subtask_done_head(torch.randn(1000, model.config.width)) < 0).all()
