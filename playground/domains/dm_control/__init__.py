"""The DeepMind Control Suite: planar bodies moved by motors, and variants of ours of which only a prompt tells the aim.

What is not obvious: observations are the suite's rewritten to be easy to clone (angles as sine and cosine, relative
positions), the cheetahs and the walkers differ in nothing but the reward, and the tasks with a trained expert are
offered only where its file is shipped.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np

from playground.assets import ASSETS
from playground.domains.dm_control import experts, stacking, states
from playground.domains.dm_control.bodies import BODIES, COMMANDED, Readings, read, sensor_columns, speed
from playground.domains.dm_control.goals import FAMILIES
from playground.domains.goals import TRAINED, NumericFamily
from playground.domains.mujoco_views import CAMERAS, Pullable, moved
from playground.domains.opengl import choose_opengl, needs_opengl
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Expert, Goal, Horizons, Observation, Task

EXPERTS = ASSETS / "experts"
"""Folder of the trained experts, `NAME.safetensors`."""

MAX_STEPS = 1000
"""Of the suite's own time limits."""

HIDDEN_STEPS = 400
"""Of the tasks with a hidden target: the point mass moves 10 cm a second at most and has up to 70 to go."""

SPEED_STEPS = 500
"""Of the tasks with a hidden target speed."""

FASTEST = 10.0
"""Speed that can be asked for, metres per second, either way."""

ACHIEVED_SECONDS = 2.0
"""What was achieved is a mean over the last so many seconds."""

_FAMILIES = {family.task.partition("/")[2]: family for family in FAMILIES}

_FPS = {"cheetah": 100.0, "walker": 40.0, "cartpole": 100.0, "fish": 25.0, "lqr": 100 / 3}
"""Actions per second; 50 elsewhere."""


_FLOOR = (60.0, 60.0, 2.0)
"""Half lengths and grid of a floor that follows a body, metres. MuJoCo's endless one has 40,000 squares, half of a
picture's time."""

_TILE = 2.0
"""The floor's pattern repeats itself after so many metres."""


@dataclass(frozen=True)
class _Camera:
    """Where pictures are taken from; `body` is followed if given. Metres and degrees."""

    lookat: tuple[float, float, float]
    distance: float
    azimuth: float = 90.0
    elevation: float = -10.0
    body: str | None = None


_CAMERAS = {
    "cheetah": _Camera((0.0, 0.0, 0.7), 3.2, body="torso"),
    "walker": _Camera((0.0, 0.0, 1.0), 4.0, body="torso"),
    "cartpole": _Camera((0.0, 0.0, 1.2), 5.0, elevation=-5.0),
    "pendulum": _Camera((0.0, 0.0, 0.6), 1.8, elevation=-5.0),
    "point_mass": _Camera((0.0, 0.0, 0.0), 0.8, elevation=-89.9),
    "reacher": _Camera((0.0, 0.0, 0.0), 0.8, elevation=-89.9),
    "ball_in_cup": _Camera((0.0, 0.0, 0.45), 1.1),
    "finger": _Camera((0.0, 0.0, 0.4), 1.0),
    "fish": _Camera((0.0, 0.0, 0.1), 0.6, elevation=-20.0, body="torso"),
    "lqr": _Camera((0.8, 0.0, 0.1), 2.6, azimuth=150.0, elevation=-35.0),
}


@dataclass(frozen=True)
class _Aim:
    """What a task with a goal adds.

    Attributes:
        family: the goals, and which of them are trained.
        reach: smallest and greatest norm of a goal that can be asked for.
        units: what a goal is, in words.
        measure: physics -> what the goal is compared with, [n].
        place: puts a goal into the world; None where only the reward changes.
        reward: (physics, goal) -> [0, 1].
    """

    family: NumericFamily
    reach: tuple[float, float]
    units: str
    measure: Callable[[Any], np.ndarray]
    reward: Callable[[Any, np.ndarray], float]
    place: Callable[[Any, np.ndarray], None] | None = None


