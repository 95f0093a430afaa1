"""Policies that are not the agent: random, expert, DQN's network, replay, and nearest-neighbour replay of a prompt."""

from copy import deepcopy
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np

from playground.domains.atari import AtariEnv
from playground.domains.atari.q_network import NumpyQNetwork
from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.events import Decision
from playground.prompt import Prompt, Segment
from playground.task import Action, Observation, Task


class Promptless:
    """The parts of a policy that keeps nothing of the prompt or the live steps."""

    def condition(self, prompt: Prompt | None) -> None:
        """Takes no notice of prompts."""

    def reset(self) -> None:
        """Keeps no live steps."""

    def commit(self, action: Action) -> None:
        """Keeps no live steps."""


class RandomPolicy(Promptless):
    """Uniform over the action space; one stream of actions per seed, which runs on over resets."""

    def __init__(self, space: gym.Space[Any], seed: int = 0):
        self._space = deepcopy(space)
        self._space.seed(seed)

    def act(self, observation: Observation) -> Decision:
        """A random action."""
        return Decision(np.asarray(self._space.sample(), dtype=self._space.dtype))


class ExpertPolicy(Promptless):
    """The task's expert, which looks into the simulator of the very environment that it acts in."""

    def __init__(self, task: Task, env: DomainEnv):
        self._expert = task.make_expert(env)

    def reset(self) -> None:
        """Makes the expert forget its plan."""
        self._expert.reset()

    def act(self, observation: Observation) -> Decision:
        """What the expert does."""
        began = perf_counter()
        action = self._expert.act(observation)
        return Decision(action, latency_ms=(perf_counter() - began) * 1e3)


class DQNPolicy(Promptless):
    """A network of DQN's that was trained on this one game, and sees it as it did in training.

    Args:
        network: what it learnt.
        env: the game's environment, whose frames it reads.
        seed: of the few random moves.
        epsilon: share of random moves, without which a game may wait for ever for a button.

    Raises:
        BadValueError: the environment is no Atari game, or has other buttons than the network.
    """

    def __init__(self, network: NumpyQNetwork, env: DomainEnv, seed: int = 0, epsilon: float = 0.01):
        if not isinstance(env, AtariEnv) or len(env.buttons) != network.actions:
            raise BadValueError(f"a network of {network.actions} Atari buttons cannot play {env}; take its own game")
        self._network, self._env, self._epsilon = network, env, epsilon
        self._random = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Decision:
        """The action of the highest value, or now and then a random one."""
        began = perf_counter()
        action = int(self._network.values(self._env.dqn_pixels()).argmax())
        if self._random.random() < self._epsilon:
            action = int(self._random.integers(self._network.actions))
        return Decision(np.asarray(action, np.int64), latency_ms=(perf_counter() - began) * 1e3)


class ReplayPolicy(Promptless):
    """Plays recorded actions again, each time from the first, and then holds the last one.

    Args:
        actions: float32 [N, A] or int64 [N] with N >= 1.
    """

    def __init__(self, actions: np.ndarray):
        self._actions = actions
        self._t = 0

    @property
    def over(self) -> bool:
        """Whether every action has been played."""
        return self._t >= len(self._actions)

    def reset(self) -> None:
        """Begins with the first action again."""
        self._t = 0

    def act(self, observation: Observation) -> Decision:
        """The next action."""
        return Decision(self._actions[min(self._t, len(self._actions) - 1)])

    def commit(self, action: Action) -> None:
        """Goes on to the next action."""
        self._t += 1


class NearestNeighbourPolicy(Promptless):
    """Does what the prompt did in the observation nearest to the present one; the baseline for prompt following.

    Nearest means the least Euclidean distance over all numbers of the observation. A prompt of another body, and no
    prompt at all, make it take a no-op (zeros, or discrete action 0).
    """

    def __init__(self, space: gym.Space[Any]):
        self._no_op = np.zeros(space.shape or (), space.dtype)
        self._segments: list[tuple[Segment, np.ndarray]] = []

    def condition(self, prompt: Prompt | None) -> None:
        """Takes the prompt's steps to choose from."""
        segments = () if prompt is None else prompt.segments
        fitting = (
            s for s in segments if s.actions.dtype == self._no_op.dtype and s.actions.shape[1:] == self._no_op.shape
        )
        self._segments = [(s, np.stack([_flat(s, t) for t in range(len(s))])) for s in fitting]

    def act(self, observation: Observation) -> Decision:
        """The action of the nearest step."""
        began = perf_counter()
        here = _numbers(observation)
        action, least = self._no_op, np.inf
        for segment, table in self._segments:
            if table.shape[1] != len(here):
                continue
            distances = ((table - here) ** 2).sum(axis=1)
            if distances.min() < least:
                action, least = np.asarray(segment.actions[distances.argmin()]), distances.min()
        return Decision(
            action,
            prompt_steps=sum(len(s) for s, _ in self._segments),
            latency_ms=(perf_counter() - began) * 1e3,
        )


def _flat(segment: Segment, t: int) -> np.ndarray:
    return _numbers({key: values[t] for key, values in segment.observations.items()})


def _numbers(observation: Observation) -> np.ndarray:
    """All numbers of an observation, float32 [D]; text counts for nothing."""
    arrays = [np.asarray(observation[key]) for key in sorted(observation)]
    numbers = [a.astype(np.float32).ravel() for a in arrays if a.dtype.kind in "fiub"]
    return np.concatenate([*numbers, np.zeros(0, np.float32)])
