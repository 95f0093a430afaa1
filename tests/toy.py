"""A toy domain: a point on a plane that has to reach a goal which it does not see. It has every kind of observation."""

from typing import Any

import gymnasium as gym
import numpy as np

from playground.environment import DomainEnv, wanted_goal
from playground.task import Action, Observation, Task

MAX_STEPS = 40
STEP = 0.1
NEAR = 0.08


class ToyEnv(DomainEnv):
    """The point moves by a tenth of the action; success is being within `NEAR` of the goal."""

    def __init__(self, size: int = 64, discrete: bool = False):
        self.size = size
        self.discrete = discrete
        self.observation_space = gym.spaces.Dict(
            {
                "state": gym.spaces.Box(-2, 2, [2], np.float32),
                "grid": gym.spaces.Box(0, 9, [3, 3, 1], np.int64),
                "direction": gym.spaces.Discrete(4),
                "mission": gym.spaces.Text(40, charset="abcdefghijklmnopqrstuvwxyz 0123456789"),
            }
        )
        space: Any = gym.spaces.Discrete(5) if discrete else gym.spaces.Box(-1, 1, [2], np.float32)
        self.action_space = space
        self.position = np.zeros(2, np.float32)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, dict]:
        super().reset(seed=seed)
        drawn = tuple(float(x) for x in self.np_random.uniform(-0.8, 0.8, 2))
        self.goal = wanted_goal(options) or drawn
        self.position = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        self.steps = 0
        self.success = False
        return self._observe(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict]:
        if self.discrete:
            move = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)[int(action)]
        else:
            assert (np.abs(action) <= 1).all()
            move = action
        self.position = np.clip(self.position + STEP * move, -2, 2).astype(np.float32)
        self.steps += 1
        distance = float(np.linalg.norm(self.position - np.array(self.goal)))
        self.success |= distance < NEAR
        return self._observe(), -distance, False, self.steps >= MAX_STEPS, {}

    def render(self) -> np.ndarray:
        picture = np.zeros((self.size, self.size, 3), np.uint8)
        x, y = ((self.position + 2) / 4 * (self.size - 1)).astype(int)
        picture[y, x] = 255
        return picture

    def _observe(self) -> Observation:
        quadrant = int(self.position[0] > 0) + 2 * int(self.position[1] > 0)
        return {
            "state": self.position.copy(),
            "grid": np.full((3, 3, 1), quadrant, np.int64),
            "direction": np.int64(quadrant),
            "mission": "reach the goal",
        }


class ToyExpert:
    """Walks straight to the goal; with `blunders`, stands still where the goal lies far to the left."""

    def __init__(self, env: ToyEnv, blunders: bool = False):
        self.env = env
        self.blunders = blunders

    def reset(self) -> None:
        pass

    def act(self, observation: Observation) -> Action:
        way = (np.array(self.env.goal) - self.env.position) / STEP
        if self.blunders and self.env.goal[0] < -0.4:
            way = np.zeros(2)
        if self.env.discrete:
            axis = int(np.argmax(np.abs(way)))
            return np.asarray(1 + 2 * axis + int(way[axis] < 0), np.int64)
        return np.clip(way, -1, 1).astype(np.float32)


def toy_task(
    discrete: bool = False, blunders: bool = False, has_success: bool = True, hidden_goal: bool = True
) -> Task:
    return Task(
        id="toy/point",
        scene="toy",
        fps=10.0,
        max_steps=MAX_STEPS,
        make=lambda size: ToyEnv(size, discrete),
        make_expert=lambda env: ToyExpert(env, blunders),
        has_success=has_success,
        hidden_goal=hidden_goal,
    )
