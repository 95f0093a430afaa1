"""Gymnasium's classic control and Box2D as canonical environments, and the cart whose target is hidden."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED, NumericFamily, numbers
from playground.domains.quiet import quiet_sdl
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Goal, Observation

FARTHEST = 1.9
"""Distance from the middle at which the cart's hidden target can be, metres, on either side; the track ends at 2.4."""

TRACK = 4.8
"""Length of the track, metres, which fills the picture."""

WHITE = 250
"""Channels above this are background."""

TARGET_TOLERANCE = 0.15
"""The cart is at its target if this near, metres."""

TARGET_STEPS = 50
"""Steps in a row, one second, that the cart has to stay at its target."""


@dataclass(frozen=True)
class Model:
    """What differs between the upstream environments.

    Attributes:
        upstream: gymnasium's id.
        fps: upstream's rate.
        max_steps: upstream's time limit.
        dimensions: length S of the state.
        state: upstream's observation -> what the agent sees [S].
        control: environment -> upstream's action; the expert.
        actions: what each number or choice of an action means.
        solved: (terminated, last reward) -> whether the episode ended well; None where only the return counts.
    """

    upstream: str
    fps: float
    max_steps: int
    dimensions: int
    state: Callable[[np.ndarray], np.ndarray]
    control: Callable[["ClassicEnv"], Any]
    actions: tuple[str, ...]
    solved: Callable[[bool, float], bool] | None = None


class ClassicEnv(DomainEnv):
    """One upstream environment, as a canonical one.

    Attributes:
        raw: upstream's own observation of the present state.
        target: where the expert is to keep the cart, metres; 0 but for a hidden target.
    """

    target = 0.0

    def __init__(self, model: Model, size: int):
        import gymnasium as gym

        self.action_names = model.actions
        self.upstream: Any = gym.make(model.upstream, disable_env_checker=True).unwrapped
        self.raw: np.ndarray
        self._model = model
        self._size = picture_size(size)
        self._steps = 0
        self.observation_space = spaces.Dict({"state": spaces.Box(-np.inf, np.inf, (model.dimensions,), np.float32)})
        actions = self.upstream.action_space
        self.action_space = actions if isinstance(actions, spaces.Discrete) else spaces.Box(-1, 1, actions.shape)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        self.raw, _ = self.upstream.reset(seed=seed)
        # Upstream adds bodies for the flames of the lander's engines if pictures are wanted, and only a picture removes
        # them again.
        self.upstream.render_mode = None
        self._steps = 0
        self.success = False
        return self._observation(), {}

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`; for environments whose whole state is `upstream.state`."""
        if not isinstance(other, ClassicEnv) or other._model != self._model or not hasattr(self.upstream, "state"):
            raise BadValueError(f"{self._model.upstream} cannot enter {other}; give a world of the same scene")
        self.start(0, goal)
        self.upstream.state = np.array(other.upstream.state)
        self.raw = other.raw.copy()
        return self._observation()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        self.raw, reward, terminated, _, _ = self.upstream.step(self.to_upstream(action))
        self._steps += 1
        if self._model.solved is not None:
            self.success = self.success or self._model.solved(terminated, float(reward))
        truncated = not terminated and self._steps >= self._model.max_steps
        return self._observation(), float(reward), bool(terminated), truncated, {}

    def render(self) -> np.ndarray:
        """Upstream's picture on a square, its border rows repeated above and below, uint8 [size, size, 3]."""
        from PIL import Image

        self.upstream.render_mode = "rgb_array"
        with quiet_sdl():
            picture = self.upstream.render()
        height = round(self._size * picture.shape[0] / picture.shape[1])
        small = np.asarray(Image.fromarray(picture).resize((self._size, height), Image.Resampling.BOX))
        above = (self._size - height) // 2
        return np.pad(small, ((above, self._size - height - above), (0, 0), (0, 0)), mode="edge")

    def to_upstream(self, action: Action) -> Any:
        """A canonical action in upstream's range."""
        space = self.upstream.action_space
        if isinstance(space, spaces.Discrete):
            return int(action)
        return (space.low + (np.clip(action, -1, 1) + 1) / 2 * (space.high - space.low)).astype(np.float32)

    def from_upstream(self, action: Any) -> Action:
        """Upstream's action in the canonical range."""
        space = self.upstream.action_space
        if isinstance(space, spaces.Discrete):
            return np.asarray(action, np.int64)
        return (2 * (np.clip(action, space.low, space.high) - space.low) / (space.high - space.low) - 1).astype(
            np.float32
        )

    def _observation(self) -> Observation:
        return {"state": self._model.state(self.raw).astype(np.float32)}


HIDDEN_TARGETS = NumericFamily(
    task="classic/CartPole-hidden",
    parameter="x",
    unit="m",
    tolerance=TARGET_TOLERANCE,
    intervals={
        TRAINED: ((-1.6, -0.4), (0.4, 1.6)),
        INTERPOLATED: ((-0.4, 0.4),),
        EXTRAPOLATED: ((-FARTHEST, -1.6), (1.6, FARTHEST)),
    },
    compose=lambda value, rng: (value,),
    value=lambda goal: float(numbers(goal, 1, "(x,), metres")[0]),
    distance=lambda goal, achieved: float(abs(numbers(goal, 1, "(x,)") - numbers(achieved, 1, "(x,)"))[0]),
)
"""Where the cart of `CartPole-hidden` is to be."""


class HiddenCartPole(ClassicEnv):
    """CartPole with a place at which to balance, which the observation does not show.

    The reward of a step is 1 at the target and falls to 0 a metre away from it; success is a second at the target.
    """

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts in the middle, for a goal `(target,)` in metres.

        Raises:
            BadValueError: the wanted target is not on the track.
        """
        observation, info = super().reset(seed=seed)
        wanted = wanted_goal(options)
        if wanted is None:
            wanted = HIDDEN_TARGETS.draw(TRAINED, self.np_random)
        if not (isinstance(wanted, tuple) and len(wanted) == 1 and abs(wanted[0]) <= FARTHEST):
            raise BadValueError(f"the cart's target is {wanted!r}; give (x,) with x from -{FARTHEST} to {FARTHEST}")
        self.goal = wanted
        self.target = wanted[0]
        self._at_target = 0
        self._trail: deque[float] = deque(maxlen=TARGET_STEPS)
        return observation, info

    @property
    def achieved(self) -> Goal:
        """Where the cart was in the last second, on average; None before the first step."""
        return (float(np.mean(self._trail)),) if self._trail else None

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        observation, _, terminated, truncated, info = super().step(action)
        self._trail.append(float(self.raw[0]))
        distance = abs(float(self.raw[0]) - self.target)
        self._at_target = self._at_target + 1 if distance < TARGET_TOLERANCE and not terminated else 0
        self.success = self.success or self._at_target >= TARGET_STEPS
        return observation, max(0.0, 1.0 - distance), terminated, truncated, info

    def render(self) -> np.ndarray:
        """The cart, and a green line at its target, which only pictures show, uint8 [size, size, 3]."""
        picture = super().render()
        column = round(self._size * (0.5 + self.target / TRACK))
        line = picture[:, column - 1 : column + 2]
        line[line.min(axis=2) > WHITE] = (40, 160, 60)  # behind the cart
        return picture
