"""Classic control and Box2D (upstream: gymnasium), with short controllers as experts.

States are centred and scaled to about 1, and angles that can wind up are given by sine and cosine. `CartPole-hidden`
asks to balance at a place that only the prompt tells.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces

from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED, NumericFamily, numbers
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Goal, Horizons, Observation, Task

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

LANDED = 100.0
"""Reward of the last step if the lander came to rest on its legs."""


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
        self.reset(seed=0, options={"goal": goal})
        self.upstream.state = np.array(other.upstream.state)
        self.raw = other.raw.copy()
        return self._observation()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
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

FAMILIES = (HIDDEN_TARGETS,)


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


class Controller:
    """An expert without a memory."""

    def __init__(self, env: ClassicEnv, control: Callable[[ClassicEnv], Any]):
        self._env = env
        self._control = control

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """The controller's action for the present state, float32 [A] or int64 []."""
        return self._env.from_upstream(self._control(self._env))


def cartpole_state(raw: np.ndarray) -> np.ndarray:
    return raw / (2.4, 2.0, 0.21, 2.0)  # position, speed, angle, angular speed; position and angle end at 1


def balance(env: ClassicEnv) -> int:
    """The sign of a linear law in the state.

    The law heeds the place as much as the pole allows: from what a tame one does, no clone can tell where it is going.
    """
    position, speed, angle, turning = env.raw
    away = np.clip(position - env.target, -0.6, 0.6)  # a far target must not tip the pole over
    return int(4.0 * away + 4.0 * speed + 18.0 * angle + 6.0 * turning > 0)


def mountain_car_state(raw: np.ndarray) -> np.ndarray:
    return (raw - np.array([-0.5, 0.0])) / (0.6, 0.07)  # position from the valley, speed


def rock(env: ClassicEnv) -> int:
    """Pushes along the motion, but turns back on a slope early enough: a band in the plane of position and speed.

    The band is Zhiqing Xiao's, from the leaderboard of OpenAI Gym.
    """
    x, v = env.raw
    lower = min(-0.09 * (x + 0.25) ** 2 + 0.03, 0.3 * (x + 0.9) ** 4 - 0.008)
    return 2 if lower <= v <= -0.07 * (x + 0.38) ** 2 + 0.07 else 0


def rock_gently(env: ClassicEnv) -> np.ndarray:
    return np.array([0.6 if env.raw[1] >= 0 else -0.6])  # effort costs reward


def pendulum_state(raw: np.ndarray) -> np.ndarray:
    return raw / (1.0, 1.0, 8.0)  # cosine and sine of the angle from the top, angular speed


def swing_up(env: ClassicEnv) -> np.ndarray:
    """Brings the energy to that of rest at the top, then holds the pendulum there; torque in [-2, 2]."""
    cosine, sine, turning = env.raw
    angle = np.arctan2(sine, cosine)
    energy = turning**2 / 2 + 15.0 * (cosine - 1.0)  # per moment of inertia; 0 at rest at the top
    if abs(angle) < 0.6 and abs(turning) < 4.0:
        return np.clip([-12.0 * angle - 3.0 * turning], -2.0, 2.0)
    return np.array([(2.0 if turning >= 0 else -2.0) * np.clip(-energy, -1.0, 1.0)])


def acrobot_state(raw: np.ndarray) -> np.ndarray:
    return raw / (1.0, 1.0, 1.0, 1.0, 4 * np.pi, 9 * np.pi)  # cosine and sine of both joints, their speeds


def pump(env: ClassicEnv) -> int:
    """Pushes along the motion of the driven joint; less the other's speed, or a few starts never get high enough."""
    return 2 if env.raw[5] - 0.5 * env.raw[4] >= 0 else 0


def lander_state(raw: np.ndarray) -> np.ndarray:
    x, y, x_speed, y_speed, angle, turning, left, right = raw
    return np.array([x, y, x_speed, y_speed, np.sin(angle), np.cos(angle), turning, left, right])


def land(env: ClassicEnv) -> Any:
    from gymnasium.envs.box2d.lunar_lander import heuristic

    return heuristic(env.upstream, env.raw)


def ended(terminated: bool, reward: float) -> bool:
    return terminated


def landed(terminated: bool, reward: float) -> bool:
    return terminated and reward == LANDED


_PUSHES, _THREE = ("left", "right"), ("left", "nothing", "right")
_ENGINES = ("nothing", "left engine", "main engine", "right engine")

MODELS = {
    "CartPole": Model("CartPole-v1", 50.0, 500, 4, cartpole_state, balance, _PUSHES),
    "MountainCar": Model("MountainCar-v0", 30.0, 200, 2, mountain_car_state, rock, _THREE, ended),
    "MountainCarContinuous": Model(
        "MountainCarContinuous-v0", 30.0, 999, 2, mountain_car_state, rock_gently, ("push",), ended
    ),
    "Pendulum": Model("Pendulum-v1", 30.0, 200, 3, pendulum_state, swing_up, ("torque",)),
    "Acrobot": Model("Acrobot-v1", 15.0, 500, 6, acrobot_state, pump, _THREE, ended),
    "LunarLander": Model("LunarLander-v3", 50.0, 1000, 9, lander_state, land, _ENGINES, landed),
    "LunarLanderContinuous": Model(
        "LunarLanderContinuous-v3", 50.0, 1000, 9, lander_state, land, ("main engine", "side engines"), landed
    ),
}


def _task(name: str, model: Model, make: type[ClassicEnv] = ClassicEnv) -> Task:
    hidden = make is HiddenCartPole
    return Task(
        id=f"classic/{name}-hidden" if hidden else f"classic/{name}",
        scene=f"classic/{name}",
        fps=model.fps,
        max_steps=model.max_steps,
        make=partial(make, model),
        make_expert=partial(Controller, control=model.control),
        has_success=hidden or model.solved is not None,
        hidden_goal=hidden,
        horizons=Horizons(prompt=500),
    )


TASKS = [_task(name, model) for name, model in MODELS.items()] + [_task("CartPole", MODELS["CartPole"], HiddenCartPole)]
