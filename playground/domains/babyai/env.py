"""A BabyAI level as a canonical environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playground.domains.babyai.missions import parse_mission, subtasks
from playground.domains.grid_tiles import draw_whole_tiles
from playground.domains.grid_worlds import STATE, GridWorldEnv
from playground.environment import DomainEnv
from playground.errors import BadValueError
from playground.task import Goal, Observation

if TYPE_CHECKING:
    from minigrid.core.world_object import WorldObj

_STATE = (*STATE, "room_grid", "num_rows", "num_cols", "room_size")
"""What makes up the state of upstream's world."""

AGENT_PLACINGS = 1000
"""Cells tried for the agent before another layout is drawn."""


class BabyAIEnv(GridWorldEnv):
    """One level, as a canonical environment.

    Args:
        level: upstream's name without "BabyAI-" and version.
        size: height and width of pictures, pixels.
        max_steps: actions of an episode.
        hide_mission: whether the observation's text is empty.
    """

    def __init__(self, level: str, size: int, max_steps: int, hide_mission: bool = False):
        super().__init__(f"babyai/{level}", _make_upstream(level), size, max_steps, hide_mission)

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`; `goal` is a mission of one clause, or of two joined by ", then"."""
        if not isinstance(other, BabyAIEnv) or not isinstance(goal, str):
            raise BadValueError(f"{self._id} cannot enter {other} with {goal!r}; give a BabyAI world, a mission")
        self._copy_state(other, _STATE)
        level = self.upstream
        level.instrs = parse_mission(goal)
        try:
            level.instrs.reset_verifier(level)
            level.mission = level.instrs.surface(level)
        except AssertionError as error:
            raise BadValueError(f"nothing in this world of {other._id} suits {goal!r}; take another") from error
        self._begin()
        self.goal = goal
        return self._observation(level.gen_obs())

    def subtasks(self, text: str) -> tuple[str, ...]:
        """See `DomainEnv.subtasks`."""
        return subtasks(text)

    def subtasks_done(self) -> list[bool]:
        """See `DomainEnv.subtasks_done`; upstream's verifier knows."""
        return _accepted(self.upstream.instrs, self.success)


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
