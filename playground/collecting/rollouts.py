"""Expert rollouts for data: the expert labels every state, something slightly worse acts in it.

Noise takes the episode to states that an agent with small errors will see, and the label says how the expert would
recover from there.
"""

import numpy as np

from playground.environment import DomainEnv
from playground.episode import Episode
from playground.task import Action, Expert, Goal, Observation, Task


class RandomExpert:
    """Acts uniformly at random; what experts are compared with."""

    def __init__(self, env: DomainEnv, rng: np.random.Generator):
        self._env = env
        self._rng = rng

    def reset(self) -> None:
        pass

    def act(self, observation: Observation) -> Action:
        return random_action(self._env, self._rng)


def random_action(env: DomainEnv, rng: np.random.Generator) -> Action:
    """A uniformly random action, from a generator of the caller's."""
    import gymnasium as gym

    if isinstance(env.action_space, gym.spaces.Discrete):
        return np.asarray(rng.integers(env.action_space.n), np.int64)
    return rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)


def rollout(
    task: Task,
    env: DomainEnv,
    expert: Expert,
    seed: int,
    goal: Goal = None,
    noise: float = 0.0,
    max_steps: int | None = None,
    hold_steps: int | None = None,
) -> Episode:
    """Runs one episode whose actions are the expert's own, whatever noise was executed in their place.

    Args:
        task: what `env` is of.
        env: the environment; it is reset.
        expert: built for `env`.
        seed: of the world's start and of the noise.
        goal: the goal to reset to; the seed's own by default.
        noise: standard deviation that is added to continuous actions; probability of a random discrete action.
        max_steps: cuts the episode; the task's own limit by default.
        hold_steps: steps that it goes on for when the task is solved; the task's own by default.

    Returns:
        An episode without frames; its text keys are strings.
    """
    rng = np.random.default_rng([seed, 1])
    hold_steps = task.hold_steps if hold_steps is None else hold_steps
    observation, _ = env.reset(seed=seed, options=None if goal is None else {"goal": goal})
    expert.reset()
    observations, actions, rewards = [observation], [], []
    terminated = truncated = False
    after_success = 0
    while not (terminated or truncated):
        action = expert.act(observation)
        observation, reward, terminated, truncated, _ = env.step(disturbed(env, action, noise, rng))
        observations.append(observation)
        actions.append(action)
        rewards.append(reward)
        if task.has_success and env.success:
            truncated |= after_success >= hold_steps
            after_success += 1
        truncated |= len(actions) == max_steps
    return Episode(
        task=task.id,
        observations={key: np.stack([np.asarray(o[key]) for o in observations]) for key in observations[0]},
        actions=np.stack(actions),
        rewards=np.array(rewards, np.float32),
        terminated=bool(terminated),
        truncated=bool(truncated and not terminated),
        seed=seed,
        goal=env.goal,
        success=bool(env.success) if task.has_success else None,
    )


def score(episode: Episode) -> float:
    """What an episode counts for: 1 or 0 where success is defined, else its return."""
    return episode.total_reward if episode.success is None else float(episode.success)


def disturbed(env: DomainEnv, action: Action, noise: float, rng: np.random.Generator) -> Action:
    """An action with noise (see `rollout`)."""
    if not noise:
        return action
    if np.issubdtype(action.dtype, np.integer):
        return random_action(env, rng) if rng.random() < noise else action
    return np.clip(action + rng.normal(0, noise, action.shape), -1, 1).astype(np.float32)
