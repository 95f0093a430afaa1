"""What the Q-learning algorithms share: a run that is cut into segments, its curve, and its state on disk.

What is not obvious: an emulator that steps many games cannot be saved. So a run goes in segments of a fixed number of
agent steps. Each begins with new episodes and new random numbers, both from the run's seed and the segment's
number, and ends with saving. A run that was killed therefore repeats its last segment and goes on exactly as if it
had not been. An agent step is one decision, four frames. `B` games, `A` actions.
"""

import json
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from playground.domains.atari.q_network import network_spec
from playground.domains.atari.vector import GameStep
from playground.errors import DAMAGED, BadFileError
from playground.files import atomic_write
from playground.rl.q_network import QNetwork, save_policy

FRAMES_PER_STEP = 4
"""Frames of the emulator in one agent step."""

EPISODES = 100
"""The curve is a mean over so many episodes, the newest."""


class Games(Protocol):
    """`B` games that are stepped together, such as `VectorGames`."""

    count: int
    actions: int

    def restart(self, seed: int) -> np.ndarray:
        """Begins new episodes everywhere, deterministic in `seed`; returns pixels uint8 [B, 4, 84, 84]."""

    def step(self, actions: np.ndarray) -> GameStep:
        """Executes actions int64 [B]."""


@dataclass(frozen=True)
class QConfig:
    """What every algorithm's settings have.

    Attributes:
        game: upstream's name, such as `space_invaders`.
        network: `nips` or `nature`.
        algorithm: its name in files.
        games: B, how many are played at once.
        batch: samples per gradient step.
        rate: learning rate.
        discount: of rewards, per agent step.
        final_epsilon: share of random actions in the end.
        epsilon_steps: agent steps until then.
        segment_steps: agent steps between two savings.
        log_steps: agent steps between two rows of the curve.
        seed: of everything.
    """

    game: str
    network: str = "nature"
    algorithm: str = ""
    games: int = 1
    batch: int = 32
    rate: float = 2.5e-4
    discount: float = 0.99
    final_epsilon: float = 0.01
    epsilon_steps: int = 200_000
    segment_steps: int = 131_072
    log_steps: int = 8_192
    seed: int = 0


