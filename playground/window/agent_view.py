"""What the agent makes of its prompt: which timesteps it looks at, and whether it is out of distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from playground.window.view import View

LOOK_SECONDS = 0.2
"""Between two looks at the attention; one costs about as much as a decision."""


class AgentView:
    """Of one view's agent, if it is the model; other agents have none.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._looked_at = -1.0
        self._attention: tuple[np.ndarray, np.ndarray] | None = None
        self._scored: tuple[str, str] = ("", "")

    def attention(self, view: View) -> tuple[np.ndarray, np.ndarray] | None:
        """Timesteps of the demonstration that the agent read, and how much its latest decision looked at each, [P].

        None where there is nothing to tell.
        """
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = self._clock()
            self._attention = self._look(view)
        return self._attention

    def ood_score(self, view: View) -> str:
        """How far the prompt is from what the agent was trained on, in words; empty where nobody knows."""
        if self._scored[0] != view.prompt:
            self._scored = (view.prompt, self._score(view))
        return self._scored[1]

    def _look(self, view: View) -> tuple[np.ndarray, np.ndarray] | None:
        from playground.agent import Agent

        found, policy = view.demonstration, view.policy
        if found is None or not isinstance(policy, Agent) or policy.reading is None:
            return None
        weights, segments = policy.attention(), policy.reading.prompt.segments
        steps = np.concatenate([segment.steps for segment in segments])
        shown = np.concatenate([np.full(len(segment), segment.name == found.name) for segment in segments])
        return None if weights is None else (steps[shown], weights[shown])

    def _score(self, view: View) -> str:
        from playground.agent import Agent
        from playground.policies import DQNPolicy

        policy, prompt = view.policy, view.session.prompt
        if isinstance(policy, DQNPolicy):
            return "it reads no prompt"
        if prompt is None or not isinstance(policy, Agent):
            return ""
        found = policy.read(prompt).ood
        if found is None:
            return ""
        return f"{found.score:.1f}" + (" · out of distribution" if found.out_of_distribution else "")
