"""A BabyAI level as a canonical environment."""

from __future__ import annotations

import string
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from playground.domains.babyai.missions import KINDS, mission_part, parse_mission, subtasks
from playground.domains.babyai.tiles import draw_whole_tiles
from playground.domains.goals import TRAINED
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Goal, Observation

if TYPE_CHECKING:
    from minigrid.core.world_object import WorldObj

_STATE = (
    "grid",
    "room_grid",
    "agent_pos",
    "agent_dir",
    "carrying",
    "width",
    "height",
    "num_rows",
    "num_cols",
    "room_size",
)
"""What makes up the state of upstream's world."""

MISSION_CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " "
MISSION_MAX_LENGTH = 400
LAYOUT_TRIES = 4000
"""Layouts drawn for a wanted mission before giving up: 2 s in one room, 10 s in the largest mazes."""

AGENT_PLACINGS = 1000
"""Cells tried for the agent before another layout is drawn."""


class BabyAIEnv(DomainEnv):
    """One level, as a canonical environment.

    The goal is the mission where the observation hides it. Elsewhere it is None unless a mission is asked for, so that
    a prompt does not tie a level of countless missions to its own: the observation tells the mission anyway.

    Attributes:
        last_action: what was executed last, None right after a reset; the bot replans around it.
        steps: actions executed in the running episode.
        done: what has been done in the running episode, as missions of one clause that upstream would accept.
    """

    action_names = ("left", "right", "forward", "pick up", "drop", "toggle", "done")
    cameras = ("standard", "as the agent sees it")

    def __init__(self, level: str, size: int, max_steps: int, hide_mission: bool = False):
        self.level = level
        self.upstream = _make_upstream(level)
        self.last_action: int | None = None
        self.steps = 0
        self.done: list[str] = []
        self._size = picture_size(size)
        self._max_steps = max_steps
        self._hide_mission = hide_mission
        view = self.upstream.agent_view_size
        self.observation_space = spaces.Dict(
            {
                "direction": spaces.Discrete(4),
                "grid": spaces.Box(0, 10, (view, view, 3), np.uint8),  # object, colour, state
                "mission": spaces.Text(MISSION_MAX_LENGTH, min_length=0, charset=MISSION_CHARACTERS),
            }
        )
        self.action_space = spaces.Discrete(len(self.upstream.actions))  # type: ignore[assignment]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        wanted = wanted_goal(options)
        if not isinstance(wanted, str | None):
            raise BadValueError(f"goal of babyai/{self.level} is {wanted!r}; give a mission, 'go to the red ball'")
        observation, _ = self.upstream.reset(seed=seed)
        for _ in range(LAYOUT_TRIES):
            if self._suits(wanted):
                break
            observation, _ = self.upstream.reset()
        else:
            raise BadValueError(
                f"no layout of babyai/{self.level} in {LAYOUT_TRIES} has the mission {wanted!r}; "
                f"take one that it can draw, such as {self.upstream.mission!r}"
            )
        self.upstream.max_steps = self._max_steps
        self.goal = self.upstream.mission if self._hide_mission or wanted is not None else None
        self.success = False
        self.last_action = None
        self.steps = 0
        self.done = []
        self._holding = self.upstream.carrying
        return self._observation(observation), {}

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`; `goal` is a mission of one clause, or of two joined by ", then"."""
        if not isinstance(other, BabyAIEnv) or not isinstance(goal, str):
            raise BadValueError(
                f"babyai/{self.level} cannot enter {other} with {goal!r}; give a BabyAI world, a mission"
            )
        level, there = self.upstream, other.upstream
        if level.agent_view_size != there.agent_view_size:
            raise BadValueError(f"babyai/{self.level} cannot enter {other}: another view; take another level")
        copied = deepcopy({name: getattr(there, name) for name in _STATE})  # together: objects stay the same objects
        for name, value in copied.items():
            setattr(level, name, value)
        level.instrs = parse_mission(goal)
        try:
            level.instrs.reset_verifier(level)
            level.mission = level.instrs.surface(level)
        except AssertionError as error:
            raise BadValueError(
                f"nothing in this world of babyai/{other.level} suits {goal!r}; take another"
            ) from error
        level.max_steps = self._max_steps
        level.step_count = 0
        self.goal = goal
        self.success = False
        self.last_action = None
        self.steps = 0
        self.done = []
        self._holding = level.carrying
        return self._observation(level.gen_obs())

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        self.last_action = int(action)
        self.steps += 1
        observation, reward, terminated, truncated, _ = self.upstream.step(self.last_action)
        self.success = self.success or (terminated and reward > 0)
        self._note()
        return self._observation(observation), float(reward), terminated, truncated and not terminated, {}

    @property
    def achieved(self) -> Goal:
        """The last thing done that begins as the mission does ("go to", "pick up", "open", "put"); None if none."""
        verb = self.upstream.mission.split()[0]
        return next((deed for deed in reversed(self.done) if deed.startswith(verb)), None)

    def subtasks(self, text: str) -> tuple[str, ...]:
        """See `DomainEnv.subtasks`."""
        return subtasks(text)

    def subtasks_done(self) -> list[bool]:
        """See `DomainEnv.subtasks_done`; upstream's verifier knows."""
        return _accepted(self.upstream.instrs, self.success)

    def _note(self) -> None:
        """Adds what the last action has done to `done`."""
        level, held = self.upstream, self._holding
        faced = level.grid.get(*level.front_pos)
        deeds = []
        if self.last_action == level.actions.pickup and held is None and level.carrying is not None:
            deeds.append(f"pick up the {_name(level.carrying)}")
        elif self.last_action == level.actions.toggle and faced is not None and faced.type == "door" and faced.is_open:
            deeds.append(f"open the {_name(faced)}")
        elif self.last_action == level.actions.drop and held is not None and level.carrying is None:
            x, y = level.front_pos
            beside = (level.grid.get(*place) for place in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)))
            deeds += [
                f"put the {_name(held)} next to the {_name(t)}" for t in beside if t is not None and t.type in KINDS
            ]
        if faced is not None and faced.type in KINDS:
            deeds.append(f"go to the {_name(faced)}")
        self._holding = level.carrying
        self.done += [deed for deed in deeds if not self.done or deed != self.done[-1]]

    def render(self) -> np.ndarray:
        """The whole maze on a black square, the cells in view brighter, or these alone, uint8 [size, size, 3]."""
        level = self.upstream
        if self.camera == "as the agent sees it":
            picture = level.get_pov_render(self._size // level.agent_view_size)
        else:
            tile = max(1, self._size // max(level.width, level.height))
            picture = level.get_frame(highlight=True, tile_size=tile)
        side = max(self._size, *picture.shape[:2])
        square = np.zeros((side, side, 3), np.uint8)
        top, left = (side - picture.shape[0]) // 2, (side - picture.shape[1]) // 2
        square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        return square

    def _suits(self, wanted: Goal) -> bool:
        """Whether the layout drawn has the mission that is wanted, or one that may be drawn."""
        if wanted is not None:
            return bool(self.upstream.mission == wanted)
        return not self._hide_mission or mission_part(self.upstream.mission) == TRAINED

    def _observation(self, upstream: dict[str, Any]) -> Observation:
        return {
            "direction": np.int64(upstream["direction"]),
            "grid": upstream["image"],  # upstream encodes a new array each time
            "mission": "" if self._hide_mission else upstream["mission"],
        }


def _accepted(instruction: Any, whole: bool) -> list[bool]:
    """`BabyAIEnv.subtasks_done` of one instruction; `whole`: whether all of it is done."""
    from minigrid.envs.babyai.core.verifier import AfterInstr, SeqInstr

    if not isinstance(instruction, SeqInstr):
        return [whole]
    accepted = []
    for half in "ba" if isinstance(instruction, AfterInstr) else "ab":
        half_done = whole or getattr(instruction, f"{half}_done") == "success"
        accepted += _accepted(getattr(instruction, f"instr_{half}"), half_done)
    return accepted


def _name(thing: WorldObj) -> str:
    return f"{thing.color} {thing.type}"


def _make_upstream(level: str) -> Any:
    """Upstream's environment, made quiet, and safe from a loop without end in its layouts."""
    import gymnasium as gym
    import minigrid  # noqa: F401 (registers the levels)
    from minigrid.envs.babyai.core import roomgrid_level

    # Upstream prints each layout that it rejects; redirecting stdout would swallow other threads' output too.
    vars(roomgrid_level)["print"] = lambda *_: None
    draw_whole_tiles()
    version = 1 if level == "GoToObjS6" else 0
    upstream: Any = gym.make(f"BabyAI-{level}-v{version}", disable_env_checker=True).unwrapped
    place_obj = upstream.place_obj
    agent_placings = 0

    def place_obj_bounded(obj: WorldObj | None, *args: Any, **kwargs: Any) -> tuple[int, int]:
        # Where every free cell of a room faces an object, `place_agent` tries for ever; upstream takes this error as
        # "draw another layout".
        nonlocal agent_placings
        agent_placings = agent_placings + 1 if obj is None else 0
        if agent_placings > AGENT_PLACINGS:
            agent_placings = 0
            raise RecursionError("no free cell for the agent")
        return place_obj(obj, *args, **kwargs)

    upstream.place_obj = place_obj_bounded
    return upstream