class QTraining(ABC):
    """One run of one algorithm on one game, in one folder: `state.safetensors`, `log.jsonl` and `policy/`.

    Args:
        config: the algorithm's settings; a folder that holds a run must have been begun with the same.
        games: what is played.
        folder: is created; a run in it is gone on with.

    Raises:
        BadFileError: the folder's run is damaged or of other settings.
    """

    normalised: ClassVar[bool]

    def __init__(self, config: QConfig, games: Games, folder: Path):
        torch.manual_seed(config.seed)
        self.config, self.games, self.folder = config, games, folder
        self.network = QNetwork(network_spec(config.network), games.actions, self.normalised)
        self.steps = 0
        """Agent steps of all games together."""
        self.episodes = self.segment = self.updates = 0
        self.core_seconds = 0.0
        self.scores: deque[float] = deque(maxlen=EPISODES)
        """True scores of the newest finished episodes."""
        self.random = np.random.default_rng()
        self.pixels = np.zeros((games.count, 4, 84, 84), np.uint8)
        """What is seen now."""
        self._running = np.zeros(games.count)
        self._losses: list[float] = []
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def iterate(self) -> None:
        """Acts for some steps by `play`, and learns."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """All that learning goes on from, by name; `adopt` takes the same."""

    @abstractmethod
    def adopt(self, tensors: dict[str, Tensor]) -> None:
        """Goes on from what `tensors` gave."""

    def acting_network(self) -> QNetwork:
        """The network that is exported as policy."""
        return self.network

    def begin_segment(self) -> None:
        """New episodes and random numbers; called at the start and after every saving."""
        entropy = [self.config.seed, self.segment]
        self.random = np.random.default_rng(entropy)
        torch.manual_seed(int(self.random.integers(2**31)))
        self.pixels = np.array(self.games.restart(int(self.random.integers(2**30))))
        self._running[:] = 0

    @property
    def epsilon(self) -> float:
        """Share of random actions now: falls linearly from 1."""
        gone = min(self.steps / self.config.epsilon_steps, 1.0)
        return 1.0 + gone * (self.config.final_epsilon - 1.0)

    @torch.no_grad()
    def choose(self) -> np.ndarray:
        """Actions int64 [B] by the present network, some of them at random."""
        greedy = self.network(torch.from_numpy(self.pixels)).argmax(1).numpy()
        chance = self.random.random(self.games.count) < self.epsilon
        return np.where(chance, self.random.integers(self.games.actions, size=self.games.count), greedy)

    def play(self, actions: np.ndarray) -> GameStep:
        """Steps the games, and counts steps, episodes and scores."""
        step = self.games.step(actions)
        self.pixels = np.array(step.pixels)
        self.steps += self.games.count
        self._running += step.reward
        for game in np.flatnonzero(step.over):
            self.scores.append(float(self._running[game]))
            self.episodes += 1
        self._running[step.over] = 0
        return step

    def learnt(self, loss: float) -> None:
        """Counts an update and notes its loss for the curve."""
        self.updates += 1
        self._losses.append(loss)

    def train(self, hours: float, tell: Callable[[dict[str, Any]], None] = lambda row: None) -> None:
        """Trains until the run has used that many core hours in all, saving as it goes and when it is interrupted.

        Args:
            hours: processor time in hours, that of earlier calls included.
            tell: is called with every row of the curve.
        """
        self.load()
        began, before = time.process_time(), self.core_seconds
        segment_end = self.steps + self.config.segment_steps
        self.begin_segment()
        try:
            while self.core_seconds < 3600 * hours:
                rows = self.steps // self.config.log_steps
                self.iterate()
                self.core_seconds = before + time.process_time() - began
                if self.steps // self.config.log_steps > rows:
                    tell(self._log())
                if self.steps >= segment_end:
                    self.save()
                    segment_end = self.steps + self.config.segment_steps
                    self.begin_segment()
        except KeyboardInterrupt:  # keeps what was learnt
            self.save()
            raise
        self.save()

    def _log(self) -> dict[str, Any]:
        row = {
            "agent_steps": self.steps,
            "frames": FRAMES_PER_STEP * self.steps,
            "core_hours": round(self.core_seconds / 3600, 4),
            "updates": self.updates,
            "episodes": self.episodes,
            "score": round(float(np.mean(self.scores)), 3) if self.scores else None,
            "epsilon": round(self.epsilon, 4),
            "loss": float(np.mean(self._losses)) if self._losses else None,
        }
        self._losses.clear()
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        return row

    def save(self) -> None:
        """Ends the segment: writes state and policy, each wholly or not at all."""
        self.segment += 1
        counts = {name: getattr(self, name) for name in ("steps", "episodes", "segment", "updates", "core_seconds")} | {
            "scores": list(self.scores)
        }
        metadata = {"config": json.dumps(asdict(self.config)), "counts": json.dumps(counts)}
        with atomic_write(self.folder / "state.safetensors") as unfinished:
            save_file(
                {name: value.detach().contiguous() for name, value in self.tensors().items()}, unfinished, metadata
            )
        score = round(float(np.mean(self.scores)), 3) if self.scores else None
        about = {
            "game": self.config.game,
            "algorithm": self.config.algorithm,
            "agent_steps": self.steps,
            "core_hours": round(self.core_seconds / 3600, 3),
            "training_score": score,
        }
        save_policy(self.acting_network(), self.folder / "policy", about)

    def load(self) -> None:
        """Goes on with the folder's run, if there is one."""
        path = self.folder / "state.safetensors"
        if not path.exists():
            return
        try:
            with safe_open(path, "pt") as file:
                config, counts = (json.loads(file.metadata()[key]) for key in ("config", "counts"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, *DAMAGED) as error:
            raise BadFileError(f"{path}: {error}; delete the folder to begin anew") from error
        mine = json.loads(json.dumps(asdict(self.config)))
        if config != mine:
            other = {key: config.get(key) for key in config.keys() | mine.keys() if config.get(key) != mine.get(key)}
            raise BadFileError(f"{self.folder} holds a run with other settings ({other}); take another --out")
        self.adopt(tensors)
        self.scores.extend(counts.pop("scores"))
        for name, value in counts.items():
            setattr(self, name, value)
        self._cut_log()

    def _cut_log(self) -> None:
        """Takes back the rows of a segment that was never saved."""
        path = self.folder / "log.jsonl"
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["agent_steps"] <= self.steps]
            with atomic_write(path) as unfinished:
                unfinished.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def optimiser_tensors(optimiser: torch.optim.Optimizer, prefix: str = "optimiser") -> dict[str, Tensor]:
    """An optimiser's moments as named tensors."""
    state = optimiser.state_dict()["state"]
    return {f"{prefix}.{n}.{key}": torch.as_tensor(value) for n, row in state.items() for key, value in row.items()}


def adopt_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str = "optimiser") -> None:
    """Gives an optimiser the moments that `optimiser_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(prefix + "."):
            number, key = name.removeprefix(prefix + ".").split(".")
            state.setdefault(int(number), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def named(prefix: str, module: torch.nn.Module) -> dict[str, Tensor]:
    """A module's tensors under a prefix."""
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def take(prefix: str, module: torch.nn.Module, tensors: dict[str, Tensor]) -> None:
    """Gives a module the tensors that `named` gave."""
    chosen = {name.removeprefix(prefix + "."): v for name, v in tensors.items() if name.startswith(prefix + ".")}
    module.load_state_dict(chosen)
