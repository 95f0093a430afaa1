"""Episodes of experts: the expert labels every state, and something slightly worse acts in it.

Noise takes an episode to states that an agent with small errors will see, and the labels say how to recover from there.
"""

from collections.abc import Callable

import gymnasium as gym
import numpy as np

from playground.environment import DomainEnv
from playground.episode import Episode
from playground.events import Decision, StepEvent, episode_from_events
from playground.policies import Promptless
from playground.rollout import EpisodeSpec, IndependentPolicies, Rollout
from playground.task import Action, Expert, Goal, Observation, Task


class RandomExpert:
    """Acts uniformly at random; what experts are compared with."""

    def __init__(self, env: DomainEnv, rng: np.random.Generator):
        self._env = env
        self._rng = rng

    def reset(self) -> None:
        """Has no plan to forget."""

    def act(self, observation: Observation) -> Action:
        """A random action."""
        return random_action(self._env, self._rng)


class NoisyExpert(Promptless):
    """A policy that executes an expert's actions with noise, and labels them with the expert's own.

    Args:
        env: the environment that it acts in.
        expert: built for `env`.
        noise: standard deviation that is added to continuous actions; probability of a random discrete action.
        rng: draws the noise.
    """

    def __init__(self, env: DomainEnv, expert: Expert, noise: float, rng: np.random.Generator):
        self._env, self._expert, self._noise, self._rng = env, expert, noise, rng

    def reset(self) -> None:
        """Makes the expert forget its plan."""
        self._expert.reset()

    def act(self, observation: Observation) -> Decision:
        """The expert's action, with noise."""
        label = self._expert.act(observation)
        return Decision(self._with_noise(label), label=label)

    def _with_noise(self, action: Action) -> Action:
        if not self._noise:
            return action
        if np.issubdtype(action.dtype, np.integer):
            return random_action(self._env, self._rng) if self._rng.random() < self._noise else action
        return np.clip(action + self._rng.normal(0, self._noise, action.shape), -1, 1).astype(np.float32)


def random_action(env: DomainEnv, rng: np.random.Generator) -> Action:
    """A uniformly random action, from a generator of the caller's."""
    if isinstance(env.action_space, gym.spaces.Discrete):
        return np.asarray(rng.integers(env.action_space.n), np.int64)
    return rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)


def expert_episode(
    task: Task,
    env: DomainEnv,
    expert: Expert,
    seed: int,
    goal: Goal = None,
    noise: float = 0.0,
    max_steps: int | None = None,
    hold_steps: int | None = None,
    watch: Callable[[list[StepEvent]], None] = lambda events: None,
) -> Episode:
    """Plays one episode whose actions are the expert's own, whatever noise was executed in their place.

    Args:
        task: what `env` is of.
        env: the environment; it is reset.
        expert: built for `env`.
        seed: of the environment's start and of the noise.
        goal: the goal to reset to; the seed's own by default.
        noise: see `NoisyExpert`.
        max_steps: cuts the episode; the task's own limit by default.
        hold_steps: steps that it goes on for when the task is solved; the task's own by default.
        watch: called with the events of the episode.

    Returns:
        An episode without frames; its text keys are strings.
    """
    hold_steps = task.hold_steps if hold_steps is None else hold_steps
    policy = NoisyExpert(env, expert, noise, np.random.default_rng([seed, 1]))
    run = Rollout([env], [EpisodeSpec(seed, goal)], IndependentPolicies([policy]), task)
    events, solved_steps = [], 0
    for row, event in run:
        events.append(event)
        solved_steps += bool(event.t and event.success)
        if solved_steps > hold_steps or event.t == max_steps:
            run.end(row)
    watch(events)
    return episode_from_events(task.id, events, labels=True)
