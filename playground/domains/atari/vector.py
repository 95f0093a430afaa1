"""Many copies of one game stepped together by ale-py, for reinforcement learning: the pictures that DQN saw.

What is not obvious: upstream's defaults hide the true score (clipped rewards), press fire after a reset and end whole
games at each lost life; all are off. A game that ends begins anew within the same step, and of its first
picture the three older frames are black.
"""

import re
from dataclasses import dataclass

import numpy as np

from playground.domains.atari import FRAME_SKIP, MAX_NOOPS, STICKINESS
from playground.errors import UnknownNameError

MAX_FRAMES = 108_000
"""Frames until an episode is cut, half an hour of play (Machado et al. 2018)."""


def rom_name(game: str) -> str:
    """Upstream's name of a game that is given as `SpaceInvaders`, `atari/SpaceInvaders` or `space_invaders`.

    Raises:
        UnknownNameError: there is no such game.
    """
    from ale_py import roms

    name = re.sub("(?<=[a-z])(?=[A-Z])", "_", game.rpartition("/")[2]).lower()
    if name not in roms.get_all_rom_ids():
        raise UnknownNameError("game", game, roms.get_all_rom_ids())
    return name


@dataclass(frozen=True)
class GameStep:
    """What one decision in each of `B` games led to.

    Attributes:
        pixels: uint8 [B, 4, 84, 84], oldest frame first; where a game was over, the first of the next one.
        reward: float32 [B], change of the true score.
        life_lost: bool [B], a life was lost, or the game.
        over: bool [B], the episode ended, and another began.
    """

    pixels: np.ndarray
    reward: np.ndarray
    life_lost: np.ndarray
    over: np.ndarray


class VectorGames:
    """`B` copies of a game on one thread, with the sticky actions of the rest of this package.

    Args:
        rom: upstream's name of the game, such as `space_invaders`.
        count: B.
    """

    def __init__(self, rom: str, count: int):
        from ale_py import ALEInterface, LoggerMode
        from ale_py.vector_env import AtariVectorEnv
        from gymnasium.vector import AutoresetMode

        ALEInterface.setLoggerMode(LoggerMode.Error)
        self._games = AtariVectorEnv(
            rom,
            count,
            num_threads=1,
            max_num_frames_per_episode=MAX_FRAMES,
            repeat_action_probability=STICKINESS,
            autoreset_mode=AutoresetMode.SAME_STEP,
            frameskip=FRAME_SKIP,
            noop_max=MAX_NOOPS,
            reward_clipping=False,
            use_fire_reset=False,
        )
        self.count = count
        self.actions = len(self._games.ale.get_action_set())
        """Buttons of the game's minimal set, in the order of `AtariEnv`."""
        self._lives = np.zeros(count, np.int64)

    def restart(self, seed: int) -> np.ndarray:
        """Begins new episodes in all games, deterministic in `seed`; returns their pixels."""
        pixels, info = self._games.reset(seed=seed)
        self._lives = np.array(info["lives"])
        return pixels

    def step(self, actions: np.ndarray) -> GameStep:
        """Executes actions int64 [B], each for four frames."""
        pixels, reward, terminated, truncated, info = self._games.step(actions)
        over = terminated | truncated
        lives = np.array(info["lives"])
        life_lost = over | (lives < self._lives)
        self._lives = lives
        return GameStep(pixels, reward.astype(np.float32), life_lost, over)

    def close(self) -> None:
        """Ends upstream's threads."""
        self._games.close()
