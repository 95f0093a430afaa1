"""A Control Suite task as a canonical environment."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from playground.domains.goals import TRAINED, NumericFamily
from playground.domains.mujoco_views import CAMERAS, Pullable, make_drawing, moved
from playground.domains.opengl import choose_opengl
from playground.domains.quiet import quiet_mujoco
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Expert, Goal, Observation

ACHIEVED_SECONDS = 2.0
"""What was achieved is a mean over the last so many seconds."""

FPS = {"cheetah": 100.0, "walker": 40.0, "cartpole": 100.0, "fish": 25.0, "lqr": 100 / 3}
"""Domain of the suite -> actions per second; 50 in the others."""

_FLOOR = (60.0, 60.0, 2.0)
"""Half lengths and grid of a floor that follows a body, metres. MuJoCo's endless one has 40,000 squares, half of a
picture's time."""

_TILE = 2.0
"""The floor's pattern repeats itself after so many metres."""


@dataclass(frozen=True)
class View:
    """Where pictures are taken from; `body` is followed if given. Metres and degrees."""

    lookat: tuple[float, float, float]
    distance: float
    azimuth: float = 90.0
    elevation: float = -10.0
    body: str | None = None


VIEWS = {
    "cheetah": View((0.0, 0.0, 0.7), 3.2, body="torso"),
    "walker": View((0.0, 0.0, 1.0), 4.0, body="torso"),
    "cartpole": View((0.0, 0.0, 1.2), 5.0, elevation=-5.0),
    "pendulum": View((0.0, 0.0, 0.6), 1.8, elevation=-5.0),
    "point_mass": View((0.0, 0.0, 0.0), 0.8, elevation=-89.9),
    "reacher": View((0.0, 0.0, 0.0), 0.8, elevation=-89.9),
    "ball_in_cup": View((0.0, 0.0, 0.45), 1.1),
    "finger": View((0.0, 0.0, 0.4), 1.0),
    "fish": View((0.0, 0.0, 0.1), 0.6, elevation=-20.0, body="torso"),
    "lqr": View((0.8, 0.0, 0.1), 2.6, azimuth=150.0, elevation=-35.0),
}
"""Domain of the suite -> view."""


@dataclass(frozen=True)
class GoalSpec:
    """What a task with a hidden goal adds.

    Attributes:
        family: the goals, and which of them are trained.
        norms: smallest and greatest norm of a goal that can be asked for.
        hint: what a goal is, in words.
        measure: physics -> what the goal is compared with, [n].
        reward: (physics, goal) -> [0, 1].
        place: puts a goal into the world; None where only the reward changes.
    """

    family: NumericFamily
    norms: tuple[float, float]
    hint: str
    measure: Callable[[Any], np.ndarray]
    reward: Callable[[Any, np.ndarray], float]
    place: Callable[[Any, np.ndarray], None] | None = None


@dataclass(frozen=True)
class TaskSpec:
    """How one task departs from the suite's.

    Attributes:
        domain, suite_task: the suite's names.
        scene: without the name of this package's domain.
        observe: physics -> state [F].
        make_expert: environment -> expert.
        reward: physics -> [0, 1] in place of the suite's.
        goal: the task's goal, where it is hidden.
        max_steps: actions of an episode; 1000 are the suite's own time limit.
    """

    domain: str
    suite_task: str
    scene: str
    observe: Callable[[Any], np.ndarray]
    make_expert: Callable[["ControlEnv"], Expert]
    reward: Callable[[Any], float] | None = None
    goal: GoalSpec | None = None
    max_steps: int = 1000

    @property
    def fps(self) -> float:
        """Actions per second."""
        return FPS.get(self.domain, 50.0)


