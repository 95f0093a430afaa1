"""What stands between a world and the policy of a visitor: a blindfold that can be put on and off while it acts, and
visitors' turns at thinking."""

from threading import RLock

import numpy as np

from playground.events import Decision, Policy
from playground.prompt import Prompt
from playground.task import Action, Observation

THINKING = RLock()
"""Held by whoever asks the network something. Its many small operations each pass the interpreter's lock on, and four
threads that fight for it decide less often together than one alone."""


class Blindfold:
    """A policy that is shown nothing (zeros and no text) while `on`; experts look into the simulator all the same."""

    def __init__(self, policy: Policy):
        self.policy, self.on = policy, False

    def condition(self, prompt: Prompt | None) -> None:
        with THINKING:
            self.policy.condition(prompt)

    def reset(self) -> None:
        self.policy.reset()

    def act(self, observation: Observation) -> Decision:
        with THINKING:
            return self.policy.act(darkened(observation) if self.on else observation)

    def commit(self, action: Action) -> None:
        self.policy.commit(action)


def darkened(observation: Observation) -> Observation:
    """An observation of the same form in which there is nothing to see."""
    return {key: "" if isinstance(value, str) else np.zeros_like(value) for key, value in observation.items()}
