"""A Meta-World task as a canonical environment."""

from typing import Any

import gymnasium as gym
import numpy as np

from playground.domains.goals import TRAINED
from playground.domains.metaworld.goals import HIDDEN_GOAL, SPLIT
from playground.domains.mujoco_views import CAMERAS, Pullable, azimuth, make_drawing, moved
from playground.domains.opengl import choose_opengl
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Goal, Observation

MAX_STEPS = 500
STATE_SIZE = 24

WORKSPACE_CENTRE = np.array([0.0, 0.6, 0.15])
"""Metres; subtracted from positions, so that the numbers are small where precision is needed."""

_HOME = (140.0, -28.0, 1.15)
"""Of the camera: azimuth and elevation in degrees, distance in metres."""

HAND_JITTER = 0.03
"""Metres by which the hand starts off its usual place where upstream's start would be the same for every seed."""

_FIXTURES = {"coffee-button": "coffee_machine"}
"""Tasks whose layout is the place of this body, where that of the others in their scene is an object's."""

_MAX_DRAWS = 1000
"""Layouts drawn for a goal before giving up."""


class MetaWorldEnv(Pullable):
    """One Meta-World task.

    `state`, float32 [24]: hand position (3), gripper opening, object 1 position (3) and quaternion (4), object 2
    likewise, object 1 relative to the hand (3), object 2 relative to the hand (3). Metres from `WORKSPACE_CENTRE`; an
    absent object is all zeros. Actions, float32 [4]: motion of the hand (1 is one centimetre a step) and closing of the
    gripper.

    Args:
        name: the task's name without domain and version, such as `reach`.
        size: height and width of pictures, pixels.
    """

    action_names = ("hand x", "hand y", "hand up", "grip")
    cameras = CAMERAS

    def __init__(self, name: str, size: int = 320):
        choose_opengl()
        from metaworld import env_dict

        self.observation_space = gym.spaces.Dict(
            {"state": gym.spaces.Box(-np.inf, np.inf, (STATE_SIZE,), dtype=np.float32)}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (4,), dtype=np.float32)
        self._name = name
        self._hidden_goal = name in HIDDEN_GOAL
        self._split = SPLIT.get(name)
        self._size = picture_size(size)
        self._renderer: Any = None
        self._camera: Any = None
        known: dict[str, Any] = env_dict.ENV_CLS_MAP
        self._upstream = known[f"{name}-v3"]()
        self._upstream._set_task_called = True
        self._upstream._freeze_rand_vec = False
        self._upstream._partially_observable = False
        del self._upstream.sawyer_observation_space  # cached for the hidden goal
        self.hand_start: np.ndarray = self._upstream.hand_init_pos.copy()
        """The hand's usual place at the start, metres."""
        model = self._upstream.model
        self._pristine = {field: getattr(model, field).copy() for field in ("body_pos", "body_quat", "site_pos")}
        self.steps = 0
        """Actions executed in the running episode."""
        self.full_observation = np.zeros(39)
        """Upstream's own observation of the present state, the goal included; what the scripted expert reads."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        self.release()
        layout = self._place(self._check_goal(wanted_goal(options)))
        self.goal = tuple(float(x) for x in layout[3:]) if self._hidden_goal else None
        self.success = False
        self.steps = 0
        return self._observe(), {}

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`; the first half of the other's layout becomes this world's."""
        import mujoco

        if not isinstance(other, MetaWorldEnv) or other._upstream.model.nbody != self._upstream.model.nbody:
            raise BadValueError(f"metaworld/{self._name} cannot enter {other}; give a world of the same scene")
        super().reset(seed=0)
        fixture = _FIXTURES.get(self._name)
        start = other._layout[:3] if fixture is None else other._upstream.model.body(fixture).pos
        layout = self._place(self._check_goal(goal), start)
        self.goal = tuple(float(x) for x in layout[3:]) if self._hidden_goal else None
        self.success = False
        self.steps = 0
        up, there = self._upstream, other._upstream
        for field in ("body_pos", "body_quat"):
            getattr(up.model, field)[:] = getattr(there.model, field)
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(up.model, kind))
        mujoco.mj_getState(there.model, there.data, state, kind)
        mujoco.mj_setState(up.model, up.data, state, kind)
        mujoco.mj_forward(up.model, up.data)
        up._prev_obs = up._get_curr_obs_combined_no_goal()
        bounds = up.sawyer_observation_space
        self.full_observation = self._with_goal(np.clip(up._get_obs(), bounds.low, bounds.high))
        try:
            up.evaluate_state(self.full_observation, np.zeros(4, np.float32))
        except ValueError as error:  # upstream's rewards suppose that there is some way to go
            raise BadValueError(f"metaworld/{self._name} is done from the start in that world; take another") from error
        return self._observe()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        self.apply_pull()
        observation, reward, _, _, info = self._upstream.step(np.asarray(action, dtype=np.float32))
        self.full_observation = self._with_goal(observation)
        self.steps += 1
        self.success = self.success or bool(info["success"])
        return self._observe(), float(reward), False, self.steps >= MAX_STEPS, {}

    @property
    def achieved(self) -> Goal:
        """Where what has to reach the goal is now, metres: the gripper, or the object; None without a hidden goal."""
        if not self._hidden_goal:
            return None
        if self._name.startswith("reach"):
            return tuple(float(x) for x in self._upstream.tcp_center)
        return tuple(float(x) for x in self.full_observation[4:7])

    @property
    def heading(self) -> float:  # type: ignore[override]
        """See `DomainEnv.heading`."""
        return azimuth(_HOME, self.camera) - 90.0

    def _picture(self) -> tuple[Any, Any, Any] | None:
        return None if self._renderer is None else (self._upstream.model, self._upstream.data, self._renderer.scene)

    def render(self) -> np.ndarray:
        """See `DomainEnv.render`."""
        if self._renderer is None:
            self._upstream.model.light_castshadow[:] = 0
            self._renderer, self._camera = make_drawing(self._upstream.model, self._size, (0.03, 0.66, 0.12))
        self._renderer.update_scene(self._upstream.data, moved(self._camera, _HOME, self.camera))
        return self._renderer.render()

    def close(self) -> None:
        """Closes the simulator and what draws it."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._upstream.close()

    def _check_goal(self, goal: Goal) -> np.ndarray | None:
        if goal is None:
            return None
        values = () if isinstance(goal, str) else goal
        if not self._hidden_goal:
            raise BadValueError(f"metaworld/{self._name} has no goal to set; got {goal!r}; reset it without one")
        if len(values) != 3 or not np.isfinite(values).all():
            raise BadValueError(f"goal of metaworld/{self._name}: got {goal!r}; give three finite numbers, metres")
        return np.array(values, dtype=np.float64)

    def _place(self, goal: np.ndarray | None, start: np.ndarray | None = None) -> np.ndarray:
        """Draws a layout ([3], or [6] with a goal half), builds it and settles the hand; returns the layout.

        Its halves are `start` and `goal` where these are given.

        Upstream draws within its reset and rejects what overlaps, and reads positions before they follow from the
        layout. Therefore a quick first pass draws, and a second one with that layout does everything in order.
        """
        import mujoco

        up, space = self._upstream, self._upstream._random_reset_space
        for field, values in self._pristine.items():
            getattr(up.model, field)[:] = values
        up.hand_init_pos = self.hand_start.copy()
        if (space.low[:3] == space.high[:3]).all():
            up.hand_init_pos += self.np_random.uniform(-HAND_JITTER, HAND_JITTER, 3)
        drawn: list[np.ndarray] = []

        def draw() -> np.ndarray:
            if len(drawn) == _MAX_DRAWS:
                raise BadValueError(f"metaworld/{self._name}: no start fits the goal {goal}; choose one in its range")
            layout = self.np_random.uniform(space.low, space.high)
            while goal is None and self._split is not None and self._split.part(tuple(layout[3:])) != TRAINED:
                layout = self.np_random.uniform(space.low, space.high)
            if goal is not None:
                layout[3:] = goal
            if start is not None:
                layout[:3] = start
            drawn.append(layout)
            return layout.copy()

        def settle_later() -> None:
            mujoco.mj_forward(up.model, up.data)
            up.init_tcp = up.tcp_center

        mujoco.mj_resetData(up.model, up.data)
        up._get_state_rand_vec, up._reset_hand = draw, settle_later
        up.reset_model()
        del up._reset_hand  # the class's own again
        up._get_state_rand_vec = drawn[-1].copy
        up.model.site_pos[:] = self._pristine["site_pos"]
        mujoco.mj_resetData(up.model, up.data)
        up.reset_model()
        mujoco.mj_forward(up.model, up.data)
        up._target_pos = np.array(up._target_pos)  # of the basket it is a view, which would follow another's basket
        up.curr_path_length = 0
        up._did_see_sim_exception = False
        up._prev_obs = up._get_curr_obs_combined_no_goal()
        bounds = up.sawyer_observation_space
        self.full_observation = self._with_goal(np.clip(up._get_obs(), bounds.low, bounds.high))
        self._layout = drawn[-1]
        return self._layout

    def _with_goal(self, observation: np.ndarray) -> np.ndarray:
        """Upstream cuts goals off at the borders of its own range; the expert has to see those beyond as well."""
        observation[36:39] = self._upstream._target_pos
        return observation

    def _observe(self) -> Observation:
        current = self.full_observation[:18]
        state = np.zeros(STATE_SIZE)
        state[:18] = current
        state[:3] -= WORKSPACE_CENTRE
        for k, start in enumerate((4, 11)):
            if current[start : start + 3].any():
                state[start : start + 3] -= WORKSPACE_CENTRE
                state[18 + 3 * k : 21 + 3 * k] = current[start : start + 3] - current[:3]
        return {"state": state.astype(np.float32)}