@dataclass(frozen=True)
class _Spec:
    """How one task departs from the suite's.

    Attributes:
        domain, suite_task: the suite's names.
        observe: physics -> state [F].
        make_expert: environment -> expert.
        reward: physics -> [0, 1] in place of the suite's.
        aim: what the task's goal is, where it is hidden.
        scene: without the domain's name.
        max_steps: actions of an episode.
    """

    domain: str
    suite_task: str
    observe: Callable[[Any], np.ndarray]
    make_expert: Callable[["ControlEnv"], Expert]
    scene: str
    reward: Callable[[Any], float] | None = None
    aim: _Aim | None = None
    max_steps: int = MAX_STEPS

    @property
    def fps(self) -> float:
        return _FPS.get(self.domain, 50.0)


class ControlEnv(Pullable):
    """One Control Suite task; `state` is described at the task's `observe` function (`dm_control_states`).

    Args:
        name: a key of `SPECS`, such as `cheetah-run`.
        size: height and width of pictures, pixels.
    """

    cameras = CAMERAS

    def __init__(self, name: str, size: int = 320):
        choose_opengl()
        from dm_control import suite

        self._name, self._spec, self._size = name, SPECS[name], picture_size(size)
        upstream = suite.load(self._spec.domain, self._spec.suite_task, task_kwargs={"random": 0})
        self.physics = upstream.physics
        """The suite's physics, for experts."""
        self._task = upstream.task
        self._substeps = round(upstream.control_timestep() / self.physics.timestep())
        size_of_state = len(self._spec.observe(self.physics))
        self.observation_space = gym.spaces.Dict(
            {"state": gym.spaces.Box(-np.inf, np.inf, (size_of_state,), dtype=np.float32)}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.physics.model.nu,), dtype=np.float32)
        self.action_names = tuple(
            self.physics.model.id2name(n, "actuator").replace("_", " ") for n in range(self.physics.model.nu)
        )
        self._steps = 0
        self._trail: deque[np.ndarray] = deque(maxlen=round(ACHIEVED_SECONDS * self._spec.fps))
        self._renderer: Any = None
        self._camera: Any = None
        view = _CAMERAS[self._spec.domain]
        self._home = (view.azimuth, view.elevation, view.distance)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self.release()
        wanted = self._check_goal(wanted_goal(options))
        self._task._random = np.random.RandomState(int(self.np_random.integers(2**32)))
        with self.physics.reset_context():
            self._task.initialize_episode(self.physics)
            if (aim := self._spec.aim) is not None:
                drawn = aim.family.draw(TRAINED, self.np_random)
                self.set_goal(drawn if wanted is None else wanted)
        self._trail.clear()
        self._steps = 0
        return self._observe(), {}

    def set_goal(self, goal: Goal) -> None:
        """Gives the running episode another goal; to be checked before."""
        aim = self._spec.aim
        assert aim is not None
        self._target = np.array(goal, dtype=np.float64)
        if aim.place is not None:
            aim.place(self.physics, self._target)
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
        self.reset(seed=0, options={"goal": goal} if self._spec.aim is not None else None)
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        model, data = self.physics.model.ptr, self.physics.data.ptr
        state = np.empty(mujoco.mj_stateSize(model, kind))
        mujoco.mj_getState(other.physics.model.ptr, other.physics.data.ptr, state, kind)
        with self.physics.reset_context():
            if self._spec.aim is other._spec.aim is None:
                self.physics.model.geom_pos[:] = (
                    other.physics.model.geom_pos
                )  # a target that is seen stays in its place
            mujoco.mj_setState(model, data, state, kind)
        return self._observe()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self.apply_pull()
        self._task.before_step(np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0), self.physics)
        self.physics.step(self._substeps)
        self._task.after_step(self.physics)
        if (aim := self._spec.aim) is not None:
            reward = aim.reward(self.physics, self._target)
            self._trail.append(np.array(aim.measure(self.physics)))
        else:
            reward = (self._spec.reward or self._task.get_reward)(self.physics)
        self._steps += 1
        return self._observe(), float(reward), False, self._steps >= self._spec.max_steps, {}

    def _picture(self) -> tuple[Any, Any, Any] | None:
        return None if self._renderer is None else (self.physics.model.ptr, self.physics.data.ptr, self._renderer.scene)

    def render(self) -> np.ndarray:
        if self._renderer is None:
            self._make_renderer()
        self._renderer.update_scene(self.physics.data.ptr, moved(self._camera, self._home, self.camera))
        if (body := _CAMERAS[self._spec.domain].body) is not None:
            under = self.physics.named.data.xpos[body, :2]
            self._renderer.scene.geoms[0].pos[:2] = _TILE * np.round(under / _TILE)
        return self._renderer.render()

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self.physics.free()

    def _observe(self) -> Observation:
        return {"state": self._spec.observe(self.physics).astype(np.float32)}

    def _check_goal(self, goal: Goal) -> Goal:
        if goal is None:
            return None
        aim = self._spec.aim
        if aim is None:
            raise BadValueError(f"dm_control/{self._name} has no goal to set; got {goal!r}; reset it without one")
        size = len(aim.measure(self.physics))
        values = np.array(() if isinstance(goal, str) else goal, dtype=np.float64)
        nearest, farthest = aim.reach
        if values.shape != (size,) or not nearest <= np.linalg.norm(values) <= farthest:
            raise BadValueError(f"goal of dm_control/{self._name}: got {goal!r}; give {aim.units}")
        return tuple(float(x) for x in values)

    def _make_renderer(self) -> None:
        """Square pictures without antialiasing, shadows and reflections, which cost most of the time on a CPU."""
        import mujoco

        model, view = self.physics.model.ptr, _CAMERAS[self._spec.domain]
        model.vis.quality.offsamples = 0
        model.vis.global_.offwidth = model.vis.global_.offheight = self._size
        if view.body is not None:  # the floor ends behind the start: draw one that follows, in pictures only
            model.geom_size[0] = _FLOOR
        with needs_opengl():
            self._renderer = mujoco.Renderer(model, self._size, self._size)
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.lookat[:] = view.lookat
        if view.body is not None:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            self._camera.trackbodyid = model.body(view.body).id


