"""MiniGrid's own worlds as canonical environments, and what each of them asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playground.domains.grid_tiles import draw_whole_tiles
from playground.domains.grid_worlds import STATE, THING, GridWorldEnv
from playground.domains.minigrid.expert import DONE, DROP, PICK_UP, TOGGLE
from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.task import Goal, Observation

if TYPE_CHECKING:
    from minigrid.core.world_object import Door


@dataclass(frozen=True)
class Errand:
    """What is to be done next with what.

    Attributes:
        kind: of the thing, in upstream's words.
        colour: of it; None for any.
        action: what is done in front of it; None where one steps onto it, and `DROP` where what is in hand is put down
            near it.
    """

    kind: str
    colour: str | None = None
    action: int | None = None


def to_goal(env: MiniGridEnv) -> Errand:
    """Steps onto the goal square."""
    return Errand("goal")


def fetch(env: MiniGridEnv) -> Errand:
    """Picks up the thing that the mission names."""
    return Errand(env.upstream.targetType, env.upstream.targetColor, PICK_UP)


def go_to_object(env: MiniGridEnv) -> Errand:
    """Says that it is done in front of the thing that the mission names."""
    return Errand(env.upstream.targetType, env.upstream.target_color, DONE)


def put_near(env: MiniGridEnv) -> Errand:
    """Picks up one thing and puts it down near another."""
    level = env.upstream
    if level.carrying is not None:
        return Errand(level.target_type, level.target_color, DROP)
    return Errand(level.move_type, level.moveColor, PICK_UP)


def find_ball(env: MiniGridEnv) -> Errand:
    """Picks up the ball of the mission's colour."""
    return Errand("ball", env.upstream.ball_to_find_color, PICK_UP)


def open_doors(env: MiniGridEnv) -> Errand:
    """Opens the red door, then the blue one."""
    return Errand("door", "blue" if env.upstream.red_door.is_open else "red", TOGGLE)


@dataclass(frozen=True)
class World:
    """One of upstream's worlds.

    Attributes:
        upstream: its id.
        max_steps: upstream's time limit, unless a comment says otherwise.
        errand: environment -> what is to be done next.
        changes: arguments that differ from upstream's.
        opens: whether doors may be opened on the way; "named" are those that the mission names.
        moving: whether things move by themselves.
        boxed: whether keys lie in boxes.
        verb: of the mission as a goal, where it names a thing.
    """

    upstream: str
    max_steps: int
    errand: Callable[[MiniGridEnv], Errand] = to_goal
    changes: dict[str, Any] = field(default_factory=dict, hash=False)
    opens: str = "all"
    moving: bool = False
    boxed: bool = False
    verb: str | None = None


class MiniGridEnv(GridWorldEnv):
    """One world of MiniGrid.

    Args:
        name: of the task, without domain.
        world: what is particular to it.
        size: height and width of pictures, pixels.
        hide_mission: whether the observation's text is empty.
    """

    def __init__(self, name: str, world: World, size: int, hide_mission: bool = False):
        super().__init__(f"minigrid/{name}", _make_upstream(world), size, world.max_steps, hide_mission)
        self._world = world
        self.moving = world.moving
        """Whether things move by themselves."""
        self.boxed = world.boxed
        """Whether keys lie in boxes."""

    @property
    def mission(self) -> str:
        """The mission as a goal: where it names one thing, in BabyAI's words."""
        verb, level = self._world.verb, self.upstream
        if verb is None:
            return super().mission
        errand = self.errand()
        return f"{verb} the {errand.colour} {errand.kind}" if errand else str(level.mission)

    def errand(self) -> Errand:
        """What is to be done next."""
        return self._world.errand(self)

    def may_open(self, door: Door) -> bool:
        """Whether an expert opens this door on its way."""
        return self._world.opens == "all" or (
            self._world.opens == "named" and f"{door.color} " in self.upstream.mission
        )

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`; `goal` is a mission that names one thing."""
        named = THING.findall(goal) if isinstance(goal, str) else []
        verb = self._world.verb
        if not isinstance(other, MiniGridEnv) or verb is None or not str(goal).startswith(verb) or len(named) != 1:
            raise BadValueError(
                f"{self._id} cannot enter {other} with {goal!r}; give a MiniGrid world with a mission like its own"
            )
        self._copy_state(other, STATE)
        ((colour, kind),) = named
        level = self.upstream
        things = [(thing, place % level.width, place // level.width) for place, thing in enumerate(level.grid.grid)]
        places = [(x, y) for thing, x, y in things if thing is not None and (thing.color, thing.type) == (colour, kind)]
        if not places:
            raise BadValueError(f"nothing in this world of {other._id} suits {goal!r}; take another")
        level.targetType, level.target_pos = kind, places[0]
        level.targetColor = level.target_color = colour
        self._begin()
        self.goal = goal
        return self._observation(level.gen_obs())


def _make_upstream(world: World) -> Any:
    import gymnasium as gym
    import minigrid  # noqa: F401 (registers the worlds)

    draw_whole_tiles()
    return gym.make(world.upstream, disable_env_checker=True, **world.changes).unwrapped
