"""Trains the head that tells when a subtask of an instruction is done; all other weights stay as they are.

The agent plays tasks whose instructions have several subtasks. The environment says when the one that the agent reads
is done, and the agent goes on to the next; `playground.model.SubtaskDoneHead` learns this from the trunk's output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from playground.errors import BadValueError
from playground.model import GeneralistModel, SubtaskDoneHead, from_pretrained, load_model, read_config, save_pretrained
from playground.model.checkpoint import check_new, copy_checkpoint
from playground.parallel import Workers, raise_failures, run_with_progress
from playground.rollout import EpisodeSpec, Rollout
from playground.settings import POSITIVE, check_range
from playground.task import TRAIN_SEEDS
from playground.tokens.timestep import TimestepSpec

FIRST_SEED = 950_000
"""Training seeds from here on are for these episodes."""

SEEDS_PER_LEVEL = 7_000
"""Seeds set aside for each level."""


@dataclass(frozen=True)
class DoneHeadSettings:
    """How the head is trained.

    Attributes:
        levels: task whose instructions have several subtasks -> its share of the episodes.
        worlds: environments of one level that are stepped together, and episodes of a job.
        max_steps: steps of an episode, at most: the agent is lost by then, and nothing gets done any more.
        steps: optimiser steps.
        batch: examples of each.
        learning_rate: the highest one.
    """

    levels: Mapping[str, float] = field(
        default_factory=lambda: {
            "babyai/BossLevel": 0.3,
            "babyai/BossLevelNoUnlock": 0.1,
            "babyai/MiniBossLevel": 0.35,
            "babyai/SynthSeq": 0.1,
            "babyai/GoToSeq": 0.05,
            "babyai/MoveTwoAcrossS8N9": 0.05,
            "babyai/OpenDoorsOrderN4": 0.05,
        }
    )
    worlds: int = 20
    max_steps: int = 500
    steps: int = 4000
    batch: int = 1024
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        check_range(self, ("worlds", "max_steps", "steps", "batch"), 1, label="done head")
        check_range(self, ("levels", "learning_rate"), POSITIVE, label="done head")
        if not self.levels:
            raise BadValueError("the subtask-done head has no levels to be trained on; give one or more")


@dataclass(frozen=True)
class _Job:
    task: str
    checkpoint: str
    seed: int
    root: Path
    settings: DoneHeadSettings


class _Supervised(BatchAgent):
    """An agent that the environments tell what is done, and that keeps the trunk's outputs of these moments."""

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
    """Episodes of one level: the trunk's outputs float16 [N, D] and whether the subtask read was done, bool [N]."""
    task, worlds = domains.task(job.task), job.settings.worlds
    packed = PackedTask.open(job.root, job.task)
    chosen = np.random.default_rng(job.seed).choice(packed.demonstrations, worlds)
    specs = [EpisodeSpec(job.seed + i, prompt=packed.prompt(int(episode))) for i, episode in enumerate(chosen)]
    envs = [task.make(64) for _ in range(worlds)]
    try:
        agent = _Supervised(load_model(job.checkpoint), envs)
        run = Rollout(envs, specs, agent, task)
        for row, event in run:
            if event.done and event.success:
                agent.act([event.observation], [row])  # the last subtask is done
            elif event.t == job.settings.max_steps:
                run.end(row)
    finally:
        for env in envs:
            env.close()
    return torch.stack(agent.outputs).numpy(), np.array(agent.labels)


def fit(head: SubtaskDoneHead, outputs: Tensor, labels: Tensor, settings: DoneHeadSettings, seed: int = 0) -> None:
    """Trains a head on the trunk's outputs [N, D] and what was done, bool [N]."""
    from rich.progress import track

    generator = torch.Generator().manual_seed(seed)
    head.requires_grad_(True)
    optimizer = torch.optim.AdamW(head.parameters(), lr=settings.learning_rate)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, settings.steps)
    for _ in track(range(settings.steps), "fitting"):
        chosen = torch.randint(len(outputs), (settings.batch,), generator=generator)
        loss = F.binary_cross_entropy_with_logits(head(outputs[chosen].float()), labels[chosen].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    head.requires_grad_(False)


def train_done_head(
    checkpoint: Path,
    out: Path,
    episodes: int = 1600,
    root: Path | None = None,
    workers: Workers | None = None,
    settings: DoneHeadSettings | None = None,
) -> tuple[float, float]:
    """Trains the `SubtaskDoneHead` of a checkpoint and writes the result as a new one.

    Args:
        checkpoint: folder.
        out: folder of the new checkpoint.
        episodes: in all levels together; a tenth of them are held out to measure.
        root: where the demonstrations of the levels lie, for prompts; a cache folder of the user's by default.
        workers: processes, or a cluster's address; all cores by default.
        settings: how; the defaults if left out.

    Returns:
        Recall and precision on the held-out episodes.

    Raises:
        BadFileError: the checkpoint is missing or damaged, or a level has no demonstrations.
        BadValueError: `out` holds a checkpoint.
        PlaygroundError: a level failed.
    """
    check_new(out)
    settings, root = settings or DoneHeadSettings(), root or default_root()
    jobs = []
    for number, (id, share) in enumerate(settings.levels.items()):
        first = FIRST_SEED + number * SEEDS_PER_LEVEL
        count = max(1, round(share * episodes / settings.worlds))
        seeds = range(first, first + count * settings.worlds, settings.worlds)
        jobs += [_Job(id, str(checkpoint), seed, root, settings) for seed in seeds]
    assert jobs[-1].seed + settings.worlds <= TRAIN_SEEDS.stop
    parts: list[tuple[np.ndarray, np.ndarray]] = []

    def keep(job: _Job, part: tuple[np.ndarray, np.ndarray]) -> str:
        parts.append(part)
        return ""

    raise_failures(run_with_progress(_play, jobs, workers, keep), len(settings.levels))
    held_out, learnt = parts[::10], [part for i, part in enumerate(parts) if i % 10]
    model = from_pretrained(checkpoint)
    fit(model.subtask_done_head, *_joined(learnt), settings)
    outputs, labels = _joined(held_out)
    with torch.inference_mode():
        predicted = model.subtask_done_head(outputs.float()) > 0
    both = float((predicted & labels).sum())
    copy_checkpoint(checkpoint, out)
    save_pretrained(model, out, read_config(checkpoint)[1])
    return both / max(1, int(labels.sum())), both / max(1, int(predicted.sum()))


def _joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    outputs, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return torch.from_numpy(outputs), torch.from_numpy(labels)
