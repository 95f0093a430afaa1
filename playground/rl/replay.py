"""Experience replay of single frames, from which the four-frame pictures are put together when they are drawn.

What is not obvious: the memory is a file, and it is larger than what is drawn from. A run that was killed goes back to
its last saving, and the frames written after it lie where the oldest ones were. As the drawn part leaves out that
margin, the run draws the same as if it had never been killed. `B` games, `N` drawn transitions.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground.domains.atari.q_network import FRAMES, PIXELS
from playground.errors import BadFileError, BadValueError


@dataclass(frozen=True)
class Transitions:
    """What learning draws.

    Attributes:
        pixels: uint8 [N, 4, 84, 84], what was seen.
        actions: int64 [N].
        returns: float32 [N], discounted sum of the next n clipped rewards.
        after: uint8 [N, 4, 84, 84], what was seen n steps later.
        discounts: float32 [N], of the value of `after`; 0 where the game or a life ended before.
    """

    pixels: np.ndarray
    actions: np.ndarray
    returns: np.ndarray
    after: np.ndarray
    discounts: np.ndarray


class Replay:
    """The newest timesteps of `B` games.

    Args:
        path: file of the frames; is created, sparse, or gone on with. What else belongs to a timestep is beside it.
        games: B.
        capacity: timesteps of all games that can be drawn.
        margin: timesteps of all games that may be written between two savings.

    Raises:
        BadFileError: the file is of another size.
    """

    def __init__(self, path: Path, games: int, capacity: int, margin: int):
        if capacity % games:
            raise BadValueError(f"{capacity} timesteps cannot be shared by {games} games; take a multiple")
        self.games, self._window = games, capacity // games
        self._length = self._window + -(-margin // games) + FRAMES + 1
        row = np.dtype(
            [
                ("frame", np.uint8, (games, PIXELS, PIXELS)),
                ("action", np.uint8, games),
                ("reward", np.float32, games),
                ("ended", np.bool_, games),  # a life or the game ended with this step
                ("first", np.bool_, games),  # the frame is an episode's first: those before it are black
                ("cut", np.bool_, games),  # what came next is not known
            ]
        )
        size = self._length * row.itemsize
        if path.exists() and os.path.getsize(path) != size:
            raise BadFileError(
                f"{path} holds {os.path.getsize(path)} bytes, not {size}; delete it or take another --out"
            )
        self._rows = np.memmap(path, row, "r+" if path.exists() else "w+", shape=(self._length,))
        self.written = 0
        """Timesteps written so far per game."""

    def __len__(self) -> int:
        """Timesteps of all games that can be drawn."""
        return min(self.written, self._window) * self.games

    def add(
        self, frames: np.ndarray, first: np.ndarray, actions: np.ndarray, rewards: np.ndarray, ended: np.ndarray
    ) -> None:
        """Writes one timestep of every game.

        Args:
            frames: uint8 [B, 84, 84], the newest one that was seen before acting.
            first: bool [B], whether it was an episode's first.
            actions: int64 [B].
            rewards: float32 [B].
            ended: bool [B], whether a life or the game ended with it.
        """
        row = self._rows[self.written % self._length]
        row["frame"], row["first"], row["action"] = frames, first, actions
        row["reward"], row["ended"], row["cut"] = rewards, ended, False
        self.written += 1

    def cut(self) -> None:
        """Marks that the games begin anew after the last timestep, wherever they were."""
        if self.written:
            row = self._rows[(self.written - 1) % self._length]
            row["cut"] = ~row["ended"]

    def flush(self) -> None:
        """Brings what was written onto the disk."""
        self._rows.flush()

    def draw(self, count: int, steps: int, discount: float, random: np.random.Generator) -> Transitions:
        """Draws transitions of `steps` steps, all that are known equally often."""
        oldest, newest = max(self.written - self._window + FRAMES - 1, 0), self.written - steps
        times, games = np.empty(0, np.int64), np.empty(0, np.int64)
        while len(times) < count:
            t, game = random.integers(oldest, newest, count), random.integers(self.games, size=count)
            known = self._is_known(t, game, steps)
            times, games = np.append(times, t[known]), np.append(games, game[known])
        times, games = times[:count], games[:count]
        returns, going = np.zeros(count, np.float32), np.ones(count, np.float32)
        for step in range(steps):
            at = (times + step) % self._length
            returns += discount**step * going * self._rows["reward"][at, games]
            going *= ~self._rows["ended"][at, games]
        actions = self._rows["action"][times % self._length, games].astype(np.int64)
        after = self.pictures(times + steps, games)
        return Transitions(self.pictures(times, games), actions, returns, after, discount**steps * going)

    def pictures(self, times: np.ndarray, games: np.ndarray) -> np.ndarray:
        """What was seen at times [N] in games [N]: uint8 [N, 4, 84, 84], black before an episode's first frame."""
        pixels = np.zeros((len(times), FRAMES, PIXELS, PIXELS), np.uint8)
        known = np.ones(len(times), bool)
        for back in range(FRAMES):
            at = (times - back) % self._length
            chosen = np.flatnonzero(known)
            pixels[chosen, FRAMES - 1 - back] = self._rows["frame"][at[chosen], games[chosen]]
            known &= ~self._rows["first"][at, games] & (times - back > 0)
        return pixels

    def _is_known(self, times: np.ndarray, games: np.ndarray, steps: int) -> np.ndarray:
        """Whether no cut lies within the `steps` steps from each time on, or only after an end."""
        known, going = np.ones(len(times), bool), np.ones(len(times), bool)
        for step in range(steps):
            at = (times + step) % self._length
            known &= ~(going & self._rows["cut"][at, games])
            going &= ~self._rows["ended"][at, games]
        return known
