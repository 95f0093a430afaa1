"""A wrapper around the policy that a person watches: it masks observations on request and takes turns at the model."""

from threading import RLock

import numpy as np

from playground.events import Decision, Policy
from playground.prompt import Prompt
from playground.task import Action, Observation

MODEL_LOCK = RLock()
"""Held by whoever runs the network. Its many small operations each pass on the interpreter's own lock; four threads
that compete for it make fewer decisions together than one of them alone."""


class ObservationMask:
    """A policy that sees only zeros and empty text while `on`. Experts read the simulator, so they see all the same.

    Args:
        policy: what decides.

    Attributes:
        on: whether observations are masked.
    """

    def __init__(self, policy: Policy):
        self.policy, self.on = policy, False

    def condition(self, prompt: Prompt | None) -> None:
        """Passes the prompt on."""
        with MODEL_LOCK:
            self.policy.condition(prompt)

    def reset(self) -> None:
        """Forgets the live steps."""
        self.policy.reset()

    def act(self, observation: Observation) -> Decision:
        """Proposes an action, for a masked observation while `on`."""
        with MODEL_LOCK:
            return self.policy.act(masked(observation) if self.on else observation)

    def commit(self, action: Action) -> None:
        """Passes on which action was executed."""
        self.policy.commit(action)


def masked(observation: Observation) -> Observation:
    """An observation of the same form: zeros for numbers, empty text for text."""
    return {key: "" if isinstance(value, str) else np.zeros_like(value) for key, value in observation.items()}