def _by_law(make_law: Callable[[Any], experts.Law], env: ControlEnv) -> Expert:
    return experts.LawExpert(env.physics, make_law(env.physics))


def _by_policy(name: str, env: ControlEnv) -> Expert:
    return experts.PolicyExpert(EXPERTS / f"{name}.safetensors")


def _by_command(name: str, env: ControlEnv) -> Expert:
    return experts.CommandedExpert(EXPERTS / f"{name}.safetensors", env)


def _reader() -> Callable[[Any], Readings]:
    """Physics -> readings, of one body."""
    columns: dict[str, slice] = {}  # looked up once, they are the same for every copy of the model

    def readings(physics: Any) -> Readings:
        if not columns:
            columns.update(sensor_columns(physics.model.ptr))
        data = physics.data
        return read(columns, data.qpos, data.qvel, data.sensordata)

    return readings


def _commanded(name: str) -> _Spec:
    body, readings = COMMANDED[name], _reader()
    aim = _Aim(
        _FAMILIES[name],
        (0.0, FASTEST),
        f"(speed,), m/s, -{FASTEST:g} to {FASTEST:g}",
        measure=lambda physics: np.atleast_1d(speed(readings(physics))),
        reward=lambda physics, goal: float(body.reward(readings(physics), goal[0])),
    )
    return _Spec(
        body.domain,
        body.suite_task,
        lambda physics: body.features(readings(physics)),
        partial(_by_command, name),
        body.domain,
        aim=aim,
        max_steps=SPEED_STEPS,
    )


def _trained(name: str) -> _Spec:
    body, readings = BODIES[name], _reader()

    def observe(physics: Any) -> np.ndarray:
        return body.features(readings(physics))

    def reward(physics: Any) -> float:
        return float(body.reward(readings(physics)))

    own = None if body.is_suite_reward else reward
    scene = body.domain if body.targets is None else f"{body.domain}-turn"
    return _Spec(body.domain, body.suite_task, observe, partial(_by_policy, name), scene, own)


