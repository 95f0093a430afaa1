"""A toy world for tests of the loop: a point on a line that should reach the goal."""

from typing import Any

import gymnasium as gym
import numpy as np

from playground.environment import DomainEnv, wanted_goal
from playground.task import Action, Observation, Task


class LineEnv(DomainEnv):
    """x in [-1, 1], drawn at reset; an action moves it by at most 0.1; the goal is a point that is not observed."""

    def __init__(self, size: int = 32, max_steps: int = 8):
        self.observation_space = gym.spaces.Dict({"state": gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)})
        self.action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.size, self.max_steps = size, max_steps
        self.renders = 0
        self.closed = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        super().reset(seed=seed)
        self.x, drawn = self.np_random.uniform(-1, 1, 2)
        self.goal = wanted_goal(options) or (float(drawn),)
        self.t, self.success = 0, False
        return self._observation(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict]:
        self.x = float(np.clip(self.x + 0.1 * action[0], -1, 1))
        self.t += 1
        near = abs(self.x - self.goal[0]) < 0.05
        self.success = self.success or near
        return self._observation(), float(near), False, self.t >= self.max_steps, {}

    def render(self) -> np.ndarray:
        self.renders += 1
        picture = np.full((self.size, self.size, 3), 40, np.uint8)
        column = int((self.x + 1) / 2 * (self.size - 1))
        picture[:, column] = (250, 120, 20)
        return picture

    def close(self) -> None:
        self.closed = True

    def _observation(self) -> Observation:
        return {"state": np.array([self.x, self.t / self.max_steps], np.float32)}


class LineExpert:
    """Walks straight to the goal."""

    def __init__(self, env: LineEnv):
        self.env = env

    def reset(self) -> None:
        pass

    def act(self, observation: Observation) -> Action:
        return np.clip([(self.env.goal[0] - self.env.x) * 10], -1, 1).astype(np.float32)


LINE = Task("toy/line", "toy-line", 40, 8, LineEnv, LineExpert, has_success=True, hidden_goal=True)
