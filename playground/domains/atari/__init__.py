"""Atari 2600 games seen as small pictures, with experts that read the console's memory or try moves in a copy.

What is not obvious: a picture's three colours are three moments, so that one picture shows how things move. Sticky
actions (each frame repeats the previous action with probability 0.25) are drawn here. The emulator could do it, but can
be seeded only by loading the game anew; so a reset restores a saved console in 0.1 ms.
"""

import re
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from playground.domains.atari import experts
from playground.domains.atari.q_network import FRAMES, PIXELS, shrunk
from playground.environment import NO_OP, DomainEnv, picture_size, wanted_goal
from playground.errors import BadValueError
from playground.task import Action, Amount, Expert, Horizons, Observation, Task

FRAME_SKIP = 4
STICKINESS = 0.25
MAX_NOOPS = 30
FPS = 60.0 / FRAME_SKIP
MAX_STEPS = 2048
IMAGE_SIZE = 64
FIELD = slice(34, 198)
"""Rows of the screen that are seen; above and below are scores."""


class AtariEnv(DomainEnv):
    """One game. `image`, uint8 [64, 64, 3]: brightness after this decision, the one before and the one before that.

    Each is the brighter of a decision's last two frames, as objects may flicker.

    Actions are the game's minimal set. An episode begins after 0 to 30 idle frames, and ends when the game is over. The
    reward is the change of score.

    Args:
        rom: upstream's name of the game, such as `space_invaders`.
        size: height of pictures, pixels.
    """

    cameras = ("standard", "as the agent sees it")
    frame_skip = FRAME_SKIP
    stickiness = STICKINESS

    def __init__(self, rom: str, size: int = 320):
        from ale_py import ALEInterface, LoggerMode, roms

        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.console: Any = ALEInterface()
        self.console.setFloat("repeat_action_probability", 0.0)
        self.console.setInt("random_seed", 0)
        self.console.loadROM(str(roms.get_rom_path(rom)))
        self.console.reset_game()
        self._begin = self.console.cloneState()
        self.buttons: list[Any] = list(self.console.getMinimalActionSet())
        """What each action index presses."""
        self.button_names: list[str] = [button.name for button in self.buttons]
        self.action_names = tuple(_pressed(name) for name in self.button_names)
        self.pressed = 0
        """Index of the button held in the last frame; sticky actions may hold it on."""
        self.observation_space = gym.spaces.Dict(
            {"image": gym.spaces.Box(0, 255, (IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)}
        )
        self.action_space: gym.Space[Any] = gym.spaces.Discrete(len(self.buttons))
        self._rom = rom
        self._size = picture_size(size)
        self._steps = 0
        self._picture = np.zeros((210, 160, 3), dtype=np.uint8)
        self._moments: deque[np.ndarray] = deque(maxlen=3)
        self._screens: deque[np.ndarray] = deque(maxlen=FRAMES)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `DomainEnv`."""
        super().reset(seed=seed)
        if wanted_goal(options) is not None:
            raise BadValueError(f"{self._rom} has no goal to set; got {wanted_goal(options)!r}; reset it without one")
        self.console.restoreState(self._begin)
        self._steps = 0
        self.pressed = 0
        for _ in range(1 + int(self.np_random.integers(MAX_NOOPS))):
            self.console.act(self.buttons[0])
        self._picture = self.console.getScreenRGB().copy()
        self._moments.extend([self._moment()] * 3)
        self._screens.extend([np.zeros((PIXELS, PIXELS), np.uint8)] * (FRAMES - 1))
        self._screens.append(self.console.getScreenGrayscale())
        return self._observe(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `DomainEnv`."""
        reward = 0
        for frame in range(FRAME_SKIP):
            if self.np_random.random() >= STICKINESS:
                self.pressed = int(action)
            reward += self.console.act(self.buttons[self.pressed])
            if frame == FRAME_SKIP - 2:
                flicker = self.console.getScreenRGB().copy()
                grey = self.console.getScreenGrayscale()
        self._picture = np.maximum(self.console.getScreenRGB(), flicker)
        self._moments.append(self._moment())
        self._screens.append(np.maximum(self.console.getScreenGrayscale(), grey))
        self._steps += 1
        over = bool(self.console.game_over())
        return self._observe(), float(reward), over, self._steps >= MAX_STEPS and not over, {}

    def render(self) -> np.ndarray:
        """See `DomainEnv.render`."""
        seen = self.camera == "as the agent sees it"
        picture = Image.fromarray(self._observe()["image"] if seen else self._picture)
        height, width = self._picture.shape[:2]
        return np.array(picture.resize((round(self._size * width / height), self._size), Image.Resampling.NEAREST))

    def dqn_pixels(self) -> np.ndarray:
        """What DQN's networks see: the four newest screens, uint8 [4, 84, 84], oldest first, black before the start.

        Equal to what ale-py's vectorised environment gives, on which the networks are trained.
        """
        for n, screen in enumerate(self._screens):
            if screen.shape != (PIXELS, PIXELS):
                self._screens[n] = shrunk(screen)
        return np.stack(tuple(self._screens))

    def _moment(self) -> np.ndarray:
        """Brightness of the field, uint8 [64, 64]."""
        picture = Image.fromarray(self._picture[FIELD]).convert("L")
        return np.array(picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX))

    def _observe(self) -> Observation:
        return {"image": np.stack(tuple(self._moments)[::-1], axis=-1)}


def _pressed(name: str) -> str:
    """Upstream's name of a combination, such as UPRIGHTFIRE, in words: `up+right+fire`."""
    return "+".join(re.findall("UP|DOWN|LEFT|RIGHT|FIRE", name)).lower() or NO_OP


def _make(size: int, rom: str) -> AtariEnv:
    return AtariEnv(rom, size)


_EXPERTS: dict[str, Callable[[AtariEnv], Expert]] = {
    "Bowling": experts.BowlingExpert,
    "Boxing": experts.BoxingExpert,
    "Breakout": partial(experts.PaddleExpert, game=experts.BREAKOUT),
    "Freeway": experts.FreewayExpert,
    "Pong": partial(experts.PaddleExpert, game=experts.PONG),
    "Skiing": experts.SkiingExpert,
}

TASKS = tuple(
    Task(
        id=f"atari/{name}",
        scene=f"atari/{name}",
        fps=FPS,
        max_steps=MAX_STEPS,
        make=partial(_make, rom=name.lower()),
        make_expert=expert,
        horizons=Horizons(shipped=150),
        amount=Amount(goals=24, max_steps=1000, shard_episodes=6, filtered=False),
    )
    for name, expert in _EXPERTS.items()
)
