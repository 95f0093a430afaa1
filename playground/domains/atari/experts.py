"""Experts for Atari games. They read the console's memory, and try moves in it and put it back."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from playground.task import Action, Observation

if TYPE_CHECKING:
    from playground.domains.atari import AtariEnv

_REACH = 200  # pixels that a paddle can be away from where it should be
_HORIZON = 40  # decisions planned ahead


@dataclass(frozen=True)
class PaddleGame:
    """Where a game of bat and ball keeps what, and what was found to play well.

    Attributes:
        paddle: memory address of the paddle's position along its track.
        along: address of the ball's position in the paddle's direction.
        across: address of the ball's position towards the paddle; 0 while there is no ball.
        line: `across` at which the ball must be met.
        centre: what to add to the paddle's position to have the point that should meet the ball.
        half_width: pixels around that point that meet it as well.
        edge_bonus: by how much meeting it with the outer 3 pixels is better, for the sharper angle.
        moves: buttons that lower, keep and raise the paddle's position.
    """

    paddle: int
    along: int
    across: int
    line: int
    centre: int
    half_width: int
    edge_bonus: float
    moves: tuple[str, str, str]


BREAKOUT = PaddleGame(72, 99, 101, 172, 11, 5, 0.0, ("LEFT", "NOOP", "RIGHT"))
PONG = PaddleGame(51, 54, 49, 178, 4, 6, 1.0, ("RIGHT", "NOOP", "LEFT"))


@lru_cache(maxsize=8)
def paddle_policy(half_width: int, edge_bonus: float, frame_skip: int, stickiness: float) -> np.ndarray:
    """Best moves of a paddle under sticky actions, by dynamic programming.

    A held button moves the paddle 5.65 pixels a frame. Within a decision the button of the one before is repeated for k
    frames with probability stickiness^k (1 - stickiness), so that where the paddle ends is known only in distribution.

    Returns:
        int [T, 3, 2 * 200 + 1]: move 0, 1, 2 by decisions left - 1, move before, and offset from the goal + 200.
    """
    speed, offset, direction = 5.65, np.arange(-_REACH, _REACH + 1), (-1, 0, 1)
    met = np.abs(offset) <= half_width
    value = np.tile(met * (1.0 + edge_bonus * (np.abs(offset) >= half_width - 3)), (3, 1))
    policy = np.zeros((_HORIZON, 3, offset.size), dtype=np.int64)
    for left in range(_HORIZON):
        worth = np.zeros((3, 3, offset.size))
        for before in range(3):
            for move in range(3):
                for k in range(frame_skip + 1):
                    chance = stickiness**k * (1 - stickiness if k < frame_skip else 1)
                    way = speed * (k * direction[before] + (frame_skip - k) * direction[move])
                    end = np.clip(np.rint(offset + way).astype(int), -_REACH, _REACH)
                    last = move if k < frame_skip else before
                    # The little cost of being away makes it go early rather than at the last moment.
                    worth[before, move] += chance * (value[last][end + _REACH] - 2e-4 * np.abs(end))
        policy[left] = worth.argmax(axis=1)
        value = worth.max(axis=1)
    return policy


class PaddleExpert:
    """Lets the console run ahead to see where the ball comes down, and moves the paddle there in time.

    While the ball goes away it follows the ball instead: where that will come back nobody can tell from a picture, and
    a clone would learn nothing from being shown.
    """

    def __init__(self, env: "AtariEnv", game: PaddleGame):
        self._env = env
        self._game = game
        names = env.button_names
        self._moves = [names.index(name) for name in game.moves]
        self._serve = names.index("FIRE")
        self._policy = paddle_policy(game.half_width, game.edge_bonus, env.frame_skip, env.stickiness)
        self._path: list[tuple[int, int]] = []

    def reset(self) -> None:
        """See `Expert.reset`."""
        self._path = []

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        game, memory = self._game, self._env.console.getRAM()
        ball = int(memory[game.along]), int(memory[game.across])
        if ball[1] == 0:
            self._path = []
            return np.array(self._serve)
        skip = self._env.frame_skip
        foreseen = len(self._path) > skip and self._path[skip - 1] == ball
        self._path = self._path[skip:] if foreseen else self._ball_path()
        leaves = len(self._path) > 1 and self._path[1][1] < ball[1]
        aim = ball[0] if leaves else self._path[-1][0]
        offset = int(np.clip(self._paddle_at_rest() + game.centre - aim, -_REACH, _REACH))
        # The paddle lags some frames behind the button.
        decisions = min(max((len(self._path) - 2) // skip, 1), _HORIZON)
        before = self._moves.index(self._env.pressed) if self._env.pressed in self._moves else 1
        return np.array(self._moves[self._policy[decisions - 1, before, offset + _REACH]])

    def _ball_path(self) -> list[tuple[int, int]]:
        """Positions (along, across) of the ball in the coming frames, until it reaches the paddle's line."""
        game, console = self._game, self._env.console
        state = console.cloneState()
        path: list[tuple[int, int]] = []
        for _ in range(400):
            console.act(self._env.buttons[0])
            memory = console.getRAM()
            path.append((int(memory[game.along]), int(memory[game.across])))
            lost = path[-1][1] == 0 or console.game_over()
            if lost or (path[-1][1] >= game.line and len(path) > 1 and 0 < path[-2][1] < path[-1][1]):
                break
        console.restoreState(state)
        return path

    def _paddle_at_rest(self) -> int:
        """Where the paddle stops if nothing is pressed any more."""
        console = self._env.console
        state = console.cloneState()
        for _ in range(5):
            console.act(self._env.buttons[0])
        position = int(console.getRAM()[self._game.paddle])
        console.restoreState(state)
        return position


