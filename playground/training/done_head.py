"""Teaches a checkpoint to tell when a part of a mission is done; all else that it has learnt stays as it is.

The agent plays BabyAI's levels whose missions have several parts. Upstream's verifier says when the part that the agent
reads is done, and goes on to the next one in its place; `playground.model.SubtaskDoneHead` learns from the trunk's
output. `playground train-done-head` does it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from playground import domains
from playground.agent import BatchAgent
from playground.demonstrations import default_root
from playground.demonstrations.packed import PackedTask
from playground.environment import DomainEnv
from playground.model import GeneralistModel, SubtaskDoneHead, from_pretrained, load_model, read_config, save_pretrained
from playground.model.checkpoint import check_new, copy_checkpoint
from playground.parallel import Workers, raise_failures, run_with_progress
from playground.task import TRAIN_SEEDS
from playground.tokens.timestep import TimestepSpec

LEVELS = {
    "babyai/BossLevel": 0.3,
    "babyai/BossLevelNoUnlock": 0.1,
    "babyai/MiniBossLevel": 0.35,
    "babyai/SynthSeq": 0.1,
    "babyai/GoToSeq": 0.05,
    "babyai/MoveTwoAcrossS8N9": 0.05,
    "babyai/OpenDoorsOrderN4": 0.05,
}
"""Where missions have several parts, and each level's share of the episodes."""

FIRST_SEED = 950_000
"""Training seeds from here on are for these worlds."""

WORLDS = 20
"""Worlds of one level that are stepped together, and episodes of a job."""

MOST_STEPS = 500
"""Steps of an episode, at most: the agent is lost by then, and nothing gets done any more."""

STEPS, BATCH, PEAK = 4000, 1024, 2e-3
"""Optimiser steps, examples in each, and the highest learning rate."""


@dataclass(frozen=True)
class _Job:
    task: str
    checkpoint: str
    seed: int
    root: Path


class _Supervised(BatchAgent):
    """An agent that the verifier tells what is done, and that remembers what the trunk gave when it was asked."""

    def __init__(self, model: GeneralistModel, envs: Sequence[DomainEnv]):
        super().__init__(
            model,
            TimestepSpec.from_spaces(envs[0].observation_space, envs[0].action_space),
            len(envs),
            envs[0].subtasks,
        )
        self._envs = envs
        self.outputs: list[Tensor] = []
        self.labels: list[bool] = []

    def _subtask_done(self, h: Tensor, rows: Sequence[int]) -> list[bool]:
        done = [self._envs[row].subtasks_done()[self._trackers[row].index] for row in rows]
        self.outputs += h.half().unbind()
        self.labels += done
        return [is_done and not self._envs[row].success for is_done, row in zip(done, rows, strict=True)]


def _play(job: _Job) -> tuple[np.ndarray, np.ndarray]:
    """Episodes of one level: the trunk's outputs float16 [N, D] and whether the part read was done, bool [N]."""
    task = domains.task(job.task)
    packed = PackedTask.open(job.root, job.task)
    rng = np.random.default_rng(job.seed)
    envs = [task.make(64) for _ in range(WORLDS)]
    agent = _Supervised(load_model(job.checkpoint), envs)
    choices = rng.choice(packed.demonstrations, WORLDS)
    agent.condition([packed.prompt(int(choice)) for choice in choices], range(WORLDS))
    seen = [env.reset(seed=job.seed + row)[0] for row, env in enumerate(envs)]
    running = list(range(WORLDS))
    for _ in range(min(task.max_steps, MOST_STEPS)):
        decisions = agent.act([seen[row] for row in running], running)
        ended = []
        for row, decision in zip(running, decisions, strict=True):
            seen[row], _, terminated, truncated, _ = envs[row].step(decision.action)
            if terminated or truncated:
                ended.append(row)
        if solved := [row for row in ended if envs[row].success]:
            agent.act([seen[row] for row in solved], solved)  # the last part is done
        running = [row for row in running if row not in ended]
        if not running:
            break
    for env in envs:
        env.close()
    return torch.stack(agent.outputs).numpy(), np.array(agent.labels)


def fit(reader: SubtaskDoneHead, outputs: Tensor, labels: Tensor, seed: int = 0) -> None:
    """Trains a reader on the trunk's outputs [N, D] and what was done, bool [N]."""
    from rich.progress import track

    generator = torch.Generator().manual_seed(seed)
    reader.requires_grad_(True)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=PEAK)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, STEPS)
    for _ in track(range(STEPS), "fitting"):
        chosen = torch.randint(len(outputs), (BATCH,), generator=generator)
        loss = F.binary_cross_entropy_with_logits(reader(outputs[chosen].float()), labels[chosen].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    reader.requires_grad_(False)


def train_done_head(
    checkpoint: Path, out: Path, episodes: int = 1600, root: Path | None = None, workers: Workers | None = None
) -> tuple[float, float]:
    """Trains the `SubtaskDoneHead` of a checkpoint and writes the result as a new one.

    Args:
        checkpoint: folder; its missions come from the levels of `LEVELS`, which must have been collected.
        out: folder of the new checkpoint.
        episodes: in all levels together, a tenth of which are kept back to measure.
        root: where the demonstrations lie that the agent is prompted with; a cache folder of the user's by default.
        workers: processes, or a cluster's address; all cores by default.

    Returns:
        Of the episodes kept back: the share of what was done that is told, and of what is told that was done.

    Raises:
        BadFileError: the checkpoint is missing or damaged, or a level has no demonstrations.
        BadValueError: `out` holds a checkpoint.
        PlaygroundError: something else went wrong in a level.
    """
    check_new(out)
    jobs = []
    for number, (id, share) in enumerate(LEVELS.items()):
        first = FIRST_SEED + number * 7_000
        count = max(1, round(share * episodes / WORLDS))
        jobs += [_Job(id, str(checkpoint), first + WORLDS * i, root or default_root()) for i in range(count)]
    assert jobs[-1].seed + WORLDS <= TRAIN_SEEDS.stop
    parts: list[tuple[np.ndarray, np.ndarray]] = []

    def keep(job: _Job, part: tuple[np.ndarray, np.ndarray]) -> str:
        parts.append(part)
        return ""

    raise_failures(run_with_progress(_play, jobs, workers, keep), len(LEVELS))
    kept, learnt = parts[::10], [part for i, part in enumerate(parts) if i % 10]
    model = from_pretrained(checkpoint)
    fit(model.done_reader, *_joined(learnt))
    outputs, labels = _joined(kept)
    with torch.inference_mode():
        told = model.done_reader(outputs.float()) > 0
    both = float((told & labels).sum())
    copy_checkpoint(checkpoint, out)
    save_pretrained(model, out, read_config(checkpoint)[1])
    return both / max(1, int(labels.sum())), both / max(1, int(told.sum()))


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    outputs, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return torch.from_numpy(outputs), torch.from_numpy(labels)
