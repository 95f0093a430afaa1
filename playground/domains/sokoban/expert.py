"""Sokoban's expert."""

import numpy as np

from playground.domains.sokoban.env import SokobanEnv
from playground.domains.sokoban.solver import MOVES
from playground.task import Action, Observation


class SolverExpert:
    """Takes a shortest way to a solution; in a state that has none, it goes up."""

    def __init__(self, env: SokobanEnv):
        self._env = env

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        table = self._env.distances
        states = [self._env.after(action) or self._env.state for action in range(len(MOVES))]
        return np.asarray(np.argmin([table.get(state, np.inf) for state in states]), np.int64)
