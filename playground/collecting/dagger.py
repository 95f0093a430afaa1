"""DAgger (Ross, Gordon and Bagnell, 2011): the agent acts, the expert labels every state that it gets into.

A clone of perfect episodes alone never learns what to do after its own small errors. The expert acts for some steps now
and then, which shows how one comes back from there.

Random actions may act in the agent's place. A body that always moves to where its expert sends it teaches a clone to go
on as it moves; pushed about at random, it teaches to look where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from playground import domains
from playground.collecting.corrections import DaggerSettings, corrected_episodes
from playground.collecting.swapping import Pair, corrected_swaps
from playground.collecting.takeover import siblings
from playground.demonstrations import PackedTask, default_root, packed_tasks
from playground.demonstrations.packed import write_shard
from playground.episode import Episode
from playground.errors import BadFileError, BadValueError, PlaygroundError
from playground.model import load_model
from playground.parallel import Workers, raise_failures, run_with_progress
from playground.task import TRAIN_SEEDS

RANDOM = "random"
"""Given in place of a checkpoint: random actions, each held for some steps."""

FIRST_SEED = 900_000
"""Training seeds from here on are for environments that the agent acts in."""


@dataclass(frozen=True)
class _Job:
    task: str
    checkpoint: str | None
    root: Path
    seed: int
    swaps: bool
    settings: DaggerSettings

    @property
    def folder(self) -> Path:
        kind = "swapped" if self.swaps else "chance" if self.checkpoint == RANDOM else "dagger"
        return self.root / self.task / f"{kind}-{self.seed:06d}"


def dagger(
    tasks: str,
    checkpoint: str | Path | None = None,
    episodes: int = 48,
    seed: int = 0,
    root: Path | None = None,
    workers: Workers | None = None,
    swaps: bool = False,
    settings: DaggerSettings | None = None,
) -> None:
    """Lets an agent act on tasks that have collected demonstrations, and adds shards with the expert's labels.

    Args:
        tasks: glob of task ids, several separated by commas.
        checkpoint: of the agent; the shipped one by default. `RANDOM` lets random actions act.
        episodes: per task, rounded up to full shards. Shards that exist are not collected again.
        seed: of the first episode, counted from `FIRST_SEED`; another one adds to what is there.
        root: where the demonstrations lie; a cache folder of the user's by default.
        workers: processes, or a cluster's address; all cores by default.
        swaps: whether each prompt is swapped on the way for one of another task or goal of the scene; tasks without
            scene siblings are left out.
        settings: how; the defaults if left out.

    Raises:
        BadFileError: none of the tasks has demonstrations to prompt with (and siblings, if prompts are swapped).
        BadValueError: random actions are to have their prompts swapped, or there are not as many seeds.
        PlaygroundError: some tasks failed; all others were collected before this is raised.
    """
    root, settings = root or default_root(), settings or DaggerSettings()
    if swaps and checkpoint == RANDOM:
        raise BadValueError("random actions follow no prompt that could be swapped; give a checkpoint")
    last = TRAIN_SEEDS.stop - FIRST_SEED - settings.worlds * -(-episodes // settings.worlds)
    if not 0 <= seed <= last:
        raise BadValueError(f"the first episode's seed is {seed}, of {episodes} episodes; give 0 to {last}")
    packed = packed_tasks(root)
    found = [id for id in domains.matching(packed, tasks) if not swaps or _packed_siblings(id, packed)]
    if not found:
        raise BadFileError(f"{root}: no demonstrations of {tasks} to prompt the agent with; collect them first")
    folder = None if checkpoint is None else str(checkpoint)
    seeds = range(FIRST_SEED + seed, FIRST_SEED + seed + episodes, settings.worlds)
    jobs = [_Job(id, folder, root, first, swaps, settings) for id in found for first in seeds]
    jobs = [job for job in jobs if not job.folder.exists()]
    raise_failures(run_with_progress(_work, jobs, workers, lambda job, _: ""), len(found))


def _packed_siblings(id: str, packed: Sequence[str]) -> list[str]:
    """The tasks with demonstrations whose prompts can come before this one's."""
    return [sibling.id for sibling in siblings(domains.task(id)) if sibling.id in packed]


def _work(job: _Job) -> None:
    """The job of one worker process."""
    episodes, loss_starts = _swapped(job) if job.swaps else (_corrected(job), [])
    if not episodes:
        reason = "no prompt could be swapped for one of it" if job.swaps else "the expert could save no episode"
        raise PlaygroundError(f"{job.task}: {reason}; leave this task out")
    grouped, planned = domains.task(job.task).hidden_goal, job.settings.worlds
    write_shard(job.folder, episodes, grouped, planned, is_demonstration=False, loss_start=loss_starts)


def _corrected(job: _Job) -> list[Episode]:
    task, settings = domains.task(job.task), job.settings
    packed = PackedTask.open(job.root, job.task)
    chosen = np.random.default_rng(job.seed).choice(packed.demonstrations, settings.worlds)
    prompts = [packed.prompt(int(episode)) for episode in chosen]
    model = None if job.checkpoint == RANDOM else load_model(job.checkpoint)
    envs = [task.make(64) for _ in range(settings.worlds)]
    try:
        return corrected_episodes(task, envs, model, prompts, job.seed, settings)
    finally:
        for env in envs:
            env.close()


def _swapped(job: _Job) -> tuple[list[Episode], list[int]]:
    """Episodes, and how many first steps of each are context only."""
    rng = np.random.default_rng(job.seed)
    packed = PackedTask.open(job.root, job.task)
    firsts = [PackedTask.open(job.root, id) for id in _packed_siblings(job.task, packed_tasks(job.root))]
    count = max(1, job.settings.worlds // job.settings.swaps_per_world)
    pairs = [Pair.make(firsts[rng.integers(len(firsts))], packed) for _ in range(count)]
    try:
        found = corrected_swaps(pairs, load_model(job.checkpoint), job.seed, job.settings)
    finally:
        for pair in pairs:
            pair.close()
    return [takeover.episode for takeover in found], [takeover.loss_start for takeover in found]
