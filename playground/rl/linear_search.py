"""Searches for a linear policy of a MuJoCo body by the cross-entropy method, for bodies that PPO does not learn.

    python -m playground.rl.linear_search Swimmer --generations 60 --out assets/experts/Swimmer.safetensors

A swimmer's stroke pays only over seconds, which the discount of a critic hides; a few numbers that are judged by whole
episodes find it (Mania et al. 2018 report the same of random search). `P` candidates, `F` features, `A` actions.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from playground.domains.mujoco.bodies import BODIES
from playground.domains.mujoco.tasks import EXPERTS
from playground.domains.mujoco.vector_bodies import EPISODE_STEPS, VectorLocomotion
from playground.errors import BadValueError
from playground.files import atomic_write


@dataclass(frozen=True)
class SearchConfig:
    """Settings of one search.

    Attributes:
        task: a trained body of gymnasium's, such as `Swimmer`.
        generations: how often candidates are drawn.
        candidates: P.
        elite: how many of the best make the next generation's distribution.
        starts: episodes of each candidate.
        spread: standard deviation of every weight at first.
        noise: added to the standard deviation, falling to 0 in the middle of the search.
        seed: of everything.
    """

    task: str
    generations: int = 60
    candidates: int = 64
    elite: int = 10
    starts: int = 2
    spread: float = 1.0
    noise: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task not in BODIES:
            raise BadValueError(f"no trained body {self.task!r}; take one of {', '.join(BODIES)}")
        if not 1 < self.elite <= self.candidates:
            raise BadValueError(f"elite is {self.elite} of {self.candidates} candidates; give 2 to {self.candidates}")


def returns_of(bodies: VectorLocomotion, weights: np.ndarray) -> np.ndarray:
    """Mean returns [P] of linear policies [P, A, F + 1] over B / P whole episodes each; the last column is a bias."""
    bodies.restart(np.ones(bodies.count, bool))
    each = np.repeat(weights, bodies.count // len(weights), axis=0)
    total, going = np.zeros(bodies.count), np.ones(bodies.count, bool)
    for _ in range(EPISODE_STEPS):
        actions = np.einsum("baf,bf->ba", each[..., :-1], bodies.features()) + each[..., -1]
        reward, _, ended = bodies.step(np.clip(actions, -1, 1))
        total += reward * going
        going &= ~ended
        if not going.any():
            break
    return total.reshape(len(weights), -1).mean(1)


def search(config: SearchConfig, out: Path, tell: Callable[[str], None] = print) -> float:
    """Searches, and writes the mean of the distribution whenever it is better than before; returns its best return.

    Args:
        config: the settings.
        out: the expert's file, as `PolicyExpert` plays it; gone on from if it is there.
        tell: is called with a line of each generation.
    """
    random = np.random.default_rng(config.seed)
    bodies = VectorLocomotion(config.task, config.candidates * config.starts, config.seed)
    shape = (bodies.actions, bodies.features().shape[1] + 1)
    mean, std, best = np.zeros(shape), np.full(shape, config.spread), -np.inf
    if out.exists():
        with safe_open(out, "np") as file:
            about: dict[str, Any] = json.loads(file.metadata()["config"])
            mean = np.concatenate([file.get_tensor("weight0"), file.get_tensor("bias0")[:, None]], axis=1)
        best, std = about["score"], np.full(shape, config.noise)
    for generation in range(config.generations):
        candidates = random.normal(mean, std, (config.candidates, *shape))
        candidates[0] = mean
        returns = returns_of(bodies, candidates)
        if generation and returns[0] > best:
            best = float(returns[0])
            _export(out, config, mean, best, generation)
        chosen = candidates[np.argsort(returns)[-config.elite :]]
        noise = config.noise * max(0.0, 1 - 2 * generation / config.generations)
        mean, std = chosen.mean(0), chosen.std(0) + 0.1 * noise
        tell(
            f"{config.task}  {generation:3}  best {returns.max():8.1f}  mean policy {returns[0]:8.1f}  kept {best:8.1f}"
        )
    return best


def _export(out: Path, config: SearchConfig, weights: np.ndarray, score: float, generation: int) -> None:
    size = weights.shape[1] - 1
    steps = generation * config.candidates * config.starts * EPISODE_STEPS
    about = {"task": config.task, "activation": "none", "timesteps": steps, "score": score}
    tensors = {
        "mean": np.zeros(size, np.float32),
        "std": np.ones(size, np.float32),
        "weight0": weights[:, :-1].astype(np.float32),
        "bias0": weights[:, -1].astype(np.float32),
    }
    with atomic_write(out) as unfinished:
        save_file(
            {name: np.ascontiguousarray(value) for name, value in tensors.items()},
            unfinished,
            {"config": json.dumps(about)},
        )


def main() -> None:
    """Runs one search from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=BODIES)
    parser.add_argument("--generations", type=int, default=60)
    parser.add_argument("--out", type=Path, help="expert file; default assets/experts/TASK.safetensors")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    out = given.out or EXPERTS / f"{given.task}.safetensors"
    search(SearchConfig(given.task, given.generations, seed=given.seed), out, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
