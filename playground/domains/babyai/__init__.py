"""BabyAI: grid worlds with instructions in English, and the bot that solves them (upstream: minigrid).

An agent sees the 7 x 7 cells in front of it as (object, colour, state) symbols, its compass direction, and the mission.
The variants named `-hidden` withhold the mission: the prompt alone tells what to do, and all of them look alike.
"""

from __future__ import annotations

import re
import string
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from playground.domains.babyai.bot import BotExpert
from playground.domains.babyai.tiles import draw_whole_tiles
from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED, NamedFamily
from playground.environment import DomainEnv, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Goal, Observation, Task

if TYPE_CHECKING:
    from minigrid.core.world_object import WorldObj

FPS = 10.0

# Upstream's step limit. Where upstream's depends on the mission it is the largest one, yet at most about 1000.
# Left out: the *Debug duplicates, in which opening any other door ends the episode.
LEVELS = {
    **{"GoToRedBallGrey": 64, "GoToRedBall": 64, "GoToRedBallNoDists": 64, "GoToRedBlueBall": 64},
    **{"GoToObj": 64, "GoToObjS4": 16, "GoToObjS6": 36},
    **{"GoToLocal": 64, "GoToLocalS5N2": 25, "GoToLocalS6N2": 36, "GoToLocalS6N3": 36, "GoToLocalS6N4": 36},
    **{"GoToLocalS7N4": 49, "GoToLocalS7N5": 49, "GoToLocalS8N2": 64, "GoToLocalS8N3": 64, "GoToLocalS8N4": 64},
    **{"GoToLocalS8N5": 64, "GoToLocalS8N6": 64, "GoToLocalS8N7": 64},
    **{"GoTo": 576, "GoToOpen": 576, "GoToImpUnlock": 576, "GoToDoor": 441, "GoToObjDoor": 576},
    **{"GoToObjMaze": 576, "GoToObjMazeOpen": 576, "GoToObjMazeS4R2": 64, "GoToObjMazeS4": 144},
    **{"GoToObjMazeS5": 225, "GoToObjMazeS6": 324, "GoToObjMazeS7": 441, "GoToSeq": 1000, "GoToSeqS5R2": 400},
    **{"Open": 576, "OpenRedDoor": 50, "OpenDoor": 576, "OpenDoorColor": 576, "OpenDoorLoc": 576},
    **{"OpenTwoDoors": 720, "OpenRedBlueDoors": 720, "OpenDoorsOrderN2": 720, "OpenDoorsOrderN4": 720},
    **{"Pickup": 576, "UnblockPickup": 576, "PickupLoc": 64, "PickupDist": 49, "PickupAbove": 288},
    **{"PutNextLocal": 128, "PutNextLocalS5N3": 50, "PutNextLocalS6N4": 72, "PutNextS4N1": 128, "PutNextS5N1": 200},
    **{"PutNextS5N2": 200, "PutNextS6N3": 288, "PutNextS7N4": 392},
    **{"PutNextS5N2Carrying": 200, "PutNextS6N3Carrying": 288, "PutNextS7N4Carrying": 392},
    **{"Unlock": 576, "UnlockLocal": 576, "UnlockLocalDist": 576, "KeyInBox": 576, "UnlockPickup": 72},
    **{"UnlockPickupDist": 72, "BlockedUnlockPickup": 576, "UnlockToUnlock": 1080},
    **{"ActionObjDoor": 441, "FindObjS5": 500, "FindObjS6": 720, "FindObjS7": 980},
    **{"KeyCorridor": 1080, "KeyCorridorS3R1": 270, "KeyCorridorS3R2": 270, "KeyCorridorS3R3": 270},
    **{"KeyCorridorS4R3": 480, "KeyCorridorS5R3": 750, "KeyCorridorS6R3": 1080},
    **{"OneRoomS8": 64, "OneRoomS12": 144, "OneRoomS16": 256, "OneRoomS20": 400},
    **{"MoveTwoAcrossS5N2": 400, "MoveTwoAcrossS8N9": 1024},
    **{"Synth": 1152, "SynthS5R2": 300, "SynthLoc": 1152, "SynthSeq": 1000},
    **{"MiniBossLevel": 800, "BossLevel": 1000, "BossLevelNoUnlock": 1000},
}

