"""Grid worlds by MiniGrid as canonical environments: what BabyAI's levels and MiniGrid's own share.

An agent sees the 7 x 7 cells in front of it as (object, colour, state) symbols, its compass direction, and the mission.
"""

from __future__ import annotations

import re
import string
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Goal, Observation

if TYPE_CHECKING:
    from minigrid.core.world_object import WorldObj

COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
KINDS = ("ball", "box", "key", "door")

HELD_OUT_PAIRS = frozenset({("purple", "ball"), ("blue", "box"), ("green", "key"), ("red", "door")})
"""Pairs of a colour and a kind that no hidden mission of the trained part names, though it names each of the two."""

HELD_OUT_COLOUR = "yellow"
"""The colour that no hidden mission of the trained part names."""

THING = re.compile(rf"({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b")

MISSION_CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " "
MISSION_MAX_LENGTH = 400

LAYOUT_TRIES = 4000
"""Layouts drawn for a wanted mission before giving up: 2 s in one room, 10 s in the largest mazes."""

STATE = ("grid", "agent_pos", "agent_dir", "carrying", "width", "height")
"""Upstream's attributes that make up the state of a grid world."""


def mission_part(mission: str) -> str | None:
    """The part of the goals that a mission belongs to, by the things that it names; None if it names none in full."""
    things = THING.findall(mission)
    if not things:
        return None
    if any(colour == HELD_OUT_COLOUR for colour, _ in things):
        return EXTRAPOLATED
    return INTERPOLATED if HELD_OUT_PAIRS & set(things) else TRAINED


class GridWorldEnv(DomainEnv):
    """A grid world whose mission the observation tells, or hides.

    The goal is the mission where the observation hides it. Elsewhere it is None unless a mission is asked for, so that
    a prompt does not tie a task of countless missions to its own: the observation tells the mission anyway.

    Args:
        id: of the task.
        upstream: MiniGrid's environment.
        size: height and width of pictures, pixels.
        max_steps: actions of an episode.
        hide_mission: whether the observation's text is empty.

    Attributes:
        upstream: MiniGrid's environment.
        last_action: what was executed last, None right after a reset; experts plan around it.
        steps: actions executed in the running episode.
        done: what has been done in the running episode, as missions of one clause.
    """

    action_names: tuple[str, ...] = ("left", "right", "forward", "pick up", "drop", "toggle", "done")
    cameras = ("standard", "as the agent sees it")

    def __init__(self, id: str, upstream: Any, size: int, max_steps: int, hide_mission: bool = False):
        self.upstream = upstream
        self.last_action: int | None = None
        self.steps = 0
        self.done: list[str] = []
        self._id = id
        self._size = picture_size(size)
        self._max_steps = max_steps
        self._hide_mission = hide_mission
        view = upstream.agent_view_size
        self.observation_space = spaces.Dict(
            {
                "direction": spaces.Discrete(4),
                "grid": spaces.Box(0, 10, (view, view, 3), np.uint8),  # object, colour, state
                "mission": spaces.Text(MISSION_MAX_LENGTH, min_length=0, charset=MISSION_CHARACTERS),
            }
        )
        self.action_space = spaces.Discrete(int(upstream.action_space.n))  # type: ignore[assignment]
        self.action_names = self.action_names[: upstream.action_space.n]

    @property
    def mission(self) -> str:
        """The running episode's mission, as goals are written."""
        mission: str = self.upstream.mission
        return mission

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        wanted = wanted_goal(options)
        if not isinstance(wanted, str | None):
            raise BadValueError(f"goal of {self._id} is {wanted!r}; give a mission, 'go to the red ball'")
        observation, _ = self.upstream.reset(seed=seed)
        for _ in range(LAYOUT_TRIES):
            if self._suits(wanted):
                break
            observation, _ = self.upstream.reset()
        else:
            raise BadValueError(
                f"no layout of {self._id} in {LAYOUT_TRIES} has the mission {wanted!r}; "
                f"take one that it can draw, such as {self.mission!r}"
            )
        self._begin()
        self.goal = self.mission if self._hide_mission or wanted is not None else None
        return self._observation(observation), {}

    def _begin(self) -> None:
        """Forgets the episode before."""
        self.upstream.max_steps = self._max_steps
        self.upstream.step_count = 0
        self.success = False
        self.last_action = None
        self.steps = 0
        self.done = []
        self._holding = self.upstream.carrying

    def _copy_state(self, other: GridWorldEnv, attributes: tuple[str, ...]) -> None:
        """Takes the state of another world.

        Raises:
            BadValueError: its agent sees more or less than this one's.
        """
        if self.upstream.agent_view_size != other.upstream.agent_view_size:
            raise BadValueError(f"{self._id} cannot enter {other}: another view; take another task")
        # Together, so that what is one object stays one.
        copied = deepcopy({name: getattr(other.upstream, name) for name in attributes})
        for name, value in copied.items():
            setattr(self.upstream, name, value)

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
        verb = self.mission.split()[0]
        return next((deed for deed in reversed(self.done) if deed.startswith(verb)), None)

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
            picture = level.get_pov_render(max(1, self._size // level.agent_view_size))
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
            return self.mission == wanted
        return not self._hide_mission or mission_part(self.mission) == TRAINED

    def _observation(self, upstream: dict[str, Any]) -> Observation:
        return {
            "direction": np.int64(upstream["direction"]),
            "grid": upstream["image"],  # upstream encodes a new array each time
            "mission": "" if self._hide_mission else upstream["mission"],
        }


def _name(thing: WorldObj) -> str:
    return f"{thing.color} {thing.type}"