class ControlEnv(Pullable):
    """One Control Suite task; its `observe` function describes the `state`.

    Args:
        name: of the task, such as `cheetah-run`.
        spec: what is particular to it.
        size: height and width of pictures, pixels.

    Attributes:
        physics: the suite's, for experts.
    """

    cameras = CAMERAS

    def __init__(self, name: str, spec: TaskSpec, size: int = 320):
        choose_opengl()
        quiet_mujoco()
        from dm_control import suite

        self._name, self._spec, self._size = name, spec, picture_size(size)
        upstream = suite.load(spec.domain, spec.suite_task, task_kwargs={"random": 0})
        self.physics = upstream.physics
        self._task = upstream.task
        self._substeps = round(upstream.control_timestep() / self.physics.timestep())
        size_of_state = len(spec.observe(self.physics))
        self.observation_space = gym.spaces.Dict(
            {"state": gym.spaces.Box(-np.inf, np.inf, (size_of_state,), dtype=np.float32)}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.physics.model.nu,), dtype=np.float32)
        self.action_names = tuple(
            self.physics.model.id2name(n, "actuator").replace("_", " ") for n in range(self.physics.model.nu)
        )
        self._steps = 0
        self._trail: deque[np.ndarray] = deque(maxlen=round(ACHIEVED_SECONDS * spec.fps))
        self._renderer: Any = None
        self._camera: Any = None
        view = VIEWS[spec.domain]
        self._home = (view.azimuth, view.elevation, view.distance)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        self.release()
        wanted = self._check_goal(wanted_goal(options))
        self._task._random = np.random.RandomState(int(self.np_random.integers(2**32)))
        with self.physics.reset_context():
            self._task.initialize_episode(self.physics)
            if (goal := self._spec.goal) is not None:
                drawn = goal.family.draw(TRAINED, self.np_random)
                self.set_goal(drawn if wanted is None else wanted)
        self._trail.clear()
        self._steps = 0
        return self._observe(), {}

    def set_goal(self, goal: Goal) -> None:
        """Gives the running episode another goal; to be checked before."""
        spec = self._spec.goal
        assert spec is not None
        self._target = np.array(goal, dtype=np.float64)
        if spec.place is not None:
            spec.place(self.physics, self._target)
        self.goal = tuple(float(x) for x in self._target)

    @property
    def achieved(self) -> Goal:
        """Mean speed, or place of finger or mass, in the last `ACHIEVED_SECONDS`; None before the first step."""
        if not self._trail:
            return None
        return tuple(float(x) for x in np.mean(self._trail, axis=0))

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`."""
        import mujoco

        if not isinstance(other, ControlEnv) or other._spec.domain != self._spec.domain:
            raise BadValueError(f"dm_control/{self._name} cannot enter {other}; give a world of {self._spec.domain}")
        self.start(0, goal if self._spec.goal is not None else None)
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        model, data = self.physics.model.ptr, self.physics.data.ptr
        state = np.empty(mujoco.mj_stateSize(model, kind))
        mujoco.mj_getState(other.physics.model.ptr, other.physics.data.ptr, state, kind)
        with self.physics.reset_context():
            if self._spec.goal is other._spec.goal is None:  # a target that is seen stays in its place
                self.physics.model.geom_pos[:] = other.physics.model.geom_pos
            mujoco.mj_setState(model, data, state, kind)
        return self._observe()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        self.apply_pull()
        self._task.before_step(np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0), self.physics)
        self.physics.step(self._substeps)
        self._task.after_step(self.physics)
        if (goal := self._spec.goal) is not None:
            reward = goal.reward(self.physics, self._target)
            self._trail.append(np.array(goal.measure(self.physics)))
        else:
            reward = (self._spec.reward or self._task.get_reward)(self.physics)
        self._steps += 1
        return self._observe(), float(reward), False, self._steps >= self._spec.max_steps, {}

    def _picture(self) -> tuple[Any, Any, Any] | None:
        return None if self._renderer is None else (self.physics.model.ptr, self.physics.data.ptr, self._renderer.scene)

    def render(self) -> np.ndarray:
        """See `DomainEnv.render`."""
        view = VIEWS[self._spec.domain]
        if self._renderer is None:
            model = self.physics.model.ptr
            if view.body is not None:  # the floor ends behind the start: draw one that follows, in pictures only
                model.geom_size[0] = _FLOOR
            self._renderer, self._camera = make_drawing(model, self._size, view.lookat, view.body)
        self._renderer.update_scene(self.physics.data.ptr, moved(self._camera, self._home, self.camera))
        if view.body is not None:
            under = self.physics.named.data.xpos[view.body, :2]
            self._renderer.scene.geoms[0].pos[:2] = _TILE * np.round(under / _TILE)
        return self._renderer.render()

    def close(self) -> None:
        """Closes the simulator and what draws it."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self.physics.free()

    def _observe(self) -> Observation:
        return {"state": self._spec.observe(self.physics).astype(np.float32)}

    def _check_goal(self, goal: Goal) -> Goal:
        if goal is None:
            return None
        spec = self._spec.goal
        if spec is None:
            raise BadValueError(f"dm_control/{self._name} has no goal to set; got {goal!r}; reset it without one")
        size = len(spec.measure(self.physics))
        values = np.array(() if isinstance(goal, str) else goal, dtype=np.float64)
        nearest, farthest = spec.norms
        if values.shape != (size,) or not nearest <= np.linalg.norm(values) <= farthest:
            raise BadValueError(f"goal of dm_control/{self._name}: got {goal!r}; give {spec.hint}")
        return tuple(float(x) for x in values)