# Levels of one room, or of one step away from it, in which a demonstration shows the whole mission: objects are named
# by colour and kind, and the layout leaves several to choose from.
HIDDEN_LEVELS = (
    *("GoToLocal", "GoToLocalS5N2", "GoToLocalS6N3", "GoToLocalS8N7", "GoToDoor", "GoToObjDoor"),
    *("ActionObjDoor", "OpenDoorsOrderN4", "PutNextLocal", "PutNextLocalS5N3", "PickupDist"),
)

COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
KINDS = ("ball", "box", "key", "door")

HELD_OUT_PAIRS = frozenset({("purple", "ball"), ("blue", "box"), ("green", "key"), ("red", "door")})
"""Never asked for where the mission is hidden: pairs of a colour and a kind that are asked for, yet not together."""

HELD_OUT_COLOUR = "yellow"
"""Never asked for where the mission is hidden, whatever the kind."""

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

_THING = re.compile(rf"({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b")

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
        self._size = size
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

    def parts_done(self) -> list[bool]:
        """Which parts of the mission upstream's verifier has accepted, in the order in which they are due."""
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
    """`BabyAIEnv.parts_done` of one instruction; `whole`: whether all of it is."""
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


def parse_mission(mission: str) -> Any:
    """A mission's text as upstream's instruction.

    Raises:
        BadValueError: it is none of "go to", "pick up", "open", "put ... next to" with colour and kind of the things.
    """
    from minigrid.envs.babyai.core.verifier import (
        BeforeInstr,
        GoToInstr,
        ObjDesc,
        OpenInstr,
        PickupInstr,
        PutNextInstr,
    )

    first, then, second = mission.partition(", then ")
    if then:
        return BeforeInstr(parse_mission(first), parse_mission(second))
    make = {"go to": GoToInstr, "pick up": PickupInstr, "open": OpenInstr, "put": PutNextInstr}
    things = [ObjDesc(kind, colour) for colour, kind in _THING.findall(mission)]
    verb = next((verb for verb in make if mission.startswith(f"{verb} ")), None)
    if verb is None or len(things) != (2 if verb == "put" else 1) or (verb == "open" and things[0].type != "door"):
        raise BadValueError(f"mission is {mission!r}; give one such as 'go to the red ball'")
    return make[verb](*things)


def mission_part(mission: str) -> str | None:
    """The part of the goals that a mission belongs to, by the things that it names; None if it names none in full."""
    things = _THING.findall(mission)
    if not things:
        return None
    if any(colour == HELD_OUT_COLOUR for colour, _ in things):
        return EXTRAPOLATED
    return INTERPOLATED if HELD_OUT_PAIRS & set(things) else TRAINED


def _fulfils(goal: str, achieved: str) -> bool:
    """Whether two missions ask for the same, of "a" thing or "the" thing."""
    return re.sub(r"\b(a|the) ", "", goal) == re.sub(r"\b(a|the) ", "", achieved)


def _family(level: str, verb: str, kinds: tuple[str, ...]) -> NamedFamily:
    texts = tuple(f"{verb} the {colour} {kind}" for colour in COLOURS for kind in kinds)
    return NamedFamily(f"babyai/{level}-hidden", "mission", texts, mission_part, _fulfils)


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


def _make(level: str, max_steps: int, hide_mission: bool, size: int) -> BabyAIEnv:
    return BabyAIEnv(level, size, max_steps, hide_mission)


def _task(level: str, hidden: bool) -> Task:
    return Task(
        id=f"babyai/{level}-hidden" if hidden else f"babyai/{level}",
        scene="babyai/hidden" if hidden else "babyai",
        fps=FPS,
        max_steps=LEVELS[level],
        make=partial(_make, level, LEVELS[level], hidden),
        make_expert=BotExpert,
        has_success=True,
        hidden_goal=hidden,
    )


TASKS = [_task(level, False) for level in LEVELS] + [_task(level, True) for level in HIDDEN_LEVELS]

FAMILIES = (
    _family("GoToLocal", "go to", KINDS[:3]),
    _family("GoToDoor", "go to", KINDS[3:]),
    _family("PickupDist", "pick up", KINDS[:3]),
)
