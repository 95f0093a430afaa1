"""Episodes played again: the recorded actions from the recorded start."""

import numpy as np

from playground import domains
from playground.environment import DomainEnv
from playground.episode import Episode
from playground.errors import BadValueError
from playground.policies import ReplayPolicy
from playground.session import Session
from playground.task import Observation


def replay_session(episode: Episode, size: int = 320, env: DomainEnv | None = None) -> Session:
    """A session about to play an episode again, from its start on.

    Args:
        episode: what to play.
        size: width of pictures.
        env: a world of the episode's task; built if left out.

    Raises:
        BadValueError: the episode does not say how its world began.
    """
    task = domains.task(episode.task)
    if episode.seed is None:
        raise BadValueError("its start was not recorded, so it cannot be shown")
    world = env or task.make(size)
    # A goal is asked for only if it was when recording: worlds draw another start for a goal that is asked for.
    drawn, _ = world.reset(seed=episode.seed)
    goal = None if as_recorded(drawn, episode, 0) and world.goal == episode.goal else episode.goal
    return Session(world, ReplayPolicy(episode.actions), seed=episode.seed, goal=goal, task=task)


def as_recorded(observation: Observation, episode: Episode, t: int) -> bool:
    """Whether an observation is the recorded one of timestep t; floats to within 1e-5."""
    for key, recorded in episode.observations.items():
        here, there = np.asarray(observation[key]), recorded[t]
        equal = np.allclose(here, there, atol=1e-5) if here.dtype.kind == "f" else np.array_equal(here, there)
        if not equal:
            return False
    return True