class FreewayExpert:
    """Walks up, unless trying that shows a collision; then waits or steps back if it gets further so."""

    LOOK_AHEAD = 7
    HEIGHT_ADDRESS = 14

    def __init__(self, env: "AtariEnv"):
        self._env = env
        names = env.button_names
        self._up, self._others = names.index("UP"), (names.index("NOOP"), names.index("DOWN"))
        self._free_steps = 0

    def reset(self) -> None:
        """See `Expert.reset`."""
        self._free_steps = 0

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        if self._free_steps > 0:
            self._free_steps -= 1
            return np.array(self._up)
        height = int(self._env.console.getRAM()[self.HEIGHT_ADDRESS])
        best, reached = self._up, self._try(self._up)
        # Free walking gains a pixel a frame.
        if reached >= height + 0.8 * self.LOOK_AHEAD * self._env.frame_skip:
            self._free_steps = self.LOOK_AHEAD // 2
            return np.array(best)
        for first in self._others:
            other = self._try(first)
            if other > reached:
                best, reached = first, other
        return np.array(best)

    def _try(self, first: int) -> float:
        """Height reached by one decision `first` and then walking up; infinite if that crosses the road."""
        console, buttons = self._env.console, self._env.buttons
        state = console.cloneState()
        reached = -1.0
        for button in [buttons[first]] + [buttons[self._up]] * (self.LOOK_AHEAD - 1):
            if sum(console.act(button) for _ in range(self._env.frame_skip)) > 0:
                reached = np.inf
                break
        else:
            reached = float(console.getRAM()[self.HEIGHT_ADDRESS])
        console.restoreState(state)
        return reached


class BoxingExpert:
    """Goes beside and a little above or below the opponent, where a fist meets the head, and hits.

    Its four distances, in pixels, were found by search.
    """

    BESIDE, ABOVE, SLACK = 16, 12, 4

    def __init__(self, env: "AtariEnv"):
        self._env = env

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        x, other_x, y, other_y = (int(self._env.console.getRAM()[address]) for address in (32, 33, 34, 35))
        right = other_x + (-self.BESIDE if x <= other_x else self.BESIDE) - x
        down = other_y + (self.ABOVE if y > other_y else -self.ABOVE) - y
        horizontal = "RIGHT" if right > self.SLACK else "LEFT" if right < -self.SLACK else ""
        vertical = "DOWN" if down > self.SLACK else "UP" if down < -self.SLACK else ""
        fire = "FIRE" if max(abs(right), abs(down)) <= 2 * self.SLACK else ""
        return np.array(self._env.button_names.index(vertical + horizontal + fire or "NOOP"))


class BowlingExpert:
    """Throws from the gutter's side, and steers the ball back up when it has rolled 60 pixels: nearly all pins fall."""

    PLACE, STEER_FROM = 1, 60
    ROLLING = 30
    """Ball's position beyond which it has left the hand."""

    def __init__(self, env: "AtariEnv"):
        self._env = env

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        memory = self._env.console.getRAM()
        ball, place = int(memory[30]), int(memory[40])
        if ball < self.ROLLING:
            button = "DOWN" if place > self.PLACE + 1 else "FIRE"
        else:
            button = "UP" if ball >= self.STEER_FROM else "NOOP"
        return np.array(self._env.button_names.index(button))


class SkiingExpert:
    """Steers towards the middle of the next gate, which it sees in the picture; its numbers were found by search."""

    FLAG, SKIER = (66, 72, 200), (214, 92, 92)
    NEXT_ROW = 70
    """Row below which a gate is still ahead."""

    def __init__(self, env: "AtariEnv"):
        self._env = env

    def reset(self) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation) -> Action:
        """See `Expert.act`."""
        screen, heading = self._env.console.getScreenRGB(), int(self._env.console.getRAM()[15])
        skier = np.flatnonzero((screen[35:70] == self.SKIER).all(-1).any(0))
        flags = (screen[self.NEXT_ROW :] == self.FLAG).all(-1)
        rows = np.flatnonzero(flags.any(1))
        right = 0.0
        if len(rows) and len(skier):
            gate = np.flatnonzero(flags[rows[0] : rows[0] + 10].any(0))
            right = (gate[0] + gate[-1]) / 2 - skier.mean()
        # Heading is 0 (left) to 15 (right); each decision turns it by about one.
        turn = 7.5 + np.clip(0.12 * right, -4, 4) - heading
        return np.array(self._env.button_names.index("RIGHT" if turn > 0.6 else "LEFT" if turn < -0.6 else "NOOP"))
