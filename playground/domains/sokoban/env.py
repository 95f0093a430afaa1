"""Sokoban on boards of 7 x 7 cells: an agent that can push boxes, and never pull them.

An observation is the whole board, as (object, colour, state) symbols in MiniGrid's numbering: empty 1, wall 2, box 7,
mark 8, agent 10; the state is 0, or 1 + the colour of the mark beneath a box or the agent.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces

from playground.domains.goals import EXTRAPOLATED, INTERPOLATED, TRAINED
from playground.domains.grid_tiles import fill_coords, point_in_line, point_in_rect
from playground.domains.grid_worlds import COLOURS, MISSION_CHARACTERS, MISSION_MAX_LENGTH
from playground.domains.sokoban.solver import MOVES, WIDTH, State, distances, moved
from playground.environment import DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Goal, Observation

EMPTY, WALL, BOX, MARK, AGENT = 1, 2, 7, 8, 10

INNER = tuple(y * WIDTH + x for y in range(1, WIDTH - 1) for x in range(1, WIDTH - 1))
"""Cells within the walls around."""

WALLS = 0.15
"""Share of the inner cells that are walls."""

PLAIN = COLOURS.index("grey")
"""Colour of boxes and marks where colours mean nothing."""

OTHER_COLOUR, UNSEEN_COLOUR = "grey", "yellow"
"""Where the goal is hidden: never wanted in training, though the other thing may have it; never seen in training."""

PALETTE = np.array(
    [(220, 50, 47), (60, 160, 70), (50, 110, 220), (150, 80, 200), (235, 200, 60), (140, 140, 140)], np.uint8
)
"""Of the colours, in their order."""

BOARD_TRIES = 1000


@dataclass(frozen=True)
class Puzzle:
    """What is on a board.

    Attributes:
        boxes: how many.
        marks: how many.
        least, most: moves that a solution takes.
        choice: what is coloured, and chosen by a hidden goal: "box" or "mark"; None where every box belongs on a mark.
        max_steps: actions of an episode.
    """

    boxes: int
    marks: int
    least: int
    most: int
    max_steps: int
    choice: str | None = None

    @property
    def verb(self) -> str:
        """How goals begin."""
        return "push the box onto the" if self.choice == "mark" else "push onto the mark the"


def goal_text(puzzle: Puzzle, colour: str) -> str:
    """The goal that chooses the thing of a colour."""
    return f"{puzzle.verb} {colour} {puzzle.choice}"


def goal_part(goal: str) -> str | None:
    """The part of the goals that a goal belongs to, by its colour."""
    colour = next((word for word in goal.split() if word in COLOURS), None)
    if colour is None:
        return None
    return {OTHER_COLOUR: INTERPOLATED, UNSEEN_COLOUR: EXTRAPOLATED}.get(colour, TRAINED)


class SokobanEnv(DomainEnv):
    """Boards of one puzzle. The episode ends when all boxes are on marks; with a hidden goal, when one is on any mark.

    The reward of a step is the change of the number of boxes on marks; with a hidden goal it is 1 for the right end.

    Args:
        name: of the task, without domain.
        puzzle: what is on a board.
        size: height and width of pictures, pixels.

    Attributes:
        state: cells of the agent and of the boxes.
    """

    action_names = ("up", "down", "left", "right")

    def __init__(self, name: str, puzzle: Puzzle, size: int):
        self._name, self._puzzle, self._size = name, puzzle, picture_size(size)
        self.observation_space = spaces.Dict(
            {
                "grid": spaces.Box(0, 10, (WIDTH, WIDTH, 3), np.uint8),  # object, colour, state
                "mission": spaces.Text(MISSION_MAX_LENGTH, min_length=0, charset=MISSION_CHARACTERS),
            }
        )
        self.action_space = spaces.Discrete(len(MOVES))  # type: ignore[assignment]
        self.state: State = (0, ())
        self._free: frozenset[int] = frozenset()
        self._marks: tuple[int, ...] = ()
        self._box_colours: tuple[int, ...] = ()
        self._mark_colours: tuple[int, ...] = ()
        self._wanted = 0
        self._steps = 0
        self._distances: dict[State, int] | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        colour = self._colour(wanted_goal(options))
        puzzle = self._puzzle
        for _ in range(BOARD_TRIES):
            if self._draw():
                break
        else:
            raise BadValueError(f"no board of sokoban/{self._name} in {BOARD_TRIES} has a solution; take another seed")
        self._box_colours, self._mark_colours = (PLAIN,) * puzzle.boxes, (PLAIN,) * puzzle.marks
        self.goal = None
        if puzzle.choice is not None:
            trained = [c for c in COLOURS if c not in (OTHER_COLOUR, UNSEEN_COLOUR)]
            colour = colour or str(self.np_random.choice(trained))
            other = str(self.np_random.choice([c for c in (*trained, OTHER_COLOUR) if c != colour]))
            pair = [COLOURS.index(other)] * 2
            pair[self._wanted] = COLOURS.index(colour)
            if puzzle.choice == "box":
                self._box_colours = tuple(pair)
            else:
                self._mark_colours = tuple(pair)
            self.goal = goal_text(puzzle, colour)
        self._steps = 0
        self.success = False
        return self._observe(), {}

    def enter(self, other: DomainEnv, goal: Goal = None) -> Observation:
        """See `DomainEnv.enter`; the goal chooses another box or mark."""
        if not isinstance(other, SokobanEnv) or other._puzzle != self._puzzle or self._puzzle.choice is None:
            raise BadValueError(f"sokoban/{self._name} cannot enter {other}; give a world of the same scene")
        colour = COLOURS.index(self._colour(goal) or "")
        there = other._box_colours if self._puzzle.choice == "box" else other._mark_colours
        if colour not in there:
            raise BadValueError(f"nothing on this board of sokoban/{other._name} suits {goal!r}; take another")
        self.state, self._free, self._marks = other.state, other._free, other._marks
        self._box_colours, self._mark_colours = other._box_colours, other._mark_colours
        self._wanted, self._distances = there.index(colour), None
        self.goal, self._steps, self.success = goal, 0, False
        return self._observe()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        before = self._on_marks(self.state[1])
        self.state = moved(self.state, MOVES[int(action)], self._free, self._alike) or self.state
        self._steps += 1
        boxes = self.state[1]
        terminated = self._ends(boxes)
        self.success = self.success or (terminated and self._is_solved(boxes))
        reward = self._on_marks(boxes) - before if self._puzzle.choice is None else float(self.success)
        return self._observe(), float(reward), terminated, not terminated and self._steps >= self._puzzle.max_steps, {}

    @property
    def achieved(self) -> Goal:
        """The goal whose box, or mark, was chosen; None as long as none is."""
        boxes, choice = self.state[1], self._puzzle.choice
        if choice is None or not self._ends(boxes):
            return None
        box = next(i for i, box in enumerate(boxes) if box in self._marks)
        colours = self._box_colours if choice == "box" else self._mark_colours
        return goal_text(self._puzzle, COLOURS[colours[box if choice == "box" else self._marks.index(boxes[box])]])

    @property
    def distances(self) -> dict[State, int]:
        """Moves from every state to its nearest solution, for those states that have one."""
        if self._distances is None:
            self._distances = self._solve(self._wanted)
        return self._distances

    def after(self, action: int) -> State | None:
        """The state that an action leads to; None where something is in the way."""
        return moved(self.state, MOVES[action], self._free, self._alike)

    def render(self) -> np.ndarray:
        """The board on a black square, uint8 [size, size, 3]."""
        tile = max(1, self._size // WIDTH)
        picture = np.zeros((max(self._size, WIDTH * tile),) * 2 + (3,), np.uint8)
        corner = (len(picture) - WIDTH * tile) // 2
        for cell in range(WIDTH**2):
            y, x = divmod(cell, WIDTH)
            top, left = corner + y * tile, corner + x * tile
            self._paint(picture[top : top + tile, left : left + tile], cell)
        return picture

    @property
    def _alike(self) -> bool:
        return self._puzzle.choice != "box"

    def _colour(self, goal: Goal) -> str | None:
        """The colour of what a goal chooses; None for None."""
        if goal is None:
            return None
        puzzle = self._puzzle
        colour = next((c for c in COLOURS if puzzle.choice is not None and goal == goal_text(puzzle, c)), None)
        if colour is None:
            cure = f"give one such as {goal_text(puzzle, 'red')!r}" if puzzle.choice else "reset it without one"
            raise BadValueError(f"goal of sokoban/{self._name} is {goal!r}; {cure}")
        return colour

    def _draw(self) -> bool:
        """Draws a board and a state that has a solution of the right length; False if this board has none."""
        puzzle, rng = self._puzzle, self.np_random
        self._free = frozenset(cell for cell in INNER if rng.random() >= WALLS)
        self._marks = tuple(int(cell) for cell in rng.choice(sorted(self._free), puzzle.marks, replace=False))
        tables = [self._solve(wanted) for wanted in ((0, 1) if puzzle.choice is not None else (0,))]
        self._wanted = int(rng.integers(len(tables)))
        starts = [
            state
            for state in tables[0]
            if all(puzzle.least <= table.get(state, 0) <= puzzle.most for table in tables)
            and not self._on_marks(state[1])
        ]
        if not starts:
            return False
        self.state, self._distances = starts[rng.integers(len(starts))], tables[self._wanted]
        return True

    def _solve(self, wanted: int) -> dict[State, int]:
        """`distances`, if the box or mark of that number is wanted."""
        marks = self._marks
        solved: list[tuple[int, ...]]
        match self._puzzle.choice:
            case "box":
                others = sorted(self._free - {marks[0]})
                solved = [(marks[0], cell) if wanted == 0 else (cell, marks[0]) for cell in others]
            case "mark":
                solved = [(marks[wanted],)]
            case _:
                solved = [tuple(sorted(marks))]
        return distances(self._free, solved, self._ends, self._alike)

    def _on_marks(self, boxes: tuple[int, ...]) -> int:
        return sum(box in self._marks for box in boxes)

    def _ends(self, boxes: tuple[int, ...]) -> bool:
        return self._on_marks(boxes) >= (1 if self._puzzle.choice is not None else self._puzzle.boxes)

    def _is_solved(self, boxes: tuple[int, ...]) -> bool:
        """Whether boxes with which an episode ends are where they belong."""
        match self._puzzle.choice:
            case "box":
                return boxes[self._wanted] == self._marks[0]
            case "mark":
                return boxes[0] == self._marks[self._wanted]
            case _:
                return True

    def _observe(self) -> Observation:
        board = np.zeros((WIDTH**2, 3), np.uint8)
        board[:] = (WALL, PLAIN, 0)
        board[sorted(self._free)] = (EMPTY, 0, 0)
        board[list(self._marks), 0] = MARK
        board[list(self._marks), 1] = self._mark_colours
        agent, boxes = self.state
        things = [(agent, AGENT, 0), *((b, BOX, c) for b, c in zip(boxes, self._box_colours, strict=True))]
        for cell, kind, colour in things:
            state = 1 + self._mark_colours[self._marks.index(cell)] if cell in self._marks else 0
            board[cell] = (kind, colour, state)
        mission = "push every box onto a mark" if self._puzzle.choice is None else ""
        return {"grid": board.reshape(WIDTH, WIDTH, 3), "mission": mission}

    def _paint(self, tile: np.ndarray, cell: int) -> None:
        """Draws one cell upon a view of the picture."""
        agent, boxes = self.state
        tile[:] = (90, 78, 68) if cell not in self._free else (236, 230, 218)
        if cell in self._marks:
            colour = PALETTE[self._mark_colours[self._marks.index(cell)]]
            fill_coords(tile, point_in_line(0.2, 0.2, 0.8, 0.8, 0.08), colour)
            fill_coords(tile, point_in_line(0.8, 0.2, 0.2, 0.8, 0.08), colour)
        if cell in boxes:
            colour = PALETTE[self._box_colours[boxes.index(cell)]]
            fill_coords(tile, point_in_rect(0.1, 0.9, 0.1, 0.9), colour // 2)
            fill_coords(tile, point_in_rect(0.18, 0.82, 0.18, 0.82), colour)
            if cell in self._marks:
                fill_coords(tile, point_in_rect(0.4, 0.6, 0.4, 0.6), (250, 250, 250))
        if cell == agent:
            fill_coords(tile, partial(_in_circle, 0.32), (30, 30, 40))


def _in_circle(radius: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.hypot(x - 0.5, y - 0.5) <= radius
