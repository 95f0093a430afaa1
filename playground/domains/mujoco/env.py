"""A MuJoCo task of gymnasium as a canonical environment: observation, reward and end are gymnasium's version 5."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from playground.domains.goals import TRAINED, NumericFamily
from playground.domains.mujoco_views import CAMERAS, Pullable, make_drawing, moved
from playground.domains.opengl import choose_opengl
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Expert, Goal, Observation


@dataclass(frozen=True)
class View:
    """Where pictures are taken from; `body` is followed if given. Metres and degrees."""

    distance: float
    lookat: tuple[float, float, float] = (0.0, 0.0, 0.0)
    azimuth: float = 90.0
    elevation: float = -10.0
    body: str | None = None


@dataclass(frozen=True)
class GoalSpec:
    """A hidden place for the tip of an arm, in the plane.

    Attributes:
        family: the goals, and which of them are trained.
        nearest, farthest: distance from the middle that can be asked for, metres.
        seen: columns of gymnasium's observation that do not tell the goal.
    """

    family: NumericFamily
    nearest: float
    farthest: float
    seen: tuple[int, ...]


@dataclass(frozen=True)
class TaskSpec:
    """One task.

    Attributes:
        gym_id: gymnasium's name.
        view: of the pictures.
        make_expert: environment -> expert.
        max_steps: actions of an episode; the default is gymnasium's.
        goal: the task's goal, where it is hidden.
    """

    gym_id: str
    view: View
    make_expert: Callable[["MujocoEnv"], Expert]
    max_steps: int = 1000
    goal: GoalSpec | None = None


def make_upstream(gym_id: str) -> Any:
    """Gymnasium's environment, without the wrappers that check and count.

    The cheetah's file has an attribute that MuJoCo warns of, on the terminal and in a file; that is kept silent.
    """
    choose_opengl()
    import mujoco

    warn = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        return gym.make(gym_id).unwrapped
    finally:
        mujoco.set_mju_user_warning(warn)


class MujocoEnv(Pullable):
    """One task; `state` is gymnasium's observation, without what tells a hidden goal.

    Args:
        name: of the task, such as `Hopper`.
        spec: what is particular to it.
        size: height and width of pictures, pixels.

    Attributes:
        model, data: MuJoCo's, for experts.
        substeps: physics steps in one step.
    """

    cameras = CAMERAS

    def __init__(self, name: str, spec: TaskSpec, size: int = 320):
        self._name, self._spec, self._size = name, spec, picture_size(size)
        self._upstream = make_upstream(spec.gym_id)
        self.model, self.data = self._upstream.model, self._upstream.data
        self.substeps = int(self._upstream.frame_skip)
        self._strongest = np.array(self._upstream.action_space.high, np.float64)
        self._seen = slice(None) if spec.goal is None else list(spec.goal.seen)
        numbers = np.zeros(self._upstream.observation_space.shape)[self._seen].size
        self.observation_space = gym.spaces.Dict(
            {"state": gym.spaces.Box(-np.inf, np.inf, (numbers,), dtype=np.float32)}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.model.nu,), dtype=np.float32)
        joints = (self.model.joint(self.model.actuator_trnid[n, 0]).name for n in range(self.model.nu))
        self.action_names = tuple(joint.replace("_", " ") for joint in joints)
        self._steps = 0
        self._renderer: Any = None
        self._camera: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        self.release()
        wanted = self._check_goal(wanted_goal(options))
        observation, _ = self._upstream.reset(seed=int(self.np_random.integers(2**31)))
        if (goal := self._spec.goal) is not None:
            drawn = goal.family.draw(TRAINED, self.np_random)
            self._set_goal(drawn if wanted is None else wanted)
            observation = self._upstream._get_obs()
        self._steps = 0
        return self._observed(observation), {}

    @property
    def achieved(self) -> Goal:
        """Where the arm's tip is, metres; None where the task has no goal."""
        if self._spec.goal is None:
            return None
        x, y = self.data.body("fingertip").xpos[:2]
        return float(x), float(y)

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`."""
        import mujoco

        if not isinstance(other, MujocoEnv) or other._spec.gym_id != self._spec.gym_id:
            raise BadValueError(f"mujoco/{self._name} cannot enter {other}; give a world of {self._spec.gym_id}")
        self.start(0, goal if self._spec.goal is not None else None)
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(self.model, kind))
        mujoco.mj_getState(other.model, other.data, state, kind)
        mujoco.mj_setState(self.model, self.data, state, kind)
        mujoco.mj_forward(self.model, self.data)
        if self.goal is not None:
            self._set_goal(self.goal)
        return self._observed(self._upstream._get_obs())

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        self.apply_pull()
        controls = self._strongest * np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        observation, reward, terminated, _, _ = self._upstream.step(controls)
        self._steps += 1
        truncated = self._steps >= self._spec.max_steps and not terminated
        return self._observed(observation), float(reward), bool(terminated), truncated, {}

    def _picture(self) -> tuple[Any, Any, Any] | None:
        return None if self._renderer is None else (self.model, self.data, self._renderer.scene)

    def render(self) -> np.ndarray:
        """See `DomainEnv.render`."""
        view = self._spec.view
        if self._renderer is None:
            self._renderer, self._camera = make_drawing(self.model, self._size, view.lookat, view.body)
        home = (view.azimuth, view.elevation, view.distance)
        self._renderer.update_scene(self.data, moved(self._camera, home, self.camera))
        if view.body is not None:  # the floor follows, by whole lengths of its pattern
            floor = self._renderer.scene.geoms[0]
            length = 2 * self.model.geom_size[0, 0] / self.model.mat_texrepeat[self.model.geom_matid[0], 0]
            floor.pos[:2] = length * np.round(self.data.body(view.body).xpos[:2] / length)
        return self._renderer.render()

    def close(self) -> None:
        """Closes the simulator and what draws it."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._upstream.close()

    def _observed(self, observation: np.ndarray) -> Observation:
        return {"state": observation[self._seen].astype(np.float32)}

    def _set_goal(self, goal: Goal) -> None:
        """Puts the target, the last two joints, to a goal that was checked."""
        values = np.array(goal, np.float64)
        qpos, qvel = self.data.qpos.copy(), self.data.qvel.copy()
        qpos[-2:], qvel[-2:] = values, 0.0
        self._upstream.set_state(qpos, qvel)
        self.goal = tuple(float(x) for x in values)

    def _check_goal(self, goal: Goal) -> Goal:
        if goal is None:
            return None
        spec = self._spec.goal
        if spec is None:
            raise BadValueError(f"mujoco/{self._name} has no goal to set; got {goal!r}; reset it without one")
        values = np.array(() if isinstance(goal, str) else goal, dtype=np.float64)
        if values.shape != (2,) or not spec.nearest <= np.linalg.norm(values) <= spec.farthest:
            hint = f"x and y, metres, {spec.nearest:g} to {spec.farthest:g} from the middle"
            raise BadValueError(f"goal of mujoco/{self._name}: got {goal!r}; give {hint}")
        return tuple(float(x) for x in values)
