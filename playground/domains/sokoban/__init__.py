"""Sokoban: boxes are pushed onto marks, and an exact solver shows how.

In the puzzles named `-hidden` colours tell two boxes, or two marks, apart, and the prompt alone tells which is meant.
"""

from functools import partial

from playground.domains.goals import NamedFamily
from playground.domains.grid_worlds import COLOURS
from playground.domains.sokoban.env import Puzzle, SokobanEnv, goal_part, goal_text
from playground.domains.sokoban.expert import SolverExpert
from playground.task import Horizons, Task

__all__ = ["FAMILIES", "PUZZLES", "TASKS", "SokobanEnv", "SolverExpert", "goal_part"]

FPS = 5.0

PUZZLES = {
    "1-box": Puzzle(boxes=1, marks=1, least=8, most=25, max_steps=60),
    "2-boxes": Puzzle(boxes=2, marks=2, least=14, most=40, max_steps=100),
    "3-boxes": Puzzle(boxes=3, marks=3, least=20, most=60, max_steps=150),
    "which-box-hidden": Puzzle(boxes=2, marks=1, least=8, most=25, max_steps=60, choice="box"),
    "which-mark-hidden": Puzzle(boxes=1, marks=2, least=8, most=25, max_steps=60, choice="mark"),
}


def _make(name: str, size: int) -> SokobanEnv:
    return SokobanEnv(name, PUZZLES[name], size)


def _task(name: str) -> Task:
    puzzle = PUZZLES[name]
    hidden = puzzle.choice is not None
    return Task(
        id=f"sokoban/{name}",
        scene=f"sokoban/{name}" if hidden else "sokoban",
        fps=FPS,
        max_steps=puzzle.max_steps,
        make=partial(_make, name),
        make_expert=SolverExpert,
        has_success=True,
        hidden_goal=hidden,
        observed_goal=not hidden,
        takeover_tries=40,
        horizons=Horizons(takeover=10, prompt=60),
    )


def _family(name: str) -> NamedFamily:
    puzzle = PUZZLES[name]
    return NamedFamily(
        task=f"sokoban/{name}",
        parameter=puzzle.choice or "",
        texts=tuple(goal_text(puzzle, colour) for colour in COLOURS),
        split=goal_part,
        fulfils=lambda goal, achieved: goal == achieved,
    )


TASKS = tuple(_task(name) for name in PUZZLES)
FAMILIES = (_family("which-box-hidden"), _family("which-mark-hidden"))