_cartpole = partial(
    _Spec, "cartpole", observe=states.cartpole_state, make_expert=partial(_by_law, experts.cartpole_law)
)
_pendulum = partial(_Spec, "pendulum", "swingup", states.pendulum_state)


def _spin(way: float) -> _Spec:
    law = partial(experts.pendulum_spin_law, way=way)
    return _pendulum(partial(_by_law, law), "pendulum", partial(states.spinning, way))


_springs = partial(_Spec, "lqr", observe=states.springs_state, make_expert=partial(_by_law, experts.springs_law))
_reacher = partial(_Spec, "reacher")
_point_mass = partial(_Spec, "point_mass", "easy", states.point_mass_state, partial(_by_law, experts.point_mass_law))

SPECS = {
    "cartpole-balance": _cartpole("balance", scene="cartpole"),
    "cartpole-balance_sparse": _cartpole("balance_sparse", scene="cartpole"),
    "cartpole-swingup": _cartpole("swingup", scene="cartpole"),
    "cartpole-swingup_sparse": _cartpole("swingup_sparse", scene="cartpole"),
    "lqr-2_1": _springs("lqr_2_1", scene="lqr-2_1"),
    "lqr-6_2": _springs("lqr_6_2", scene="lqr-6_2"),
    "pendulum-swingup": _pendulum(partial(_by_law, experts.pendulum_law), "pendulum"),
    "pendulum-spin": _spin(1.0),
    "pendulum-spin_backward": _spin(-1.0),
    "point_mass-easy": _point_mass("point_mass"),
    "point_mass-hidden": _point_mass(
        "point_mass",
        aim=_Aim(
            _FAMILIES["point_mass-hidden"],
            (0.0, 0.36),
            "x and y, metres, at most 0.36 from the middle",
            measure=lambda physics: physics.data.qpos,
            reward=lambda physics, goal: states.near(physics.mass_to_target_dist()),
            place=states.aim_at,
        ),
        max_steps=HIDDEN_STEPS,
    ),
    "reacher-easy": _reacher("easy", states.reacher_state, partial(_by_law, experts.reacher_law), "reacher"),
    "reacher-hard": _reacher("hard", states.reacher_state, partial(_by_law, experts.reacher_law), "reacher"),
    "reacher-hidden": _reacher(
        "hard",
        states.reacher_hidden_state,
        partial(_by_law, experts.reacher_pose_law),
        "reacher-hidden",
        aim=_Aim(
            _FAMILIES["reacher-hidden"],
            (0.05, 0.23),
            "x and y, metres, 0.05 to 0.23 from the middle",
            measure=states.finger,
            reward=lambda physics, goal: states.near(physics.finger_to_target_dist()),
            place=states.aim_at,
        ),
        max_steps=HIDDEN_STEPS,
    ),
}
SPECS |= {name: _trained(name) for name in BODIES} | {name: _commanded(name) for name in COMMANDED}
"""Task name -> what is particular to it."""


def _make(size: int, name: str) -> ControlEnv:
    return ControlEnv(name, size)


def _task(name: str) -> Task:
    spec = SPECS[name]
    return Task(
        id=f"dm_control/{name}",
        scene=f"dm_control/{spec.scene}",
        fps=spec.fps,
        max_steps=spec.max_steps,
        make=partial(_make, name=name),
        make_expert=spec.make_expert,
        hidden_goal=spec.aim is not None,
        horizons=Horizons(shipped=300),
    )


_TRAINED = {name for name in SPECS if name not in BODIES | COMMANDED or (EXPERTS / f"{name}.safetensors").exists()}

TASKS = (*(_task(name) for name in SPECS if name in _TRAINED), *stacking.TASKS)
TASKS_WITHOUT_EXPERT = tuple(_task(name) for name in SPECS if name not in _TRAINED)
